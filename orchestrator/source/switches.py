"""Switches that a module sets once and for all: `USE_MODEL = False` decides every `if USE_MODEL`."""

from __future__ import annotations

import ast
from collections import Counter

from orchestrator.source.nodes import walk

_OF_PEOPLE = ("DEBUG", "VERBOSE", "TRACE", "PROFILE", "LOG", "TYPE_CHECKING")
"""Switches that people turn while they work: what stands behind them is no pretence."""


def settle(tree: ast.Module) -> None:
    """Mutates `tree`: where a condition asks for a switch, what it is set to stands there."""
    switches = {
        statement.targets[0].id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, bool)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id.isupper()
        and not any(word in statement.targets[0].id for word in _OF_PEOPLE)
    }
    if not switches:
        return
    nodes = walk(tree)
    stored = Counter(n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    stored.update(name for n in nodes if isinstance(n, ast.Global) for name in n.names)
    once = {name: value for name, value in switches.items() if stored[name] == 1}
    for node in nodes:
        if isinstance(node, (ast.If, ast.IfExp, ast.While)):
            node.test = _settled(node.test, once)


def _settled(test: ast.expr, switches: dict[str, bool]) -> ast.expr:
    match test:
        case ast.Name(id=name) if name in switches:
            return ast.copy_location(ast.Constant(switches[name]), test)
        case ast.UnaryOp(op=ast.Not()):
            test.operand = _settled(test.operand, switches)
        case ast.BoolOp():
            test.values = [_settled(value, switches) for value in test.values]
    return test
