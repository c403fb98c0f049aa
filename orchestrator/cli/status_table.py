"""The status document as a table: aligned text in a pipe, fitted to the window on a terminal."""

from __future__ import annotations

import math
import sys
from typing import Any

from orchestrator.cli.capacity_lines import capacity_lines
from orchestrator.cli.printing import aligned, one_line, tell

Document = dict[str, Any]
Row = tuple[str, ...]

HEADER = (
    "NAME",
    "WAVE",
    "STATE",
    "STAGE",
    "PROGRESS",
    "METRICS",
    "BEAT",
    "ETA",
    "RESTARTS",
    "LAST OUTPUT",
)
STATE_STYLES = {
    "running": ("green",),
    "starting": ("cyan",),
    "done": ("green", "bold"),
    "merged": ("blue",),
    "ready": ("green",),
    "merging": ("cyan",),
    "stale": ("yellow",),
    "backoff": ("yellow",),
    "held": ("yellow", "bold"),
    "failed": ("red", "bold"),
    "stopped": ("dim",),
    "waiting": ("dim",),
    "open": ("dim",),
    "rolled-back": ("yellow",),
}
METRICS_SHOWN = 3
CONFLICTS_SHOWN = 5
FILES_SHOWN = 3


def print_status(document: Document) -> None:
    if sys.stdout.isatty():
        from orchestrator.cli.live import print_on_terminal

        print_on_terminal(document)
    else:
        for line in status_lines(document):
            tell(line)


def status_lines(document: Document) -> list[str]:
    return [*aligned([HEADER, *rows(document)]), *footer(document)]


def rows(document: Document) -> list[Row]:
    return [_row(w) for w in document["workstreams"]]


def footer(document: Document) -> list[str]:
    waves = [
        f"wave {w['wave']}: {w['state']}{so_far(w)}" + (f" ({one_line(w['goal'])})" if w.get("goal") else "")
        for w in document["waves"]
    ]
    silent = [
        f"host {h['name']} does not answer" + (f": {one_line(h['reason'])}" if h.get("reason") else "")
        for h in document["hosts"]
        if h["reachable"] is False
    ]
    ahead = [one for one in document.get("conflicts", ()) if one["conflict"]]
    overlaps = len(document.get("conflicts", ())) - len(ahead)
    unsynced = [
        f"results of {w['name']} were not pulled: {one_line(w['synced']['reason'])}"
        for w in document["workstreams"]
        if (w.get("synced") or {}).get("reason")
    ]
    daemon = _daemon(document["daemon"])
    troubles = [one_line(trouble) for trouble in document.get("troubles", ())]
    notes = [*silent, *unsynced, *troubles, *capacity_lines(document)]
    return ["", *waves, *_conflicts(ahead, overlaps), *notes, *daemon]


def _daemon(daemon: Document) -> list[str]:
    if not daemon["running"]:
        return ["no daemon runs; start it with: orchestrator up"]
    held = daemon.get("held")
    return [f"the daemon holds everything, and goes on by itself: {one_line(held)}"] if held else []


def so_far(wave: Document) -> str:
    """How much of a wave has landed, where that is a part of it."""
    landed = [name for name in wave["workstreams"] if name in wave["landed"]]
    if wave["state"] == "merged" or not landed:
        return ""
    return f", {len(landed)} of {len(wave['workstreams'])} landed"


def _conflicts(ahead: list[Document], overlaps: int) -> list[str]:
    """What the daemon foresees; `conflicts` says the rest."""
    lines = [
        f"conflict ahead: {' and '.join(one['between'])}"
        + (f" in {one_line(', '.join(one['files'][:FILES_SHOWN]))}" if one["files"] else "")
        for one in ahead[:CONFLICTS_SHOWN]
    ]
    more = [f"{len(ahead) - CONFLICTS_SHOWN} more conflicts ahead"] if len(ahead) > CONFLICTS_SHOWN else []
    shared = [f"{overlaps} pair{'s' if overlaps > 1 else ''} in the same files"] if overlaps else []
    found = [*lines, *more, *shared]
    return [*found[:-1], f"{found[-1]}; see: orchestrator conflicts"] if found else []


def _row(w: Document) -> Row:
    return (
        w["name"],
        str(w["wave"]),
        w["state"],
        (w["stage"] or "-") + (f" #{w['attempt']}" if w["attempt"] > 1 else ""),
        _progress(w["progress"]),
        _metrics(w["metrics"]),
        "-" if w["heartbeat_age_s"] is None else duration(w["heartbeat_age_s"]),
        _eta(w["progress"]),
        str(w.get("restarts") or 0),
        one_line(w["reason"] or w.get("last_line") or (w["progress"] or {}).get("message") or ""),
    )


def _progress(progress: Document | None) -> str:
    if progress is None or progress["step"] is None:
        return "-"
    step, total, unit = progress["step"], progress["total"], one_line(progress["unit"])
    share = f" {100 * step / total:.0f}%" if total else ""
    return f"{unit} {step:g}" + (f"/{total:g}" if total else "") + share


def _metrics(metrics: Document) -> str:
    shown = [f"{one_line(k)}={v:.4g}" for k, v in list(metrics.items())[:METRICS_SHOWN]]
    more = len(metrics) - len(shown)
    return " ".join([*shown, *([f"+{more}"] if more > 0 else [])]) or "-"


def _eta(progress: Document | None) -> str:
    eta_s = progress["eta_s"] if progress else None
    return "-" if eta_s is None else duration(eta_s)


def duration(seconds: float) -> str:
    """The two largest units that say something: `45s`, `3m20s`, `2h5m`, `3d4h`."""
    if not math.isfinite(seconds):
        return "-"
    whole = max(0, round(seconds))
    for size, name, below_size, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // below_size
            return f"{whole // size}{name}" + (f"{rest}{below}" if rest else "")
    return f"{whole}s"
