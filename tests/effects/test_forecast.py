"""Who would conflict with whom: real branches, real worktrees, a real host."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.core.overlap import Meeting
from orchestrator.core.state import Foreseen
from orchestrator.desk import Desk as AnyDesk
from orchestrator.forecast import FileClash, Forecast, Pair, cache, forecast_document, make_forecast
from orchestrator.forecast.watch import EVERY_S, ForecastWatch, foreseen, news_of, pause_after
from tests.support.eventually import eventually
from tests.support.landing import Desk, Scene, scene_fixture, workstream
from tests.support.sshd import Sshd

__all__ = ["scene_fixture"]

TEN = "".join(f"{n}\n" for n in range(1, 11))


def desk_of(scene: Scene, *names: str, **waves: int) -> Desk:
    return scene.desk(*(workstream(name, wave=waves.get(name, 1)) for name in names), done=False)


def pair_of(forecast: Forecast, a: str, b: str) -> Pair:
    return next(pair for pair in forecast.pairs if (pair.a, pair.b) == (a, b))


def conflicting(forecast: Forecast) -> list[tuple[str, str]]:
    return [(p.a, p.b) for p in (*forecast.pairs, *forecast.against_base) if p.conflict]


def everything(scene: Scene) -> list[str]:
    """All files of the repository but the forecast's own."""
    root = scene.root / ".git"
    return sorted(str(path) for path in root.rglob("*") if "forecast" not in path.parts)


def edited(line: int, text: str) -> str:
    return TEN.replace(f"{line}\n", f"{text}\n", 1)


def test_pairs_say_which_lines_of_which_files(scene: Scene) -> None:
    scene.repo.commit_files("ten", {"ten": TEN, "é ten": TEN})
    scene.work("a", {"ten": edited(3, "three"), "é ten": edited(1, "uno")})
    scene.work("b", {"ten": "0\n" + edited(3, "drei"), "é ten": edited(8, "acht")})
    scene.work("c", {"c": "new"})
    forecast = make_forecast(desk_of(scene, "a", "b", "c"))
    assert [(p.a, p.b) for p in forecast.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert conflicting(forecast) == [("a", "b")]
    lines = Meeting(((3, 3),), ((4, 4),), 0)
    assert pair_of(forecast, "a", "b").files == (FileClash(path="ten", kind="content", lines=lines),)
    (overlap,) = forecast.overlaps
    assert (overlap.a, overlap.b, overlap.path) == ("a", "b", "é ten")
    assert overlap.lines == Meeting(((1, 1),), ((8, 8),), 6)
    assert [(s.name, s.rework) for s in forecast.order] == [("c", ()), ("a", ()), ("b", ("a",))]


def test_lines_belong_to_the_branch_that_is_named_whichever_commit_sorts_first(scene: Scene) -> None:
    scene.repo.commit_files("ten", {"ten": TEN})
    scene.work("a", {"ten": edited(3, "three")})
    for attempt in range(4):
        scene.work("b", {"ten": "0\n" + edited(3, f"drei {attempt}")})
        (file,) = pair_of(make_forecast(desk_of(scene, "a", "b")), "a", "b").files
        assert file.lines == Meeting(((3, 3),), ((4, 4),), 0)


def test_three_that_merge_in_pairs_conflict_as_a_wave(scene: Scene) -> None:
    scene.repo.commit_files("d", {f"d/{n}": f"{n}\n" * 9 for n in (1, 2)})
    for name, number in (("a", 1), ("b", 2)):
        scene.work(name, {})
        path = scene.worktrees / name
        (path / "e").mkdir()
        scene.repo.git("mv", f"d/{number}", f"e/{number}", cwd=path)
        scene.repo.git("commit", "--quiet", "-m", "moved", cwd=path)
    scene.work("c", {"d/3": "3\n"})
    scene.work("z", {"z": "z"})
    forecast = make_forecast(desk_of(scene, "a", "b", "c", "z", z=2))
    assert conflicting(forecast) == []
    assert [(w.wave, w.conflict, w.files) for w in forecast.waves] == [
        (1, True, (("e/3", "directory rename"),)),
        (2, False, ()),
    ]
    assert forecast.conflict
    assert foreseen(forecast) == {("a", "b", "c"): Foreseen(conflict=True, files=("e/3",))}


def test_base_has_a_place_of_its_own(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"b": "b"})
    scene.repo.commit("base", a__txt="B\n")
    forecast = make_forecast(desk_of(scene, "a", "b"))
    assert [(p.a, p.b) for p in forecast.pairs] == [("a", "b")]
    assert conflicting(forecast) == [("a", "main")]
    assert [(w.conflict, w.files) for w in forecast.waves] == [(True, (("a.txt", "content"),))]
    assert [(s.name, s.rework) for s in forecast.order] == [("b", ()), ("a", ("main",))]


