"""The main job, end to end: two waves of real training in a scratch repository, landed on main.

`make demo` runs it on this machine, `make demo-ssh` through an sshd of its own on loopback. Nothing
outside the scratch folder is touched: its own HOME, its own tmux server, its own git settings.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.sshd import run_sshd

PROJECT = "demo"
SOCKET = "orchestrator-demo"
DEADLINE_S = 345.0

PLAN = """\
version: 1
project: {project}
tmux: {{socket: {socket}}}
{hosts}
defaults:
  heartbeat: {{every: 2s, stale: 1m}}
  restart: {{limit: 3, backoff: 1s}}
{host}
gates:
  results: {{run: python check_results.py, timeout: 1m}}

waves:
  1:
    goal: two ways to see a trajectory
    gates: [results]
    workstreams:
      tokens:
        branch: {project}/tokens
        results: results/tokens
        gates: [results, clean-merge]
        run: ./train.sh objects --epochs 6
      pixels:
        branch: {project}/pixels
        results: results/pixels
        gates: [results, clean-merge]
        run: ./train.sh factorized_conv --epochs 6
  2:
    goal: does a smaller one do?
    gates: [results]
    workstreams:
      slim:
        branch: {project}/slim
        results: results/slim
        gates: [results, clean-merge]
        run: ./train.sh objects --epochs 6 --set model.extractor.dim=64
"""

TRAIN = """\
#!/bin/sh
# Trains, then commits what the branch claims: its metrics and its picture.
set -e
model=$1
shift
python -m workers.train --config "$WORKERS_CONFIGS/$model.yaml" --set data.num_samples=2000 --resume auto "$@"
cd "$ORCHESTRATOR_RESULTS"
git add validation_metrics.json training_curves.png
git commit --quiet -m "$ORCHESTRATOR_WORKSTREAM: metrics and curves"
"""

CHECK = '''\
"""The demo's gate: every committed result must show that something was learned."""

import json
import pathlib
import sys

found = sorted(pathlib.Path("results").glob("*/validation_metrics.json"))
for path in found:
    accuracy = json.loads(path.read_text())["classification_acc"]
    print(f"{path}: classification_acc {accuracy:.3f}")
    if not accuracy > 0.4:
        sys.exit(f"{path}: no better than guessing among four classes is about 0.25; 0.4 is required")
