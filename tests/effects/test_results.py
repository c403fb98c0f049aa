"""Pulls of results: proved, attributed, resumed; and a host that means harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import wire
from orchestrator.core.facts import LaunchId
from orchestrator.core.plan import HostName, Plan
from orchestrator.core.state import LaunchRecord
from orchestrator.errors import CommandFailed, HostUnreachable, Refused
from orchestrator.home import find_home
from orchestrator.plan_file import load_plan
from orchestrator.results.folder import InTheWay, Receiving, receiving
from orchestrator.results.listing import Source, hashes_of
from orchestrator.results.names import name_fault
from orchestrator.results.pull import Pull, Pulled
from orchestrator.results.transfer import NoRoom
from orchestrator.site import Site, Sites
from tests.support.repository import pin, repository_at

PLAN = """
version: 1
project: p
waves:
  1: {workstreams: {a: {branch: p/a, run: "true", sync: {exclude: ['*.tmp']}}}}
"""


FIRST = LaunchRecord(id=LaunchId("a-1-00"), host="local", stage="run", attempt=1, gpus=())


@dataclass
class Scene:
    """A worktree on this machine, and what was pulled of it."""

    plan: Plan
    site: Site
    worktree: Path
    launch: LaunchRecord
    kept_free: int = 0
    go_on: Callable[[], None] = lambda: None
    shell: tuple[str, ...] = ()

    @property
    def results(self) -> Path:
        return self.worktree / "results"

    @property
    def here(self) -> Path:
        return Path(self.plan.source).parent / "synced" / "a"

    def write(self, path: str, text: str | bytes, age_s: float = 1.0) -> Path:
        """A file of the worker's, at rest for some time."""
        file = self.worktree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(file, (time.time() - age_s, time.time() - age_s))
        return file

    def next_launch(self) -> None:
        """A later launch begins, now by the host's clock."""
        number = int(self.launch.id.split("-")[1]) + 1
        self.begin(f"a-{number}-00", number, age_s=0)

    def begin(self, launch: str, attempt: int, age_s: float = 60) -> None:
        self.launch = replace(FIRST, id=LaunchId(launch), attempt=attempt)
        folder = Path(self.site.place.state, "launches", launch)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spec.json").write_text("{}")
        os.utime(folder / "spec.json", (time.time() - age_s, time.time() - age_s))

    def source(self, site: Any = None, **policy: Any) -> Source:
        workstream = self.plan.workstream("a")
        wanted = replace(workstream, sync=replace(workstream.pulling, **policy))
        return Source(
            site=site or self.site, workstream=wanted, worktree=str(self.worktree), launch=self.launch
        )

    def receiving(self) -> AbstractContextManager[Receiving]:
        return receiving(Path(self.plan.source).parent, "synced", "a", self.go_on)

    def pull(self, site: Any = None, **policy: Any) -> Pulled:
        with self.receiving() as folder:
            return Pull(self.source(site, **policy), folder, self.shell, self.go_on, self.kept_free).run()

    def contents(self) -> dict[str, str]:
        files = (file for file in self.here.rglob("*") if not file.is_dir() or file.is_symlink())
        return {str(file.relative_to(self.here)): file.read_text() for file in files}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """This machine's agent with a repository, shared: no test leaves anything in either."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        pin(patch, folder)
        patch.setenv("HOME", str(folder))
        with repository_at(folder / "repo") as repo:
            (repo.path / "waves.yaml").write_text(PLAN)
            sites = Sites(load_plan(repo.path / "waves.yaml"), find_home(repo.path))
            try:
                yield sites.site(HostName("local"))
            finally:
                sites.close_all()


@pytest.fixture
def scene(site: Site, tmp_path: Path) -> Scene:
    source = tmp_path / "plan" / "waves.yaml"
    source.parent.mkdir()
    source.write_text(PLAN)
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    scene = Scene(load_plan(source), site, worktree, FIRST)
    scene.begin("a-1-00", 1)
    return scene


class Between:
    """The site, with something happening on the host before it is asked for hashes, or once it has listed."""

    def __init__(self, site: Site, kind: type, act: Callable[[], object], times: int = 1) -> None:
        self._site, self._kind, self._act, self._left = site, kind, act, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._site, name)

    def call(self, request: object, **how: Any) -> Any:
        if isinstance(request, wire.HashResults):
            self._happen(request)
        answer = self._site.call(request, **how)
        if isinstance(request, wire.ListResults):
            self._happen(request)
        return answer

    def _happen(self, request: object) -> None:
        if isinstance(request, self._kind) and self._left:
            self._left -= 1
            self._act()


class Liar:
    """A host whose agent says whatever it likes."""

    def __init__(self, site: Site, *files: wire.ResultFile, **listed: Any) -> None:
        self._site, self._files, self._listed = site, files, listed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._site, name)

    def call(self, request: object, *, on_item: Callable[[Any], None], **how: Any) -> Any:
        if isinstance(request, wire.ListResults):
            on_item(wire.ResultFiles(files=self._files))
            return wire.ResultsListed(worktree=True, **self._listed)
        return self._site.call(request, on_item=on_item, **how)


def listed(path: str, size: int = 3, allocated: int = 4096) -> wire.ResultFile:
    return wire.ResultFile(path=path, size=size, allocated=allocated, mtime_ns=1, stamp=f"1-{size}-1-1")


# --- what comes -----------------------------------------------------------------------------------


def test_what_is_new_or_changed_comes_and_is_proved(scene: Scene) -> None:
    scene.write("results/metrics.json", "{}")
    scene.write("results/deep/er/x.log", "one\n")
    scene.write("results/scratch.tmp", "no")
    scene.write("secret", "no")
    first = scene.pull()
    assert scene.contents() == {"results/metrics.json": "{}", "results/deep/er/x.log": "one\n"}
    entry = first.manifest.files["results/deep/er/x.log"]
    assert (entry.size, entry.launch, entry.stage, entry.attempt) == (4, "a-1-00", "run", 1)
    assert entry.sha256 == subprocess.check_output(["sha256sum"], input=b"one\n").decode().split()[0]
    assert first.manifest.complete
    assert scene.pull().fetched == ()
    scene.write("results/deep/er/x.log", "one\ntwo\n")
    assert scene.pull().fetched == ("results/deep/er/x.log",)
    assert scene.contents()["results/deep/er/x.log"] == "one\ntwo\n"


def test_globs_and_single_files_are_named_too(scene: Scene) -> None:
    for path in ("results/a.json", "results/a.pt", "out/b/c.json", "out/b/c.txt", "one.txt", "two.txt"):
        scene.write(path, path)
    scene.pull(include=("results/*.json", "out/*.json", "one.txt"), exclude=())
    assert set(scene.contents()) == {"results/a.json", "out/b/c.json", "one.txt"}


def test_what_was_deleted_here_comes_again_and_what_is_gone_there_stays(scene: Scene) -> None:
    scene.write("results/x", "x")
    scene.write("results/y", "y")
    scene.pull()
    (scene.here / "results/x").unlink()
    (scene.results / "y").unlink()
    scene.pull()
    assert scene.contents() == {"results/x": "x", "results/y": "y"}


def test_a_file_that_grows_is_taken_as_far_as_it_had_come(scene: Scene) -> None:
    log = scene.write("results/train.log", "one\n")
    assert scene.pull().growing == ()

    def grow() -> None:
        with log.open("a") as file:
            file.write("more\n")

    scene.write("results/train.log", "one\ntwo\n")
    pulled = scene.pull(Between(scene.site, wire.HashResults, grow))
    assert pulled.growing == ("results/train.log",) and not pulled.manifest.complete
    assert scene.contents() == {"results/train.log": "one\ntwo\n"}
    os.utime(log, (time.time() - 1, time.time() - 1))
    scene.pull()
    assert scene.contents() == {"results/train.log": "one\ntwo\nmore\n"}


def test_a_file_rewritten_while_it_is_read_is_fetched_again(scene: Scene) -> None:
    scene.write("results/m.json", "old" * 1000)
    pulled = scene.pull(
        Between(scene.site, wire.HashResults, lambda: scene.write("results/m.json", "new" * 1000))
    )
    assert scene.contents() == {"results/m.json": "new" * 1000}
    assert pulled.faults == {}


def test_a_file_rewritten_all_the_time_leaves_what_was_here(scene: Scene) -> None:
    scene.write("results/m.json", "first")
    scene.pull()
    texts = (f"version {n} of it" for n in range(100))
    scene.write("results/m.json", next(texts))
    pulled = scene.pull(
        Between(scene.site, wire.HashResults, lambda: scene.write("results/m.json", next(texts)), times=99)
    )
    assert scene.contents() == {"results/m.json": "first"}
    assert "rewritten" in pulled.faults["results/m.json"]


# --- whose it is ----------------------------------------------------------------------------------


def test_what_another_launch_wrote_is_kept_beside(scene: Scene) -> None:
    scene.write("results/metrics.json", "much from the first attempt")
    scene.write("results/same.pt", "weights")
    scene.write("results/heartbeat.json", "1")
    scene.pull()
    scene.next_launch()
    for path, text in (("metrics.json", "{}"), ("same.pt", "weights"), ("heartbeat.json", "2")):
        scene.write(f"results/{path}", text, age_s=-1)
    pulled = scene.pull()
    assert scene.contents() == {
        "results/metrics.json": "{}",
        "results/metrics.json.~1-run~": "much from the first attempt",
        "results/same.pt": "weights",
        "results/heartbeat.json": "2",
    }
    assert pulled.manifest.files["results/metrics.json"].attempt == 2
    assert pulled.manifest.files["results/metrics.json"].earlier == ("metrics.json.~1-run~",)


def test_a_late_file_of_an_earlier_launch_is_refused(scene: Scene) -> None:
    scene.next_launch()
    scene.write("results/metrics.json", "of the second", age_s=-1)
    scene.pull()
    scene.write("results/metrics.json", "of the first, late", age_s=3600)
    pulled = scene.pull()
    assert scene.contents() == {"results/metrics.json": "of the second"}
    assert "older than what a-2-00 wrote" in pulled.faults["results/metrics.json"]


def test_a_file_that_names_an_earlier_attempt_is_not_the_present_one_s(scene: Scene) -> None:
    """An orphan of the first writes while the second runs: the file's time tells nothing."""
    scene.next_launch()
    scene.write("results/early.json", '{"attempt": 1}', age_s=-1)
    scene.write("results/metrics.json", '{"acc": 0.5, "attempt": 2}', age_s=-1)
    assert scene.pull().manifest.files["results/early.json"].attempt == 0
    for named in ('"attempt": 1', '"launch": "a-1-00"'):
        scene.write("results/metrics.json", f'{{"acc": 0.99, {named}}}', age_s=-2)
        pulled = scene.pull()
        assert scene.contents()["results/metrics.json"] == '{"acc": 0.5, "attempt": 2}'
        assert "another attempt wrote it than a-2-00" in pulled.faults["results/metrics.json"]
    scene.write("results/metrics.json", '{"acc": 0.6, "launch": "a-2-00"}', age_s=-3)
    assert scene.pull().fetched == ("results/metrics.json",)


