"""Files that are either the old ones or the new ones, also after a crash or a power cut."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file beside `path` that replaces it, durably, when the block succeeds."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def remove_leftovers(directory: Path, prefix: str) -> None:
    """Remove temporary files that a killed process left of files whose names begin with `prefix`."""
    for path in directory.glob(f".{prefix}*.tmp"):
        path.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())


def replace_json(path: Path, value: Any) -> None:
    replace_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
