"""Rules about what is committed."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.checks.rules.rule import Rule, rule

_CLAIM = "the branch claims this component; whoever lands it will build on code that is not there"
_ANSWER = "every figure computed from such an answer is made up"
_NO_OTHER = "a branch that adds nothing of its own is no variant to compare"
_WRITE = "write the missing code, or take the component out of the branch's claims"

OF_CONTENT: Mapping[str, Rule] = {
    "clean-merge": rule(
        "the branch conflicts with base",
        "the wave cannot be built from it",
        "merge or rebase onto base, and solve the conflict there",
    ),
    "paths": rule(
        "the branch touches what is not its own",
        "its neighbours rely on it to stay in its paths",
        "take the change back, or widen `paths` in the plan",
    ),
    "components/no-spec": rule(
        "nothing says what the claimed components take",
        "a claim without a description cannot be checked",
        "commit .component_spec.yaml on base",
    ),
    "components/spec": rule(
        "a description of components cannot be read", "nothing was checked", "mend the file at that line"
    ),
    "components/spec-changed": rule(
        "the branch changes what its own component takes",
        "who is measured does not choose the measure: base's description was used",
        "land the change of the description on base first",
    ),
    "components/unknown": rule(
        "a claimed component is not described",
        "a claim without a description cannot be checked",
        "describe it",
    ),
    "components/missing-class": rule("a required class is not defined", _CLAIM, _WRITE),
    "components/missing-function": rule("a required function is not defined", _CLAIM, _WRITE),
    "components/missing-method": rule("a required method is neither defined nor inherited", _CLAIM, _WRITE),
    "components/missing-import": rule("a required import is missing", _CLAIM, _WRITE),
    "components/unused-import": rule(
        "a required import is not used",
        "an import that nothing uses proves nothing",
        "use it, or drop the claim",
    ),
    "components/empty-class": rule("a required class does nothing", _CLAIM, _WRITE),
    "components/stub-method": rule("a required method is a stub", _CLAIM, _WRITE),
    "components/constant-method": rule("a required method ignores what it is given", _ANSWER, _WRITE),
    "components/identity-method": rule("a required method returns what it is given", _ANSWER, _WRITE),
    "components/forbidden-pattern": rule(
        "a forbidden pattern stands in the component", "the project forbids it in this component", "remove it"
    ),
    "components/too-short": rule(
        "the component has fewer lines of code than it takes",
        _CLAIM,
        "finish it, or lower min_lines_of_code on base",
    ),
    "components/no-model": rule(
        "a language component neither loads a model nor calls an API",
        _ANSWER,
        "load the model, or call the API",
    ),
    "components/unreached": rule(
        "none of the branch's own programs reaches the component",
        "what was trained and measured was something else",
        "import it where the branch trains and evaluates",
    ),
    "components/unnoticed": rule(
        "no test notices that the component is gone",
        "tests that pass whatever the component does prove nothing of it",
        "assert what the component computes, on real input",
    ),
    "components/untested": rule(
        "no test that runs comes to the component",
        "nothing shows that it works",
        "write a test that uses it, or name the files under the gate's `tests`",
    ),
    "components/tests-fail": rule(
        "the component's tests do not pass as they are",
        "a test that fails anyway cannot show that the component is needed",
        "make them pass",
    ),
    "redflags/unknown-claim": rule(
        "a claimed name is nowhere in the code", _CLAIM, "write it, or take the name out of the claims"
    ),
    "redflags/undefined-export": rule(
        "`__all__` offers a name that is not there", "an import of it fails", "define it or drop it"
    ),
    "redflags/fake-name": rule(
        "a class is named as a stand-in",
        "a stand-in must not land as the thing itself",
        "write the real one, or move it to the tests",
    ),
    "redflags/thin-wrappers": rule(
        "a file of nothing but thin wrappers",
        "a claimed piece of work that only renames another",
        "use the wrapped thing itself",
    ),
    "redflags/placeholder": rule(
        "a comment or docstring says that the real thing is missing",
        "the author knows that it is not done",
        "do it, then remove the words",
    ),
    "redflags/copied-file": rule(
        "the same file under other names",
        "two branches are compared that are one",
        "share the file, or write the other variant",
    ),
    "redflags/no-client": rule(
        "a model is claimed by name, and no library that could reach it is used",
        _ANSWER,
        "call the API, or load the model",
    ),
    "redflags/no-core-method": rule(
        "a component has none of the methods that make it one", _CLAIM, "write them"
    ),
    "redflags/constant-answer": rule(
        "a method answers the same whatever it is given", _ANSWER, "compute the answer"
    ),
    "redflags/random-answer": rule("a method answers by chance", _ANSWER, "compute the answer"),
    "redflags/unchanged-input": rule(
        "a method gives back what it was given", _ANSWER, "do the work its name promises"
    ),
    "redflags/canned-answer": rule("answers are fixed texts", _ANSWER, "ask the model"),
    "redflags/empty-method": rule(
        "a method whose name promises work does none", _CLAIM, "write it, or make the class abstract"
    ),
    "redflags/never-trains": rule(
        "a training that cannot change a weight",
        "what is reported as trained is not",
        "run backward() and step() in the loop",
    ),
    "redflags/loss-ignores-input": rule(
        "a loss that does not look at what it judges",
        "training against it teaches nothing",
        "compute it from prediction and target",
    ),
    "redflags/made-up-metric": rule(
        "a metric that was not measured",
        "the comparison of branches rests on it",
        "compute it from predictions",
    ),
    "redflags/dead-import": rule(
        "an import that can never run",
        "it only looks as if the library were used",
        "import and use it, or remove it",
    ),
    "redflags/code-in-string": rule(
        "code in a string", "no reader, type checker or test sees it", "write it as code, or remove it"
    ),
    "redflags/swallowed-error": rule(
        "a failing model goes unnoticed",
        "its answers are then made up or missing, and nobody knows",
        "let the error through",
    ),
    "redflags/unread-input": rule(
        "a method answers out of a file, whatever it is asked", _ANSWER, "compute the answer from its input"
    ),
    "redflags/no-memory": rule(
        "a tracker whose answers depend on nothing it saw before",
        "without a memory nothing can be followed from one frame to the next",
        "keep the tracks, and match what is new with them",
    ),
    "redflags/unused-layers": rule(
        "a network builds layers that nothing runs",
        "they only make it look like the network it is not",
        "run them in forward(), or do not build them",
    ),
    "redflags/discarded-work": rule(
        "a network runs its layers and answers something else",
        "its answer does not come of what it was given",
        "answer with what the layers make of the input",
    ),
    "redflags/reads-the-truth": rule(
        "a method reads its answer off the truth that came with its input",
        _ANSWER,
        "find it in the picture; keep the truth for measuring",
    ),
    "redflags/no-core-operation": rule(
        "a network without the operation that its architecture is named for",
        _CLAIM,
        "build that operation in, or name the network for what it is",
    ),
    "redflags/dropped-function": rule(
        "a decorator never calls what it decorates",
        "the code below it looks alive and never runs",
        "call the function in the wrapper",
    ),
    "redflags/test-double": rule(
        "a double made for tests stands in code that is no test",
        _ANSWER,
        "use the real service here, and the double in the tests",
    ),
    "redflags/empty-checkpoint": rule(
        "a checkpoint without weights",
        "what it is evidence of was not trained",
        "save the model's state_dict()",
    ),
    "redflags/hollow-test": rule(
        "a test that cannot fail",
        "it shows nothing of the code it runs",
        "assert what the code should answer",
    ),
    "redflags/unreadable": rule(
        "a file that Python 3 cannot read", "nothing in it can run or be checked", "mend its syntax"
    ),
    "redflags/not-read": rule(
        "a file that the checks pass over",
        "what it holds was not judged",
        "read it yourself, or write it as Python of the branch's own",
    ),
    "components/missing-branch": rule(
        "a branch that claims components does not exist",
        "what it promised is nowhere",
        "make it, or take it out of .branch_specifications.json",
    ),
    "clones/copied": rule(
        "two branches hold the same code",
        "what is compared as two pieces of work is one",
        "land the shared part on base first, or write the other variant",
    ),
    "independence/not-diverged": rule(
        "a branch without work", _NO_OTHER, "commit the work, or take it from the plan"
    ),
    "independence/no-own-commits": rule(
        "a branch of other people's commits", _NO_OTHER, "commit work of its own"
    ),
    "independence/no-change": rule("commits that change nothing", _NO_OTHER, "commit the work"),
    "independence/identical": rule(
        "two branches are one", _NO_OTHER, "make them differ, or take one from the plan"
    ),
    "independence/no-results": rule(
        "a branch without results", "nobody can see what it came to", "run it, and commit its results"
    ),
    "silent-revert": rule(
        "the branch takes back what others landed",
        "their work would be lost without anybody's decision",
        "merge base again, or say `Reverts: PATH` in a commit of the branch",
    ),
    "checks/setting": rule(
        "a setting of the gate cannot be read", "the gate would check something else", "mend it in waves.yaml"
    ),
    "checks/allowance": rule(
        "an exception without a reason, or for no known rule",
        "an exception that nobody can judge is none",
        "write: # orchestrator: allow RULE because REASON",
    ),
    "checks/baseline": rule(
        "the list of known findings cannot be used",
        "exceptions without reasons are none",
        "give rule, path and reason",
    ),
}
