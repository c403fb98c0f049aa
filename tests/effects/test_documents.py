"""What a candidate carries beside its branches: the changelog, the session document, the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator import git
from orchestrator.candidate import Candidate, CandidateConflict, build_candidate
from orchestrator.core.plan import Plan, WaveNumber
from orchestrator.git import Git
from tests.core.plans import plan_of
from tests.support.landing import Scene, gate, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]

ONE = WaveNumber(1)
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n- pending\n\n## [1.0.0]\n- first\n"


@dataclass(frozen=True)
class Green:
    gate: str
    workstream: str | None
    said: str = "green"


def plan(scene: Scene, *names: str, goal: str = "") -> Plan:
    streams = (workstream(name, gate("tests", "true"), results=f"results/{name}") for name in names)
    later = workstream("later", wave=2)
    waves = {1: {"goal": goal, "gates": (gate("all", "true"),)}, 2: {"goal": "words"}}
    return plan_of(scene.root, *streams, later, waves=waves)


def build(scene: Scene, *names: str, goal: str = "", verdicts: tuple[Green, ...] = ()) -> Candidate:
    tips = {name: scene.tip(f"p/{name}") for name in names}
    base = scene.tip("main")
    found = build_candidate(Git(scene.root), plan(scene, *names, goal=goal), ONE, base, tips, verdicts)
    assert isinstance(found, Candidate), found
    return found


def refused(scene: Scene, *names: str) -> list[tuple[str, str]]:
    tips = {name: scene.tip(f"p/{name}") for name in names}
    found = build_candidate(Git(scene.root), plan(scene, *names), ONE, scene.tip("main"), tips)
    assert isinstance(found, CandidateConflict), found
    return [(collision.workstream, collision.words()) for collision in found.collisions]


def text(scene: Scene, candidate: Candidate, path: str) -> str:
    return git.read_blob(Git(scene.root), f"{candidate.commit}:{path}")


def files(scene: Scene, candidate: Candidate) -> list[str]:
    return scene.repo.git("ls-tree", "-r", "--name-only", candidate.commit).splitlines()


def with_sessions(scene: Scene) -> None:
    scene.repo.commit_files("sessions", {"docs/sessions/README.md": "Sessions.\n"})


# --- fragments ------------------------------------------------------------------------------------


def test_fragments_become_a_section_and_are_gone(scene: Scene) -> None:
    scene.repo.commit_files("log", {"CHANGELOG.md": CHANGELOG, "changelog.d/README.md": "how\n"})
    scene.work("a", {"changelog.d/a.md": "Quicker.\n", "changelog.d/a.fixed.md": "- a crash\n"})
    scene.work("b", {"changelog.d/b.added.md": "- b\n", "changelog.d/later.md": "not yet\n"})

    candidate = build(scene, "a", "b", goal="two things")

    section = "### Wave 1: two things\n\n- Quicker.\n\n#### Added\n\n- b\n\n#### Fixed\n\n- a crash\n\n"
    assert text(scene, candidate, "CHANGELOG.md") == CHANGELOG.replace("### Added", f"{section}### Added", 1)
    assert candidate.generated == (
        "CHANGELOG.md",
        "changelog.d/a.fixed.md",
        "changelog.d/a.md",
        "changelog.d/b.added.md",
    )
    kept = [path for path in files(scene, candidate) if path.startswith("changelog.d/")]
    assert kept == ["changelog.d/README.md", "changelog.d/later.md"]
    assert git.tree_of(Git(scene.root), candidate.commit) == candidate.tree


def test_the_generated_files_are_the_last_commit_and_nothing_else_is_in_it(scene: Scene) -> None:
    scene.work("a", {"changelog.d/a.md": "a\n", "deep/er/file": "1", "deep/link": "2"})
    candidate = build(scene, "a")
    changes = git.changed_paths(Git(scene.root), f"{candidate.commit}^", candidate.commit)
    assert tuple(sorted(change.path for change in changes)) == candidate.generated
    form = "--format=%s|%cn|%ct|%P"
    subject, name, seconds, parents = scene.repo.git("log", "-1", form, candidate.commit).split("|")
    assert (subject, name, seconds) == ("wave 1: documents", "orchestrator", "1700000000")
    assert scene.repo.git("log", "-1", "--format=%s", parents) == "wave 1: merge a (p/a)"


def test_without_a_changelog_one_is_made(scene: Scene) -> None:
    scene.work("a", {"changelog.d/a.md": "a\n"})
    candidate = build(scene, "a")
    assert text(scene, candidate, "CHANGELOG.md") == "# Changelog\n\n## Wave 1\n\n- a\n"
    assert "changelog.d/a.md" not in files(scene, candidate)


def test_without_fragments_and_sessions_there_is_no_commit_of_ours(scene: Scene) -> None:
    scene.repo.commit_files("log", {"CHANGELOG.md": CHANGELOG})
    scene.work("a", {"a.new": "1"})
    candidate = build(scene, "a")
    assert candidate.generated == ()
    assert scene.repo.git("log", "-1", "--format=%s", candidate.commit) == "wave 1: merge a (p/a)"


def test_an_empty_fragment_says_nothing_and_goes(scene: Scene) -> None:
    scene.work("a", {"changelog.d/a.md": "\n"})
    candidate = build(scene, "a")
    assert candidate.generated == ("changelog.d/a.md",)
    assert "CHANGELOG.md" not in files(scene, candidate)


def test_what_a_branch_wrote_into_the_changelog_itself_stays(scene: Scene) -> None:
    scene.repo.commit_files("log", {"CHANGELOG.md": CHANGELOG})
    scene.work("a", {"CHANGELOG.md": CHANGELOG.replace("pending", "by hand"), "changelog.d/a.md": "a\n"})
    found = text(scene, build(scene, "a"), "CHANGELOG.md")
    assert found == CHANGELOG.replace("### Added\n- pending", "### Wave 1\n\n- a\n\n### Added\n- by hand")


def test_a_changelog_of_another_spelling_is_the_one(scene: Scene) -> None:
    scene.repo.commit_files("log", {"ChangeLog.md": CHANGELOG})
    scene.work("a", {"changelog.d/a.md": "a\n"})
    candidate = build(scene, "a")
    assert candidate.generated == ("ChangeLog.md", "changelog.d/a.md")


def test_bytes_and_modes_of_a_changelog_survive(scene: Scene) -> None:
    path = scene.root / "CHANGELOG.md"
    path.write_bytes(b"# Changelog\r\n\r\n## 1.0\r\n- caf\xe9\r\n")
    path.chmod(0o755)
    scene.repo.git("add", "CHANGELOG.md")
    scene.repo.commit("log")
    scene.work("a", {"changelog.d/a.md": "a\n"})
    candidate = build(scene, "a")
    blob = subprocess.run(
        ["git", "cat-file", "blob", f"{candidate.commit}:CHANGELOG.md"],
        cwd=scene.root,
        capture_output=True,
        check=True,
    )
    assert blob.stdout == b"# Changelog\r\n\r\n## Wave 1\r\n\r\n- a\r\n\r\n## 1.0\r\n- caf\xe9\r\n"
    assert scene.repo.git("ls-tree", candidate.commit, "CHANGELOG.md").startswith("100755")


def test_hostile_fragments_and_goals_stay_text(scene: Scene) -> None:
    hostile = "{{ ''.__class__ }} {% include 'x' %}\n# [9.9.9]\n<script>\n```\nopen\x1b]0;owned\x07\n"
    scene.work("a", {"changelog.d/a.md": hostile})
    scene.work("b", {"changelog.d/b.added.md": "- last\n"})
    found = text(scene, build(scene, "a", "b", goal="{{ 7*7 }}\n## x"), "CHANGELOG.md")
    assert found.splitlines() == [
        "# Changelog",
        "",
        "## Wave 1: {{ 7*7 }} ## x",
        "",
        "- {{ ''.__class__ }} {% include 'x' %}",
        "  #### [9.9.9]",
        "  &lt;script>",
        "  ```",
        "  open]0;owned",
        "  ```",
        "",
        "### Added",
        "",
        "- last",
    ]


def test_a_fragment_that_cannot_be_used_is_refused_by_name(scene: Scene) -> None:
    scene.work("a", {"changelog.d/a.new.md": "a\n", "changelog.d/a.md": "a\n"})
    scene.work("b", {"x": "1"})
    folder = scene.worktrees / "b" / "changelog.d"
    folder.mkdir()
    (folder / "b.md").symlink_to("/etc/passwd")
    scene.repo.git("add", "changelog.d", cwd=scene.worktrees / "b")
    scene.repo.commit("link", cwd=scene.worktrees / "b")
    kinds = "added, changed, deprecated, removed, fixed, security"
    assert refused(scene, "a", "b") == [
        ("a", f"changelog.d/a.new.md names no kind of change; there are: {kinds}"),
        ("b", "changelog.d/b.md is no plain file"),
    ]


def test_a_changelog_that_is_a_link_is_not_written_through(scene: Scene) -> None:
    (scene.root / "CHANGELOG.md").symlink_to("README.md")
    scene.repo.git("add", "CHANGELOG.md")
    scene.repo.commit("link")
    scene.work("a", {"changelog.d/a.md": "a\n"})
    assert refused(scene, "a") == [
        ("a", "its changelog fragment has no place: CHANGELOG.md is no plain file")
    ]


# --- the session document -------------------------------------------------------------------------


def test_the_session_document_tells_the_wave(scene: Scene) -> None:
    with_sessions(scene)
    numbers = '{"accuracy": 0.91234567, "note": "x", "ok": true, "broken": NaN, "history": {"a": [1]}}'
    scene.work("a", {"a.py": "def f():\n    pass  # TODO: |mend|\n", "results/a/final_metrics.json": numbers})
    scene.work("b", {"docs/decisions/0007-use-b.md": "# 0007 Use b\n", "b.bin": "\0\1"})

    candidate = build(scene, "a", "b", goal="two things", verdicts=(Green("tests", "a"),))

    assert candidate.generated == ("docs/sessions/wave-1.md",)
    found = text(scene, candidate, "docs/sessions/wave-1.md")
    first, tip = scene.tip("main"), scene.tip("p/a")
    merges = scene.repo.git("rev-list", "--first-parent", "--merges", "--reverse", candidate.commit).split()
    for line in (
        "# Wave 1: two things",
        "- 2 workstreams: a, b",
        "- 2 commits, on 2023-11-14 (UTC)",
        "- by Ada",
        "- 4 files changed, 4 lines added, 0 removed",
        f"`p/a` at `{tip}`: 1 commit, 2 files changed, 3 lines added, 0 removed.",
        f"- `{tip[:12]}` work of a (Ada)",
        f"1. `main` stood at `{first}`",
        f"1. merged a (`{tip}`) as `{merges[0]}`",
        "| tests | a | green |",
        "| tests | b | not run |",
        "The wave's own gates run on the commit that carries this page: all. "
        "The landing's tag and `orchestrator report --wave 1` say how they went.",
        "| a | accuracy | 0.912346 |",
        "- `docs/decisions/0007-use-b.md` 0007 Use b",
        "- `a.py:2` pass # TODO: \\|mend\\|",
        "| `b.bin` | binary | binary |",
        "| `a.py` | 2 | 0 |",
        "- wave 2, words: later",
    ):
        assert line in found.splitlines()
    assert "broken" not in found


def test_metrics_that_stood_in_base_are_not_a_branchs_own(scene: Scene) -> None:
    with_sessions(scene)
    scene.repo.commit_files("earlier", {"results/a/final_metrics.json": '{"accuracy": 0.5}'})
    scene.work("a", {"a": "1"})
    assert "No metrics were committed." in text(scene, build(scene, "a"), "docs/sessions/wave-1.md")


def test_new_debt_is_found_behind_a_missing_line_end(scene: Scene) -> None:
    with_sessions(scene)
    scene.repo.commit_files("base", {"x.py": "one\ntwo"})
    scene.work("a", {"x.py": "one\n2 FIXME\nTODO three", "y.py": "# todo in lower case is prose\n"})
    found = text(scene, build(scene, "a"), "docs/sessions/wave-1.md")
    debt = found.partition("## Technical debt\n\n")[2].partition("\n\n")[0]
    assert debt.splitlines() == ["- `x.py:2` 2 FIXME", "- `x.py:3` TODO three"]


def test_a_draft_that_a_branch_brings_is_kept_on_top(scene: Scene) -> None:
    scene.work("a", {"docs/sessions/wave-1.md": "# My draft\n\nWords.\n"})
    found = text(scene, build(scene, "a"), "docs/sessions/wave-1.md")
    assert found.startswith("# My draft\n\nWords.\n\n---\n\n# Wave 1\n")


def test_a_session_document_has_a_place_or_a_reason(scene: Scene) -> None:
    scene.work("a", {"docs/sessions/wave-1.md/x": "1"})
    why = "the wave's session document has no place: docs/sessions/wave-1.md is no plain file"
    assert refused(scene, "a") == [("a", why)]


def test_foreign_subjects_and_names_stay_text(scene: Scene) -> None:
    with_sessions(scene)
    scene.work("a", {"we`ird |\t<b>.txt": "++ b/other.py\n--- TODO x\n@@ -1 +1 @@ TODO\n"})
    path = scene.worktrees / "a"
    scene.repo.commit("{{ 1+1 }} [x](http://y) <img src=x> | \x1b[31m\x1f\x1f", cwd=path)
    found = text(scene, build(scene, "a"), "docs/sessions/wave-1.md")
    assert "{{ 1+1 }} [x]\\(http://y) &lt;img src=x> \\| [31m" in found
    assert "\x1b" not in found
    assert "| `` we`ird \\| <b>.txt `` | 3 | 0 |" in found
    assert ":2 `` --- TODO x\n" in found and ":3 `` @@ -1 +1 @@ TODO\n" in found


def test_a_wave_that_base_has_already_gets_no_document(scene: Scene) -> None:
    with_sessions(scene)
    scene.work("a", {"a": "1"})
    scene.repo.git("merge", "--quiet", "p/a")
    candidate = build(scene, "a")
    assert (candidate.commit, candidate.generated) == (scene.tip("main"), ())


# --- the same everywhere --------------------------------------------------------------------------

HOSTILE_CONFIG = """\
[user]
\tname = Somebody Else
\temail = else@example.org
[i18n]
\tcommitEncoding = ISO-8859-1
\tlogOutputEncoding = UTF-16
[diff]
\talgorithm = patience
\tnoprefix = true
\tmnemonicPrefix = true
\trenames = copies
\tcontext = 9
\texternal = false
[merge]
\tdefault = union
\trenames = false
\trenameLimit = 1
\trenormalize = true
\tconflictStyle = diff3
[core]
\tquotePath = true
\tautocrlf = true
\tattributesFile = {attributes}
\tcommentChar = "#"
[log]
\tshowSignature = true
\tdate = relative
[color]
\tui = always
[commit]
\tgpgSign = true
"""

OLD_A, OLD_B = ("".join(f"{letter}{n}\n" for n in range(20)) for letter in "AB")

BUILD = """\
import sys
from pathlib import Path
from tests.effects.test_documents import ONE, Green, plan
from tests.support.landing import Scene
from tests.support.repository import Repository
from orchestrator.candidate import build_candidate
from orchestrator.git import Git
scene = object.__new__(Scene)
scene.repo, scene.root = None, Path(sys.argv[1])
tips = dict(pair.split("=") for pair in sys.argv[3:])
made = build_candidate(
    Git(scene.root), plan(scene, *tips, goal="größer"), ONE, sys.argv[2], tips, (Green("tests", "a"),)
)
print(made.commit)
"""


def elsewhere(repository: Path, base: str, tips: dict[str, str], **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(repository), base, *(f"{n}={tip}" for n, tip in tips.items())],
        env={**os.environ, **environment},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_any_machine_makes_the_same_commit(scene: Scene, tmp_path: Path) -> None:
    with_sessions(scene)
    scene.repo.commit_files("log", {"CHANGELOG.md": CHANGELOG, "old/a": OLD_A, "old/b": OLD_B})
    scene.work("a", {"changelog.d/a.md": "schöner\n", "new.py": "# TODO größer\n" * 3, "a.txt": "A\n"})
    path = scene.worktrees / "b"
    scene.work("b", {"changelog.d/b.fixed.md": "b\n", "new/ä.txt": "TODO\n"})
    scene.repo.git("mv", "old/a", "new/x", cwd=path)
    scene.repo.git("mv", "old/b", "new/y", cwd=path)
    scene.repo.commit_files("umbenannt: größer", {"new/x": f"{OLD_A}b\n", "new/y": f"{OLD_B}b\n"}, cwd=path)
    scene.work("a", {"old/a": f"a\n{OLD_A}", "old/b": f"a\n{OLD_B}"})
    tips = {name: scene.tip(f"p/{name}") for name in ("a", "b")}
    base = scene.tip("main")
    here = build(scene, "a", "b", goal="größer", verdicts=(Green("tests", "a"),))
    assert "docs/sessions/wave-1.md" in here.generated

    clone = tmp_path / "elsewhere"
    scene.repo.git("clone", "--quiet", "--no-local", str(scene.root), str(clone))
    (tmp_path / "attributes").write_text("* binary\n")
    (tmp_path / "hostile").write_text(HOSTILE_CONFIG.format(attributes=tmp_path / "attributes"))
    found = elsewhere(
        clone,
        base,
        tips,
        TZ="Pacific/Kiritimati",
        LANG="tr_TR.UTF-8",
        LC_ALL="POSIX",
        PYTHONHASHSEED="7",
        GIT_CONFIG_GLOBAL=str(tmp_path / "hostile"),
        GIT_COMMITTER_DATE="1900000000 +0900",
        GIT_AUTHOR_NAME="Somebody Else",
    )
    assert found == here.commit


def test_a_conflict_is_one_on_any_machine(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.work("a", {"a.txt": "A\n"})
    scene.work("b", {"a.txt": "B\n"})
    (tmp_path / "hostile").write_text(HOSTILE_CONFIG.format(attributes="/dev/null"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "hostile"))
    assert refused(scene, "a", "b") == [("b", "conflicts with a in a.txt (content)")]


# --- landing --------------------------------------------------------------------------------------


def test_what_lands_is_what_the_waves_gates_saw(scene: Scene) -> None:
    with_sessions(scene)
    scene.work("a", {"changelog.d/a.md": "a\n", "a": "1"})
    there = gate(
        "there", "grep -q 'tests . a . green' docs/sessions/wave-1.md && grep -q '^- a' CHANGELOG.md"
    )
    desk = scene.desk(workstream("a", gate("tests", "test -f a")), waves={1: {"gates": (there,)}})

    report = merge(desk)

    assert report.ok, report.reasons
    assert report.candidate == scene.tip("main") and scene.status() == ""
    assert (scene.root / "CHANGELOG.md").read_text() == "# Changelog\n\n## Wave 1\n\n- a\n"
    assert "changelog.d" not in (scene.root / "docs/sessions/wave-1.md").read_text()
    assert "there of wave 1: green" in scene.repo.git("cat-file", "tag", "p/wave1")
    assert not [ref for ref in scene.refs() if ref.startswith("refs/orchestrator/candidates")]


def test_a_file_in_the_way_of_a_document_is_found_before_any_gate(scene: Scene) -> None:
    with_sessions(scene)
    scene.work("a", {"a": "1"})
    (scene.root / "docs/sessions/wave-1.md").write_text("mine\n")
    report = merge(scene.desk(workstream("a", gate("tests", "true"))))
    assert not report.ok and report.gates == ()
    assert "untracked or ignored files are in the way: docs/sessions/wave-1.md" in report.reasons[0]
