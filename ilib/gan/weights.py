"""Trained weights: float16 in a safetensors file, with an entry in the registry beside it."""

import importlib
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import nn

from ..files import sha256_of, write_bytes
from .registry import WEIGHTS, Entry, add_entries, read_registry, weights_folder


def build_network(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Build a network by its dotted name in ilib, as ilib.networks.ResNet.  ValueError where it does not exist."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)(**arguments)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"the network {name} cannot be built with {arguments}: {error}") from error


def save_weights(name: str, network: nn.Module, entry: Entry, folder: Path | None = None) -> Entry:
    """Write a network's weights in float16, then their entry with checksum and size; both whole or not at all.

    OverflowError where a weight does not fit float16.
    """
    folder = folder or weights_folder()
    halves = {key: value.detach().cpu().half().contiguous() for key, value in network.state_dict().items()}
    wrong = [key for key, value in halves.items() if not value.isfinite().all()]
    if wrong:
        raise OverflowError(f"{', '.join(wrong)} of {name} holds NaN or leaves the range of float16: nothing is saved")
    content = save(halves)
    write_bytes(folder / f"{name}.safetensors", content)
    entry = {"sha256": sha256_of(content), "bytes": len(content), **entry}
    add_entries({name: entry}, folder)
    return entry


def load_weights(name: str, folder: Path | None = None) -> tuple[nn.Module, Entry]:
    """Load a trained network, in float32, ready to restore.  -> (network, its entry in the registry).

    FileNotFoundError that says what trains it; ValueError where the file is not the one that was registered.
    """
    folder = folder or weights_folder()
    path, entry = folder / f"{name}.safetensors", read_registry(folder).get(name)
    if entry is None or not path.is_file():
        raise FileNotFoundError(f"there are no weights {name}; train them from the project's folder with "
                                f"`{training_command(name)}`")
    content = path.read_bytes()
    if sha256_of(content) != entry["sha256"]:
        raise ValueError(f"{path.name} is not the file that the registry names (its sha256 differs): restore it from "
                         f"the repository, or delete it and run `{training_command(name)}`")
    network = build_network(entry["network"], entry["arguments"])
    network.load_state_dict({key: value.float() for key, value in load(content).items()})
    return network.eval().requires_grad_(False), entry


def training_command(name: str) -> str:
    """Return the command that trains weights by their name."""
    return f"snakemake {WEIGHTS}/{name}.safetensors"


