"""`python -m faults [NAME…]`: faults on the real product, and what became of it, beside the aim.

The exit status is 1 when an aim was missed. Times are only as good as the machine is free: see `load`.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
import time
import traceback
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from benchmarks import measuring
from benchmarks.home import private_home
from faults import (
    back,
    clocks,
    cuts,
    devices,
    disks,
    files,
    kills,
    late,
    machines,
    many,
    outages,
    stopping,
    transfers,
    walk,
)
from faults.figures import Answer, NotRun, Options, Subject
from faults.namespace import can_make_namespaces
from orchestrator.errors import OrchestratorError
from tests.support.repository import PINNED

SUBJECTS: dict[str, Subject] = {
    "cuts": cuts.measure,
    "outages": outages.measure,
    "machines": machines.measure,
    "transfers": transfers.measure,
    "stopping": stopping.measure,
    "files": files.measure,
    "disks": disks.measure,
    "clocks": clocks.measure,
    "late": late.measure,
    "devices": devices.measure,
    "many": many.measure,
    "back": back.measure,
    "walk": walk.measure,
    "kills": kills.measure,
}


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = _options(arguments)
    os.environ.update(PINNED)
    with private_home() as folder:
        described = measuring.machine(folder) | {
            "hosts": "network and process namespaces" if options.namespaces else "loopback",
            "seed": options.seed,
        }
        print(", ".join(f"{name} {value}" for name, value in described.items()), flush=True)
        results = {name: _run(name, options) for name in arguments.names or SUBJECTS}
    if arguments.json:
        document = {"machine": described, "subjects": results}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    missed = [name for name, result in results.items() if not result["ok"]]
    print(f"\naims missed in: {', '.join(missed)}" if missed else "\nevery aim was met")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--seed", type=int, help="of all that is random (default: a new one, printed)")
    parser.add_argument("--cuts", type=int, default=1000, help="how often a link is cut (default: 1000)")
    parser.add_argument("--hosts", type=int, default=8, help="hosts whose links are cut (default: 8)")
    parser.add_argument(
        "--long", action="store_true", help="also a cut of 10 min, and a soak of half an hour"
    )
    parser.add_argument("--loopback", action="store_true", help="no namespaces, also as root")
    parser.add_argument("--few", action="store_true", help="the small sample that the tests take")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in SUBJECTS]
    if unknown:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    return arguments


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        seed=secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed,
        cuts=arguments.cuts,
        hosts=arguments.hosts,
        namespaces=not arguments.loopback and can_make_namespaces(),
        long=arguments.long,
        few=arguments.few,
    )


def _run(name: str, options: Options) -> dict[str, Any]:
    before, started, answers = measuring.load(), time.monotonic(), list[Answer]()
    try:
        for answer in SUBJECTS[name](options):
            answers.append(answer)
            print(" | ".join(filter(None, answer.row())), file=sys.stderr, flush=True)
    except (
        AssertionError,
        OSError,
        LookupError,
        SubprocessError,
        OrchestratorError,
    ):  # what other subjects find is still worth knowing
        traceback.print_exc()
        answers.append(NotRun(what=f"{name}, the rest of it", why="it broke; see above"))
        broken = True
    else:
        broken = False
    after, took = measuring.load(), time.monotonic() - started
    print(f"\n{name} ({took:.0f} s, load before {before}, after {after})\n")
    print(measuring.table(answers), flush=True)
    missed = broken or any(not isinstance(one, NotRun) and one.met is False for one in answers)
    return {"ok": not missed, "load": [before, after], "figures": [one.document() for one in answers]}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # everything was ended on the way here
        sys.exit(128 + signal.SIGINT)
