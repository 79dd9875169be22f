"""What a run shows while it trains: one line with the loss, the PSNR on held-out pictures and the time left."""

import sys

from tqdm import tqdm


class Progress:
    """A tqdm bar over the steps of a run, shown by the main process only."""

    def __init__(self, steps: int, done: int, shown: bool) -> None:
        terminal = sys.stderr.isatty()  # elsewhere (a notebook, a log) it is output like any other
        self.bar = tqdm(total=steps, initial=done, disable=not shown, unit="step", desc="training",
                        file=sys.stderr if terminal else sys.stdout,
                        mininterval=0.2 if terminal else 5.0)  # seconds between two drawings: a log keeps every one
        self.figures: dict[str, str] = {}

    def show(self, done: int, **figures: float) -> None:
        """Move to a step, with the latest figures beside it."""
        self.figures |= {name: f"{value:.4g}" for name, value in figures.items()}
        self.bar.set_postfix(self.figures, refresh=False)
        self.bar.update(done - self.bar.n)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
