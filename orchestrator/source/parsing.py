"""From the bytes of a file to its syntax tree, or to the reason why there is none. Nothing is executed."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from dataclasses import dataclass, field

from orchestrator.source.nodes import Nodes, sort
from orchestrator.source.switches import settle

MOST_BYTES = 2 * 1024 * 1024
"""Nobody writes, or reads, more in one file: larger ones are data or generated."""

TOO_DEEP = "nested too deeply to be read"
_LONG_NUMBER = re.compile("0[xob][0-9a-f_]{3000}", re.IGNORECASE)
_LARGEST = 10**4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    reason: str
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    tree: ast.Module = field(repr=False)
    text: str = field(repr=False)
    nodes: Nodes = field(repr=False)


def parse(content: bytes) -> Module | Fault:
    if len(content) > MOST_BYTES:
        return Fault(reason=f"larger than {MOST_BYTES // 2**20} MiB")
    text = _decoded(content)
    if isinstance(text, Fault):
        return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the reader's own escapes and comparisons
            tree = ast.parse(text)
        if _LONG_NUMBER.search(text):
            _shorten(tree)
        settle(tree)
        return Module(tree=tree, text=text, nodes=sort(tree))
    except SyntaxError as error:
        return Fault(reason=f"no Python 3: {error.msg}", line=error.lineno or 0)
    except (ValueError, RecursionError, MemoryError) as error:
        deep = isinstance(error, (RecursionError, MemoryError))
        return Fault(reason=TOO_DEEP if deep else f"no Python: {error}")


def _shorten(tree: ast.Module) -> None:
    """Python refuses to print numbers of more than 4,300 digits: their remainders stand for them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            node.value = node.value if -_LARGEST < node.value < _LARGEST else hash(node.value)


def _decoded(content: bytes) -> str | Fault:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return io.TextIOWrapper(io.BytesIO(content), encoding, newline=None).read()
    except (SyntaxError, LookupError, ValueError) as error:  # codecs raise what they like
        reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
        return Fault(reason=f"cannot be decoded: {reason}")
