"""Kernel and picture in turns, on pictures held out: `ILIB_DATA=... python -m benchmarks.turns` (minutes).

Schedules of `ilib.gan.turns` from what Algorithm 2 finds, begun at the CNN of Table V (the pictures of
benchmarks.likely), from the likeliest codes with the kernel's evidence, from the kernel of a network, and from Xu et
al.'s kernels of training photographs behind drawn shakes, whose border is not periodic.  Nothing of a table is looked
at; the schedules that its rows have are the best here.  Writes results/calibration/turns.json, a start at a time; the
same command goes on where it was stopped.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.likely import held_out, rounded
from ilib import kernels
from ilib.blind import L0_GRADIENT, cautious, find_kernel, window
from ilib.data import load
from ilib.degrade import add_noise, quantise
from ilib.gan.restore import generator
from ilib.gan.turns import FROM_A_CLASSICAL_KERNEL, TURNS, TWICE, Turn, alternated, refined
from ilib.gan.weights import load_weights
from ilib.metrics import psnr, shift_psnr
from ilib.operators import Blur, CircularBlur
from ilib.priors import ours
from ilib.priors.aligned import centred, kernel_correlation
from ilib.priors.inputs import Untold

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "turns.json"
NETWORK, FIRST = ours.UNROLLED.format("cpu"), "dgp_5--cnn--svhn--cpu--s0"
KERNEL_NET = "dgp_5--network_turns--celeba--cpu--s0"
KEPT = Turn(None, 0.02)
SCHEDULES = {"kernel as it is": (KEPT,), "one turn": TURNS[:1], "two turns": TURNS[:2], "three turns": TURNS[:3],
             "four turns": TURNS, "four turns, each of 0.02": tuple(turn._replace(noise=0.02) for turn in TURNS),
             "six turns": TURNS[:3] + (TURNS[3],) * 3, "four turns, each twice": TWICE}  # fmt: skip
PHOTOGRAPHS, SIDE, LONGEST, NOISES, SEED = 8, 256, 27, (0.005, 0.02), 3


def told(y: Tensor, k: Tensor, noise: float) -> Tensor:
    """Restore with periodic borders by the unrolled network."""
    return generator(y, CircularBlur(k), weights=NETWORK, noise=noise)


def by_algorithm_2(y: Tensor, A: Untold) -> tuple[Tensor, Tensor]:
    """Start where Algorithm 2 ends."""
    return ours.freed(y, A, weights=FIRST)


def by_network(y: Tensor, A: Untold) -> tuple[Tensor, Tensor]:
    """Start at the kernel that a network finds, with the picture that the unrolled one makes with it."""
    k = load_weights(KERNEL_NET)[0].kernel(y)
    return told(y, k, ours.NETWORK_TURNS[0].noise), k


STARTS = {"svhn": ("svhn", "Algorithm 2", by_algorithm_2), "celeba": ("celeba", "Algorithm 2", by_algorithm_2),
          "shoes": ("shoes", "Algorithm 2", by_algorithm_2),
          "svhn, evidence": ("svhn", "likeliest codes, with the kernel's evidence", ours.evident),
          "celeba, network": ("celeba", "kernel by a network", by_network),
          "shoes, network": ("shoes", "kernel by a network", by_network)}  # fmt: skip


@torch.no_grad()
def beyond(family: str, label: str, start: Callable[[Tensor, Untold], tuple[Tensor, Tensor]]) -> dict[str, object]:
    """Return the PSNR over pictures held out of a set, for a start and for each schedule after it."""
    pairs = held_out(family)
    x, y, A = pairs.pictures.x, pairs.y, Untold(pairs.A.kernel, f"{family}/cpu")
    first = start(y, A)
    found = {label: first}
    for name, turns in SCHEDULES.items():
        found[name] = centred(*alternated(y, *first, told, turns))
    return {name: {"psnr": rounded(psnr(x_hat, x), 2),
                   "kernel_correlation": rounded(kernel_correlation(k, A.kernel), 3)}
            for name, (x_hat, k) in found.items()}  # fmt: skip


def beyond_a_classical_kernel() -> dict[str, object]:
    """Return the gains in dB over y, at the best shift, for each noise: of ilib.blind.cautious and of each schedule."""
    large, margin = load("bsds500/train", size=SIDE + 2 * LONGEST, n=PHOTOGRAPHS).x, slice(LONGEST, -LONGEST)
    k = kernels.motion(LONGEST, PHOTOGRAPHS, seed=5, length=torch.linspace(6, 24, PHOTOGRAPHS), anxiety=0.03).float()
    x, found = large[..., margin, margin], {}
    for noise in NOISES:
        torch.manual_seed(SEED)
        y = quantise(add_noise(Blur(k, "reflect")(large), noise)).clamp(0, 1)[..., margin, margin]
        before, first = shift_psnr(y, x), find_kernel(y, window(y, LONGEST), L0_GRADIENT)
        restored = {"Xu et al.": cautious(y, None, prior="l0_gradient", size=LONGEST)[0]}
        for name, turns in SCHEDULES.items():
            turns = FROM_A_CLASSICAL_KERNEL[:1] + (turns if turns != (KEPT,) else ())
            restored[name] = torch.cat([refined(one[None], kernel[None], NETWORK, turns).x
                                        for one, kernel in zip(y, first, strict=True)])  # fmt: skip
        for name, x_hat in restored.items():
            found.setdefault(name, {})[f"{noise:g}"] = rounded(shift_psnr(x_hat.clamp(0, 1), x) - before, 2)
    return found


def main() -> None:
    content = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    trials = {name: partial(beyond, *start) for name, start in STARTS.items()}
    for name, trial in (trials | {"photographs": beyond_a_classical_kernel}).items():
        if name not in content:
            content[name] = trial()
            print(name, list(content[name]))
            OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
