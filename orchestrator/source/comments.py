"""Comments as the tokenizer sees them, and lines of code. Text in strings is no comment."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from orchestrator.source.facts import Allowance
from orchestrator.source.liveness import docstring
from orchestrator.source.parsing import Module

_ALLOWS = re.compile(
    r"#\s*orchestrator:\s*allow\b[ \t]*(?P<rule>(?!because\b)[\w./-]*)[ \t]*"
    r"(?:because\b[ \t]*(?P<reason>.*))?"
)
_HASHES = re.compile("#+")


class Comment(NamedTuple):
    line: int
    text: str


def comments(module: Module, wanted: Callable[[str], object]) -> Iterator[Comment]:
    """The comments that are wanted. A file without anything like one is not tokenized: it is slow."""
    if not any(map(wanted, _likely(module.text))):
        return
    try:
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
            if token.type == tokenize.COMMENT and wanted(token.string):
                yield Comment(token.start[0], token.string)
    except (tokenize.TokenError, SyntaxError):
        return  # the parser read it; the tokenizer of the library is the stricter one about its end


def _likely(text: str) -> Iterator[str]:
    """What are comments, unless they begin within a string."""
    for line in text.split("\n"):
        if "#" in line:
            yield from (line[hashes.start() :] for hashes in _HASHES.finditer(line))


def allowances(module: Module) -> tuple[Allowance, ...]:
    if "orchestrator:" not in module.text:
        return ()
    found = []
    for comment in comments(module, _ALLOWS.search):
        match = _ALLOWS.search(comment.text)
        assert match is not None
        found.append(Allowance(match["rule"], comment.line, (match["reason"] or "").strip()))
    return tuple(found)


def code_lines(module: Module) -> int:
    """Lines that hold code that can run: no comments, docstrings, blanks, no dead statements."""
    left_out: set[int] = set()
    inside: set[int] = set()
    nodes = module.nodes
    for statement in (*nodes.of(ast.Expr), *nodes.dead):
        if not isinstance(statement, ast.Expr) or _is_text(statement.value):
            left_out |= set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    for text in chain(nodes.of(ast.Constant), nodes.of(ast.JoinedStr)):
        if (text.end_lineno or 0) > text.lineno:
            inside |= set(range(text.lineno + 1, (text.end_lineno or 0) + 1))
    lines = enumerate(module.text.splitlines(), 1)
    return sum(
        bool(line.strip()) and n not in left_out and (n in inside or not line.lstrip().startswith("#"))
        for n, line in lines
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (isinstance(node.value, str) or node.value is ...)


def docstrings(module: Module) -> Iterator[tuple[ast.AST, int, str]]:
    """Each with its owner and first line."""
    for owner in module.nodes.owners():
        found = docstring(owner.body)
        if found is not None and isinstance(found.value, ast.Constant):
            yield owner, found.lineno, str(found.value.value)