sys.exit(None if found else "no results are committed")
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The scratch folder and the environment everything in it runs with."""

    root: Path
    env: dict[str, str]

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.repository, env=self.env, check=check, text=True, capture_output=True
        )

    def show(self, *command: str) -> None:
        """Run a command as a person would, its output on our screen."""
        typed = "orchestrator" if command[0] == "orchestrator" else command[0]
        print(f"\n$ {shlex.join([typed, *command[1:]])}", flush=True)
        done = subprocess.run(self.command(command), cwd=self.repository, env=self.env, check=False)
        if done.returncode:
            raise SystemExit(f"demo: {shlex.join(command)} ended with {done.returncode}; see {self.root}")

    def command(self, command: Sequence[str]) -> list[str]:
        if command[0] == "orchestrator":
            return [sys.executable, "-m", "orchestrator", *command[1:]]
        return list(command)

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(
            self.run(*self.command(["orchestrator", "status", "--json"])).stdout
        )
        return document

    def workstream(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(w for w in self.status()["workstreams"] if w["name"] == name)
        return found


def main() -> None:
    arguments = _arguments()
    started = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="orchestrator-demo-"))
    scene = Scene(root=root, env=_environment(root))
    with _host(scene) if arguments.ssh else nullcontext():
        try:
            _play(scene, ssh=arguments.ssh)
        finally:
            scene.run(*scene.command(["orchestrator", "down"]), check=False)
            scene.run("tmux", "-L", SOCKET, "kill-server", check=False)
    _say(f"All of that took {time.monotonic() - started:.0f} s. The repository is kept at {scene.repository}")


@contextmanager
def _host(scene: Scene) -> Iterator[None]:
    """An sshd on loopback whose sessions have a home of their own, known to `ssh` as demo-gpu."""
    with run_sshd(scene.root / "gpu", alias="demo-gpu") as sshd:
        _git_settings(sshd.home)
        scene.env["ORCHESTRATOR_SSH_CONFIG"] = str(sshd.config)
        yield


def _play(scene: Scene, *, ssh: bool) -> None:
    _say("A scratch repository, with a plan of two waves and three workstreams.")
    _make_repository(scene, ssh=ssh)
    scene.show("orchestrator", "validate")
    _say("One command makes the worktrees and tmux sessions and starts all three trainings.")
    scene.show("orchestrator", "up")
    if not ssh:
        _say(f"Watch one from another terminal:  tmux -L {SOCKET} attach -t {PROJECT}_tokens")
    _until(lambda: _advanced(scene, "tokens", 2), "the first checkpoint of tokens")
    scene.show("orchestrator", "status")
    _kill(scene, "tokens")
    _watch(scene)
    _say("Everything is trained. What the killed one printed, over both attempts:")
    scene.show("orchestrator", "logs", "tokens", "-n", "12")
    for wave in ("1", "2"):
        _say(f"Wave {wave}: gates on every branch, one candidate commit, gates on it, then main moves to it.")
        scene.show("orchestrator", "wave", "merge", wave)
    _say("main now holds both waves; each is one step of its first-parent history, and a tag.")
    scene.show("git", "log", "--graph", "--oneline", "--decorate", "main")
    scene.show("orchestrator", "status")
    _say("Where to look next: orchestrator events (the whole story), orchestrator peek, docs/guide.md")


def _make_repository(scene: Scene, *, ssh: bool) -> None:
    scene.repository.mkdir()
    scene.run("git", "init", "--quiet", "-b", "main")
    workers_env = f"env: {{WORKERS_CONFIGS: {_configs()}, PATH: '{scene.env['PATH']}'}}"
    hosts = (
        f"hosts:\n  gpu: {{ssh: demo-gpu, root: {scene.root}/gpu/clones, python: {sys.executable}}}\n"
        if ssh
        else ""
    )
    host = "  host: gpu\n" if ssh else ""
    text = PLAN.format(project=PROJECT, socket=SOCKET, hosts=hosts, host=f"{host}  {workers_env}")
    files = {
        "waves.yaml": text,
        "train.sh": TRAIN,
        "check_results.py": CHECK,
        ".gitignore": "*.pt\n*.sha256\n",
    }
    for name, content in files.items():
        (scene.repository / name).write_text(content)
    (scene.repository / "train.sh").chmod(0o755)
    scene.run("git", "add", ".")
    scene.run("git", "commit", "--quiet", "-m", "the plan, the training and its gate")


def _kill(scene: Scene, name: str) -> None:
    worktree = scene.workstream(name)["worktree"]
    beat = json.loads(Path(worktree, "results", name, "heartbeat.json").read_text())
    _say(f"Now {name} is killed on purpose: kill -9 of its whole process group, pid {beat['pid']}.")
    os.killpg(os.getpgid(beat["pid"]), signal.SIGKILL)
    _until(lambda: scene.workstream(name)["attempt"] > 1, f"the restart of {name}")
    scene.show("orchestrator", "status", name)


def _watch(scene: Scene) -> None:
    """Show the status whenever a workstream has advanced by a step."""
    shown: list[Any] = []
    while True:
        found = scene.status()["workstreams"]
        steps = [(w["state"], (w["progress"] or {}).get("step")) for w in found]
        if steps != shown:
            print(f"  {time.strftime('%H:%M:%S')}  " + "   ".join(_brief(w) for w in found), flush=True)
            shown = steps
        if all(w["state"] == "done" for w in found):
            return
        if any(w["state"] in ("failed", "held", "stopped") for w in found):
            scene.show("orchestrator", "status")
            raise SystemExit(f"demo: a worker did not end well; see {scene.root}")
        time.sleep(1)


def _brief(workstream: dict[str, Any]) -> str:
    progress = workstream["progress"] or {}
    accuracy = workstream["metrics"].get("classification_acc")
    step = f"{progress.get('step') or 0:g}/{progress.get('total') or 0:g}"
    learned = f" acc {accuracy:.2f}" if accuracy is not None else ""
    return f"{workstream['name']} {workstream['state']} {step}{learned}"


def _advanced(scene: Scene, name: str, step: int) -> bool:
    progress = scene.workstream(name)["progress"]
    return progress is not None and (progress["step"] or 0) >= step


def _until(condition: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > give_up_at:
            raise SystemExit(f"demo: gave up waiting for {what}")
        time.sleep(0.5)


def _say(text: str) -> None:
    print(f"\n── {text}", flush=True)


def _configs() -> Path:
    return Path(__file__).resolve().parent.parent / "workers" / "configs"


def _environment(root: Path) -> dict[str, str]:
    home = root / "home"
    home.mkdir()
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "TMUX", "ORCHESTRATOR_", "XDG_"))
    }
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(_git_settings(home)),
        "GIT_CONFIG_NOSYSTEM": "1",
        "OMP_NUM_THREADS": "1",
    }


def _git_settings(home: Path) -> Path:
    settings = home / ".gitconfig"
    settings.write_text("[user]\n\tname = Demo\n\temail = demo@example.org\n")
    return settings


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ssh", action="store_true", help="run the workers on a host reached through SSH")
    return parser.parse_args()


if __name__ == "__main__":
    main()
