"""What a step of training sees: sharp crops, what the camera saw of them, and the camera's operator."""

from dataclasses import dataclass, field, replace

from torch import Tensor

from ..operators import LinearOperator

PARTS = ("x", "y", "sigma", "u")  # one entry for each picture


@dataclass(frozen=True)
class Batch:
    """Sharp crops x and what the camera saw of them, y = A x + noise, each (B, C, H, W).

    A: None where the camera is no operator of ilib.  sigma (B, 1, 1, 1): standard deviation of all that was added to
    A x, rounding included; u (B, 1, 1, 1): a random number in [0, 1) for each crop, for recipes that draw (points
    between two pictures).  memo: what the turn of one network leaves for the next.
    """

    x: Tensor
    y: Tensor
    A: LinearOperator | None
    sigma: Tensor
    u: Tensor
    memo: dict[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, chosen: slice | Tensor) -> "Batch":
        """Choose pictures."""
        A = None if self.A is None else self.A[chosen]
        return replace(self, A=A, memo={}, **{name: getattr(self, name)[chosen] for name in PARTS})

    def split(self, size: int) -> list["Batch"]:
        """Cut into parts of a size."""
        return [self[i : i + size] for i in range(0, len(self.x), size)]