def test_a_clock_set_back_refuses_nothing(scene: Scene) -> None:
    scene.write("results/metrics.json", "before", age_s=-1)
    scene.pull()
    spec = Path(scene.site.place.state, "launches", scene.launch.id, "spec.json")
    os.utime(spec, (time.time() + 86400, time.time() + 86400))
    scene.write("results/metrics.json", "after the clock went back a day", age_s=3600)
    assert scene.pull().faults == {}
    assert scene.contents() == {"results/metrics.json": "after the clock went back a day"}


def test_what_the_user_changed_here_is_kept(scene: Scene) -> None:
    scene.write("results/notes.md", "theirs")
    scene.pull()
    (scene.here / "results/notes.md").write_text("mine, with remarks")
    scene.write("results/notes.md", "theirs, changed")
    assert scene.pull().kept == ("results/notes.md.~local~",)
    assert scene.contents() == {
        "results/notes.md": "theirs, changed",
        "results/notes.md.~local~": "mine, with remarks",
    }


def test_a_manifest_that_is_torn_costs_a_comparison_and_no_file(scene: Scene) -> None:
    scene.write("results/x", "x")
    scene.pull()
    manifest = scene.here.parent / ".orchestrator/a/manifest.json"
    manifest.write_text(manifest.read_text()[:30])
    pulled = scene.pull()
    assert scene.contents() == {"results/x": "x"}
    assert pulled.manifest.complete and json.loads(manifest.read_text())["files"]["results/x"]["size"] == 1


