"""Algorithm 1 from starts that are screened: many kernels are drawn, each with the picture that it leaves; not in the
paper.

A kernel k from its prior makes a picture of y by the Wiener filter, and an encoder says which z_i of the prior of
pictures comes closest to it.  Only a kernel near the truth leaves a picture that the prior knows, so that G(z_i) * k
explains y.  One such pair costs about as much as an iteration of one run.
"""

from collections.abc import Sequence
from dataclasses import asdict

import torch
from torch import Tensor, nn
from torch.fft import irfft2, rfft2

from ..gan.weights import load_weights
from ..operators import otf
from ..results.digests import digest_of, reached_code
from . import algorithm_1 as one
from .encoded import algorithm_1_from
from .inputs import DRAWN
from .latent import Generators, State, best, draws, in_chunks
from .methods import CHUNK, PRIORS, STEPS, _loaded, kept, stages_of, task_of
from .methods import algorithm_1 as unscreened
from .plans import weights_name

RATIO = 0.02  # of the powers of noise and picture in the Wiener filter
WITH_ENCODER = ("numbers",)  # the priors of pictures that are the decoder of an autoencoder


@torch.no_grad()
def screened_starts(
    y: Tensor, G: Generators, encoder: nn.Module, counts: tuple[int, int], seeds: Sequence[int], chunk: int = 4 * CHUNK
) -> State:
    """Draw kernels for each picture and keep the pairs of the smallest misfit.  y (B, C, H, W) -> z_i, z_k (B, R, l).

    counts: how many kernels are drawn for a picture, how many pairs are kept (R); seeds: one for each picture;
    chunk: pairs at once.
    """
    drawn, left = counts
    Y = rfft2(y)

    def tried(who: Tensor, part: State) -> State:
        kernel = G.kernel(part["z_k"])
        K = otf(kernel, *y.shape[-2:])
        x = irfft2(K.conj() * Y[who] / (K.abs() ** 2 + RATIO), s=y.shape[-2:])
        z_i = encoder(x.clamp(0, 1))[0]
        return {"z_i": z_i, "z_k": part["z_k"], "misfit": one.misfit(y[who], G.picture(z_i), kernel)}

    pairs = in_chunks(tried, {"z_k": draws(seeds, drawn, G.kernel.latent, 1).to(y)}, chunk)
    chosen = best(pairs, pairs["misfit"], left)
    return {name: chosen[name] for name in ("z_i", "z_k")}


def algorithm_1(
    y: Tensor, A: object, *, kernels: str = "blur", weight: float = 0.0, drawn: int = 1000
) -> tuple[Tensor, Tensor]:
    """Deblur by Algorithm 1 from screened starts, restarts dropped on the way, as a row of a table.

    y (B, C, H, W) -> x_hat, kernels (B, 28, 28).  drawn: kernels for each picture; otherwise as
    ilib.priors.methods.algorithm_1, which is what runs where the prior of pictures has no encoder.
    """
    task = task_of(A)
    if PRIORS[task.family] not in WITH_ENCODER:
        return unscreened(y, A, kernels=kernels, dropped=True, weight=weight)
    steps, names = task.steps(STEPS[task.family]), task.weights(kernels)
    gamma = weight * y.shape[-2] * y.shape[-1] or 0.01
    how = one.Descent(steps, stages_of(steps, True), decay=1000 * steps / STEPS[task.family], gamma=gamma, lam=gamma,
                      chunk=CHUNK, bf16=True)  # fmt: skip
    drawn = drawn // 10 if task.profile == DRAWN[0] else drawn

    def find() -> one.Found:
        G = Generators(*(_loaded(name, y.device) for name in names))
        encoder = load_weights(weights_name(PRIORS[task.family], task.profile, part="encoder"))[0].eval().to(y.device)
        start = screened_starts(y, G, encoder, (drawn, how.stages[0][1]), task.seeds)
        return algorithm_1_from(y, G, start, how)

    code = reached_code(("ilib.priors.screened.screened_starts", "ilib.priors.encoded.algorithm_1_from"))
    return kept({"algorithm": "screened", "weights": names, "how": asdict(how), "seeds": task.seeds, "drawn": drawn,
                 "code": digest_of(code)}, y, find)  # fmt: skip
