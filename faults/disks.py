"""Disks that fill up under a host and under the daemon, and a disk that is slow to say that it wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faults.figures import Answer, NotRun, Options, all_of, none_of, plain, within
from faults.scene import FOREVER, Scene, scene
from tests.support.eventually import eventually
from tests.support.project import Answer as Answered

_SIZE = "64m"
_FULL_FOR_S = 5.0
_DELAY_MS = 300


def measure(options: Options) -> Iterator[Answer]:
    if os.geteuid() == 0:
        yield from _full_host(options)
        if not options.few:
            yield from _full_here(options)
    else:
        yield NotRun(what="full disks", why="needs root, to mount a small one")
    if options.few:
        return
    if shutil.which("strace"):
        yield from _slow(options)
    else:
        yield NotRun(what="a slow disk", why="needs strace")


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "faults", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def _fill(folder: Path) -> Path:
    """Leave no byte; the file that takes them all."""
    path = folder / "ballast"
    block = b"x" * 65536
    with path.open("ab", buffering=0) as file:
        while block:
            try:
                file.write(block)
            except OSError:
                block = block[: len(block) // 2]
    return path


def _full_host(options: Options) -> Iterator[Answer]:
    """One worker goes on while its host's disk is full, one ends then, one starts later."""
    with scene(1, poll_s=options.poll_s) as stage, _small_disk(stage.hosts[0].root) as disk:
        _two_workers(stage, "g0")
        ballast = _fill(disk)
        _ends_now(stage)
        time.sleep(_FULL_FOR_S)
        said = stage.statuses()["ends"]
        yield plain(
            "full disk of a host: the end of a run is known while it is full",
            float(said["state"] != "running"),
        )
        ballast.unlink()
        eventually(
            lambda: stage.statuses()["ends"]["state"] in ("done", "failed", "held", "backoff"), 60, "settled"
        )
        yield from _judged(stage, "full disk of a host")


def _full_here(options: Options) -> Iterator[Answer]:
    """The workers are on another disk; what is full is where the daemon keeps its journal."""
    said = "full disk here"
    with scene(1, namespaces=options.namespaces) as stage, _small_disk(stage.project.state) as disk:
        _two_workers(stage, "g0", then="next", spare="spare")
        ballast = _fill(disk)
        stopped = stage.project.run("stop", "spare")
        yield all_of(
            f"{said}: a worker that is stopped has ended", stopped.code or len(stage.workers("spare")), 1
        )
        _ends_now(stage)
        yield from _holds(stage, said)
        yield none_of(f"{said}: workers that ended with it", int(not stage.workers("steady")), 1)
        pid = stage.project.daemon_pid()
        stage.project.kill_daemon()
        refused = stage.project.run("up")
        yield all_of(
            f"{said}, daemon killed: up is refused, with the disk named", not _names_disk(refused), 1
        )
        yield from _holds(stage, f"{said}, daemon killed and started again")
        yield none_of(f"{said}: the killed daemon is still there", int(stage.project.daemon_pid() == pid))
        yield none_of(f"{said}: workers begun meanwhile", len(stage.runs("next")))
        ballast.unlink()
        room = time.monotonic()
        missing = stage.missing("done", ["ends", "next"], 60)
        yield within(f"{said}: room again, and all that was due is done", time.monotonic() - room, 15.0)
        yield none_of(f"{said}: workstreams that did not come to their end by themselves", len(missing), 2)
        yield none_of(f"{said}: starts of one beyond its first", len(stage.runs("next", "start")) - 1)
        yield none_of(f"{said}: starts of the stopped one", len(stage.runs("spare", "start")) - 1)
        yield all_of(f"{said}: the journal says how long it took none", not stage.count("JournalHeld"), 1)
        yield from _judged(stage, said)


def _holds(stage: Scene, said: str) -> Iterator[Answer]:
    """For a while it answers, says why it does nothing, and refuses what it could not write down."""
    project, held = stage.project, 0
    give_up_at = time.monotonic() + _FULL_FOR_S
    with suppress(AssertionError):
        eventually(lambda: project.ok("status", "--json").json["daemon"]["held"], _FULL_FOR_S * 3)
    answers, slowest = 0, 0.0
    while time.monotonic() < give_up_at or not answers:
        begun = time.monotonic()
        document = project.ok("status", "--json").json
        slowest = max(slowest, time.monotonic() - begun)
        answers += 1
        held += bool(document["daemon"]["running"] and document["daemon"]["held"])
        time.sleep(0.2)
    yield all_of(f"{said}: the daemon runs, and status says what it waits for", answers - held, answers)
    yield plain(f"{said}: slowest answer of status, with its own start", slowest, "s")
    refused = project.run("restart", "steady")
    yield all_of(f"{said}: a restart is refused, with the disk named", not _names_disk(refused), 1)
    yield all_of(f"{said}: a host is still looked at", not stage.reachable("g0"), 1)


def _names_disk(answer: Answered) -> bool:
    return answer.code == 3 and "disk is full" in answer.err


def _slow(options: Options) -> Iterator[Answer]:
    """Each flush of the daemon takes long, as on a disk that many use."""
    with scene(1, namespaces=options.namespaces, poll_s=options.poll_s) as stage:
        _two_workers(stage, "g0")
        pid = stage.project.daemon_pid()
        delay = f"fsync,fdatasync:delay_enter={_DELAY_MS * 1000}"
        tracer = subprocess.Popen(
            ["strace", "-qq", "-f", "-p", str(pid), "-e", "trace=fsync,fdatasync", "-e", f"inject={delay}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _ends_now(stage)
            begun = time.monotonic()
            stage.until_all("done", ["ends"])
            took = time.monotonic() - begun
        finally:
            told = _ended(tracer)
        flushes = told.count("INJECTED") + told.count("DELAYED")
        if not flushes:
            yield NotRun(what="a slow disk", why=f"strace delayed nothing: {told.strip()[:80]}")
            return
        yield plain(f"slow disk, {flushes} flushes of {_DELAY_MS} ms: an end is known within", took, "s")
        yield from _judged(stage, "slow disk")


def _ended(tracer: subprocess.Popen[str]) -> str:
    """What it said; on a busy machine it takes long to let go of each thread."""
    tracer.terminate()
    try:
        return tracer.communicate(timeout=120)[1]
    finally:
        tracer.kill()
        tracer.wait()


def _two_workers(stage: Scene, where: str, then: str = "", spare: str = "") -> None:
    waits = f"while [ ! -e {stage.marks}/now ]; do sleep 0.1; done"
    script = stage.marks / "waits.sh"
    script.write_text(f"{waits}\nexec {stage.command(2)}\n")
    stage.plan(
        stage.line("steady", where, stage.command(FOREVER)),
        stage.line("ends", where, f"sh {script}"),
        *([stage.line(then, where, stage.command(2), ", needs: [ends]")] if then else []),
        *([stage.line(spare, where, stage.command(FOREVER))] if spare else []),
    )
    stage.project.ok("up", within_s=300)
    stage.until_all("running", ["steady", "ends", *filter(None, [spare])])


def _ends_now(stage: Scene) -> None:
    (stage.marks / "now").touch()


def _judged(stage: Scene, after: str) -> Iterator[Answer]:
    steady = stage.statuses()["steady"]
    yield none_of(
        f"{after}: restarts of a worker that goes on",
        int(steady["attempt"] != 1 or steady["state"] != "running"),
    )
    yield none_of(f"{after}: two live workers of one workstream", stage.doubles())
    stage.project.ok("down", within_s=120)
    yield none_of(f"{after}: processes left after the stop", len(stage.left_over()))
