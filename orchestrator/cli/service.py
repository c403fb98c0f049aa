"""`service install`, `service uninstall` and `service status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.here import find_here, user_name
from orchestrator.cli.options import AsJson, PlanFile
from orchestrator.cli.printing import note, tell, tell_json

if TYPE_CHECKING:
    from orchestrator.core.plan import NotifyPolicy, Plan
    from orchestrator.systemd.unit import Unit

_LINGER = Path("/var/lib/systemd/linger")
_SYSTEMD_RUNS = Path("/run/systemd/system")


def install(plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Write the unit of this project's daemon for systemctl --user; it starts nothing."""
    loaded, unit, path = _unit(plan)
    text = unit.text()
    unit.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    steps = _steps(unit)
    if as_json:
        tell_json({"unit": str(path), "next": steps})
        return
    tell(f"wrote {path}")
    if not _SYSTEMD_RUNS.is_dir():
        note("systemd does not run on this machine: the unit waits until it does")
    _note_variables(loaded.notify)
    for step in steps:
        tell(f"    → {step}")


def uninstall(plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Remove the unit; a daemon that runs goes on."""
    _, unit, path = _unit(plan)
    was_there = path.exists()
    path.unlink(missing_ok=True)
    steps = ["systemctl --user daemon-reload"] if was_there else []
    if as_json:
        tell_json({"unit": str(path), "removed": was_there, "next": steps})
        return
    tell(f"removed {path}" if was_there else f"no unit {unit.name} is installed")
    for step in steps:
        tell(f"    → {step}")


def status(plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Show whether the unit is written and current, whether it is enabled and runs, and lingering."""
    _, unit, path = _unit(plan)
    found = {
        "unit": str(path),
        "installed": path.exists(),
        "current": path.exists() and unit.is_written_in(path.read_text(encoding="utf-8", errors="replace")),
        "enabled": _systemctl("is-enabled", unit.name),
        "active": _systemctl("is-active", unit.name),
        "lingering": (_LINGER / user_name()).exists(),
    }
    if as_json:
        tell_json(found)
        return
    written = "current" if found["current"] else "differs: orchestrator service install"
    tell(f"{path}: {written if found['installed'] else 'not installed'}")
    tell(f"enabled: {found['enabled'] or 'not known, systemctl --user does not answer'}")
    tell(f"active: {found['active'] or 'not known, systemctl --user does not answer'}")
    advice = f"no: loginctl enable-linger {user_name()}"
    tell(f"outlives your logout: {'yes' if found['lingering'] else advice}")


def _unit(plan: Path | None) -> tuple[Plan, Unit, Path]:
    import os
    import sys

    from orchestrator.systemd.unit import unit_folder, unit_of

    here = find_here(plan)
    loaded = here.load_plan()
    unit = unit_of(loaded, here.state_paths, sys.executable, os.environ.get("PATH", ""))
    return loaded, unit, unit_folder(os.environ, Path.home()) / unit.name


def _note_variables(policy: NotifyPolicy) -> None:
    """What a shell exports, no service has."""
    from orchestrator.notify.services import variables_of

    addresses = [*policy.urls, *([policy.ping] if policy.ping else [])]
    names = dict.fromkeys(name for spec in addresses for name in variables_of(spec))
    if names:
        note(f"the service lacks {' and '.join(names)} until orchestrator up is typed; file:PATH needs none")


def _steps(unit: Unit) -> list[str]:
    lingers = (_LINGER / user_name()).exists()
    return [
        "orchestrator down" + " (if a daemon runs that no service started)",
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now {unit.name}",
        *([] if lingers else [f"loginctl enable-linger {user_name()}"]),
    ]


def _systemctl(*asked: str) -> str | None:
    """What it says in a word; None where there is no systemd of the user to ask."""
    import subprocess

    try:
        done = subprocess.run(
            ["systemctl", "--user", *asked], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