# --- a host that means harm -----------------------------------------------------------------------


def test_links_devices_and_pipes_are_left_out(scene: Scene) -> None:
    scene.write("results/x", "x")
    (scene.results / "link").symlink_to("/etc/passwd")
    (scene.results / "folder").symlink_to("/etc")
    os.mkfifo(scene.results / "pipe")
    setuid = scene.write("results/setuid", "#!/bin/sh\n")
    setuid.chmod(0o6777)
    pulled = scene.pull()
    assert set(scene.contents()) == {"results/x", "results/setuid"}
    assert (scene.here / "results/setuid").stat().st_mode & 0o7777 == 0o644
    assert set(pulled.manifest.left_out) == {"results/link", "results/folder", "results/pipe"}
    assert pulled.faults == {} and pulled.manifest.complete


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "results/../../x", "results//x", "./x", "results/\x1b[2J", "a\nb",
     "results/.git/config", "x" * 300, "results/\u202etxt.exe", "a/./b", "\0"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_not_taken(scene: Scene, tmp_path: Path, path: str) -> None:
    assert name_fault(path) is not None
    before = set(tmp_path.rglob("*"))
    pulled = scene.pull(Liar(scene.site, listed(path)))
    assert pulled.fetched == () and len(pulled.faults) == 1
    assert all(text.isprintable() for text in pulled.manifest.left_out)
    assert {p for p in set(tmp_path.rglob("*")) - before if not p.is_relative_to(scene.here.parent)} == set()


