"""Where the codes of a prior's training set lie, fitted after its training: `python -m ilib.priors.codes numbers cpu`.

A VAE is meant to bring the codes of its pictures to N(0, I).  Where it has not, draws from N(0, I) are no pictures of
its kind.  The remedy of Ghosh et al. (2020, section 4): fit a density to the codes, and draw from that.  Here the
density is a Gaussian, N(m, C), so that G(m + C^(1/2) u) with u from N(0, I) is a prior of the same form.
"""

import argparse
import copy
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ..data.pictures import to_float
from ..gan.registry import Entry, read_registry, weights_folder
from ..gan.weights import load_weights, save_weights
from ..networks.vae import Codes
from ..results.runs import call_by_name
from .load import load_prior
from .plans import PLANS, plan_of, weights_name

AT_ONCE = 500  # pictures that are encoded together


@torch.no_grad()
def fitted(x: Tensor, encoder: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Codes:
    """Fit N(m, C) to q(z | x) averaged over a set: the covariance of the means, and the mean of the variances.

    x (N, ...), 8-bit pictures or kernels.  ValueError for no more pictures than z is long.
    """
    parts = [encoder(to_float(part) if part.dtype == torch.uint8 else part) for part in x.split(AT_ONCE)]
    mean, log_variance = (torch.cat([part[i] for part in parts]).double() for i in (0, 1))
    if len(mean) <= mean.shape[1]:
        raise ValueError(f"{len(mean)} pictures say nothing about codes of length {mean.shape[1]}; pass more")
    values, directions = torch.linalg.eigh(torch.cov(mean.T) + log_variance.exp().mean(0).diag())
    codes = Codes(mean.shape[1])
    codes.mean.copy_(mean.mean(0))
    codes.root.copy_(directions * values.sqrt() @ directions.T)
    return codes


def drawn_from(G: nn.Module, codes: Codes) -> nn.Module:
    """Return u -> G(mean + root u), as a change of its first layer.  ValueError where that is not linear in z."""
    G = copy.deepcopy(G)
    first = G.f[0] if hasattr(G, "f") else None
    if not isinstance(first, nn.Linear) or first.in_features != codes.latent:
        raise ValueError(f"{type(G).__name__} does not begin with a linear map of {codes.latent} values: these codes "
                         "belong to another generator")
    bias = first.bias + first.weight @ codes.mean
    first.weight = nn.Parameter(first.weight @ codes.root, requires_grad=False)
    first.bias = nn.Parameter(bias, requires_grad=False)
    return G


def codes_of(name: str, profile: str, folder: Path | None = None) -> Codes:
    """Load the codes of a prior.  FileNotFoundError where none are kept."""
    return load_weights(weights_name(name, profile, part="codes"), folder)[0]


def load_drawn(name: str, profile: str, folder: Path | None = None) -> nn.Module:
    """Load a prior; that of an autoencoder draws from where its codes lie.  Errors as ilib.priors.load.load_prior."""
    G = load_prior(weights_name(name, profile), folder)
    encoded = weights_name(name, profile, part="encoder") in read_registry(folder or weights_folder())
    return drawn_from(G, codes_of(name, profile, folder)) if encoded else G


def keep_codes(name: str, profile: str, seed: int = 0, folder: Path | None = None) -> Entry:
    """Fit the codes of a trained prior and save them beside it, with its entry's data and terms."""
    plan = plan_of(name, profile, seed)
    encoder, entry = load_weights(weights_name(name, profile, seed, "encoder"), folder)
    x = call_by_name(*plan.data)
    codes = fitted(x, encoder)
    own = {"network": "ilib.networks.vae.Codes", "arguments": {"latent": codes.latent},
           "recipe": ["ilib.priors.codes.fitted", {}]}  # fmt: skip
    kept = {key: value for key, value in entry.items() if key not in ("sha256", "bytes")}
    return save_weights(weights_name(name, profile, seed, "codes"), codes, kept | own, folder)


def main(words: list[str] | None = None) -> int:
    """Fit the codes of one prior."""
    parser = argparse.ArgumentParser(prog="python -m ilib.priors.codes", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", choices=PLANS)
    parser.add_argument("profile")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(words)
    try:
        entry = keep_codes(asked.name, asked.profile, asked.seed)
    except (ValueError, FileNotFoundError) as error:
        print(f"ilib.priors.codes: {error}", file=sys.stderr)
        return 1
    print(f"{weights_name(asked.name, asked.profile, asked.seed, 'codes')}: {entry['bytes']} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
