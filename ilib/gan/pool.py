"""A pool of generated pictures, so that a critic does not forget what the generator used to make (Shrivastava, 2017).

    critic = Remembering(PatchGAN(64), Pool(50))
    critic(x)                             # the critic's figures, as without a pool
    critic.pool.exchange(x_hat, batch.u)  # what to show it in place of x_hat

The pool is part of the critic's state, so that a run that is resumed goes on as it would have.
"""

from typing import Any

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """The last generated pictures, `size` of them at most; 0: none is kept and the newest are shown.

    Filled first; then each new picture is shown itself with probability 1/2, and else takes the place of one that is
    kept, which is shown instead (physics-based GAN, section 5.2).  ValueError for a size that is no whole number.
    """

    def __init__(self, size: int = 50) -> None:
        super().__init__()
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ValueError(f"the pool's size is {size!r}; pass a whole number of pictures, 0 for none")
        self.size = size
        self.kept: list[Tensor] = []

    def exchange(self, made: Tensor, u: Tensor) -> Tensor:
        """Choose what the critic is shown.  made (B, C, H, W), u (B, ...) random in [0, 1) -> (B, C, H, W).

        The same u and the same history give the same choice.  ValueError for pictures of another size than those kept.
        """
        made, chances = made.detach(), u.flatten().tolist()
        if self.kept and self.size and self.kept[0].shape != made.shape[1:]:
            raise ValueError(f"the pool holds pictures of {tuple(self.kept[0].shape)}, not {tuple(made.shape[1:])}")
        return torch.stack([self._one(new, chance) for new, chance in zip(made, chances, strict=True)])

    def _one(self, new: Tensor, chance: float) -> Tensor:
        if len(self.kept) < self.size:
            self.kept.append(new)
            return new
        if chance < 0.5 or not self.size:
            return new
        place = int((2 * chance - 1) * self.size)
        old, self.kept[place] = self.kept[place].to(new), new
        return old

    def get_extra_state(self) -> dict[str, Any]:
        return {"kept": torch.stack(self.kept) if self.kept else torch.empty(0)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.kept = list(state["kept"])


class Remembering(nn.Module):
    """A critic with its pool; called, it is the critic."""

    def __init__(self, D: nn.Module, pool: Pool) -> None:
        super().__init__()
        self.D, self.pool = D, pool

    def forward(self, x: Tensor) -> Tensor:
        return self.D(x)


def pool_of(critic: nn.Module) -> Pool:
    """Return the pool of a critic, which several processes wrap."""
    return getattr(critic, "module", critic).pool