def test_a_folder_that_becomes_a_link_while_it_is_read_gives_nothing(scene: Scene, tmp_path: Path) -> None:
    scene.write("results/sub/x", "x")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("of somebody else")

    def swap() -> None:
        (scene.results / "sub").rename(scene.results / "gone")
        (scene.results / "sub").symlink_to(outside)

    pulled = scene.pull(Between(scene.site, wire.ListResults, swap))
    assert scene.contents() == {}
    assert "link" in pulled.faults["results/sub/x"]


@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_a_file_that_becomes_something_else_gives_nothing(scene: Scene, what: str) -> None:
    file = scene.write("results/x", "x")

    def swap() -> None:
        file.unlink()
        if what == "link":
            file.symlink_to("/etc/passwd")
        elif what == "pipe":
            os.mkfifo(file)
        else:
            file.mkdir()

    pulled = scene.pull(Between(scene.site, wire.ListResults, swap))
    assert scene.contents() == {} and set(pulled.faults) == {"results/x"}


def test_a_link_here_is_never_followed(scene: Scene, tmp_path: Path) -> None:
    scene.write("results/sub/x", "x")
    scene.write("results/y", "y")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (scene.here / "results").mkdir(parents=True)
    (scene.here / "results/sub").symlink_to(outside)
    (scene.here / "results/y").symlink_to(outside / "kept")
    pulled = scene.pull()
    assert sorted(path.name for path in outside.iterdir()) == ["kept"]
    assert (outside / "kept").read_text() == "kept"
    assert "is a link" in pulled.faults["results/sub/x"]
    assert (scene.here / "results/y").read_text() == "y" and not (scene.here / "results/y").is_symlink()


