"""Messages to framed JSON and back.

A frame is `MAGIC`, the payload's length as four big-endian bytes, and the payload. A request carries
an id; the agent answers it with any number of `item` frames and one `reply` or `error` frame.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable
from typing import Any

from orchestrator.codec import WireError, build, encode
from orchestrator.wire import cleaning, host, keepalive, ownership, pruning, repository, results, workers

MAGIC = b"\x00orc"
FRAME_LIMIT_BYTES = 64 * 1024 * 1024
_HEADER = struct.Struct(">4sI")

MESSAGES: dict[str, type[Any]] = {
    name: value
    for module in (host, workers, repository, cleaning, pruning, results, keepalive, ownership)
    for name, value in vars(module).items()
    if isinstance(value, type) and dataclasses.is_dataclass(value)
}


def decode(document: object) -> Any:
    """The message a document encodes.

    Raises:
        WireError: unknown type, missing or extra field, or a value of the wrong shape.
    """
    if not isinstance(document, dict) or not isinstance(document.get("is"), str):
        raise WireError("not a message")
    cls = MESSAGES.get(document["is"])
    if cls is None:
        raise WireError(f"unknown message {document['is']!r}")
    return build(cls, {key: value for key, value in document.items() if key != "is"})


def frame(document: object) -> bytes:
    payload = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogateescape"
    )
    return _HEADER.pack(MAGIC, len(payload)) + payload


def read_frame(read_exactly: Callable[[int], bytes]) -> Any:
    """The next document; `read_exactly` blocks, and returns fewer bytes only at the end.

    Raises:
        EOFError: the stream ended between or within frames.
        WireError: the bytes are no frame.
    """
    header = read_exactly(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    magic, size = _HEADER.unpack(header)
    if magic != MAGIC or size > FRAME_LIMIT_BYTES:
        raise WireError(f"not a frame: {header!r}")
    payload = read_exactly(size)
    if len(payload) < size:
        raise EOFError
    return json.loads(payload.decode("utf-8", "surrogateescape"))


__all__ = ["FRAME_LIMIT_BYTES", "MAGIC", "MESSAGES", "WireError", "decode", "encode", "frame", "read_frame"]
