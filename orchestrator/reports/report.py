"""The report of a landed wave: its document, its own gates, its measures. Journal and git are enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from orchestrator import git
from orchestrator.core import facts as f
from orchestrator.core.plan import Plan
from orchestrator.git import Git
from orchestrator.reports import metrics as m
from orchestrator.reports.landed import LandedWave, Turn, landed_subject
from orchestrator.reports.session import report_page
from orchestrator.reports.story import in_words
from orchestrator.reports.work import MemberWork, WaveWork, read_work, together

_NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """None is what was not measured."""

    timing: m.Timing
    tests_added: int
    type_errors: tuple[int | None, int | None]
    conflicts: tuple[str, ...]
    breaking: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveReport:
    landed: LandedWave
    work: WaveWork
    gates: tuple[f.GateFinished, ...]
    measures: Measures


def wave_report(repository: Git, plan: Plan, landed: LandedWave) -> WaveReport:
    """Raises:
    CommandFailed: its commits are no longer in the repository.
    """
    with git.merging(git.common_dir(repository), landed.last.base_before) as neutral:
        works = [
            read_work(neutral, landed_subject(neutral, plan, part, landed.names)) for part in landed.parts
        ]
        work = works[0] if len(works) == 1 else together(works)
        return WaveReport(
            landed=landed,
            work=work,
            gates=tuple(_gates(landed)),
            measures=_measures(neutral, work, landed),
        )


def _gates(landed: LandedWave) -> Iterator[f.GateFinished]:
    """The last verdict of each gate on exactly what landed."""
    proved: set[tuple[str | None, str]] = {*landed.tips.items()}
    proved.update((None, part.fact.base_after) for part in landed.parts)
    found: dict[tuple[str | None, str], f.GateFinished] = {}
    for one in landed.history:
        gate = one.fact
        if not isinstance(gate, f.GateFinished) or gate.wave != landed.last.wave:
            continue
        if (gate.workstream, gate.commit) in proved:
            found[gate.workstream, gate.gate] = gate
    order: list[str | None] = [*landed.tips, None]
    yield from sorted(found.values(), key=lambda gate: order.index(gate.workstream))


def _measures(repository: Git, work: WaveWork, landed: LandedWave) -> Measures:
    return Measures(
        timing=m.timing(landed.history, landed.names, landed.parts[-1].at),
        tests_added=_tests_added(repository, work),
        type_errors=m.type_errors(tuple(_type_runs(landed))),
        conflicts=m.conflicts(landed.history, landed.last.wave),
        breaking=m.breaking(work.commits),
    )


def _tests_added(repository: Git, work: WaveWork) -> int:
    paths = [count.path for count in work.counts if m.is_test_file(count.path) and count.added is not None]
    sides = (work.subject.base_commit, work.subject.head)
    old, new = ([_text(repository, commit, path) for path in paths] for commit in sides)
    return m.added_tests(old, new)


def _text(repository: Git, commit: str, path: str) -> str:
    entry = git.find_entry(repository, commit, path)
    return git.read_blob(repository, entry.id) if entry is not None and entry.is_plain_file else ""


def _type_runs(landed: LandedWave) -> Iterator[m.TypeRun]:
    for one in landed.history:
        match one.fact:
            case f.GateFinished(gate=m.TYPES_GATE) if one.fact.wave == landed.last.wave:
                yield m.TypeRun(one.fact.workstream, one.fact.message or _log(one.fact))


def _log(fact: f.GateFinished) -> str:
    """A green says nothing itself; its log does, where it is still here."""
    try:
        return Path(fact.log).read_text(encoding="utf-8", errors="replace") if fact.ok and fact.log else ""
    except OSError:
        return ""


def page_of(report: WaveReport) -> str:
    return report_page(report.work, report.gates, _turns(report.landed), list(_rows(report)))


def _turns(landed: LandedWave) -> list[str]:
    """How the wave came, went and came again; nothing where it landed once, as a whole."""
    if len(landed.turns) == 1 and not landed.last.left_out:
        return []
    return [f"{_utc(at)}: {in_words(fact)}" for at, fact in landed.turns]


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(sep=" ", timespec="seconds")


def _rows(report: WaveReport) -> Iterator[tuple[str, str]]:
    measures, totals = report.measures, report.work.totals
    timing, (before, after) = measures.timing, measures.type_errors
    yield "duration, first start to landing", _seconds(timing.duration_s)
    yield "commits", str(len(report.work.commits))
    yield "files", str(totals.files)
    yield "insertions", str(totals.insertions)
    yield "deletions", str(totals.deletions)
    yield "tests added", str(measures.tests_added)
    yield "type errors, before and after", f"{_number(before)}, {_number(after)}"
    yield "conflicts met", "; ".join([str(len(measures.conflicts)), *measures.conflicts])
    yield "breaking changes", "; ".join([str(len(measures.breaking)), *measures.breaking])
    for name, active in timing.active_s.items():
        yield f"active time of {name}", _seconds(active)
    yield "first start to last end", _seconds(timing.wall_s)
    yield "speed-up over one after another", _number(timing.speed_up)


def _seconds(value: float | None) -> str:
    return _NOT_MEASURED if value is None else f"{value:.1f} s"


def _number(value: float | None) -> str:
    return _NOT_MEASURED if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def document(report: WaveReport, page: str) -> dict[str, Any]:
    """The report for programs; `page` is the one for people."""
    landed, work = report.landed, report.work
    fact = landed.last
    return {
        "wave": fact.wave,
        "project": work.subject.project,
        "goal": work.subject.goal,
        "base": fact.base,
        "base_before": work.subject.base_commit,
        "base_after": fact.base_after,
        "tag": fact.tag,
        "landed": list(landed.names),
        "left_out": list(work.subject.left_out),
        "rolled_back": landed.is_out,
        "landings": [_turn(at, turn) for at, turn in landed.turns],
        "gates": [_gate(gate) for gate in report.gates],
        "metrics": _metrics(report),
        "workstreams": [_workstream(one) for one in work.members],
        "decisions": [{"path": d.path, "title": d.title} for d in work.decisions],
        "debt": [{"path": d.path, "line": d.number, "text": d.text.strip()} for d in work.debt],
        "files": [{"path": c.path, "added": c.added, "removed": c.removed} for c in work.counts],
        "document": page,
    }


def _turn(at: float, turn: Turn) -> dict[str, Any]:
    return {
        "at": _utc(at),
        "what": "landed" if isinstance(turn, f.WaveLanded) else "rolled-back",
        "workstreams": list(turn.landed),
        "tag": turn.tag if isinstance(turn, f.WaveLanded) else None,
        "base_before": turn.base_before,
        "base_after": turn.base_after,
    }


def _gate(gate: f.GateFinished) -> dict[str, Any]:
    keys = (
        "gate",
        "workstream",
        "ok",
        "outcome",
        "severity",
        "cached",
        "seconds",
        "log",
        "commit",
        "message",
    )
    return {key: getattr(gate, key) for key in keys}


def _metrics(report: WaveReport) -> dict[str, Any]:
    measures, totals = report.measures, report.work.totals
    before, after = measures.type_errors
    return {
        "duration_s": measures.timing.duration_s,
        "commits": len(report.work.commits),
        "files": totals.files,
        "insertions": totals.insertions,
        "deletions": totals.deletions,
        "tests_added": measures.tests_added,
        "type_errors_before": before,
        "type_errors_after": after,
        "conflicts": list(measures.conflicts),
        "breaking_changes": list(measures.breaking),
        "active_s": dict(measures.timing.active_s),
        "wall_s": measures.timing.wall_s,
        "speed_up": measures.timing.speed_up,
    }


def _workstream(work: MemberWork) -> dict[str, Any]:
    return {
        "name": work.member.name,
        "branch": work.member.branch,
        "tip": work.member.tip,
        "merge": work.merge,
        "commits": [{"id": c.id, "subject": c.subject, "author": c.author} for c in work.commits],
        "files": work.totals.files,
        "insertions": work.totals.insertions,
        "deletions": work.totals.deletions,
        "metrics": dict(work.metrics),
    }
