"""Measure blind deblurring on real pictures: `python -m benchmarks.blind` (half an hour on one core; needs ILIB_DATA).

levin09: the error ratio of each of the 32 shaken pictures, that is the squared error of the blind result over that of
the same non-blind deconvolution with the true kernel, each under its best shift.  text_bmvc2015: the gain in PSNR,
under its best shift, on the first 20 pairs.  Nothing was tuned on these pictures (benchmarks/calibrate_blind.py).
Writes results/benchmarks/blind.json, one method at a time, which a chapter reads.
"""

import argparse
import json
import time
from pathlib import Path

from ilib import blind
from ilib.data import levin09, text_pairs
from ilib.metrics import shift_error, shift_psnr

OUTPUT = Path(__file__).parents[1] / "results" / "benchmarks" / "blind.json"
METHODS = {
    "L0 gradient": blind.L0_GRADIENT,
    "L0 intensity and gradient": blind.L0_TEXT,
    "L0 dark channel": blind.DARK_CHANNEL,
}
LEVIN_SIZE, TEXT_SIZE, TEXT_COUNT, TEXT_SHIFT = 27, 31, 20, 8


def on_levin(settings: blind.Settings, count: int) -> dict[str, object]:
    """Return the error ratios of the first `count` pictures, kernels varying fastest."""
    data = levin09()
    x = data.sharp.repeat_interleave(len(data.kernels), 0)[:count]
    kernels = data.kernels.float().repeat(len(data.sharp), 1, 1)[:count]
    y = data.blurred.flatten(0, 1)[:count]
    start = time.perf_counter()
    found = blind.blind_deblur(y, LEVIN_SIZE, settings)
    seconds = time.perf_counter() - start
    ratio = shift_error(found.x, x) / shift_error(blind.deconvolved(y, kernels, settings.noise), x)
    return {
        "ratios": [round(float(r), 2) for r in ratio],
        "median": round(float(ratio.median()), 2),
        "below_3": int((ratio < 3).sum()),
        "seconds_a_picture": round(seconds / count, 1),
    }


def on_text(settings: blind.Settings, count: int) -> dict[str, object]:
    """Return the PSNR of input, blind result and true-kernel deconvolution on text, each under its best shift."""
    pairs = text_pairs(count)
    x, y = pairs.sharp.x, pairs.blurred.x
    found = blind.blind_deblur(y, TEXT_SIZE, settings)
    rows = {"input": y, "blind": found.x, "true kernel": blind.deconvolved(y, pairs.kernels, settings.noise)}
    scores = {name: shift_psnr(z.clamp(0, 1), x, TEXT_SHIFT) for name, z in rows.items()}
    gain = scores["blind"] - scores["input"]
    summary: dict[str, object] = {name: round(float(s.mean()), 2) for name, s in scores.items()}
    summary |= {"gain": round(float(gain.mean()), 2), "median_gain": round(float(gain.median()), 2)}
    return summary | {"gains": [round(float(g), 2) for g in gain]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=METHODS, action="append", help="only these, the others stay as they are")
    parser.add_argument("--count", type=int, default=32, help="pictures of levin09")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the JSON goes")
    options = parser.parse_args()
    content = json.loads(options.output.read_text()) if options.output.exists() else {}
    for name in options.method or METHODS:
        levin, text = on_levin(METHODS[name], options.count), on_text(METHODS[name], TEXT_COUNT)
        print(name, levin, text, flush=True)
        content[name] = {"levin09": {"n": options.count, "size": LEVIN_SIZE} | levin,
                         "text": {"n": TEXT_COUNT, "size": TEXT_SIZE, "shift": TEXT_SHIFT} | text}  # fmt: skip
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
