"""Kernel and picture in turns, on pictures held out: `ILIB_DATA=... python -m benchmarks.turns` (minutes).

Schedules of `ilib.gan.turns` from what Algorithm 2 finds, begun at the CNN of Table V (the pictures of
benchmarks.likely), from the likeliest codes with the kernel's evidence, from the kernel of a network (on 100 pictures),
and from Xu et al.'s kernels of training photographs behind drawn shakes, whose border is not periodic; and kernels of
house numbers that are joined.  Nothing of a table is looked at; over faces and shoes, and on house numbers, its rows
have settings within a tenth of a dB of the best here.  Writes results/calibration/turns.json, a start at a time; the
same command goes on where it was stopped.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.likely import N, held_out, rounded
from ilib import kernels
from ilib.blind import L0_GRADIENT, cautious, find_kernel, window
from ilib.data import load
from ilib.degrade import add_noise, quantise
from ilib.gan.restore import generator
from ilib.gan.turns import FROM_A_CLASSICAL_KERNEL, THRICE, TURNS, Turn, alternated, refined
from ilib.gan.weights import load_weights
from ilib.metrics import psnr, shift_psnr
from ilib.operators import Blur, CircularBlur
from ilib.priors import ours
from ilib.priors.aligned import centred, kernel_correlation
from ilib.priors.inputs import Untold
from ilib.results.runs import Pairs

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "turns.json"
NETWORK, FIRST = ours.UNROLLED.format("cpu"), "dgp_5--cnn--svhn--cpu--s0"
KERNEL_NET = "dgp_5--network_turns--celeba--cpu--s0"
NUMBERS_NET = "dgp_5--likely_network_turns--svhn--cpu--s0"
NETWORKS_N = 100  # pictures where a network begins: it is fast
KEPT = Turn(None, 0.02)
SCHEDULES = {"kernel as it is": (KEPT,), "one turn": TURNS[:1], "two turns": TURNS[:2], "three turns": TURNS[:3],
             "four turns": TURNS, "four turns, each of 0.02": tuple(turn._replace(noise=0.02) for turn in TURNS),
             "six turns": TURNS[:3] + (TURNS[3],) * 3,
             "four turns, each twice": tuple(turn for turn in TURNS for _ in range(2)),
             "four turns, each three times": THRICE}  # fmt: skip
JOINED = {"joined": {}, "no share of the network's": {"share": 0.0}, "a share of 0.2": {"share": 0.2},
          "a share of 0.5": {"share": 0.5}, "damping 0.05": {"damping": 0.05}, "damping 0.2": {"damping": 0.2},
          "noise 0.03": {"noise": 0.03}}  # fmt: skip
EASED = "four turns, each three times, and the kernel eased"  # after the last of the schedules
PHOTOGRAPHS, SIDE, LONGEST, NOISES, SEED = 8, 256, 27, (0.005, 0.02), 3


def told(y: Tensor, k: Tensor, noise: float) -> Tensor:
    """Restore with periodic borders by the unrolled network."""
    return generator(y, CircularBlur(k), weights=NETWORK, noise=noise)


def by_algorithm_2(y: Tensor, A: Untold) -> tuple[Tensor, Tensor]:
    """Start where Algorithm 2 ends."""
    return ours.freed(y, A, weights=FIRST)


def told_first(y: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """Start at a kernel, with the picture that the unrolled network makes with it."""
    return told(y, k, ours.NETWORK_TURNS[0].noise), k


def by_network(y: Tensor, A: Untold) -> tuple[Tensor, Tensor]:
    """Start at the kernel that a network finds."""
    return told_first(y, load_weights(KERNEL_NET)[0].kernel(y))


def by_network_and_mirror(y: Tensor, A: Untold) -> tuple[Tensor, Tensor]:
    """Start at the mean of the kernels that it finds in the pictures and in their mirror images."""
    return told_first(y, ours.read_off(y, KERNEL_NET))


STARTS = {
    "svhn": ("svhn", "Algorithm 2", by_algorithm_2),
    "celeba": ("celeba", "Algorithm 2", by_algorithm_2),
    "shoes": ("shoes", "Algorithm 2", by_algorithm_2),
    "svhn, evidence": ("svhn", "likeliest codes, with the kernel's evidence", ours.evident),
    "celeba, network": ("celeba", "kernel by a network", by_network),
    "shoes, network": ("shoes", "kernel by a network", by_network),
    "celeba, network and mirrors": ("celeba", "kernel by a network, its mirror images as well", by_network_and_mirror),
    "shoes, network and mirrors": ("shoes", "kernel by a network, its mirror images as well", by_network_and_mirror),
}


@torch.no_grad()
def beyond(family: str, label: str, start: Callable[[Tensor, Untold], tuple[Tensor, Tensor]]) -> dict[str, object]:
    """Return the PSNR over pictures held out of a set, for a start and for each schedule after it."""
    pairs = held_out(family, NETWORKS_N if "network" in label else N)
    y, A = pairs.y, Untold(pairs.A.kernel, f"{family}/cpu")
    first = start(y, A)
    found = {label: first}
    for name, turns in SCHEDULES.items():
        last = alternated(y, *first, told, turns)
        found[name] = centred(*last)
    k = ours.eased(last.kernel, "cpu")
    found[EASED] = centred(told(y, k, ours.LAST), k)
    return measured(found, pairs)


@torch.no_grad()
def of_joined_kernels() -> dict[str, object]:
    """Return the same for house numbers, whose kernel is joined from three, with one thing changed at a time."""
    pairs, how = held_out("svhn"), ours.Joined()
    y, A = pairs.y, Untold(pairs.A.kernel, "svhn/cpu")
    codes, read = ours.evident(y, A)[1], ours.read_off(y, NUMBERS_NET)
    found = {"kernel of the codes": alternated(y, y, codes, told, (Turn(None, how.noise),)),
             "kernel of the network": alternated(y, y, read, told, (Turn(None, how.noise),))}  # fmt: skip
    for name, changed in JOINED.items():
        found[name] = ours.joined(y, codes, read, told, "cpu", how._replace(**changed))
    return measured({name: centred(*one) for name, one in found.items()}, pairs)


def measured(found: dict[str, tuple[Tensor, Tensor]], pairs: Pairs) -> dict[str, object]:
    """Return the PSNR and the cosine of the kernels of each picture, as JSON has them."""
    x, kernel = pairs.pictures.x, pairs.A.kernel
    return {name: {"psnr": rounded(psnr(x_hat, x), 2), "kernel_correlation": rounded(kernel_correlation(k, kernel), 3)}
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
    others = {"svhn, joined": of_joined_kernels, "photographs": beyond_a_classical_kernel}
    for name, trial in (trials | others).items():
        if name not in content:
            content[name] = trial()
            print(name, list(content[name]))
            OUTPUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
