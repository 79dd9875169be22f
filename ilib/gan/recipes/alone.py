"""What recipes without a critic share: one network, the generator."""

from collections.abc import Callable

from torch import nn


class Alone:
    """A recipe that trains a generator by itself; subclasses give `losses`."""

    def __init__(self, generator: Callable[[], nn.Module]) -> None:
        self.generator = generator

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator()}
