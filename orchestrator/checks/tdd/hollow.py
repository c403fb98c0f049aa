"""Tests that fail on RED, run once more with hollow stand-ins for what the branch adds.

A file that cannot be imported proves nothing of its single tests: they never ran. Nor does a test that only
misses a module or a file. With empty files, and names in them that fail whenever they are used, a test that
passes all the same does not depend on the branch. The others count as red.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import CaseEnd, collection_of, of_test, pytest_trial
from orchestrator.checks.tdd.branch import Branch
from orchestrator.checks.tdd.proof import Run, run_tests
from orchestrator.checks.tdd.written import Test

_PLUGIN = "orchestrator_hollow"
_CODE = """
import importlib.abc, importlib.machinery, os, sys
NAMES = {names!r}
class Hollow:
    def _fail(self, *a, **k):
        raise AssertionError("it is not there without the branch")
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __iter__ = __len__ = __getitem__ = _fail
    __contains__ = __enter__ = __add__ = __radd__ = __sub__ = __mul__ = __matmul__ = _fail
    __hash__ = object.__hash__
    def __getattr__(self, name):
        if name.startswith("_") or name == "pytestmark":
            raise AttributeError(name)
        self._fail()
def fill(module):
    for name in NAMES.get(module.__name__, ()):
        if name not in module.__dict__:
            module.__dict__[name] = Hollow()
class Empty(importlib.abc.Loader):
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        fill(module)
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name not in NAMES:
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        real = next((spec for finder in others if (spec := finder.find_spec(name, path, target))), None)
        if real is None:
            return importlib.machinery.ModuleSpec(name, Empty(), is_package=True)
        if real.loader is None or not (real.origin or "").startswith(os.getcwd() + os.sep):
            return None
        run = real.loader.exec_module
        def exec_module(module):
            run(module)
            fill(module)
        real.loader.exec_module = exec_module
        return real
sys.meta_path.insert(0, Finder())
"""


def hollow_findings(subject: Subject, branch: Branch, red: Run, program: str) -> Iterator[Finding]:
    """Vacuous tests of those that RED could not import, or that fail there for want of something."""
    tests = [test for test in branch.named if branch.added and _may_be_vacuous(branch, red, test)]
    if not tests:
        return
    files = list(dict.fromkeys(test.path for test in tests))
    trial = pytest_trial(
        subject,
        "red hollow",
        branch.fork,
        program,
        files,
        shell=f"-p {_PLUGIN}",
        source=branch.tip,
        paths=branch.laid,
        texts=dict.fromkeys(branch.new_files, ""),
        keeps_failures=True,
    )
    out = '"$ORCHESTRATOR_OUT"'
    write = f"printf %s {shlex.quote(_CODE.format(names=_names(branch)))} > {out}/{_PLUGIN}.py"
    path = f"export PYTHONPATH={out}${{PYTHONPATH:+:$PYTHONPATH}}"
    run = run_tests(subject.trials, replace(trial, command=f"{write}; {path}; {trial.command}"))
    for test in tests:
        cases = list(of_test(run.cases or (), test.path, test.name))
        if cases and all(case.end is CaseEnd.PASSED for case in cases):
            message = f"{test.name} passes whatever the branch adds: it proves nothing of it"
            yield finding(subject, "tdd/vacuous", message, test.path, test.line)


def _may_be_vacuous(branch: Branch, red: Run, test: Test) -> bool:
    """Not those that RED has seen pass: they are found to be."""
    if _is_hidden(branch, red, test.path):
        return True
    cases = of_test(red.cases or (), test.path, test.name)
    return any(case.end is CaseEnd.FAILED for case in cases)


def _is_hidden(branch: Branch, red: Run, path: str) -> bool:
    if red.cases is None:
        return branch.lacks(red.outcome.tail) is not None
    module = collection_of(red.cases, path)
    return module is not None and branch.lacks(module.text) is not None


def _names(branch: Branch) -> dict[str, list[str]]:
    """Modules that the branch adds or adds to, with the names that are new in them."""
    found: dict[str, list[str]] = {}
    for dotted in sorted(branch.added):
        module, _, name = dotted.rpartition(".")
        found.setdefault(dotted, [])  # a module of this name, should anything ask for one
        if module:
            found.setdefault(module, []).append(name)
    return found
