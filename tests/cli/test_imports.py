"""What commands may not load, since every shell prompt and script pays for it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.project import Project

HEAVY = {"rich", "jinja2", "yaml", "paramiko", "git", "libtmux", "sqlite3", "torch", "uvicorn", "apscheduler"}
HEAVY |= {"apprise", "requests", "prometheus_client"}

SCRIPT = """\
import json, sys
from orchestrator.cli.main import run
status = run(sys.argv[1:])
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded_by(project: Project, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    status, modules = json.loads(done.stderr.splitlines()[-1])
    assert status == 0
    return set(modules)


@pytest.mark.parametrize("typed", ["--help", "up --help", "--version"])
def test_help_loads_nothing_heavy(project: Project, typed: str) -> None:
    loaded = loaded_by(project, *typed.split())
    assert not HEAVY & loaded
    # Where there are options to parse, Typer itself uses pydantic.
    assert "pydantic" not in loaded or typed != "--help"


def test_status_without_a_daemon_loads_no_ssh_and_no_tmux(planned: Project) -> None:
    assert not {"paramiko", "libtmux", "rich", "uvicorn"} & loaded_by(planned, "status")
