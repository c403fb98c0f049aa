"""A daemon, a command line and supervisors of different versions meet; workers notice nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import orchestrator
from orchestrator import __version__
from orchestrator.agent.launches import exit_of
from orchestrator.client import Client, OtherVersion
from orchestrator.settings import StatePaths
from orchestrator.supervise.records import read_exit
from tests.support.eventually import eventually
from tests.support.project import COMMAND, PATIENCE_S, Project

OLDER = "0.0.9"


@pytest.fixture
def older(tmp_path: Path) -> str:
    """PYTHONPATH of a version whose supervisors write fields we do not know, and whose `up` knows less."""
    root = tmp_path / "older"
    source = Path(orchestrator.__file__).parent
    shutil.copytree(source, root / "orchestrator", ignore=shutil.ignore_patterns("__pycache__"))
    for name, before, after in (
        ("__init__.py", f'"{__version__}"', f'"{OLDER}"'),
        ("supervise/records.py", '{"v": 1, **vars', '{"v": 1, "ended_by": "the older", **vars'),
        ("supervise/beat.py", '"v": 1,', '"v": 1, "mood": "good",'),
        ("agent/launches.py", '"v": 1,', '"v": 1, "colour": "red",'),
        ("requests.py", "    take_over: tuple[str, ...] = ()\n", ""),
        ("answers.py", "request.take_over", "()"),
        ("cli/up.py", ", take_over=hosts", ""),
    ):
        file = root / "orchestrator" / name
        assert before in file.read_text(), name
        file.write_text(file.read_text().replace(before, after))
    return str(root)


def test_the_daemon_is_renewed_under_running_workers(project: Project, older: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    run = f"until test -e {go}; do sleep 0.1; done; exit"
    project.workstreams(f"a: {{branch: w/a, run: '{run} 0'}}", f"b: {{branch: w/b, run: '{run} 2'}}")
    older_env = {**project.env, "PYTHONPATH": older}
    subprocess.run([*COMMAND, "up"], cwd=project.root, env=older_env, check=True, timeout=PATIENCE_S)
    _the_older_daemon_is_not_understood(project)
    assert "the workers stay" in project.ok("down", "--keep-workers").out
    project.ok("up")
    assert [e["version"] for e in project.events("DaemonStarted")] == [OLDER, __version__]
    eventually(lambda: project.status("a")["heartbeat_age_s"] is not None, 20, "its beat is understood")
    assert project.state_of("a") == "running"
    go.touch()
    assert project.until("a", "done")["attempt"] == 1
    assert project.until("b", "failed")["exit_code"] == 2
    assert len(project.events("Launched")) == len(project.events("LaunchChosen")) == 2


def _the_older_daemon_is_not_understood(project: Project) -> None:
    refused = project.run("up")
    assert refused.code == 3 and "Traceback" not in refused.err
    assert f"the daemon runs version {OLDER}, this is {__version__}" in refused.err
    assert "Up has no take_over" in refused.err
    assert "orchestrator down --keep-workers && orchestrator up" in refused.err
    assert project.state_of("a") == "running"
    with pytest.raises(OtherVersion, match=f"{OLDER}, this is {__version__}: its answer has no 'mood'"):
        Client(StatePaths(root=project.state)).status()["daemon"]["mood"]


def test_an_end_as_another_version_wrote_it(tmp_path: Path) -> None:
    def end(text: str) -> object:
        (tmp_path / "exit.json").write_text(text)
        return exit_of(read_exit(str(tmp_path)))

    known = end('{"v": 1, "exit_code": 3, "cause": "exited", "ended": 5.0, "elapsed_s": 2}')
    assert known == end('{"v": 2, "exit_code": 3, "cause": "exited", "ended": 5.0, "elapsed_s": 2, "x": []}')
    assert known is not None
    assert end("{}") is None and end("torn") is None
