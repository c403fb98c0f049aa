"""Make docs/screenshot.svg: a real `orchestrator status` of real trainings, in a real tmux.

Works in a scratch folder with its own HOME, git settings and tmux server, which end with it. Takes
about a minute: python scripts/screenshot.py
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

TOP = Path(__file__).resolve().parent.parent
PICTURE = TOP / "docs" / "screenshot.svg"
COLUMNS, ROWS = 118, 15
SOCKET = "orchestrator-screenshot"
DEADLINE_S = 180.0

PLAN = f"""\
version: 1
project: video
tmux: {{socket: {SOCKET}}}
defaults:
  heartbeat: {{every: 2s, stale: 1m}}
  restart: {{limit: 3, backoff: 1s}}
  env: {{OMP_NUM_THREADS: "1", CONFIGS: {TOP}/workers/configs}}
waves:
  1:
    goal: three ways to see a trajectory
    workstreams:
      tokens: {{branch: video/tokens, run: ./train objects --epochs 12 --set data.num_samples=1500}}
      pixels: {{branch: video/pixels, run: ./train factorized_conv --epochs 8 --set data.num_samples=500}}
      tiny:
        branch: video/tiny
        stages:
          - name: validation
            run: ./train objects --epochs 2 --set data.num_samples=200 --set model.extractor.dim=32
            require: classification_acc > 0.90
          - {{name: full, run: ./train objects}}
  2:
    goal: only the better one, smaller
    needs: [1]
    workstreams:
      slim: {{branch: video/slim, run: ./train objects}}
"""
TRAIN = """\
#!/bin/sh
config=$1
shift
exec python -m workers.train --config "$CONFIGS/$config.yaml" "$@"
"""
# Rich's own template loads a font from the network; a picture in a README must not.
TEMPLATE = """\
<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg" role="img"
     aria-label="orchestrator status in a terminal">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre; }}
{styles}
</style>
<rect width="{terminal_width}" height="{terminal_height}" rx="8" fill="#16191f"/>
<defs>{lines}</defs>
<g transform="translate(9, 8)"><g class="{unique_id}-matrix">
{backgrounds}{matrix}
</g></g>
</svg>
"""
THEME = TerminalTheme(
    (22, 25, 31),
    (214, 218, 226),
    [
        (70, 76, 88),
        (240, 113, 120),
        (126, 200, 120),
        (235, 200, 110),
        (110, 168, 254),
        (198, 146, 233),
        (104, 205, 215),
        (214, 218, 226),
    ],
)


def main() -> None:
    root = Path(tempfile.mkdtemp(prefix="orchestrator-screenshot-"))
    environment = _environment(root)
    repository = _make_repository(root, environment)

    def run(*command: str) -> str:
        return subprocess.run(
            command, cwd=repository, env=environment, check=True, text=True, stdout=subprocess.PIPE
        ).stdout

    try:
        run("orchestrator", "up")
        _play(lambda: json.loads(run("orchestrator", "status", "--json")))
        _draw(_screen(run))
    finally:
        subprocess.run(["orchestrator", "down"], cwd=repository, env=environment, check=False)
        subprocess.run(["tmux", "-L", SOCKET, "kill-server"], env=environment, check=False)
        shutil.rmtree(root, ignore_errors=True)
    print(f"wrote {PICTURE}")


def _play(look: Callable[[], dict[str, Any]]) -> None:
    """Until the picture tells something: one is killed and comes back, one is held."""

    def stream(name: str) -> dict[str, Any]:
        return next(w for w in look()["workstreams"] if w["name"] == name)

    def step(name: str) -> float:
        return (stream(name)["progress"] or {}).get("step") or 0

    _until(lambda: step("tokens") >= 2)
    beat = json.loads(Path(stream("tokens")["worktree"], "results", "heartbeat.json").read_text())
    os.killpg(os.getpgid(beat["pid"]), signal.SIGKILL)
    _until(lambda: stream("tiny")["state"] == "held" and step("tokens") >= 5 and step("pixels") >= 2)


def _screen(run: Callable[..., str]) -> str:
    """What a person sees who types the command, with its colours."""
    pane = "=screenshot:"
    size = ("-x", str(COLUMNS), "-y", str(ROWS))
    run("tmux", "-u", "-L", SOCKET, "new-session", "-d", "-s", "screenshot", *size, "env PS1='$ ' sh")
    run("tmux", "-L", SOCKET, "send-keys", "-t", pane, "clear; orchestrator status", "Enter")
    picture = ""

    def is_drawn() -> bool:
        nonlocal picture
        picture = run("tmux", "-L", SOCKET, "capture-pane", "-e", "-p", "-t", pane)
        return "wave 2" in picture and picture.rstrip().endswith("$")

    _until(is_drawn)
    shown = picture.rstrip().splitlines()[:-1]
    return "\n".join(["$ orchestrator status", *(line for line in shown if "clear;" not in line)])


def _draw(screen: str) -> None:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(screen), no_wrap=True, crop=True)
        svg = console.export_svg(theme=THEME, code_format=TEMPLATE, unique_id="shot")
    PICTURE.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))


def _make_repository(root: Path, environment: dict[str, str]) -> Path:
    repository = root / "video"
    repository.mkdir()
    for name, text in {"waves.yaml": PLAN, "train": TRAIN}.items():
        (repository / name).write_text(text)
    (repository / "train").chmod(0o755)
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "the plan"]):
        subprocess.run(["git", *command], cwd=repository, env=environment, check=True)
    return repository


def _environment(root: Path) -> dict[str, str]:
    settings = root / ".gitconfig"
    settings.write_text("[user]\n\tname = Demo\n\temail = demo@example.org\n")
    ours = ("GIT_", "TMUX", "ORCHESTRATOR_", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {
        **kept,
        "HOME": str(root),
        "PATH": path,
        "GIT_CONFIG_GLOBAL": str(settings),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }


def _until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > give_up_at:
            raise SystemExit("screenshot: gave up waiting")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