@pytest.mark.parametrize("which", ["synced", "synced/a", "synced/.orchestrator", "synced/.orchestrator/a"])
def test_a_link_in_place_of_our_folders_is_refused(scene: Scene, tmp_path: Path, which: str) -> None:
    scene.write("results/x", "x")
    outside = tmp_path / "outside"
    outside.mkdir()
    place = Path(scene.plan.source).parent / which
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    with pytest.raises(InTheWay, match="is a link"):
        scene.pull()
    assert list(outside.iterdir()) == []


def test_neither_end_hashes_through_a_link(scene: Scene, tmp_path: Path) -> None:
    scene.write("results/x", "x")
    scene.pull()
    (tmp_path / "twin").write_text("x")
    for folder in (scene.here, scene.worktree):
        (folder / "results/x").unlink()
        (folder / "results/x").symlink_to(tmp_path / "twin")
    with scene.receiving() as folder, pytest.raises(OSError, match="symbolic"):
        folder.open_file(folder.root, "results/x")
    told = hashes_of(scene.source(), [wire.Portion(path="results/x")])
    assert told["results/x"].sha256 is None and "link" in told["results/x"].reason


def test_too_many_files_are_not_all_believed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.results.listing.FILES_LIMIT", 2)
    for number in range(2):
        scene.write(f"results/{number}", "x")
    pulled = scene.pull(Liar(scene.site, *(listed(f"results/{n}", 1) for n in range(4))))
    assert len(pulled.manifest.files) <= 2
    assert "too many" in pulled.faults["results/3"]