def test_uncommitted_work_counts_and_stays_untouched(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {})
    worktree = scene.worktrees / "b"
    (worktree / "a.txt").write_text("B\n")
    (worktree / "new é").write_text("untracked")
    desk = desk_of(scene, "a", "b")
    make_forecast(desk)
    before, status = everything(scene), scene.status(worktree)
    indexes = [path for path in before if path.endswith("/index")]
    stamps = {path: Path(path).stat().st_mtime_ns for path in indexes}
    (worktree / "a.txt").write_text("B again\n")
    forecast = make_forecast(desk)
    assert conflicting(forecast) == [("a", "b")]
    assert [b.name for b in forecast.branches if b.is_uncommitted] == ["b"]
    assert everything(scene) == before
    assert {path: Path(path).stat().st_mtime_ns for path in indexes} == stamps
    assert scene.status(worktree) == status == 'M a.txt\n?? "new \\303\\251"'
    (worktree / "a.txt").write_text("one\ntwo\nthree\n")
    assert conflicting(make_forecast(desk)) == []


def test_results_that_nobody_committed_are_no_work(scene: Scene) -> None:
    for name in ("a", "b"):
        scene.work(name, {f"{name}.new": name})
        (scene.worktrees / name / "results").mkdir()
        (scene.worktrees / name / "results" / "final_metrics.json").write_text(name)
    desk = desk_of(scene, "a", "b")
    assert conflicting(make_forecast(desk)) == []
    for name in ("a", "b"):
        scene.repo.git("add", "results", cwd=scene.worktrees / name)
    assert conflicting(make_forecast(desk)) == [("a", "b")]


