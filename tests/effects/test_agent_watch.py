"""Probes, stops, metrics and logs of real supervisors."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agent import contract, launches, watch
from orchestrator.agent.environment import supervisor_argv
from orchestrator.agent.logs import read_log
from orchestrator.agent.watch import read_metrics
from orchestrator.supervise import stop
from orchestrator.wire import LogPart, Metrics, Probe, ReadLog, ReadMetrics, StartEntry, Watched
from tests.support.agent_scene import Scene, scene_in
from tests.support.eventually import eventually
from tests.support.supervised import Launched


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as made:
        yield made


def launched(scene: Scene, command: str) -> StartEntry:
    wanted = scene.entry(command=command)
    scene.started(wanted)
    return wanted


def test_a_running_worker_is_seen_with_beat_progress_and_last_line(scene: Scene) -> None:
    progress = {"v": 1, "seq": 3, "step": 1, "total": 4, "unit": "epoch", "metrics": {"loss": 0.5}}
    printed = r"a\033[31mred\033[0m 10%%\r\nb 20%%\r"
    written = f"echo '{json.dumps(progress)}' > results/progress.json"
    wanted = launched(scene, f"printf '{printed}'; {written}; sleep 60")
    seen = eventually(lambda: (s := scene.seen(wanted)).progress and s.last_line == "b 20%" and s)
    assert seen.alive and not seen.unknown and seen.exit is None
    assert seen.progress.metrics == {"loss": 0.5} and seen.progress.unit == "epoch"
    eventually(lambda: scene.seen(wanted).beat_seq > seen.beat_seq and scene.seen(wanted).output_seq > 0)


def test_a_stopped_supervisor_is_silent_with_its_state(scene: Scene, tmp_path: Path) -> None:
    """Without tmux, which wakes whom it sees stopped."""
    folder = Path(scene.place.state, "launches", "L1")
    launched = Launched(tmp_path, "sleep 60", state=str(folder))
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(launched.spec.read_text())
    request = Probe(place=scene.place, launches=(Watched(launch="L1", results=str(launched.results)),))

    def silence() -> str:
        (seen,) = scene.watch.probe(request).launches
        assert (seen.exit, seen.unknown) == (None, False)
        return seen.silence if seen.beat_seq > 1 else "begins"

    process = launched.start()
    try:
        eventually(lambda: silence() == "")
        os.kill(process.pid, signal.SIGSTOP)
        assert eventually(silence) == "state T"
        os.kill(process.pid, signal.SIGCONT)
        eventually(lambda: silence() == "")
    finally:
        os.kill(process.pid, signal.SIGCONT)
        stop(folder, 0)
        launched.clean()


def test_an_end_is_seen_with_what_was_written_last(scene: Scene) -> None:
    wanted = launched(scene, "echo '{\"seq\": 9}' > results/progress.json; echo bye; exit 7")
    seen = scene.ended(wanted)
    assert not seen.alive and seen.exit is not None
    assert (seen.exit.exit_code, seen.exit.signal, seen.exit.cause) == (7, None, "exited")
    assert seen.progress is not None and seen.progress.seq == 9 and seen.last_line == "bye"


def test_a_supervisor_that_never_came_up_is_an_end(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its terminal, or the disk, was gone before it could lock anything."""
    wanted = scene.entry(launch="L1")
    folder = launches.write_spec(scene.place, wanted, None).parent
    assert scene.seen(wanted).exit is None
    monkeypatch.setattr(watch, "START_PATIENCE_S", 0.1)
    seen = scene.ended(wanted)
    assert seen.exit is not None and seen.exit.cause == "start-failed"
    come_late = subprocess.run(supervisor_argv(folder / "spec.json"), capture_output=True, check=False)
    assert b"already ended" in come_late.stderr


def test_a_log_that_cannot_be_written_is_seen(scene: Scene) -> None:
    folder = Path(scene.place.state, "logs", "i3d")
    folder.mkdir(parents=True)
    (folder / "worker.log").mkdir()
    wanted = launched(scene, "echo said; sleep 60")
    assert eventually(lambda: scene.seen(wanted).log_error) == "Is a directory"


def test_no_trace_is_unknown(scene: Scene) -> None:
    assert scene.seen(scene.entry(launch="never")).unknown


