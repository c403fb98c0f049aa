"""Messages to framed JSON and back.

A frame is `MAGIC`, the payload's length as four big-endian bytes, and the payload. A request carries
an id; the agent answers it with any number of `item` frames and one `reply` or `error` frame.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from orchestrator.wire import host, repository, workers

MAGIC = b"\x00orc"
FRAME_LIMIT_BYTES = 64 * 1024 * 1024
_HEADER = struct.Struct(">4sI")

T = TypeVar("T")

MESSAGES: dict[str, type[Any]] = {
    name: value
    for module in (host, workers, repository)
    for name, value in vars(module).items()
    if isinstance(value, type) and dataclasses.is_dataclass(value)
}


class WireError(ValueError):
    """The other side does not speak this protocol."""


def encode(message: object) -> dict[str, Any]:
    """A message as JSON-ready values, with its type's name under `is`."""
    return {"is": type(message).__name__, **plain_fields(message)}


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


def plain_fields(value: Any) -> dict[str, Any]:
    return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return plain_fields(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


_HINTS: dict[type[Any], dict[str, Any]] = {}


def _hints(cls: type[Any]) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = typing.get_type_hints(cls)
    return _HINTS[cls]


def build(cls: type[T], document: object) -> T:
    if not isinstance(document, dict):
        raise WireError(f"{cls.__name__} is not a mapping")
    hints = _hints(cls)
    extra = document.keys() - hints.keys()
    if extra:
        raise WireError(f"{cls.__name__} has no {', '.join(sorted(map(str, extra)))}")
    try:
        return cls(**{key: _read(hints[key], value) for key, value in document.items()})
    except TypeError as error:
        raise WireError(f"{cls.__name__}: {error}") from error


def _read(hint: Any, value: Any) -> Any:
    """`value` as `hint` says: dataclasses, tuples and dicts are rebuilt, scalars are checked."""
    hint = getattr(hint, "__supertype__", hint)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _read_union(typing.get_args(hint), value)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(typing.get_args(hint)[0], item) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: _read(typing.get_args(hint)[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise WireError(f"{value!r:.80} is not {hint}")


def _read_union(choices: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in choices:
        return None
    (inner,) = (choice for choice in choices if choice is not type(None))
    return _read(inner, value)
