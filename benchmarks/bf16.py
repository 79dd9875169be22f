"""What bfloat16 in the generator changes: `python -m benchmarks.bf16` (under a minute).

Algorithm 1 on the drawn numbers of Table V's smoke profile, restarts dropped, once with the generator of pictures in
bfloat16 (its last picture in float32) and once in float32 throughout.  Writes results/calibration/bf16.json.
"""

import json
from pathlib import Path

from ilib.metrics import psnr
from ilib.priors.inputs import blurred
from ilib.priors.methods import algorithm_1

OUTPUT = Path(__file__).parents[1] / "results" / "calibration" / "bf16.json"


def main() -> None:
    pairs, content = blurred("svhn/smoke", n=8), {}
    for kernels in ("blur", "unit_blur"):
        found = {bf16: algorithm_1(pairs.y, pairs.A, kernels=kernels, dropped=True, bf16=bf16)[0]
                 for bf16 in (False, True)}  # fmt: skip
        content[kernels] = {"bfloat16" if bf16 else "float32": [round(v, 3) for v in psnr(x, pairs.pictures.x).tolist()]
                            for bf16, x in found.items()}  # fmt: skip
        print(kernels, {name: round(sum(values) / len(values), 3) for name, values in content[kernels].items()})
    OUTPUT.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
