"""An unrolled network trained on, half of the kernels that it is told being those that another network reads."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...networks import Unrolled
from ...operators import CircularBlur
from ..batch import Batch
from ..turns import floored
from ..weights import load_weights
from .alone import Alone


class Misread(Alone):
    """Minimise the mean of |G(y, k) - x| over pixels, k the true kernel for half of a batch and read from y for the
    rest: who is told kernels that are not quite right learns how far to follow them.

    generator: builds an Unrolled network; start: weights of its form to begin with, reader: those of a KernelNetInside,
    which stay as they are, both by name; doubt: the least noise that it is told with a kernel that was read.
    FileNotFoundError and ValueError as load_weights has them; RuntimeError for a start of another form.
    """

    def __init__(self, generator: Callable[[], Unrolled], *, start: str, reader: str, doubt: float = 0.02) -> None:
        super().__init__(generator)
        self.start, self.doubt = start, doubt
        self.reader = load_weights(reader)[0]

    def networks(self) -> dict[str, nn.Module]:
        G = self.generator()
        G.load_state_dict(load_weights(self.start)[0].state_dict())
        return {"generator": G.requires_grad_(True)}

    def losses(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        A, sigma = self.told(batch)
        return {"l1": F.l1_loss(networks["generator"](batch.y, A, sigma), batch.x)}

    @torch.no_grad()
    def told(self, batch: Batch) -> tuple[CircularBlur, Tensor]:
        """Return what the network is told about a batch: kernels read from its first half, and sigma."""
        half = len(batch.y) // 2
        seen = self.reader.to(batch.y.device).kernel(batch.y[:half])[:, 1:, 1:]  # without what has no counterpart
        side = batch.A.kernel.shape[-1]
        margin, odd = divmod(seen.shape[-1] - side, 2)
        if odd or margin < 0:
            raise ValueError(f"the kernels have {side} x {side} pixels; an odd number up to {seen.shape[-1]} fits")
        true = F.pad(batch.A.kernel[half:], 4 * [margin])
        sigma = torch.cat((batch.sigma[:half].clamp(min=self.doubt), batch.sigma[half:]))
        return CircularBlur(torch.cat((floored(seen), true))), sigma