def test_a_killed_supervisor_is_settled_and_its_worker_ended(scene: Scene) -> None:
    wanted = launched(scene, "setsid sleep 61 & echo $! > child; sleep 60")
    scene.running(wanted)
    child = eventually(lambda: (p := scene.worktree("i3d") / "child").exists() and p.read_text().strip())
    folder = Path(scene.place.state, "launches", wanted.launch.launch)
    os.kill(json.loads((folder / "supervisor.json").read_text())["pid"], signal.SIGKILL)
    seen = scene.ended(wanted)
    assert seen.exit is not None and seen.exit.cause == "supervisor-lost"
    eventually(lambda: not _alive(int(child)))


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_stop_ends_many_at_once(scene: Scene) -> None:
    entries = [scene.entry(f"w{n}", command="trap '' TERM; sleep 60 & wait; sleep 60") for n in range(4)]
    scene.start(*entries)
    for entry in entries:
        scene.running(entry)
    began = time.monotonic()
    stopped = scene.stop(*(entry.launch.launch for entry in entries), "never", grace_s=0.5)
    assert time.monotonic() - began < 4 * 0.5 + 4
    ends = {answer.launch: answer.exit for answer in stopped}
    assert ends.pop("never") is None
    assert {end.cause for end in ends.values() if end} == {"stopped"} and len(ends) == 4
    assert all(scene.ended(entry).exit for entry in entries)
    eventually(lambda: scene.tmux.pane("p_w0", "#{pane_dead}") == "1")
    assert scene.tmux.sessions() == ["p_w0", "p_w1", "p_w2", "p_w3"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b'{"seq": 2, "st', "no JSON"),
        (b"[1]", "no object"),
        (b" " * 70_000, "larger than 64 KiB"),
        (b"[" * 60_000, "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b'{"seq": ' + b"9" * 6000 + b"}", "no JSON"),
    ],
)
def test_progress_that_cannot_be_read_keeps_the_last_good_one(
    scene: Scene, content: bytes, error: str
) -> None:
    wanted = launched(scene, "echo '{\"seq\": 1}' > results/progress.json; sleep 60")
    eventually(lambda: scene.seen(wanted).progress)
    (scene.worktree("i3d") / "results/progress.json").write_bytes(content)
    seen = eventually(lambda: (s := scene.seen(wanted)).progress_error and s)
    assert seen.progress.seq == 1 and error in seen.progress_error


def test_a_pipe_in_the_place_of_progress_blocks_nobody(scene: Scene) -> None:
    wanted = launched(scene, "mkfifo results/progress.json; sleep 60")
    seen = eventually(lambda: (s := scene.seen(wanted)).progress_error and s)
    assert seen.progress_error == "progress.json is no plain file"


@pytest.mark.parametrize("make", ["ln -s /dev/zero {}", "mkdir {}", "ln -s . {}"])
def test_what_is_no_plain_file_is_no_progress(scene: Scene, make: str) -> None:
    wanted = launched(scene, f"{make.format('results/progress.json')}; sleep 60")
    seen = eventually(lambda: (s := scene.seen(wanted)).progress_error and s)
    assert seen.progress_error == "progress.json is no plain file"


def test_a_socket_in_the_place_of_progress_is_no_plain_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("progress.json")
        with pytest.raises(contract.Unreadable, match="is no plain file"):
            contract.load_object("progress.json", 100)


def test_words_of_a_worker_are_bounded_and_plain() -> None:
    progress = contract.progress_of(
        {
            "seq": True,
            "step": "12",
            "total": float("inf"),
            "message": "\x1b]0;title\x07a\x1b[2Jb\x00\nc" + "x" * 1000,
            "metrics": {
                "good": 1,
                "nan": float("nan"),
                "none": None,
                "huge": 10**400,
                "text": "x",
                "yes": True,
            },
            "checkpoint": 7,
            "unknown": {},
        }
    )
    assert (progress.seq, progress.step, progress.total) == (0, None, None)
    assert progress.message.startswith("ab cxxx") and len(progress.message) == 500
    assert progress.metrics == {"good": 1.0}
    assert progress.not_finite == ("nan", "none", "huge")
    assert progress.checkpoint == "7"
    assert contract.progress_of({"metrics": [1], "message": ["x"]}).metrics == {}


FINAL = "final_metrics.json"


def metrics(scene: Scene, wanted: StartEntry, file: str = FINAL) -> Metrics:
    results = scene.worktree("i3d") / "results"
    return read_metrics(
        ReadMetrics(results=str(results), file=file, launch=wanted.launch.launch, place=scene.place)
    )


def ran(scene: Scene, command: str) -> StartEntry:
    wanted = launched(scene, command)
    scene.ended(wanted)
    return wanted