def test_work_that_cannot_count_is_said(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    worktree = scene.worktrees / "b"
    with pytest.raises(AssertionError):
        scene.repo.git("merge", "p/a", cwd=worktree)
    forecast = make_forecast(desk_of(scene, "a", "b"))
    assert forecast.notes == (f"b: uncommitted work in {worktree} does not count: a merge is under way",)
    assert conflicting(forecast) == [("a", "b")]


def test_only_what_moved_is_merged_again(scene: Scene) -> None:
    names = ("a", "b", "c", "d")
    for name in names:
        scene.work(name, {name: name})
    desk = desk_of(scene, *names)
    first = make_forecast(desk)
    assert (first.computed, first.reused) == (6 + 4, 0)
    again = make_forecast(desk)
    assert (again.computed, again.reused) == (0, 10)
    assert again.pairs == first.pairs
    scene.work("b", {"a": "mine"})
    moved = make_forecast(desk)
    assert (moved.computed, moved.reused) == (3 + 1, 6)
    assert conflicting(moved) == [("a", "b")]
    scene.repo.git("branch", "-m", "p/a", "p/renamed")
    assert make_forecast(desk).computed == 0
    scene.repo.commit("base moves", other="1")
    assert make_forecast(desk).computed == 3
    scene.repo.git("config", "merge.renormalize", "true")
    assert make_forecast(desk).computed == 0  # nobody's settings count
    scene.repo.commit_files("attributes", {".gitattributes": "*.txt merge=union\n"})
    assert make_forecast(desk).computed == 3 + 3


def test_what_was_known_is_told_as_what_is_computed(scene: Scene) -> None:
    scene.repo.commit_files("ten", {"ten": TEN})
    scene.work("a", {"ten": edited(3, "three"), "Foo": "1"})
    scene.work("b", {"ten": edited(3, "drei"), "foo": "2", "x": "1"})
    scene.work("c", {"ten": edited(9, "neun")})
    desk = desk_of(scene, "a", "b", "c")
    documents = [forecast_document(make_forecast(desk)) for _ in range(2)]
    for document in documents:
        del document["merges"]
    assert documents[0] == documents[1]


def test_a_broken_or_crowded_cache_costs_time_only(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    desk = desk_of(scene, "a", "b")
    make_forecast(desk)
    database = desk.home.state.forecast / "forecast.db"
    database.write_bytes(b"no database" * 500)
    assert conflicting(make_forecast(desk)) == [("a", "b")]
    assert make_forecast(desk).reused == 3
    monkeypatch.setattr(cache, "LIMIT_BYTES", 12_000)
    for number in range(12):
        scene.work("b", {"a.txt": f"{number}\n"})
        make_forecast(desk)
    with sqlite3.connect(database) as open_database:
        assert open_database.execute("SELECT COUNT(*) FROM entries").fetchone()[0] < 30
    assert database.stat().st_size < 60_000


def test_absent_and_broken_branches_cost_the_others_nothing(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    scene.repo.git("checkout", "--quiet", "--orphan", "p/apart")
    scene.repo.commit("apart")
    scene.repo.git("checkout", "--quiet", "main")
    (scene.root / ".git" / "refs" / "heads" / "p" / "broken").write_text("1" * 40 + "\n")
    forecast = make_forecast(desk_of(scene, "broken", "a", "apart", "gone", "b"))
    assert [one.name for one in forecast.left_out] == ["broken", "gone"]
    assert "1" * 40 in forecast.left_out[0].reason
    assert forecast.left_out[1].reason == "its branch p/gone does not exist yet"
    assert pair_of(forecast, "a", "b").files[0].path == "a.txt"
    assert pair_of(forecast, "a", "apart") == Pair(a="a", b="apart", reason="unrelated histories")
    assert [c.workstream for c in forecast.waves[0].collisions] == ["apart", "b"]


def test_a_branch_without_work_of_its_own_conflicts_with_nobody(scene: Scene) -> None:
    scene.repo.git("branch", "p/idle")
    scene.work("a", {"a.txt": "A\n"})
    scene.repo.commit("base", a__txt="B\n")
    scene.repo.git("branch", "p/fresh")
    forecast = make_forecast(desk_of(scene, "idle", "a", "fresh"))
    assert conflicting(forecast) == [("a", "main")]
    assert [b.name for b in forecast.branches if b.contained] == ["idle", "fresh"]
    assert [step.name for step in forecast.order] == ["a"]


def test_names_that_letter_case_alone_keeps_apart_are_a_conflict(scene: Scene) -> None:
    scene.work("a", {"src/Foo.py": "1"})
    scene.work("b", {"src/foo.py": "1", "A.TXT": "1"})
    path = scene.worktrees / "c"
    scene.work("c", {})
    scene.repo.git("mv", "a.txt", "A.txt", cwd=path)
    scene.repo.git("commit", "--quiet", "-m", "renamed", cwd=path)
    forecast = make_forecast(desk_of(scene, "a", "b", "c"))
    assert pair_of(forecast, "a", "b").files == (
        FileClash(path="src/Foo.py", other="src/foo.py", kind="case-fold"),
    )
    assert pair_of(forecast, "b", "c").files == (FileClash(path="A.TXT", other="A.txt", kind="case-fold"),)
    # Its own rename of base's file is none; a second file beside it is.
    assert [(p.a, p.conflict) for p in forecast.against_base] == [("a", False), ("b", True), ("c", False)]
    assert ("src/Foo.py", "case-fold") in forecast.waves[0].files


def test_a_part_of_the_forecast_is_about_those_who_were_named(scene: Scene) -> None:
    for name in ("a", "b", "c"):
        scene.work(name, {"a.txt": f"{name}\n"})
    part = make_forecast(desk_of(scene, "a", "b", "c", c=2)).of({"c"})
    assert [(p.a, p.b) for p in part.pairs] == [("a", "c"), ("b", "c")]
    assert [w.wave for w in part.waves] == [2]
    assert [b.name for b in part.branches] == ["c"]
    assert part.conflict


# --- other hosts ----------------------------------------------------------------------------------


@pytest.fixture
def away(scene: Scene, sshd: Sshd) -> Iterator[tuple[Desk, Path]]:
    """`a` on a host, with its worktree there, and `b` here."""
    (scene.root / "waves.yaml").write_text(
        f'version: 1\nproject: p\nhosts:\n  gpu: {{ssh: gpu, root: "{sshd.home}"}}\n'
        "waves:\n  1: {workstreams: {a: {host: gpu, branch: p/a}, b: {branch: p/b}}}\n"
    )
    streams = (workstream("a", host=sshd.host().name), workstream("b"))
    desk = scene.desk(*streams, hosts=(sshd.host(),), done=False)
    start = scene.tip("main")
    desk.site(sshd.host().name).send([start], {})
    worktree = sshd.home / "p.worktrees" / "a"
    scene.repo.git("worktree", "add", "-b", "p/a", str(worktree), start, cwd=sshd.home / "p")
    yield desk, worktree


def test_a_hosts_uncommitted_work_counts_and_nothing_stays_there(
    scene: Scene, away: tuple[Desk, Path], sshd: Sshd
) -> None:
    desk, worktree = away
    scene.work("b", {"a.txt": "B\n"})
    scene.repo.commit_files("there", {"c": "c"}, cwd=worktree)
    (worktree / "a.txt").write_text("A\n")
    before = sorted((sshd.home / "p" / ".git" / "objects").rglob("*"))
    forecast = make_forecast(desk)
    assert conflicting(forecast) == [("a", "b")]
    assert forecast.branches[0].is_uncommitted
    assert sorted((sshd.home / "p" / ".git" / "objects").rglob("*")) == before
    assert scene.status(worktree) == "M a.txt"
    # A host that nobody can ask counts with what is known of it, and that is said.
    silent = make_forecast(desk, reach=lambda host: False)
    assert not silent.branches[0].is_uncommitted
    assert silent.branches[0].tip == scene.repo.git("rev-parse", "HEAD", cwd=worktree)
    assert silent.notes == ("gpu does not answer; the last known tips of its branches count",)


# --- the watch ------------------------------------------------------------------------------------


def test_what_is_new_is_written_down_once_and_what_is_gone_too(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"b": "B\n"})
    desk = desk_of(scene, "a", "b")

    def look() -> list[f.Fact]:
        news = list(news_of(desk.state.foreseen, foreseen(make_forecast(desk))))
        desk.record(*news)
        return news

    assert look() == []
    (scene.worktrees / "b" / "a.txt").write_text("B\n")
    assert look() == [f.ConflictForeseen(between=("a", "b"), files=("a.txt",))]
    assert look() == []
    (scene.worktrees / "b" / "a.txt").write_text("one\ntwo\nthree\n")
    assert look() == [f.ForecastCleared(between=("a", "b"))]
    assert desk.state.foreseen == {}


def test_a_look_that_fails_is_followed_by_another(scene: Scene) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    desk = desk_of(scene, "a", "b")
    asked: list[int] = []

    def desk_later() -> AnyDesk:
        asked.append(1)
        if len(asked) == 1:
            raise RuntimeError("not yet")
        return desk

    watch = ForecastWatch(desk_later, lambda host: True, pause=lambda took_s, processor_s: 0.0)
    try:
        eventually(lambda: watch.look() or desk.state.foreseen)
    finally:
        watch.close()
    assert desk.of_kind(f.ConflictForeseen)


def test_a_look_is_paid_for_by_the_pause_behind_it() -> None:
    assert pause_after(0.01, 0.01) == EVERY_S
    assert pause_after(0.5, 0.1) == 15.0
    assert pause_after(0.3, 0.5) == 50.0
