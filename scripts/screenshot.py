"""Make docs/screenshot.svg: a real `orchestrator status` of the guide's example, in a real tmux.

The example is read out of docs/guide.md, so that the guide is tried each time. Works in a scratch
folder with its own HOME, git settings and tmux server, which end with it.
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
GUIDE = TOP / "docs" / "guide.md"
PICTURE = TOP / "docs" / "screenshot.svg"
COLUMNS, ROWS = 126, 12
SOCKET = "orchestrator-screenshot"
DEADLINE_S = 180.0

# The files of the guide's own example: a heading that names the file, then its text.
FILES = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Rich's own template loads a font from the network; a picture in a README must not.
TEMPLATE = """\
<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg" role="img"
     aria-label="orchestrator status in a terminal">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
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

    def step() -> float:
        return (stream("slow")["progress"] or {}).get("step") or 0

    _until(lambda: step() >= 5)
    beat = json.loads(Path(stream("slow")["worktree"], "results", "slow", "heartbeat.json").read_text())
    os.killpg(os.getpgid(beat["pid"]), signal.SIGKILL)
    _until(lambda: stream("fast")["state"] == "held" and step() >= 12)


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
    return "\n".join(["$ orchestrator status", *(line for line in shown if "clear;" not in line), ""])


def _draw(screen: str) -> None:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(screen), no_wrap=True, crop=True)
        svg = console.export_svg(theme=THEME, code_format=TEMPLATE, unique_id="shot")
    PICTURE.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))


def _make_repository(root: Path, environment: dict[str, str]) -> Path:
    repository = root / "shop"
    repository.mkdir()
    for name, text in FILES.findall(GUIDE.read_text()):
        (repository / name).write_text(text)
    with (repository / "waves.yaml").open("a") as plan:
        plan.write(f"tmux: {{socket: {SOCKET}}}\n")
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
