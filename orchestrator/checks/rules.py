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
_NO_OTHER = "a branch that adds nothing of its own is no variant to compare"
_RED_SUITE = "what lands must work for whoever builds on it"
_IDLE = "a test that does not run holds nothing up"
_UNSEEN = "the plan asks for a person's eyes on exactly what lands"
_UNTOLD = "who reads the history later finds only what was done, not why"
_UNPROVEN = "nothing shows that the branch does what it is for"
_OTHER_REASON = "it does not reach what it tests, so its failure proves nothing"
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
    "components/unnoticed": _rule(
        "no test notices that the component is gone",
        "tests that pass whatever the component does prove nothing of it",
        "assert what the component computes, on real input",
    ),
    "components/untested": _rule(
        "no test that runs comes to the component",
        "nothing shows that it works",
        "write a test that uses it, or name the files under the gate's `tests`",
    ),
    "components/tests-fail": _rule(
        "the component's tests do not pass as they are",
        "a test that fails anyway cannot show that the component is needed",
        "make them pass",
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
    "redflags/unread-input": _rule(
        "a method answers out of a file, whatever it is asked", _ANSWER, "compute the answer from its input"
    ),
    "redflags/no-memory": _rule(
        "a tracker whose answers depend on nothing it saw before",
        "without a memory nothing can be followed from one frame to the next",
        "keep the tracks, and match what is new with them",
    ),
    "redflags/unused-layers": _rule(
        "a network builds layers that nothing runs",
        "they only make it look like the network it is not",
        "run them in forward(), or do not build them",
    ),
    "redflags/discarded-work": _rule(
        "a network runs its layers and answers something else",
        "its answer does not come of what it was given",
        "answer with what the layers make of the input",
    ),
    "redflags/reads-the-truth": _rule(
        "a method reads its answer off the truth that came with its input",
        _ANSWER,
        "find it in the picture; keep the truth for measuring",
    ),
    "redflags/no-core-operation": _rule(
        "a network without the operation that its architecture is named for",
        _CLAIM,
        "build that operation in, or name the network for what it is",
    ),
    "redflags/dropped-function": _rule(
        "a decorator never calls what it decorates",
        "the code below it looks alive and never runs",
        "call the function in the wrapper",
    ),
    "redflags/test-double": _rule(
        "a double made for tests stands in code that is no test",
        _ANSWER,
        "use the real service here, and the double in the tests",
    ),
    "redflags/empty-checkpoint": _rule(
        "a checkpoint without weights",
        "what it is evidence of was not trained",
        "save the model's state_dict()",
    ),
    "redflags/hollow-test": _rule(
        "a test that cannot fail",
        "it shows nothing of the code it runs",
        "assert what the code should answer",
    ),
    "redflags/unreadable": _rule(
        "a file that Python 3 cannot read", "nothing in it can run or be checked", "mend its syntax"
    ),
    "redflags/not-read": _rule(
        "a file that the checks pass over",
        "what it holds was not judged",
        "read it yourself, or write it as Python of the branch's own",
    ),
    "components/missing-branch": _rule(
        "a branch that claims components does not exist",
        "what it promised is nowhere",
        "make it, or take it out of .branch_specifications.json",
    ),
    "tdd/no-tests": _rule("a branch without tests of its own", _UNPROVEN, "write tests for what it does"),
    "tdd/vacuous": _rule(
        "a test passes without the code it is for",
        "a test that cannot fail proves nothing",
        "assert what only the branch makes true",
    ),
    "tdd/red-collection": _rule(
        "a test cannot be collected without the branch",
        "it fails for another reason than the missing work, so its failure proves nothing",
        "let it import only what base has, or what the branch adds",
    ),
    "tdd/red-fixture": _rule(
        "a test lacks a fixture", _OTHER_REASON, "put the fixture into the tests' own files"
    ),
    "tdd/red-error": _rule(
        "a test fails in its preparations", _OTHER_REASON, "move the work into the test itself"
    ),
    "tdd/red-skipped": _rule("a test is skipped without the branch", _OTHER_REASON, "drop the mark"),
    "tdd/green-failed": _rule("a new test fails on the tip", _UNPROVEN, "make it pass"),
    "tdd/green-skipped": _rule(
        "a new test does not run on the tip", "a test that is skipped holds nothing up", "drop the mark"
    ),
    "tdd/weakened": _rule(
        "a test was made easier between RED and GREEN",
        "the code was not brought to the test, the test was brought to the code",
        "restore the test, or begin again with a [RED] commit of the new one",
    ),
    "tdd/phase-unmarked": _rule(
        "a commit names no phase",
        "the order of test and code cannot be read from the history",
        "begin its subject with [RED], [GREEN] or [REFACTOR]",
    ),
    "tdd/phase-order": _rule(
        "phases out of order", "the test is to come before the code", "commit the failing test first"
    ),
    "tdd/phase-untrue": _rule(
        "a commit is not of the phase that it names",
        "the history only looks as if tests had come first",
        "let the [RED] commit bring the failing test, and the [GREEN] one the code that makes it pass",
    ),
    "tdd/evidence-missing": _rule(
        "an evidence file is missing", _UNPROVEN, "run orchestrator tdd red|green, and commit what it wrote"
    ),
    "tdd/evidence-unreadable": _rule(
        "an evidence file cannot be read", _UNPROVEN, "capture it again: orchestrator tdd PHASE COMPONENT"
    ),
    "tdd/evidence-untrue": _rule(
        "an evidence file does not agree with the commit it names",
        "it was written by hand, or captured on something else",
        "commit, then capture it again: orchestrator tdd PHASE COMPONENT",
    ),
    "tdd/coverage": _rule(
        "tests run too little of the branch's code", _UNPROVEN, "test what the report shows"
    ),
    "tdd/coverage-unknown": _rule(
        "coverage could not be measured", _UNPROVEN, "put pytest-cov on the gate's PATH"
    ),
    "clones/copied": _rule(
        "two branches hold the same code",
        "what is compared as two pieces of work is one",
        "land the shared part on base first, or write the other variant",
    ),
    "independence/not-diverged": _rule(
        "a branch without work", _NO_OTHER, "commit the work, or take it from the plan"
    ),
    "independence/no-own-commits": _rule(
        "a branch of other people's commits", _NO_OTHER, "commit work of its own"
    ),
    "independence/no-change": _rule("commits that change nothing", _NO_OTHER, "commit the work"),
    "independence/identical": _rule(
        "two branches are one", _NO_OTHER, "make them differ, or take one from the plan"
    ),
    "independence/no-results": _rule(
        "a branch without results", "nobody can see what it came to", "run it, and commit its results"
    ),
    "pytest/failed": _rule("a test fails", _RED_SUITE, "mend the code, or the test"),
    "pytest/error": _rule("a test or its module could not be run", _RED_SUITE, "mend what it needs"),
    "pytest/skipped": _rule("a test is skipped", _IDLE, "run it, or list it under the gate's `skips`"),
    "pytest/xfailed": _rule(
        "a test is expected to fail", _IDLE, "mend it, or list it under the gate's `xfails`"
    ),
    "pytest/none-collected": _rule("no test was found", _IDLE, "name the tests: `args` of the gate"),
    "pytest/left-out": _rule(
        "a test is there and is not run", _IDLE, "take it into what pytest collects, or remove it"
    ),
    "pytest/forged": _rule(
        "code that tells pytest what a test came to",
        "a test that fails would be told as one that passes",
        "let the test speak for itself, or say why: # orchestrator: allow pytest/forged because REASON",
    ),
    "pytest/no-report": _rule(
        "pytest ended without a proper end", _RED_SUITE, "run the same command by hand"
    ),
    "mypy/error": _rule("a type error", "what is said of the code is not true of it", "mend the types"),
    "mypy/relaxed": _rule(
        "mypy is told to look away",
        "no type error is no proof where none is looked for",
        "take the comment or the setting back and mend the types; `allow` it with a reason if base agrees",
    ),
    "mypy/broken": _rule(
        "mypy could not check the code", "nothing was checked", "run the same command by hand"
    ),
    "ruff/format": _rule("a file is laid out otherwise", "the next change of it is noise", "ruff format"),
    "ruff/broken": _rule(
        "ruff could not check the code", "nothing was checked", "run the same command by hand"
    ),
    "pre-commit/failed": _rule("a hook fails", "the project asks for it", "pre-commit run --all-files"),
    "pre-commit/changed": _rule(
        "a hook changes a file", "it was committed without the hooks", "commit the change"
    ),
    "pre-commit/broken": _rule(
        "pre-commit could not run", "nothing was checked", "run the same command by hand"
    ),
    "metrics/missing": _rule(
        "a branch without metrics", "nobody can see what it came to", "commit its results"
    ),
    "metrics/unreadable": _rule(
        "metrics that cannot be read", "nothing was compared", "write flat numbers as JSON"
    ),
    "metrics/unmet": _rule("a bound does not hold", "the plan asks for it", "train on, or change the plan"),
    "metrics/too-few": _rule(
        "measured on too few samples", "chance decides such a figure", "measure on more of the data"
    ),
    "metrics/regressed": _rule("worse than the baseline", "what was reached is lost", "find out why"),
    "metrics/incomparable": _rule(
        "a figure that cannot be compared",
        "what was not compared is no pass",
        "measure it, or drop it from the gate",
    ),
    "review/missing": _rule("nobody has looked at it", _UNSEEN, "read it, then: orchestrator approve NAME"),
    "review/outdated": _rule("it has changed since it was approved", _UNSEEN, "orchestrator approve NAME"),
    "review/of-a-wave": _rule("a wave has no review", _UNSEEN, "set `review: true` for its workstreams"),
    "docs/no-changelog": _rule(
        "the change is not described", _UNTOLD, "write a changelog fragment of the branch"
    ),
    "docs/no-decision": _rule("a decision is not recorded", _UNTOLD, "write down what was decided, and why"),
    "docs/no-session": _rule("there is no session draft", _UNTOLD, "write the draft"),
    "benchmarks/slower": _rule("slower than base", "speed that is lost comes back to nobody", "find out why"),
    "benchmarks/incomparable": _rule(
        "a benchmark that cannot be compared",
        "what was not compared is no pass",
        "measure the baseline on this machine, or leave `baseline` out",
    ),
    "benchmarks/none": _rule("no benchmark was run", "nothing was compared", "name them: `args` of the gate"),
    "benchmarks/broken": _rule("benchmarks fail", "nothing was compared", "run the same command by hand"),
    "checks/setting": _rule(
        "a setting of the gate cannot be read", "the gate would check something else", "mend it in waves.yaml"
    ),
    "enforcement/missing-branch": _rule(
        "a required branch does not exist",
        "what it promised is nowhere",
        "make it, or take it out of the plan or of `.required_branches`",
    ),
    "enforcement/no-results": _rule(
        "a branch commits no results of its own",
        "without them nobody can compare it with its siblings",
        "commit what the training wrote to its folder of results",
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