def test_a_list_without_end_is_cut_off(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.results.listing.LEFT_OUT_LIMIT", 2)
    with pytest.raises(CommandFailed, match="without end"):
        scene.pull(Liar(scene.site, *(listed(f"../{n}") for n in range(4))))


def test_a_file_that_cannot_be_read_keeps_back_no_other(scene: Scene) -> None:
    scene.write("results/x", "x")
    pulled = scene.pull(
        Liar(scene.site, listed("results/none"), listed("results/x", 1), left_out={"results/s": "No\x1bgo"})
    )
    assert scene.contents() == {"results/x": "x"}
    assert set(pulled.faults) == {"results/none", "results/s"}
    assert "\x1b" not in pulled.faults["results/s"]


EVIL = r"""
import os, sys
arguments = b""
while not arguments.endswith(b"\0\0"):
    arguments += os.read(0, 1)
options = [one for one in arguments.decode().split("\0") if one.startswith("-")]
short = sys.argv[-1].replace("s", "", 1).replace("t", "tlDp", 1)
os.execvp("rsync", ["rsync", "--server", "--sender", short, *options, ".", {folder!r}])
"""


@pytest.mark.parametrize("what", ["link", "pipe", "setuid"])
def test_a_sender_that_sends_what_nobody_asked_for(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The rsync over there is the host's: it may send links and modes, whatever options ours gave it."""
    monkeypatch.setattr("orchestrator.results.transfer.STALLED_S", 2)
    evil = tmp_path / "evil"
    (evil / "results").mkdir(parents=True)
    (tmp_path / "evil.py").write_text(EVIL.format(folder=f"{evil}/"))
    scene.write("results/x", "x")
    scene.shell = (sys.executable, str(tmp_path / "evil.py"))
    if what == "link":
        (evil / "results/x").symlink_to("/etc/passwd")
    elif what == "pipe":
        os.mkfifo(evil / "results/x")
    else:
        (evil / "results/x").write_text("x")
        (evil / "results/x").chmod(0o6777)
    if what == "link":  # our rsync does not even understand it
        with pytest.raises(HostUnreachable, match="nothing came"):
            scene.pull()
        assert scene.contents() == {}
        return
    pulled = scene.pull()
    if what == "setuid":
        assert (scene.here / "results/x").stat().st_mode & 0o7777 == 0o644
    else:
        assert scene.contents() == {} and set(pulled.faults) == {"results/x"}


# --- room -----------------------------------------------------------------------------------------


def test_a_full_disk_stops_the_pull_before_it_is_full(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.write("results/big", os.urandom(300_000))
    scene.write("results/small", "s")
    monkeypatch.setattr("orchestrator.results.pull.shutil.disk_usage", lambda _: Room(1_200_000))
    scene.kept_free = 1_000_000
    with pytest.raises(NoRoom, match="1000000 are left to others"):
        scene.pull()
    assert scene.contents() == {"results/small": "s"}
    monkeypatch.setattr("orchestrator.results.pull.shutil.disk_usage", lambda _: Room(1_200_000, 4_000_000))
    assert scene.pull().fetched == ("results/big",), "of a small disk a twentieth is left"


@dataclass
class Room:
    free: int
    total: int = 10**12


def test_a_size_that_was_a_lie_is_found_out_while_it_comes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write("results/big", os.urandom(30_000_000))
    free = [10_000_000_000]

    class Usage:
        total = 10**12

        @property
        def free(self) -> int:
            free[0] //= 100
            return free[0]

    monkeypatch.setattr("orchestrator.results.pull.shutil.disk_usage", lambda _: Usage())
    scene.kept_free = 1_000_000
    with pytest.raises(NoRoom):
        scene.pull(Liar(scene.site, listed("results/big")), bandwidth=1_000_000)
    assert scene.contents() == {}


def test_holes_take_no_room(scene: Scene) -> None:
    sparse = scene.results / "sparse"
    scene.results.mkdir()
    with sparse.open("wb") as file:
        file.truncate(50_000_000)
    scene.pull()
    found = (scene.here / "results/sparse").stat()
    assert (found.st_size, found.st_blocks) == (50_000_000, 0)


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        (11, 'rsync: [receiver] write failed on "x": No space left on device (28)', NoRoom),
        (30, "rsync error: timeout in data send/receive (code 30)", HostUnreachable),
        (127, "sh: rsync: command not found", CommandFailed),
        (2, "protocol version mismatch -- is your shell clean?", CommandFailed),
    ],
)
def test_what_rsync_says_is_told_apart(
    scene: Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    said: str,
    error: type[Exception],
) -> None:
    program = tmp_path / "bin" / "rsync"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END' >&2\n{said}\nEND\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    scene.write("results/x", "x")
    scene.shell = ("a shell",)
    with pytest.raises(error):
        scene.pull()
    assert scene.contents() == {}


# --- interrupted ----------------------------------------------------------------------------------


def test_an_interrupted_transfer_goes_on_from_what_came(scene: Scene) -> None:
    scene.write("results/big", os.urandom(12_000_000))
    staged = scene.here.parent / ".orchestrator/a/staging/results/big"

    def stop_halfway() -> None:
        if staged.exists() and staged.stat().st_size > 1_000_000:
            raise Refused("enough")

    scene.go_on = stop_halfway
    with pytest.raises(Refused, match="enough"):
        scene.pull(bandwidth=4_000_000)
    came = staged.stat().st_size
    assert 1_000_000 < came < 12_000_000
    assert scene.contents() == {}
    scene.go_on = lambda: None
    scene.pull()
    assert (scene.here / "results/big").read_bytes() == (scene.results / "big").read_bytes()
