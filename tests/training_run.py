"""A tiny training as a process of its own: python -m tests.training_run CHECKPOINT WEIGHTS [steps]."""

import os
import sys
import time
from functools import partial
from pathlib import Path

import torch

from ilib.data import load
from ilib.degrade import Measurement
from ilib.gan.recipes.cnn import CNN
from ilib.gan.settings import Settings
from ilib.gan.sources import Photographs
from ilib.gan.train import Session, Trained, train
from ilib.kernels import motion
from ilib.networks import ResNet
from ilib.operators import CircularBlur

TINY = Settings(steps=40, batch=4, crop=16, lr=1e-3, held_out=1, evaluate_every=20, checkpoint_every=0)


class Slow(CNN):
    """The same recipe, slow enough to be killed in the middle."""

    def losses(self, *arguments: object) -> dict[str, torch.Tensor]:
        time.sleep(0.02)
        return super().losses(*arguments)


def camera() -> Measurement:
    return Measurement(CircularBlur(motion(9, length=7, seed=3).float()), noise=0.01)


def run(settings: Settings, checkpoint: Path | None = None, recipe: type = CNN) -> Trained:
    source = Photographs(load("embedded/train", size=32), camera())
    session = Session(checkpoint, progress=False)
    return train(recipe(partial(ResNet, 4, 1)), source, settings, session)


def weights_of(trained: Trained) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in trained.networks["generator"].parameters()])


if __name__ == "__main__":
    torch.set_num_threads(1)
    few = Settings(**{**vars(TINY), "steps": int(sys.argv[3])}) if sys.argv[3:] else TINY
    checkpoint = Path(sys.argv[1]) if sys.argv[1] != "none" else None
    trained = run(few, checkpoint, CNN if sys.argv[3:] else Slow)
    print("training in process", os.environ.get("RANK", 0), flush=True)
    if trained.main:
        torch.save(weights_of(trained), sys.argv[2])
