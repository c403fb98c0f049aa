"""What pytest wrote down of its run: JUnit XML in the family that names files."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from xml.etree import ElementTree

from orchestrator.checks.finding import Subject
from orchestrator.checks.outward import for_pytest
from orchestrator.checks.trials import Outcome, Trial

REPORT = "junit.xml"
NOT_FOUND = 127


class CaseEnd(Enum):
    PASSED = "passed"
    FAILED = "failed"
    """In the test itself."""
    ERROR = "error"
    """Around it: while it was collected, set up or taken down."""
    SKIPPED = "skipped"
    XFAILED = "xfailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`file` is empty for a module that could not be collected; `name` is then its dotted name."""

    file: str
    classname: str
    name: str
    end: CaseEnd
    message: str = ""
    text: str = ""
    line: int | None = None

    @property
    def test(self) -> str:
        """Class and function, without parameters."""
        module = self.file.removesuffix(".py").replace("/", ".")
        owner = self.classname.removeprefix(module).lstrip(".")
        return ".".join(filter(None, (owner, self.name.partition("[")[0])))

    @property
    def is_collection(self) -> bool:
        return self.end in (CaseEnd.ERROR, CaseEnd.SKIPPED) and not self.classname

    @property
    def why(self) -> str:
        if self.end is CaseEnd.ERROR and not self.classname:
            said = [line[1:].strip() for line in self.text.splitlines() if line.startswith("E ")]
        else:
            said = []
        lines = [*said, *self.message.strip().splitlines()]
        return lines[0][:200] if lines else ""


def pytest_trial(
    subject: Subject,
    name: str,
    commit: str,
    program: str,
    arguments: Sequence[str],
    *,
    shell: str = "",
    source: str | None = None,
    **more: object,
) -> Trial:
    """A run whose report is wanted; whatever the project's own options say, it does not end early.

    `arguments` are quoted here, `shell` is appended as it is.
    """
    before, ignored = for_pytest(subject, *filter(None, (commit, source)))
    quoted = " ".join(map(shlex.quote, [*ignored, *arguments]))
    command = (
        f"{before}"
        'PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" '
        f"{program} -p no:cacheprovider --rootdir=. --maxfail=0 --continue-on-collection-errors "
        f'-o junit_family=xunit1 --junit-xml="$ORCHESTRATOR_OUT/{REPORT}" {shell} {quoted}'
    )
    return Trial(
        name=name,
        command=command.rstrip(),
        commit=commit,
        source=source,
        wanted=(REPORT,),
        **more,  # type: ignore[arg-type]
    )


def cases_of(outcome: Outcome) -> tuple[Case, ...] | None:
    """None where pytest left no report: it did not get as far as running tests."""
    text = outcome.files.get(REPORT)
    if text is None:
        return None
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
    for tag, counted in (("failure", "failures"), ("error", "errors")):
        told = sum(int(n) for suite in root.iter("testsuite") if (n := suite.get(counted, "0")).isdigit())
        if told > sum(1 for _ in root.iter(tag)):
            return None  # somebody took some out of it
    return tuple(map(_case, root.iter("testcase")))


def _case(element: ElementTree.Element) -> Case:
    end, said = _end(element)
    line = element.get("line", "")
    return Case(
        file=element.get("file", ""),
        classname=element.get("classname", ""),
        name=element.get("name", ""),
        end=end,
        message=said.get("message", "") if said is not None else "",
        text=(said.text or "") if said is not None else "",
        line=int(line) + 1 if line.isdigit() else None,
    )


def _end(element: ElementTree.Element) -> tuple[CaseEnd, ElementTree.Element | None]:
    for tag, end in (("failure", CaseEnd.FAILED), ("error", CaseEnd.ERROR), ("skipped", CaseEnd.SKIPPED)):
        said = element.find(tag)
        if said is not None:
            is_expected = end is CaseEnd.SKIPPED and said.get("type") == "pytest.xfail"
            return (CaseEnd.XFAILED if is_expected else end), said
    return CaseEnd.PASSED, None


def of_test(cases: Iterable[Case], path: str, test: str) -> Iterator[Case]:
    return (case for case in cases if case.file == path and case.test == test)


def collection_of(cases: Iterable[Case], path: str) -> Case | None:
    """The module's own entry, when it could not be collected."""
    module = path.removesuffix(".py").replace("/", ".")
    return next((case for case in cases if case.is_collection and case.name in (module, path)), None)