def writing(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return f"echo '{text}' > results/{FINAL}"


def test_metrics_that_the_run_wrote(scene: Scene) -> None:
    content = {"acc": 0.9, "bad": None, "history": {"loss": [3, 2, 1], "broken": [1, None], "odd": "x"}}
    wanted = ran(scene, writing(content))
    found = metrics(scene, wanted)
    assert found.values == {"acc": 0.9} and found.history == {"loss": (3.0, 2.0, 1.0)}
    assert found.not_finite == ("bad", "history.broken")
    assert metrics(scene, wanted, "validation_metrics.json") == Metrics(found=False)


def test_torn_metrics_say_so(scene: Scene) -> None:
    assert "no JSON" in str(metrics(scene, ran(scene, writing('{"acc": 0.'))).error)


def test_metrics_from_before_or_after_the_run_are_not_its_own(scene: Scene) -> None:
    file = scene.worktree("i3d") / "results" / FINAL
    first = ran(scene, writing({"acc": 0.9}))
    assert metrics(scene, first).values == {"acc": 0.9}
    os.utime(file, (4e9, 4e9))  # a clock that was far ahead
    second = scene.entry(command="true", launch=f"second-{os.getpid()}")
    scene.started(second)
    scene.ended(second)
    assert metrics(scene, second) == Metrics(found=False)
    third = scene.entry(command=writing({"acc": 0.1}), launch=f"third-{os.getpid()}")
    scene.started(third)
    scene.ended(third)
    assert metrics(scene, third).values == {"acc": 0.1}
    file.write_text('{"acc": 0.99}')
    assert metrics(scene, third) == Metrics(found=False)


@pytest.mark.parametrize(("own", "found"), [({"attempt": 1}, True), ({"attempt": 9}, False)])
def test_metrics_that_name_another_attempt_are_not_this_ones(
    scene: Scene, own: dict[str, object], found: bool
) -> None:
    read = metrics(scene, ran(scene, writing({"acc": 0.9, **own})))
    assert (read.found, read.values) == (found, {"acc": 0.9} if found else {})


def test_progress_of_another_attempt_is_none(scene: Scene) -> None:
    def wrote(seq: int, **own: object) -> str:
        return f"echo '{json.dumps({'seq': seq, 'step': seq, **own})}' > results/progress.json"

    first = launched(scene, f"{wrote(900)}; exit 0")
    assert scene.ended(first).progress is not None
    second = scene.entry(
        command=f"echo up; until [ -e go ]; do sleep 0.05; done; {wrote(7, attempt=2)}; "
        f"{wrote(950, attempt=1)}; echo late; sleep 60",
        launch=f"second-{os.getpid()}",
        launch_attempt=2,
    )
    scene.started(second)
    seen = eventually(lambda: (s := scene.seen(second)).last_line == "up" and s)
    assert seen.progress is None and not seen.reported
    (scene.worktree("i3d") / "go").touch()
    seen = eventually(lambda: (s := scene.seen(second)).last_line == "late" and s)
    assert seen.progress is None or seen.progress.seq == 7


def test_a_probe_of_a_hundred_is_cheap(scene: Scene) -> None:
    folders = [Path(scene.place.state, "launches", f"L{n}") for n in range(100)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(json.dumps({"log": str(folder / "log")}))
        (folder / "heartbeat.json").write_text('{"seq": 1, "output_seq": 1}')
        (folder / "log").write_text("line\n")
    request = Probe(
        place=scene.place, launches=tuple(Watched(launch=f.name, results=str(f)) for f in folders)
    )
    scene.watch.probe(request)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        scene.watch.probe(request)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.03  # measured: 2 ms; ten times that is a change of kind


def part(scene: Scene, lines: int | None = None, offset: int | None = None) -> tuple[bytes, int]:
    answer: LogPart = read_log(ReadLog(place=scene.place, workstream="i3d", lines=lines, offset=offset))
    return base64.b64decode(answer.text), answer.offset


def rotate(folder: Path, keep: int) -> None:
    for number in range(keep - 1, 0, -1):
        if (folder / f"worker.log.{number}").exists():
            (folder / f"worker.log.{number}").rename(folder / f"worker.log.{number + 1}")
    (folder / "worker.log").rename(folder / "worker.log.1")
    (folder / "worker.log").touch()


def test_a_log_is_read_over_its_rotations(scene: Scene) -> None:
    assert part(scene, lines=5) == (b"", 0)
    folder = Path(scene.place.state, "logs", "i3d")
    folder.mkdir(parents=True)
    log = folder / "worker.log"
    log.write_bytes(b"1\n2\n\xff3\n")
    assert part(scene, lines=2) == (b"2\n\xff3\n", 7)
    rotate(folder, keep=2)
    log.write_bytes(b"4\n5")
    assert part(scene, lines=3) == (b"\xff3\n4\n5", 10)
    assert part(scene, lines=99) == (b"1\n2\n\xff3\n4\n5", 10)
    assert part(scene, offset=2) == (b"2\n\xff3\n4\n5", 10)
    assert part(scene, offset=10) == (b"", 10)
    assert part(scene, lines=0) == (b"", 10)


def test_an_offset_holds_when_old_files_are_dropped(scene: Scene) -> None:
    folder = Path(scene.place.state, "logs", "i3d")
    folder.mkdir(parents=True)
    offset, everything = 0, b""
    for number in range(12):
        line = f"line {number}\n".encode()
        with (folder / "worker.log").open("ab") as log:
            log.write(line)
        everything += line
        data, offset = part(scene, offset=offset)
        assert (data, offset) == (line, len(everything))
        if number % 2:
            rotate(folder, keep=2)
    assert part(scene, offset=0)[0] == everything[-len(part(scene, offset=0)[0]) :]
    for number in (12, 13, 14, 15):  # more than is kept goes by unread
        (folder / "worker.log").write_bytes(f"line {number}\n".encode())
        rotate(folder, keep=2)
    data, later = part(scene, offset=offset)
    assert data == b"line 14\nline 15\n" and later > offset
