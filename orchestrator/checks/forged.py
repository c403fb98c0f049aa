"""Code of the branch that would tell pytest what its tests came to, instead of the tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.source.liveness import FUNCTIONS, FunctionNode
from orchestrator.source.naming import dotted, tail, words_of
from orchestrator.source.parsing import Fault, Module, parse

_OWN = words_of("pytest _pytest pluggy iniconfig sitecustomize usercustomize xml")
"""What pytest imports when it starts; a module of the branch at its top would be found first."""

_INNER = words_of("_pytest pluggy unittest")
_DECIDING = words_of(
    "pytest_pyfunc_call pytest_runtest_protocol pytest_runtestloop pytest_runtest_makereport"
)
_HARMLESS = ("maxDiff", "longMessage")
_REPORT_FOLDER = "ORCHESTRATOR_OUT"
_ALL = words_of("Exception BaseException AssertionError Failed Exit OutcomeException")

Sign = tuple[int, str]
"""A line and what stands there."""


def forged(subject: Subject) -> Iterator[Finding]:
    """What base itself does to its tests is base's choice."""
    fork = git.merge_base(subject.git, subject.base, subject.commit) or subject.base
    changes = [c for c in git.changed_paths(subject.git, fork, subject.commit) if c.kind != "D"]
    changed = [c for c in changes if c.path.endswith(".py")]
    names = [f"{commit}:{change.path}" for change in changed for commit in (fork, subject.commit)]
    contents = git.read_blobs(subject.git, names)
    for change in changed:
        before, after = (contents.get(f"{c}:{change.path}", b"") for c in (fork, subject.commit))
        top = change.path.removesuffix("/__init__.py").removesuffix(".py")
        if top in _OWN and change.kind == "A":
            text = f"{top} of the branch would be imported in place of the one that pytest needs"
            yield finding(subject, "pytest/forged", text, change.path, 1)
        old = {text for _, text in signs_in(before)}
        for line, text in signs_in(after):
            if text not in old:
                yield finding(subject, "pytest/forged", text, change.path, line)


def signs_in(content: bytes) -> Iterator[Sign]:
    if b"pytest" not in content and b"ORCHESTRATOR" not in content and b"unittest" not in content:
        return
    module = parse(content)
    if not isinstance(module, Fault):
        yield from dict.fromkeys((*_in_hooks(module), *_in_module(module)))


def _in_hooks(module: Module) -> Iterator[Sign]:
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS) and node.name.startswith("pytest_"):
            for sign in (_outcomes, _swallows, _decides, _ends):
                yield from ((line, f"{node.name}() {text}") for line, text in sign(node))


def _outcomes(hook: FunctionNode) -> Iterator[Sign]:
    """What it makes of a test, unless that is worse than what the test came to."""
    for node in ast.walk(hook):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr="outcome"), *_], value=value) if _is_pass(value):
                yield node.lineno, f"sets the outcome of a test to {_said(value)}"
            case ast.keyword(arg="outcome", value=value) if _is_pass(value):
                yield value.lineno, f"sets the outcome of a test to {_said(value)}"
            case ast.Assign(targets=[ast.Attribute(attr="excinfo"), *_], value=ast.Constant(value=None)):
                yield node.lineno, "takes the error away from a test"
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value="outcome"), value, *_]):
                if _is_pass(value):
                    yield node.lineno, f"sets the outcome of a test to {_said(value)}"
            case ast.Call(func=ast.Attribute(attr="force_result")) if hook.name.startswith("pytest_runtest"):
                yield node.lineno, "puts another result in the place of a test's"


def _said(value: ast.expr) -> str:
    try:
        return ast.unparse(value)[:40]
    except RecursionError:
        return "what is nested too deeply to be followed"


def _is_pass(value: ast.expr) -> bool:
    if isinstance(value, ast.Compare):
        return False
    nodes = list(ast.walk(value))
    return isinstance(value, ast.Name) or any(
        isinstance(n, ast.Constant) and n.value == "passed" for n in nodes
    )


def _swallows(hook: FunctionNode) -> Iterator[Sign]:
    """`try: yield` around a test, and its failure does not go on."""
    for node in ast.walk(hook):
        if not isinstance(node, ast.Try) or not hook.name.startswith(("pytest_runtest", "pytest_pyfunc")):
            continue
        if not any(isinstance(inner, ast.Yield) for s in node.body for inner in ast.walk(s)):
            continue
        for handler in node.handlers:
            raised = any(isinstance(inner, ast.Raise) for s in handler.body for inner in ast.walk(s))
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            if not raised and any(kind is None or tail(kind) in _ALL for kind in kinds):
                yield handler.lineno, "catches the failure of a test"


def _decides(hook: FunctionNode) -> Iterator[Sign]:
    """It says that a test is done, and has neither run it nor handed it to who does."""
    given = {one.arg for one in (*hook.args.posonlyargs, *hook.args.args)}
    nodes = list(ast.walk(hook))
    if hook.name not in _DECIDING or any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in nodes):
        return
    calls = (node for node in nodes if isinstance(node, ast.Call))
    if any(isinstance(n, ast.Name) and n.id in given for call in calls for n in ast.walk(call)):
        return
    for node in nodes:
        if isinstance(node, ast.Return) and not (
            node.value is None or (isinstance(node.value, ast.Constant) and not node.value.value)
        ):
            yield node.lineno, "says that a test is done without running it"


def _ends(hook: FunctionNode) -> Iterator[Sign]:
    if hook.name == "pytest_unconfigure":  # all is told by then; what hangs is often ended so
        return
    for node in ast.walk(hook):
        if isinstance(node, ast.Call) and dotted(node.func) == "os._exit":
            yield node.lineno, "ends pytest before it has told what failed"


def _in_module(module: Module) -> Iterator[Sign]:
    inner = _names_of_inner(module.tree)
    at_exit = _handed_to(module.tree, "atexit.register")
    for node in ast.walk(module.tree):
        match node:
            case ast.Constant(value=value) if value == _REPORT_FOLDER:
                yield node.lineno, f"asks for {value}, the folder of the gate's own report"
            case ast.FunctionDef(name=name) if name in at_exit:
                yield from ((line, f"{name}() {text}") for line, text in _ends(node))
    for statement in _outer(module.tree.body):
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        for target in targets:
            name = dotted(target)
            root, _, rest = name.partition(".")
            is_type = root == "pytest" and "." in rest and rest[:1].isupper()
            if is_type or (root in inner and rest and not rest.endswith(_HARMLESS)):
                yield statement.lineno, f"replaces {name}, a part of the test runner itself"


def _outer(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """What a module does when it is imported, and a plugin when it is loaded; no test's own patches."""
    for statement in body:
        if isinstance(statement, FUNCTIONS):
            if statement.name.startswith("pytest_"):
                yield from (node for node in ast.walk(statement) if isinstance(node, ast.stmt))
        elif not isinstance(statement, ast.ClassDef):
            yield from (node for node in ast.walk(statement) if isinstance(node, ast.stmt))


def _names_of_inner(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name.partition(".")[0] for a in node.names if _is_inner(a.name)}
        elif isinstance(node, ast.ImportFrom) and _is_inner(node.module or ""):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "pytest":
            found |= {alias.asname or alias.name for alias in node.names if alias.name[:1].isupper()}
    return found


def _is_inner(module: str) -> bool:
    return module.partition(".")[0] in _INNER


def _handed_to(tree: ast.Module, function: str) -> set[str]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and dotted(node.func) == function)
    return {argument.id for call in calls for argument in call.args if isinstance(argument, ast.Name)}
