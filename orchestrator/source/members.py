"""What the objects of a class hold: parts of other classes, and a memory of what they were given."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from orchestrator.source.flow import ways_of
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import dotted, tail, words
from orchestrator.source.nodes import statements, walk

_FOLLOWING = {"tracker", "tracking", "sort", "associator"}
_ENTRIES = {"update", "track", "step", "associate", "process", "__call__", "forward"}
_SEEN = {"detections", "detection", "dets", "boxes", "bboxes", "box", "bbox", "objects", "observations"}
_SEEN |= {"measurements", "points", "centroids", "frame", "frames", "positions", "instances", "regions"}
_NOISE = {"debug", "info", "warning", "error", "log", "print"}


def parts_of(node: ast.ClassDef) -> tuple[tuple[str, str], ...]:
    """Attributes that only ever hold an object of one class: `self.backend = Backend(…)`."""
    found: dict[str, set[str]] = defaultdict(set)
    for assign in (n for method in _methods(node) for n in statements(method)):
        match assign:
            case (
                ast.Assign(targets=targets, value=value)
                | ast.AnnAssign(target=ast.Attribute() as targets, value=ast.expr() as value)
            ):
                for target in targets if isinstance(targets, list) else [targets]:
                    if isinstance(target, ast.Attribute) and dotted(target.value) == "self":
                        found[target.attr].add(dotted(value.func) if isinstance(value, ast.Call) else "")
    single = ((name, made.pop()) for name, made in found.items() if len(made) == 1)
    return tuple((name, made) for name, made in single if made.rpartition(".")[2][:1].isupper())


def follows(node: ast.ClassDef) -> bool:
    """A class that is named for following things over time, and inherits from nobody who may do it."""
    known = all(dotted(base).rpartition(".")[2] in {"object", "Module"} for base in node.bases)
    if not known or node.keywords or not _FOLLOWING & set(words(node.name)[-1:]):
        return False
    entries = [m for m in _methods(node) if m.name in _ENTRIES]
    given = {word for m in entries for a in m.args.args[1:] for word in words(a.arg)}
    return bool(given & _SEEN)


def remembers(node: ast.ClassDef) -> bool:
    """Whether some answer depends on what an earlier call left behind, and that on what it was given."""
    made_of: dict[str, set[str]] = defaultdict(set)
    given: set[str] = set()
    answers: set[str] = set()
    entered = False
    for method in _methods(node):
        ways = ways_of(method)
        own = {"self", method.name}
        params = [a.arg for a in (*method.args.posonlyargs, *method.args.args)][1:]
        if method.name != "__init__":
            given |= {f"{method.name}:{name}" for name in params}
        for name, sources in ways.sources.items():
            made_of[_placed(method, name)] |= {_placed(method, s) for s in sources - own}
        back = {_placed(method, name) for name in ways.answers - own}
        made_of[f"self.{method.name}"] |= back
        if method.name in _ENTRIES:
            entered = True
            answers |= back if ways.returns else {n for n in made_of if n.startswith("self.")}
        for holder, passed in _calls_within(method):
            made_of[holder] |= {_placed(method, name) for name in passed}
            if holder.startswith("self.") and (called := _method(node, holder)):
                for param in [a.arg for a in called.args.args][1:]:
                    made_of[f"{called.name}:{param}"] |= {_placed(method, name) for name in passed}
    kept = {name for name in [*made_of] if name.startswith("self.") and not _method(node, name)}
    used = {name for name in kept & _closure(made_of, answers) if given & _closure(made_of, {name})}
    return bool(used) or not entered


def _placed(method: FunctionNode, name: str) -> str:
    return name if name.startswith("self.") else f"{method.name}:{name}"


def _calls_within(method: FunctionNode) -> Iterator[tuple[str, set[str]]]:
    """What is called on the object or its parts, and the names it is given."""
    for call in (n for n in walk(method) if isinstance(n, ast.Call)):
        parts = dotted(call.func).split(".")
        if parts[0] == "self" and len(parts) > 1 and tail(call.func) not in _NOISE:
            given: Iterable[ast.AST] = [n for a in (*call.args, *call.keywords) for n in walk(a)]
            names = {n.id for n in given if isinstance(n, ast.Name)} - {"self"}
            yield (
                f"self.{parts[1]}",
                names
                | {
                    f"self.{n.attr}"
                    for n in given
                    if isinstance(n, ast.Attribute) and dotted(n.value) == "self"
                },
            )


def _closure(made_of: dict[str, set[str]], start: Iterable[str]) -> set[str]:
    seen = set(start)
    todo = list(seen)
    for name in todo:
        new = made_of.get(name, set()) - seen
        seen |= new
        todo += new
    return seen


def _methods(node: ast.ClassDef) -> list[FunctionNode]:
    return [n for n in node.body if isinstance(n, FUNCTIONS)]


def _method(node: ast.ClassDef, holder: str) -> FunctionNode | None:
    return next((m for m in _methods(node) if f"self.{m.name}" == holder), None)
