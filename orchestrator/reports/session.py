"""The session document of a wave: what was done, how it was proved, what is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timezone
from typing import Any

from orchestrator.core.facts import GateFinished
from orchestrator.git import Commit, LineCount
from orchestrator.reports.pages import page
from orchestrator.reports.story import finished_in_words
from orchestrator.reports.subject import Next, Verdict
from orchestrator.reports.text import code, inline, plain
from orchestrator.reports.work import MemberWork, Totals, WaveWork

_COMMITS, _FILES, _DEBT, _LINE = 100, 200, 50, 160
"""Beyond these a document says only how many more there are."""


def committed_page(work: WaveWork, verdicts: Sequence[Verdict | GateFinished]) -> str:
    """The document that a candidate carries: it stands before the wave's own gates have run."""
    subject = work.subject
    asked = ", ".join(inline(gate) for gate in subject.gates)
    rest = f"The landing's tag and `orchestrator report --wave {subject.wave}` say how they went."
    gates = f"The wave's own gates run on the commit that carries this page: {asked}. {rest}"
    return _page(work, verdicts, wave_gates=gates if asked else "", measures=())


def report_page(
    work: WaveWork,
    verdicts: Sequence[Verdict | GateFinished],
    landings: Sequence[str],
    measures: Sequence[tuple[str, str]],
) -> str:
    """The document of a landed wave: with its own gates, and with what the journal knows."""
    return _page(work, verdicts, wave_gates="", landings=landings, measures=measures)


def _page(
    work: WaveWork,
    verdicts: Sequence[Verdict | GateFinished],
    *,
    wave_gates: str,
    landings: Sequence[str] = (),
    measures: Sequence[tuple[str, str]],
) -> str:
    subject = work.subject
    return page(
        "session.md.j2",
        title=subject.title,
        base=subject.base,
        origin=f"{subject.project}, wave {subject.wave} on {subject.base}. Generated from git and the gates.",
        summary=list(_summary(work)),
        landings=landings,
        works=[_work(one) for one in work.members],
        operations=list(_operations(work)),
        gates=list(_gates(work, verdicts)),
        wave_gates=wave_gates,
        metrics=[
            (m.member.name, key, f"{m.metrics[key]:.6g}") for m in work.members for key in sorted(m.metrics)
        ],
        decisions=work.decisions,
        debt=[
            {"place": f"{d.path}:{d.number}", "text": plain(d.text).strip()[:_LINE]}
            for d in work.debt[:_DEBT]
        ],
        more_debt=max(0, len(work.debt) - _DEBT),
        files=[_file(count) for count in work.counts[:_FILES]],
        more_files=max(0, len(work.counts) - _FILES),
        steps=list(_steps(work)),
        measures=measures,
    )


def _summary(work: WaveWork) -> Iterator[str]:
    subject = work.subject
    yield f"{_count(len(subject.members), 'workstream')}: {', '.join(m.name for m in subject.members)}"
    yield f"{_count(len(work.commits), 'commit')}{_span(work.commits)}"
    authors = sorted({inline(commit.author) for commit in work.commits})
    if authors:
        yield f"by {', '.join(authors)}"
    yield _changes(work.totals)
    if subject.left_out:
        yield f"not part of it: {', '.join(subject.left_out)}"


def _span(commits: Sequence[Commit]) -> str:
    days = [commit.authored_at.astimezone(timezone.utc).date().isoformat() for commit in commits]
    if not days:
        return ""
    first, last = min(days), max(days)
    return f", on {first} (UTC)" if first == last else f", from {first} to {last} (UTC)"


def _changes(totals: Totals) -> str:
    lines = f"{_count(totals.insertions, 'line')} added, {totals.deletions} removed"
    return f"{_count(totals.files, 'file')} changed, {lines}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _work(work: MemberWork) -> dict[str, Any]:
    member = work.member
    at = f"{code(member.branch)} at {code(member.tip)}" if member.branch else code(member.tip)
    return {
        "name": member.name,
        "line": f"{at}: {_count(len(work.commits), 'commit')}, {_changes(work.totals)}.",
        "commits": [
            {"id": commit.id[:12], "subject": commit.subject, "author": commit.author}
            for commit in work.commits[:_COMMITS]
        ],
        "more": max(0, len(work.commits) - _COMMITS),
    }


def _operations(work: WaveWork) -> Iterator[str]:
    subject = work.subject
    yield f"{code(subject.base)} stood at {code(subject.base_commit)}"
    for one in work.members:
        tip = f"{one.member.name} ({code(one.member.tip)})"
        if one.merge is not None:
            yield f"merged {tip} as {code(one.merge)}"
        elif one.member.name in subject.contained:
            yield f"{tip} was in {code(subject.base)} already"
        else:
            yield f"{tip} came with another branch"


def _gates(work: WaveWork, verdicts: Sequence[Verdict | GateFinished]) -> Iterator[tuple[str, str, str]]:
    """What the plan asks for, in its order, then whatever else was run."""
    members = work.subject.members
    asked = [(gate, m.name) for m in members for gate in m.gates]
    names = (None, *(m.name for m in members))
    found = {(v.gate, v.workstream): v for v in verdicts if v.workstream in names}
    for gate, name in dict.fromkeys([*asked, *found]):
        yield gate, name or "the wave", _result(found.get((gate, name)))


def _result(verdict: Verdict | GateFinished | None) -> str:
    """Without how long it took, which is another each time; a fact's own time is told."""
    if verdict is None:
        return "not run"
    if isinstance(verdict, GateFinished):
        return f"{finished_in_words(verdict)}, {'cached' if verdict.cached else f'{verdict.seconds:.1f} s'}"
    return verdict.said


def _file(count: LineCount) -> tuple[str, str, str]:
    if count.added is None or count.removed is None:
        return count.path, "binary", "binary"
    return count.path, str(count.added), str(count.removed)


def _steps(work: WaveWork) -> Iterator[str]:
    for name in work.subject.left_out:
        yield f"{name} of this wave has not landed"
    yield from (_next(following) for following in work.subject.following)
    if work.debt:
        yield f"{_count(len(work.debt), 'new TODO or FIXME line')}, listed above"


def _next(following: Next) -> str:
    goal = f", {inline(following.goal)}" if following.goal else ""
    return f"wave {following.wave}{goal}: {', '.join(following.workstreams)}"
