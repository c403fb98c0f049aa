"""Rules about what shows that it works: tests, tools, figures, people, documents."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.checks.rules.rule import Rule, rule

_RED_SUITE = "what lands must work for whoever builds on it"
_IDLE = "a test that does not run holds nothing up"
_UNSEEN = "the plan asks for a person's eyes on exactly what lands"
_UNTOLD = "who reads the history later finds only what was done, not why"
_UNPROVEN = "nothing shows that the branch does what it is for"
_OTHER_REASON = "it does not reach what it tests, so its failure proves nothing"

OF_PROOF: Mapping[str, Rule] = {
    "tdd/no-tests": rule("a branch without tests of its own", _UNPROVEN, "write tests for what it does"),
    "tdd/vacuous": rule(
        "a test passes without the code it is for",
        "a test that cannot fail proves nothing",
        "assert what only the branch makes true",
    ),
    "tdd/red-collection": rule(
        "a test cannot be collected without the branch",
        "it fails for another reason than the missing work, so its failure proves nothing",
        "let it import only what base has, or what the branch adds",
    ),
    "tdd/red-fixture": rule(
        "a test lacks a fixture", _OTHER_REASON, "put the fixture into the tests' own files"
    ),
    "tdd/red-error": rule(
        "a test fails in its preparations", _OTHER_REASON, "move the work into the test itself"
    ),
    "tdd/red-skipped": rule("a test is skipped without the branch", _OTHER_REASON, "drop the mark"),
    "tdd/green-failed": rule("a new test fails on the tip", _UNPROVEN, "make it pass"),
    "tdd/green-skipped": rule(
        "a new test does not run on the tip", "a test that is skipped holds nothing up", "drop the mark"
    ),
    "tdd/weakened": rule(
        "a test was made easier between RED and GREEN",
        "the code was not brought to the test, the test was brought to the code",
        "restore the test, or begin again with a [RED] commit of the new one",
    ),
    "tdd/phase-unmarked": rule(
        "a commit names no phase",
        "the order of test and code cannot be read from the history",
        "begin its subject with [RED], [GREEN] or [REFACTOR]",
    ),
    "tdd/phase-order": rule(
        "phases out of order", "the test is to come before the code", "commit the failing test first"
    ),
    "tdd/phase-untrue": rule(
        "a commit is not of the phase that it names",
        "the history only looks as if tests had come first",
        "let the [RED] commit bring the failing test, and the [GREEN] one the code that makes it pass",
    ),
    "tdd/evidence-missing": rule(
        "an evidence file is missing", _UNPROVEN, "run orchestrator tdd red|green, and commit what it wrote"
    ),
    "tdd/evidence-unreadable": rule(
        "an evidence file cannot be read", _UNPROVEN, "capture it again: orchestrator tdd PHASE COMPONENT"
    ),
    "tdd/evidence-untrue": rule(
        "an evidence file does not agree with the commit it names",
        "it was written by hand, or captured on something else",
        "commit, then capture it again: orchestrator tdd PHASE COMPONENT",
    ),
    "tdd/coverage": rule(
        "tests run too little of the branch's code", _UNPROVEN, "test what the report shows"
    ),
    "tdd/coverage-unknown": rule(
        "coverage could not be measured", _UNPROVEN, "put pytest-cov on the gate's PATH"
    ),
    "pytest/failed": rule("a test fails", _RED_SUITE, "mend the code, or the test"),
    "pytest/error": rule("a test or its module could not be run", _RED_SUITE, "mend what it needs"),
    "pytest/skipped": rule("a test is skipped", _IDLE, "run it, or list it under the gate's `skips`"),
    "pytest/xfailed": rule(
        "a test is expected to fail", _IDLE, "mend it, or list it under the gate's `xfails`"
    ),
    "pytest/none-collected": rule("no test was found", _IDLE, "name the tests: `args` of the gate"),
    "pytest/left-out": rule(
        "a test is there and is not run", _IDLE, "take it into what pytest collects, or remove it"
    ),
    "pytest/forged": rule(
        "code that tells pytest what a test came to",
        "a test that fails would be told as one that passes",
        "let the test speak for itself, or say why: # orchestrator: allow pytest/forged because REASON",
    ),
    "pytest/no-report": rule("pytest ended without a proper end", _RED_SUITE, "run the same command by hand"),
    "mypy/error": rule("a type error", "what is said of the code is not true of it", "mend the types"),
    "mypy/relaxed": rule(
        "mypy is told to look away",
        "no type error is no proof where none is looked for",
        "take the comment or the setting back and mend the types; `allow` it with a reason if base agrees",
    ),
    "mypy/broken": rule(
        "mypy could not check the code", "nothing was checked", "run the same command by hand"
    ),
    "ruff": rule(
        "one of the project's own rules of ruff",
        "the project asks for it",
        "ruff check --fix, or: ruff rule CODE says more",
    ),
    "ruff/format": rule("a file is laid out otherwise", "the next change of it is noise", "ruff format"),
    "ruff/broken": rule(
        "ruff could not check the code", "nothing was checked", "run the same command by hand"
    ),
    "pre-commit/failed": rule("a hook fails", "the project asks for it", "pre-commit run --all-files"),
    "pre-commit/changed": rule(
        "a hook changes a file", "it was committed without the hooks", "commit the change"
    ),
    "pre-commit/broken": rule(
        "pre-commit could not run", "nothing was checked", "run the same command by hand"
    ),
    "links/not-followed": rule(
        "a link that leads out of the checkout",
        "what lies behind it is nobody's work, and no tool was let at it",
        "commit what it leads to, or look at it yourself",
    ),
    "metrics/missing": rule(
        "a branch without metrics", "nobody can see what it came to", "commit its results"
    ),
    "metrics/unreadable": rule(
        "metrics that cannot be read", "nothing was compared", "write flat numbers as JSON"
    ),
    "metrics/unmet": rule("a bound does not hold", "the plan asks for it", "train on, or change the plan"),
    "metrics/too-few": rule(
        "measured on too few samples", "chance decides such a figure", "measure on more of the data"
    ),
    "metrics/regressed": rule("worse than the baseline", "what was reached is lost", "find out why"),
    "metrics/incomparable": rule(
        "a figure that cannot be compared",
        "what was not compared is no pass",
        "measure it, or drop it from the gate",
    ),
    "review/missing": rule("nobody has looked at it", _UNSEEN, "read it, then: orchestrator approve NAME"),
    "review/outdated": rule("it has changed since it was approved", _UNSEEN, "orchestrator approve NAME"),
    "review/of-a-wave": rule("a wave has no review", _UNSEEN, "set `review: true` for its workstreams"),
    "docs/no-changelog": rule(
        "the change is not described", _UNTOLD, "write a changelog fragment of the branch"
    ),
    "docs/no-decision": rule("a decision is not recorded", _UNTOLD, "write down what was decided, and why"),
    "docs/no-session": rule("there is no session draft", _UNTOLD, "write the draft"),
    "benchmarks/slower": rule("slower than base", "speed that is lost comes back to nobody", "find out why"),
    "benchmarks/incomparable": rule(
        "a benchmark that cannot be compared",
        "what was not compared is no pass",
        "measure the baseline on this machine, or leave `baseline` out",
    ),
    "benchmarks/none": rule("no benchmark was run", "nothing was compared", "name them: `args` of the gate"),
    "benchmarks/broken": rule("benchmarks fail", "nothing was compared", "run the same command by hand"),
    "enforcement/missing-branch": rule(
        "a required branch does not exist",
        "what it promised is nowhere",
        "make it, or take it out of the plan or of `.required_branches`",
    ),
    "enforcement/no-results": rule(
        "a branch commits no results of its own",
        "without them nobody can compare it with its siblings",
        "commit what the training wrote to its folder of results",
    ),
}
