"""Every rule of the honest-branch checks: what it means, why it matters, how it is mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    title: str
    why: str
    mend: str


def _rule(title: str, why: str, mend: str) -> Rule:
    return Rule(title=title, why=why, mend=mend)


_CLAIM = "the branch claims this component; whoever lands it will build on code that is not there"
_ANSWER = "every figure computed from such an answer is made up"
_WRITE = "write the missing code, or take the component out of the branch's claims"

RULES: Mapping[str, Rule] = {
    "clean-merge": _rule(
        "the branch conflicts with base",
        "the wave cannot be built from it",
        "merge or rebase onto base, and solve the conflict there",
    ),
    "paths": _rule(
        "the branch touches what is not its own",
        "its neighbours rely on it to stay in its paths",
        "take the change back, or widen `paths` in the plan",
    ),
    "components/no-spec": _rule(
        "nothing says what the claimed components take",
        "a claim without a description cannot be checked",
        "commit .component_spec.yaml on base",
    ),
    "components/spec": _rule(
        "a description of components cannot be read", "nothing was checked", "mend the file at that line"
    ),
    "components/spec-changed": _rule(
        "the branch changes what its own component takes",
        "who is measured does not choose the measure: base's description was used",
        "land the change of the description on base first",
    ),
    "components/unknown": _rule(
        "a claimed component is not described",
        "a claim without a description cannot be checked",
        "describe it",
    ),
    "components/missing-class": _rule("a required class is not defined", _CLAIM, _WRITE),
    "components/missing-function": _rule("a required function is not defined", _CLAIM, _WRITE),
    "components/missing-method": _rule("a required method is neither defined nor inherited", _CLAIM, _WRITE),
    "components/missing-import": _rule("a required import is missing", _CLAIM, _WRITE),
    "components/unused-import": _rule(
        "a required import is not used",
        "an import that nothing uses proves nothing",
        "use it, or drop the claim",
    ),
    "components/empty-class": _rule("a required class does nothing", _CLAIM, _WRITE),
    "components/stub-method": _rule("a required method is a stub", _CLAIM, _WRITE),
    "components/constant-method": _rule("a required method ignores what it is given", _ANSWER, _WRITE),
    "components/identity-method": _rule("a required method returns what it is given", _ANSWER, _WRITE),
    "components/forbidden-pattern": _rule(
        "a forbidden pattern stands in the component", "the project forbids it in this component", "remove it"
    ),
    "components/too-short": _rule(
        "the component has fewer lines of code than it takes",
        _CLAIM,
        "finish it, or lower min_lines_of_code on base",
    ),
    "components/no-model": _rule(
        "a language component neither loads a model nor calls an API",
        _ANSWER,
        "load the model, or call the API",
    ),
    "components/unreached": _rule(
        "none of the branch's own programs reaches the component",
        "what was trained and measured was something else",
        "import it where the branch trains and evaluates",
    ),
    "redflags/unknown-claim": _rule(
        "a claimed name is nowhere in the code", _CLAIM, "write it, or take the name out of the claims"
    ),
    "redflags/undefined-export": _rule(
        "`__all__` offers a name that is not there", "an import of it fails", "define it or drop it"
    ),
    "redflags/fake-name": _rule(
        "a class is named as a stand-in",
        "a stand-in must not land as the thing itself",
        "write the real one, or move it to the tests",
    ),
    "redflags/thin-wrappers": _rule(
        "a file of nothing but thin wrappers",
        "a claimed piece of work that only renames another",
        "use the wrapped thing itself",
    ),
    "redflags/placeholder": _rule(
        "a comment or docstring says that the real thing is missing",
        "the author knows that it is not done",
        "do it, then remove the words",
    ),
    "redflags/copied-file": _rule(
        "the same file under other names",
        "two branches are compared that are one",
        "share the file, or write the other variant",
    ),
    "redflags/no-client": _rule(
        "a model is claimed by name, and no library that could reach it is used",
        _ANSWER,
        "call the API, or load the model",
    ),
    "redflags/no-core-method": _rule(
        "a component has none of the methods that make it one", _CLAIM, "write them"
    ),
    "redflags/constant-answer": _rule(
        "a method answers the same whatever it is given", _ANSWER, "compute the answer"
    ),
    "redflags/random-answer": _rule("a method answers by chance", _ANSWER, "compute the answer"),
    "redflags/unchanged-input": _rule(
        "a method gives back what it was given", _ANSWER, "do the work its name promises"
    ),
    "redflags/canned-answer": _rule("answers are fixed texts", _ANSWER, "ask the model"),
    "redflags/empty-method": _rule(
        "a method whose name promises work does none", _CLAIM, "write it, or make the class abstract"
    ),
    "redflags/never-trains": _rule(
        "a training that cannot change a weight",
        "what is reported as trained is not",
        "run backward() and step() in the loop",
    ),
    "redflags/loss-ignores-input": _rule(
        "a loss that does not look at what it judges",
        "training against it teaches nothing",
        "compute it from prediction and target",
    ),
    "redflags/made-up-metric": _rule(
        "a metric that was not measured",
        "the comparison of branches rests on it",
        "compute it from predictions",
    ),
    "redflags/dead-import": _rule(
        "an import that can never run",
        "it only looks as if the library were used",
        "import and use it, or remove it",
    ),
    "redflags/code-in-string": _rule(
        "code in a string", "no reader, type checker or test sees it", "write it as code, or remove it"
    ),
    "redflags/swallowed-error": _rule(
        "a failing model goes unnoticed",
        "its answers are then made up or missing, and nobody knows",
        "let the error through",
    ),
    "redflags/unreadable": _rule(
        "a file that Python 3 cannot read", "nothing in it can run or be checked", "mend its syntax"
    ),
    "checks/allowance": _rule(
        "an exception without a reason, or for no known rule",
        "an exception that nobody can judge is none",
        "write: # orchestrator: allow RULE because REASON",
    ),
    "checks/baseline": _rule(
        "the list of known findings cannot be used",
        "exceptions without reasons are none",
        "give rule, path and reason",
    ),
}
