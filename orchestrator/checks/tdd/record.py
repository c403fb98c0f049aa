"""The files in which runs of a component's tests are kept: `artifacts/tdd_<component>_<phase>.txt`."""

from __future__ import annotations

import re
from dataclasses import dataclass

FOLDER = "artifacts"
PHASES = ("red", "green", "refactor")
_FILE = re.compile(r"(?:.*/)?artifacts/tdd_(.+)_(red|green|refactor)\.txt$")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*$")
_OUTPUT = "--- output ---"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`tree` is of all files as they were when the command ran, less the evidence files themselves.

    `uncommitted`: it is not the tree of `commit`, on which the work stood.
    """

    component: str
    phase: str
    commit: str
    tree: str
    uncommitted: bool
    command: str
    exit_code: int
    captured: str
    output: str


def is_component(name: str) -> bool:
    return _COMPONENT.match(name) is not None


def path_of(component: str, phase: str) -> str:
    return f"{FOLDER}/tdd_{component}_{phase}.txt"


def is_evidence(path: str) -> bool:
    return _FILE.match(path) is not None


def named_in(path: str) -> tuple[str, str] | None:
    """Component and phase of an evidence file."""
    match = _FILE.match(path)
    return (match[1], match[2]) if match else None


def written(evidence: Evidence) -> str:
    head = {
        "component": evidence.component,
        "phase": evidence.phase,
        "commit": evidence.commit,
        "tree": evidence.tree,
        "uncommitted": "yes" if evidence.uncommitted else "no",
        "command": evidence.command,
        "exit": str(evidence.exit_code),
        "captured": evidence.captured,
    }
    lines = [f"{key}: {value}" for key, value in head.items()]
    return "\n".join([*lines, "", _OUTPUT, evidence.output.rstrip("\n"), ""])


def read(text: str) -> Evidence | str:
    """What a file says, or what is wrong with it."""
    head, mark, output = text.partition(f"\n{_OUTPUT}\n")
    if not mark:
        return "is no evidence file: it has no output"
    keys = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    missing = [
        key for key in ("component", "phase", "commit", "tree", "command", "exit") if not keys.get(key)
    ]
    if missing:
        return f"does not say its {', '.join(missing)}"
    if not re.fullmatch(r"-?[0-9]+", keys["exit"]):
        return f"says no exit status: {keys['exit']}"
    return Evidence(
        component=keys["component"],
        phase=keys["phase"],
        commit=keys["commit"],
        tree=keys["tree"],
        uncommitted=keys.get("uncommitted") == "yes",
        command=keys["command"],
        exit_code=int(keys["exit"]),
        captured=keys.get("captured", ""),
        output=output,
    )
