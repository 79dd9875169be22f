"""What bfloat16 in the generator changes: `python -m benchmarks.bf16` (under a minute).

Algorithms 1 and 2 on the drawn numbers of Table V's smoke profile, restarts dropped, once with the generator of
pictures in bfloat16 and once in float32 throughout.  Writes results/calibration/bf16.json.
"""

import json
from functools import partial
from pathlib import Path

from ilib.metrics import psnr
from ilib.priors.inputs import blurred
from ilib.priors.methods import algorithm_1, algorithm_2
from ilib.results.runs import Method

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "bf16.json"
METHODS: dict[str, tuple[str, Method]] = {
    "blur": ("svhn/smoke", partial(algorithm_1, kernels="blur")),
    "unit_blur": ("svhn/smoke", partial(algorithm_1, kernels="unit_blur")),
    "algorithm_2": ("celeba/smoke", algorithm_2),
}


def main() -> None:
    content = {}
    for name, (measured, method) in METHODS.items():
        pairs = blurred(measured, n=8)
        found = {bf16: method(pairs.y, pairs.A, dropped=True, bf16=bf16)[0] for bf16 in (False, True)}
        content[name] = {"bfloat16" if bf16 else "float32": [round(v, 3) for v in psnr(x, pairs.pictures.x).tolist()]
                         for bf16, x in found.items()}  # fmt: skip
        print(name, {kind: round(sum(values) / len(values), 3) for kind, values in content[name].items()})
    OUTPUT.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
