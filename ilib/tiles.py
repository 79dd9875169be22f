"""A method run tile by tile, so that a picture of any size fits into memory, without seams."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .classical import Method, with_unknown_borders
from .operators import CircularConvolution

Window = tuple[int, int]  # first pixel, and the one after the last
SIDE = 512  # pixels along a tile, borders included


def windows(n: int, side: int, overlap: int) -> list[Window]:
    """Cover n pixels by windows of `side`, each sharing at least `overlap` with the next; one where n is no more.

    ValueError unless the overlap is smaller than the side.
    """
    if not 0 <= overlap < side:
        raise ValueError(f"an overlap of {overlap} pixels needs tiles of more than that, these have {side}")
    if n <= side:
        return [(0, n)]
    count = math.ceil((n - overlap) / (side - overlap))
    starts = [round(i * (n - side) / (count - 1)) for i in range(count)]
    return [(start, start + side) for start in starts]


def ramp(n: int, window: Window, reach: int, overlap: int) -> Tensor:
    """Weigh the pixels of a window: 0 within `reach` of an inner edge, 1 from `overlap - reach` on.  -> (length,)."""
    start, stop = window
    at = torch.arange(start, stop, dtype=torch.float32) + 0.5
    inside = torch.full_like(at, math.inf)
    if start > 0:
        inside = torch.minimum(inside, at - start)
    if stop < n:
        inside = torch.minimum(inside, stop - at)
    return ((inside - reach) / (overlap - 2 * reach)).clamp(0, 1)


def restore_in_tiles(
    method: Method, y: Tensor, A: CircularConvolution, *, noise: float, side: int = SIDE,
    progress: Callable[[list[tuple[Window, Window]]], Iterator[tuple[Window, Window]]] = iter,
) -> Tensor:  # fmt: skip
    """Restore a photograph of any size tile by tile, with_unknown_borders.  (B, C, H, W) -> the same.

    noise: the standard deviation of what was added to A x, for what lies beyond the borders of a tile.

    A pixel within one kernel of a tile's inner edge is dropped, since the blur has mixed it with what the tile does not
    see; beyond, neighbouring tiles are cross-faded over two more kernels.  A wide kernel makes the tiles larger:
    their sides are at least eight kernels.  progress wraps the list of tiles, as tqdm does.
    """
    reach = max(A.kernel.shape[-2:])
    side, overlap = max(side, 8 * reach), 4 * reach
    rows, columns = (windows(n, side, overlap) for n in y.shape[-2:])
    whole = with_unknown_borders(method, noise=noise)
    restored, total = torch.zeros_like(y), torch.zeros_like(y[:1, :1])
    for row, column in progress([(row, column) for row in rows for column in columns]):
        here = (..., slice(*row), slice(*column))
        vertical, horizontal = (ramp(n, w, reach, overlap) for n, w in zip(y.shape[-2:], (row, column), strict=True))
        weight = (vertical[:, None] * horizontal).to(y)
        restored[here] += weight * whole(y[here].contiguous(), A)
        total[here] += weight
    return restored.div_(total)
