"""Frozen dataclasses to JSON-ready values and back, checked against their type hints.

Standard library only: it travels to every host.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


class WireError(ValueError):
    """A document that is not what it should be."""


def encode(message: object) -> dict[str, Any]:
    """A message as JSON-ready values, with its type's name under `is`."""
    return {"is": type(message).__name__, **plain_fields(message)}


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
