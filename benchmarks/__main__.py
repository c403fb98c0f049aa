"""`python -m benchmarks [NAME…] [--runs N] [--json FILE]`: figures, not assertions; the exit status is 0."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import (
    candidate,
    cold,
    forecast,
    honesty,
    hooks,
    hosts,
    idle,
    isolation,
    landing,
    measuring,
    poll,
    rollback,
    start_time,
    up,
    wave_check,
)
from benchmarks.home import private_home
from benchmarks.measuring import Figure

SUBJECTS: dict[str, Callable[[int], Iterator[Figure]]] = {
    "start_time": start_time.measure,
    "cold": cold.measure,
    "up": up.measure,
    "poll": poll.measure,
    "idle": idle.measure,
    "hosts": hosts.measure,
    "candidate": candidate.measure,
    "landing": landing.measure,
    "isolation": isolation.measure,
    "wave_check": wave_check.measure,
    "forecast": forecast.measure,
    "rollback": rollback.measure,
    "honesty": honesty.measure,
    "hooks": hooks.measure,
}


def main() -> None:
    arguments = _arguments()
    with private_home() as folder:
        described = measuring.machine(folder)
        print(", ".join(f"{name} {value}" for name, value in described.items()))
        results = {name: _run(name, arguments.runs) for name in arguments.names or SUBJECTS}
    if arguments.json:
        document = {"machine": described, "runs": arguments.runs, "subjects": results}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--runs", type=int, default=5, help="how many runs a median is of (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in SUBJECTS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    return arguments


def _run(name: str, runs: int) -> dict[str, Any]:
    before = measuring.load()
    figures = []
    for figure in SUBJECTS[name](runs):
        figures.append(figure)
        print(" | ".join(filter(None, figure.row())), file=sys.stderr, flush=True)
    after = measuring.load()
    print(f"\n{name} (load before {before}, after {after})\n\n{measuring.table(figures)}", flush=True)
    return {"load": [before, after], "figures": [figure.document() for figure in figures]}


if __name__ == "__main__":
    main()
