"""The unit file of a project's daemon, for `systemctl --user`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.plan import Plan
from orchestrator.errors import UsageError
from orchestrator.settings import StatePaths

WATCHDOG_S = 120
STOP_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """`search_path` is the PATH that workers get, `log` where the daemon's log goes."""

    project: str
    plan: Path
    python: str
    search_path: str
    log: Path

    @property
    def name(self) -> str:
        return f"orchestrator-{self.project}.service"

    def text(self) -> str:
        """Raises: UsageError: a path that no unit file can hold."""
        return _TEMPLATE.format(
            project=_specifiers(_one_line(self.project)),
            plan=_specifiers(_one_line(str(self.plan))),
            start=" ".join(
                _argument(one) for one in (self.python, "-m", "orchestrator.daemon", str(self.plan))
            ),
            path=_assignment("PATH", self.search_path),
            log=_specifiers(_one_line(str(self.log))),
            watchdog=WATCHDOG_S,
            stop=STOP_S,
        )

    def is_written_in(self, text: str) -> bool:
        """Whether that is this unit; the PATH is that of whichever shell it was written from."""
        return _without_path(text) == _without_path(self.text())


_TEMPLATE = """\
# Written by `orchestrator service install`, which also renews it.
[Unit]
Description=orchestrator of {project}
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={start}
{path}
Environment=PYTHONSAFEPATH=1
# Only the daemon is ended; workers and their tmux server stay.
KillMode=process
TimeoutStopSec={stop}
Restart=on-failure
RestartSec=5
# A plan that cannot be used, or a daemon that runs already, is not mended by trying again.
RestartPreventExitStatus=1 2
WatchdogSec={watchdog}
StandardOutput=append:{log}
StandardError=append:{log}

[Install]
WantedBy=default.target
"""


def unit_folder(env: Mapping[str, str], home: Path) -> Path:
    """Where a user's own units lie."""
    named = env.get("XDG_CONFIG_HOME", "")
    return (Path(named) if named.startswith("/") else home / ".config") / "systemd" / "user"


def unit_of(plan: Plan, state: StatePaths, python: str, search_path: str) -> Unit:
    return Unit(
        project=plan.project,
        plan=Path(plan.source),
        python=python,
        search_path=search_path,
        log=state.log,
    )


def _without_path(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith('Environment="PATH=')]


def _argument(text: str) -> str:
    """One word of ExecStart (systemd.syntax(7)): quoted, without specifiers or variables."""
    escaped = _one_line(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{_specifiers(escaped)}"'


def _assignment(name: str, value: str) -> str:
    escaped = _one_line(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'Environment="{name}={_specifiers(escaped)}"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _one_line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise UsageError(f"{text!r} has a line end, which no unit file can hold.", "rename that folder")
    return text
