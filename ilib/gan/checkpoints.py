"""Checkpoints: the whole state of a run in one file, written whole or not at all."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from ..files import write_bytes

FORMAT = 1
State = dict[str, Any]


def save_checkpoint(path: Path, state: State, identity: dict[str, Any]) -> None:
    """Write the state of a run and what run it is."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "identity": identity, "state": state}, buffer)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path, identity: dict[str, Any]) -> State | None:
    """Read the state of a run; None where there is no file.  ValueError where it is not one, or another run's."""
    if not path.exists():
        return None
    advice = f"delete it to start over: {path}"
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        raise ValueError(f"the checkpoint cannot be read ({type(error).__name__}); {advice}") from error
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise ValueError(f"the checkpoint is not one of this version of ilib; {advice}")
    differs = [name for name in {**kept["identity"], **identity} if kept["identity"].get(name) != identity.get(name)]
    if differs:
        raise ValueError(f"the checkpoint belongs to another run ({', '.join(sorted(differs))} differ); go back to "
                         f"its settings, or {advice}")
    return kept["state"]
