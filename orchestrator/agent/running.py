"""Which launches of a place run now, whoever began them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from orchestrator import git, supervise
from orchestrator.agent.files import load_json
from orchestrator.core.adopting import LaunchFound
from orchestrator.wire import FindLaunches, LaunchesFound


def find_launches(request: FindLaunches) -> LaunchesFound:
    folders = sorted(Path(request.place.state, "launches").glob("*"))
    known = set(request.known)
    others = [folder for folder in folders if folder.name not in known]
    specs = list(_running(others, set(request.workstreams)))
    listed = git.list_worktrees(git.Git(request.place.repository)) if specs else []
    heads = {os.path.realpath(one.path): one for one in listed}
    return LaunchesFound(
        launches=tuple(_launch(name, spec, heads.get(os.path.realpath(spec["cwd"]))) for name, spec in specs)
    )


def _running(folders: Iterable[Path], workstreams: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for folder in folders:
        if not supervise.is_running(folder):
            continue
        spec = load_json(folder / "spec.json")
        if spec.get("workstream") in workstreams and isinstance(spec.get("cwd"), str):
            yield folder.name, spec


def _launch(launch: str, spec: dict[str, Any], listed: git.WorktreeListed | None) -> LaunchFound:
    port, attempt = spec.get("port"), spec.get("attempt")
    return LaunchFound(
        workstream=spec["workstream"],
        launch=launch,
        stage=str(spec.get("stage") or ""),
        attempt=attempt if isinstance(attempt, int) else 1,
        command=str(spec.get("command") or ""),
        worktree=spec["cwd"],
        branch=listed.branch if listed else None,
        tip=(listed.head or "") if listed else "",
        port=port if isinstance(port, int) else None,
        gpus=_devices(spec.get("env")),
    )


def _devices(env: object) -> tuple[int, ...]:
    """Those that it was given by us: by the driver's index."""
    told = env.get("CUDA_VISIBLE_DEVICES", "") if isinstance(env, dict) else ""
    parts = [part for part in str(told).split(",") if part]
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()
