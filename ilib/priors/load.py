"""Trained priors by name: the decoder or generator, batch norm folded, weights fixed."""

import copy
from pathlib import Path

import torch
from torch import nn

from ..gan.weights import load_weights
from ..networks.fold import folded


def load_prior(weights: str, folder: Path | None = None) -> nn.Module:
    """Load a generator, as prior--numbers--cpu--s0: z (B, latent) -> pictures in [0, 1], or kernels.

    FileNotFoundError and ValueError where the file is missing or is not the one that the registry names.
    """
    return folded(load_weights(weights, folder)[0])


def halved(G: nn.Module) -> nn.Module:
    """Return a copy that computes in bfloat16."""
    return copy.deepcopy(G).to(torch.bfloat16)
