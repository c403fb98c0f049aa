"""Checkpoints on disk: verified, plain, and never half written.

`checkpoint_epoch_N.pt` is the state after N epochs, `checkpoint_epoch_N_batch_B.pt` the one B batches
later. The sha256 beside each is written first: a checkpoint that exists has one.
"""

import hashlib
import io
import pickle
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from workers.cli import WorkerError
from workers.data.generate import file_sha256
from workers.runtime.atomic import replace_text, replacing

NAME = re.compile(r"checkpoint_epoch_(\d+)(?:_batch_(\d+))?\.pt")
SUPERSEDED = "superseded"


class DamagedCheckpointError(WorkerError):
    """The file is torn, altered or no checkpoint of ours."""


class Position(NamedTuple):
    epoch: int  # completed
    batch: int  # done in the next one


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    epoch: int
    batch: int
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    schedule: dict[str, float]
    rng: dict[str, Any]
    loss_sums: dict[str, float]  # over the batches of the unfinished epoch
    history: dict[str, list[float]]
    train_seconds: float
    config: dict[str, Any]  # flat, for naming what differs
    config_hash: str


def checkpoint_path(directory: Path, position: Position) -> Path:
    middle = f"_batch_{position.batch}" if position.batch else ""
    return directory / f"checkpoint_epoch_{position.epoch}{middle}.pt"


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> Path:
    """Raises OSError: it could not be written, and those before it are as they were."""
    path = checkpoint_path(directory, Position(checkpoint.epoch, checkpoint.batch))
    # Into memory first: on a full disk torch's own writer fails with a RuntimeError that names no cause.
    content = io.BytesIO()
    # asdict would deep-copy every tensor.
    torch.save({field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}, content)
    with replacing(path) as file:
        file.write(content.getbuffer())
        digest = hashlib.sha256(content.getbuffer()).hexdigest()
        replace_text(_digest_path(path), f"{digest}  {path.name}\n")
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Raises DamagedCheckpointError unless the file is whole."""
    try:
        expected = _digest_path(path).read_text().split()[:1]
        if expected != [file_sha256(path)]:
            raise DamagedCheckpointError(f"{path} does not match its sha256")
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DamagedCheckpointError(f"{path} cannot be read: {error}") from error


def newest_checkpoint(directory: Path) -> tuple[Path, Checkpoint] | None:
    """Load the newest whole checkpoint; damaged newer ones are renamed and named on stderr."""
    for path in reversed(list_checkpoints(directory)):
        try:
            return path, load_checkpoint(path)
        except DamagedCheckpointError as error:
            damaged = path.rename(path.with_name(path.name + ".damaged"))
            print(
                f"damaged checkpoint: {error}; kept as {damaged.name}, trying the one before", file=sys.stderr
            )
    return None


def list_checkpoints(directory: Path) -> list[Path]:
    """Oldest first."""
    found = [path for path in directory.glob("checkpoint_epoch_*.pt") if NAME.fullmatch(path.name)]
    return sorted(found, key=position_of)


def position_of(path: Path) -> Position:
    match = NAME.fullmatch(path.name)
    assert match, path
    return Position(int(match[1]), int(match[2] or 0))


def prune_checkpoints(directory: Path, *, keep_last: int, keep_epochs: set[int]) -> None:
    """Remove all but the newest `keep_last` and those at the end of `keep_epochs`."""
    for path in list_checkpoints(directory)[:-keep_last]:
        position = position_of(path)
        if position.batch or position.epoch not in keep_epochs:
            path.unlink()
            _digest_path(path).unlink(missing_ok=True)


def set_aside(directory: Path, names: tuple[str, ...]) -> None:
    """Move the checkpoints and `names` of an earlier run out of a new one's way."""
    paths = [*list_checkpoints(directory), *(directory / name for name in names)]
    target = directory / SUPERSEDED
    for path in [*paths, *map(_digest_path, paths)]:
        if path.exists():
            target.mkdir(exist_ok=True)
            path.replace(target / path.name)


def _digest_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
