"""Fit the Gaussian mixtures of ilib.patch_prior that ilib.epll loads, and put them into data/weights.

    python -m benchmarks.patch_prior photographs    200 components, bsds500/train+test and cid22: needs ILIB_DATA
    python -m benchmarks.patch_prior embedded       50 components, on pictures that come with the project

The name that it prints ends in the first digits of the file's SHA-256, so that a row of a table, which names its prior,
is stale when the prior is fitted anew.  On two cores: nine minutes and one.
"""

import argparse
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch
from safetensors.torch import save

from ilib.data.pictures import Pictures, joined
from ilib.data.terms import terms_of
from ilib.files import sha256_of
from ilib.gan.registry import Entry
from ilib.gan.weights import save_weights
from ilib.patch_prior import Fit, GaussianMixture, fit
from ilib.results.digests import OUTSIDE_TRAINING, digest_of, reached_code
from ilib.results.project import project_folder
from ilib.results.runs import commit_of, device_name, software_versions
from ilib.results.training import pictures_of

STARTS = ("ilib.patch_prior.fit", "ilib.results.training.pictures_of")
RECIPE = "ilib.patch_prior.fit"
PRIORS: dict[str, tuple[Fit, list[dict[str, Any]]]] = {
    "photographs": (Fit(200, 400), [{"name": "bsds500/train+test"}, {"name": "cid22"}]),
    "embedded": (Fit(50, 200, 10_000), [{"name": "embedded/train"},
                                        {"name": "dead_leaves", "n": 48, "size": 128, "seed": 1}]),
}  # fmt: skip


def settings_of(name: str) -> dict[str, Any]:
    """Return what a prior is fitted with, as JSON can hold it."""
    how, data = PRIORS[name]
    return {"fit": asdict(how), "data": data}


def digests_of(name: str) -> dict[str, str]:
    """Return the digests that tell whether a prior is the one that today's settings and code would give."""
    return {"settings": digest_of(settings_of(name)), "code": digest_of(reached_code(STARTS, OUTSIDE_TRAINING))}


def entry_of(name: str, sets: list[Pictures], history: list[float], seconds: float) -> Entry:
    """Put together what the registry keeps of a prior."""
    how, data = PRIORS[name]
    about = [{**block, "pictures": len(p), "sha256": p.sha256, "terms": terms_of(block["name"])}
             for block, p in zip(data, sets, strict=True)]  # fmt: skip
    tail = history[-20:]
    return {
        "network": "ilib.patch_prior.GaussianMixture", "arguments": {"components": how.components},
        "recipe": [RECIPE, {}], "data": about, "settings": settings_of(name), "steps": how.steps,
        "log_likelihood": round(sum(tail) / len(tail), 3), "digest": digests_of(name), "seconds": round(seconds, 1),
        "device": device_name(torch.zeros(1)), "versions": software_versions(), "commit": commit_of(project_folder()),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip


def keep(name: str, mixture: GaussianMixture, entry: Entry) -> str:
    """Save a prior under a name that ends in the first digits of its SHA-256.  -> that name."""
    halves = {key: value.half().contiguous() for key, value in mixture.state_dict().items()}
    full = f"patch_prior--{name}--{sha256_of(save(halves))[:8]}"
    save_weights(full, mixture, entry)
    return full


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patch_prior", description="Fit a mixture.")
    parser.add_argument("name", choices=PRIORS)
    name = parser.parse_args(words).name
    how, data = PRIORS[name]
    sets, start, history = [pictures_of(block) for block in data], time.monotonic(), []
    for mixture, likelihood in fit(joined(sets), how):  # noqa: B007
        history.append(likelihood)
        if len(history) % 20 == 0:
            print(f"step {len(history)} of {how.steps}: log-likelihood of a patch {likelihood:.2f}", flush=True)
    print(keep(name, mixture, entry_of(name, sets, history, time.monotonic() - start)))


if __name__ == "__main__":
    main()
