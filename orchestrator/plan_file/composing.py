"""From the bytes of a plan to YAML nodes, with every size bounded. No tag is ever acted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orchestrator.plan_file.problems import PlanErrors, Problem, quoted

MAX_BYTES = 1024 * 1024
# Real plans have some hundred values on six levels; a kilobyte of aliases can stand for billions.
MAX_VALUES = 100_000
MAX_DEPTH = 50

# The mistakes that everybody makes, in other words than the parser's.
_SYNTAX = {
    r"found character '\t'": "a tab; indent with spaces",
    "expected <block end>": "this does not continue what is above it; mend its indentation",
    "mapping values are not allowed here": "a second ': ' on the line; quote the text that holds it",
}


def read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PlanErrors([Problem(path, 1, 1, f"cannot read the plan: {reason}")]) from error
    if len(content) > MAX_BYTES:
        raise PlanErrors([Problem(path, 1, 1, f"the file is larger than {MAX_BYTES} bytes; plans are not")])
    return _decode(path, content)


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        byte = error.object[error.start]
        message = f"byte 0x{byte:02x} (number {error.start} of the file) is not UTF-8; save the file as UTF-8"
        raise PlanErrors([Problem(path, line, column, message)]) from error


def compose(path: Path, text: str) -> yaml.Node:
    try:
        loader = _BoundedLoader(text)
    except yaml.reader.ReaderError as error:
        raise PlanErrors([_unreadable(path, text, error)]) from error
    try:
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise PlanErrors([_syntax(path, error)]) from error
    except (ValueError, OverflowError) as error:
        # PyYAML passes an escape such as "\UFFFFFFFF" straight to chr().
        mark = loader.get_mark()
        message = "not YAML: an escape that names no character"
        raise PlanErrors([Problem(path, mark.line + 1, mark.column + 1, message)]) from error
    finally:
        loader.dispose()
    if node is None:
        raise PlanErrors(
            [Problem(path, 1, 1, "the plan is empty; 'orchestrator init' writes one to start from")]
        )
    return node


def _unreadable(path: Path, text: str, error: yaml.reader.ReaderError) -> Problem:
    before = text[: error.position]
    column = error.position - before.rfind("\n")
    message = f"not YAML: the character {quoted(text[error.position])} may not stand in a file"
    return Problem(path, before.count("\n") + 1, column, message)


def _syntax(path: Path, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(path, line, column, _syntax_message(error))


def _syntax_message(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, _TooMuch):
        return str(error.problem)
    if error.context == "expected a single document in the stream":
        return "a second document begins here; a plan is one document"
    context = f", {error.context}" if error.context else ""
    problem = f"{error.problem or 'syntax error'}{context}"
    in_our_words = (words for theirs, words in _SYNTAX.items() if problem.startswith(theirs))
    return f"not YAML: {next(in_our_words, problem)}"


class _TooMuch(yaml.MarkedYAMLError):
    """The file is YAML, but stands for more than a plan can be."""


class _BoundedLoader(yaml.SafeLoader):
    """Composes nodes only, and counts each alias as all that it stands for.

    `_size` and `_height` are those of the node being composed, as far as it has been read. Finished nodes
    are known by their id, which is safe while the tree holds them.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._measured: dict[int, tuple[int, int]] = {}
        self._depth = self._total = self._size = self._height = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        mark: yaml.Mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._measured:
                raise _TooMuch(None, None, "an alias inside the very value it stands for", mark)
            size, height = self._measured[id(node)]
            self._count(size, height, mark)
        else:
            self._count(1, 1, mark)
            around = self._size, self._height
            self._size = self._height = 1
            self._depth += 1
            node = super().compose_node(parent, index)
            self._depth -= 1
            size, height = self._measured[id(node)] = self._size, self._height
            self._size, self._height = around
        self._size += size
        self._height = max(self._height, height + 1)
        return node

    def _count(self, size: int, height: int, mark: yaml.Mark) -> None:
        self._total += size
        if self._total > MAX_VALUES:
            raise _TooMuch(None, None, f"more than {MAX_VALUES} values, aliases counted in full", mark)
        if self._depth + height > MAX_DEPTH:
            raise _TooMuch(None, None, f"more than {MAX_DEPTH} levels deep", mark)
