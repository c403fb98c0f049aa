"""`components` and `redflags` on real commits, through the gates that run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.checks.sarif import sarif_document
from orchestrator.checks.tdd.branch import branch_between
from orchestrator.gates import GateVerdict, gates_document, run_gates, run_workstream_gates
from orchestrator.source import reading
from tests.support.landing import Scene, gate, scene_fixture, workstream

__all__ = ["scene_fixture"]

SPEC = """
Tokens:
  type: tokenizer
  required_imports: [math]
  required_classes: [Tokens]
  required_methods: {Tokens: [encode, decode]}
  forbidden_patterns: ["# fake"]
  min_lines_of_code: 5
"""
REAL = """
import math
class Tokens:
    def encode(self, text):
        return [math.floor(ord(c) / 2) for c in text]
    def decode(self, ids):
        return "".join(chr(i * 2) for i in ids)
"""
STUB = REAL.replace("return [math.floor(ord(c) / 2) for c in text]", "math.floor(1.5)\n        return [0, 1]")
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_component_claims.py"


def verdict_of(scene: Scene, check: str, files: dict[str, str], **settings: object) -> GateVerdict:
    tip = scene.work("a", files)
    components = settings.pop("components", ())
    checked = workstream("a", gate(check, settings=settings), components=components)
    desk = scene.desk(checked)
    (verdict,) = run_workstream_gates(desk, desk.plan.workstream("a"), tip)
    return verdict


def rules(verdict: GateVerdict) -> list[str]:
    return [finding.rule for finding in verdict.findings]


def test_a_claim_is_held_against_the_code(scene: Scene) -> None:
    scene.repo.commit_files("spec", {".component_spec.yaml": SPEC})
    good = verdict_of(scene, "components", {"own/tokens.py": REAL}, components=("Tokens",))
    assert (good.ok, rules(good)) == (True, [])
    bad = verdict_of(scene, "components", {"own/tokens.py": STUB}, components=("Tokens",))
    (finding,) = bad.findings
    assert (finding.rule, finding.path, finding.line) == ("components/constant-method", "own/tokens.py", 4)
    document = gates_document([bad])["findings"][0]
    assert document["why"] and document["mend"] and document["component"] == "Tokens"


def test_claims_come_from_the_branches_file_too_and_the_spec_is_base_s(scene: Scene) -> None:
    scene.repo.commit_files("spec", {".component_spec.yaml": SPEC})
    weaker = "Tokens: {required_classes: [Tokens]}\n"
    claims = json.dumps({"p/a": {"components": ["Tokens", "Tokenz"], "description": ""}})
    files = {".component_spec.yaml": weaker, ".branch_specifications.json": claims, "own/tokens.py": STUB}
    found = verdict_of(scene, "components", files)
    assert rules(found) == ["components/spec-changed", "components/constant-method", "components/unknown"]
    assert "did you mean 'Tokens'?" in found.findings[-1].message


def test_a_spec_that_cannot_be_read_is_said_with_its_line(scene: Scene) -> None:
    files = {".component_spec.yaml": "Tokens:\n  required_clases: [A]\n  min_lines_of_code: many\n"}
    found = verdict_of(scene, "components", files, components=("Tokens",))
    assert [(f.rule, f.path, f.line) for f in found.findings] == [
        ("components/spec", ".component_spec.yaml", 2),
        ("components/spec", ".component_spec.yaml", 3),
    ]
    assert "did you mean 'required_classes'?" in found.findings[0].message


def test_a_component_that_the_branch_s_own_programs_never_reach(scene: Scene) -> None:
    scene.repo.commit_files("spec", {".component_spec.yaml": SPEC})
    program = 'from own.other import run\nif __name__ == "__main__":\n    run()\n'
    files = {"own/tokens.py": REAL, "own/__init__.py": "from own.tokens import Tokens\n"}
    files |= {"own/train.py": program, "own/other.py": "def run():\n    return sum([1, 2])\n"}
    assert rules(verdict_of(scene, "components", files, components=("Tokens",))) == ["components/unreached"]
    files["own/other.py"] = "from own.tokens import Tokens\ndef run():\n    return Tokens().encode('x')\n"
    assert verdict_of(scene, "components", files, components=("Tokens",)).ok
    files["own/other.py"] = "NAME = 'own.tokens:Tokens'\ndef run():\n    return load(NAME)\n"
    assert verdict_of(scene, "components", files, components=("Tokens",)).ok


def test_only_what_the_branch_brings_is_its_red_flag(scene: Scene) -> None:
    scene.repo.commit_files("old sins", {"old.py": "def a():\n    # TODO: implement\n    return 1\n"})
    files = {
        "old.py": "import os\ndef a():\n    # TODO: implement\n    return os.sep\nclass FakeNet:\n    x = 1\n"
    }
    found = verdict_of(scene, "redflags", files)
    assert [(f.rule, f.line) for f in found.findings] == [("redflags/fake-name", 5)]
    everything = verdict_of(scene, "redflags", files, all=True)
    assert rules(everything) == ["redflags/placeholder", "redflags/fake-name"]


def test_branches_that_are_checked_in_one_go_are_read_in_one_go(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    tips = {n: scene.work(n, {f"{n}/part{i}.py": f"{n}{i} = {i}\n" for i in range(3)}) for n in ("a", "b")}
    desk = scene.desk(*(workstream(name, gate("redflags")) for name in tips))
    read: list[int] = []
    spread = reading.spread
    monkeypatch.setattr(reading, "_WORTH_PROCESSES", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr(reading, "spread", lambda how, files: read.append(len(files)) or spread(how, files))
    assert all(verdict.is_green for verdict in run_gates(desk, tips))
    assert list(filter(None, read)) == [6]


def test_an_exception_needs_a_reason(scene: Scene) -> None:
    bare = "# orchestrator: allow fake-name\nclass FakeNet:\n    x = 1\n"
    assert rules(verdict_of(scene, "redflags", {"net.py": bare})) == [
        "redflags/fake-name",
        "checks/allowance",
    ]
    wrong = "# orchestrator: allow fake-nam because of tests\nx = 1\n"
    found = verdict_of(scene, "redflags", {"net.py": wrong})
    assert rules(found) == ["checks/allowance"] and "did you mean" in found.findings[0].message
    given = "# orchestrator: allow fake-name because it is the name of the paper\nclass FakeNet:\n    x = 1\n"
    allowed = verdict_of(scene, "redflags", {"net.py": given})
    assert (allowed.ok, [f.allowed for f in allowed.suppressed]) == (True, ["it is the name of the paper"])
    nameless = verdict_of(scene, "redflags", {"net.py": "# orchestrator: allow because of tests\n"})
    assert [f.message for f in nameless.findings] == ["an exception without a rule"]
    in_string = "TEXT = '# orchestrator: allow fake-name because no comment'\nclass FakeNet:\n    x = 1\n"
    assert rules(verdict_of(scene, "redflags", {"net.py": in_string})) == ["redflags/fake-name"]


def test_an_exception_that_covers_nothing_is_told_and_blocks_nobody(scene: Scene) -> None:
    old = "class FakeNet:  # orchestrator: allow fake-name because of the paper\n    x = 1\n"
    entry = "- {rule: redflags/fake-name, path: '*', reason: of old}\n"
    scene.repo.commit_files("old", {"old.py": old, ".orchestrator-baseline.yaml": entry})
    idle = "# orchestrator: allow fake-name because of nothing\nx = 1\n"
    entries = f"{entry}- {{rule: redflags/placeholder, path: 'net*', reason: of nothing}}\n"
    files = {"old.py": f"{old}\n\ny = 2\n", "net.py": idle, ".orchestrator-baseline.yaml": entries}
    found = verdict_of(scene, "redflags", files)
    assert (found.ok, [(f.rule, f.path, f.line) for f in found.suppressed]) == (
        True,
        [("checks/allowance", "net.py", 1), ("checks/baseline", ".orchestrator-baseline.yaml", 2)],
    )


def test_the_list_of_known_findings(scene: Scene) -> None:
    entry = "- {rule: redflags/fake-name, path: 'net*.py', found: FakeNet, reason: from the paper}\n"
    files = {"net.py": "class FakeNet:\n    x = 1\n", ".orchestrator-baseline.yaml": entry}
    found = verdict_of(scene, "redflags", files)
    assert (found.ok, [(f.allowed, f.by_file) for f in found.suppressed]) == (
        True,
        [("from the paper", True)],
    )
    files[".orchestrator-baseline.yaml"] = "- {rule: redflags/fake-name, path: net.py}\n- {rule: nonsense}\n"
    assert rules(verdict_of(scene, "redflags", files)) == [
        "redflags/fake-name",
        "checks/baseline",
        "checks/baseline",
    ]


def test_a_known_green_still_tells_what_was_allowed(scene: Scene) -> None:
    given = "class FakeNet:  # orchestrator: allow fake-name because it is the name of the paper\n    x = 1\n"
    tip = scene.work("a", {"net.py": given})
    desk = scene.desk(workstream("a", gate("redflags")))
    first, second = (run_workstream_gates(desk, desk.plan.workstream("a"), tip)[0] for _ in range(2))
    assert (first.cached, second.cached) == (False, True)
    assert first.suppressed == second.suppressed != ()
    document: dict[str, Any] = sarif_document(gates_document([second]))
    (result,) = document["runs"][0]["results"]
    assert result["suppressions"][0]["justification"] == "it is the name of the paper"
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}


def test_nothing_in_a_tree_stops_the_checks(scene: Scene) -> None:
    marker = scene.root / "executed"
    files = {
        "two.py": "print 'old'\n",
        "deep.py": f"x = {'(' * 300}1{')' * 300}\n",
        "long.py": f"x = {' + '.join(['1'] * 20000)}\n",
        "followed.py": f"class FakeNet:\n    x = 1\n\n\njson.dump({{'acc': {' + '.join(['1'] * 990)}}}, f)\n",
        "number.py": f"x: {'int'} = 0x{'f' * 9000}\n\n\ndef encode(y):\n    return 0x{'f' * 9000}\n",
        "codec.py": "# coding: undefined\n",
        "null.py": "x = 1\0\n",
        "new\nline.py": "def f():\n",
        ":colon.py": "def f():\n",
        "vendor/other.py": "class FakeNet: pass\n",
        "made_pb2.py": "class FakeNet: pass\n",
        "notes.ipynb": "{}",
        "big.py": "# " + "x" * (2 * 2**20) + "\n",
        "acts.py": f"open({str(marker)!r}, 'w').close()\n",
        "tests/test_a.py": "class FakeNet: pass\n",
    }
    scene.work("a", files)
    worktree = scene.worktrees / "a"
    (worktree / "latin.py").write_bytes(b"x = '\xe9'\n")
    (worktree / os.fsdecode(b"bytes\xff.py")).write_text("def f():\n")
    (worktree / "out.py").symlink_to("/etc/hostname")
    scene.repo.git("add", ".", cwd=worktree)
    scene.repo.git("commit", "--quiet", "-m", "odd files", cwd=worktree)
    tip = scene.tip("p/a")
    desk = scene.desk(workstream("a", gate("redflags"), gate("clones"), gate("independence")))
    verdict, *_ = run_workstream_gates(desk, desk.plan.workstream("a"), tip)
    found = {finding.path for finding in verdict.findings if finding.rule == "redflags/unreadable"}
    unread = {"two.py", "deep.py", "long.py", "followed.py", "codec.py", "null.py", "latin.py"}
    assert found == unread | {"new\nline.py", ":colon.py", "bytes\udcff.py"}
    others = {(f.rule, f.path) for f in verdict.findings if f.rule != "redflags/unreadable"}
    assert others == {("redflags/fake-name", "followed.py"), ("redflags/constant-answer", "number.py")}
    assert {one.place for one in verdict.findings} >= {"new\\nline.py:1", "bytes\\udcff.py:1"}
    branch = branch_between(desk.home.git, scene.repo.git("rev-parse", "main"), tip, ())
    assert {":colon", "new\nline"} <= branch.added
    assert {(f.rule, f.path): f.message for f in verdict.suppressed} == {
        ("redflags/not-read", "big.py"): "is larger than 2 MiB",
        ("redflags/not-read", "made_pb2.py"): "is generated",
        ("redflags/not-read", "notes.ipynb"): "is a notebook",
        ("redflags/not-read", "out.py"): "is a symbolic link, which is not followed",
        ("redflags/not-read", "vendor/other.py"): "is other people's code (vendor/)",
    }
    assert not marker.exists()


# --- the script -----------------------------------------------------------------------------------


def script(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, str(SCRIPT), *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_script_needs_no_plan(scene: Scene) -> None:
    scene.work("a", {"own/tokens.py": REAL})
    scene.work("b", {"own/tokens.py": STUB})
    claims = {f"p/{name}": {"components": ["Tokens"], "description": name} for name in "ab"}
    (scene.root / ".component_spec.yaml").write_text(SPEC)
    (scene.root / ".branch_specifications.json").write_text(json.dumps(claims))
    assert script(scene.root, "--branch", "p/a") == (0, {"ok": True, "findings": []})
    code, document = script(scene.root)
    (finding,) = document["findings"]
    assert (code, document["ok"], finding["component"]) == (1, False, "Tokens")
    assert set(finding) == {"rule", "component", "path", "line", "message"}
    assert finding["message"].startswith("p/b: ")
    assert (finding["rule"], finding["path"], finding["line"]) == (
        "components/constant-method",
        "own/tokens.py",
        4,
    )


def test_a_branch_that_is_not_there_is_one_plain_finding(scene: Scene) -> None:
    scene.work("a", {"own/tokens.py": REAL})
    (scene.root / ".component_spec.yaml").write_text(SPEC)
    code, document = script(scene.root, "--branch", "p/none")
    (finding,) = document["findings"]
    assert (code, finding["rule"]) == (1, "components/missing-branch")
    assert finding["message"].startswith("p/none: there is no branch of this name")
    scene.repo.git("merge", "-q", "p/a")
    assert script(scene.root, "--branch", "p/none")[0] == 0


def test_the_script_on_folders_without_a_repository(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "tokens.py").write_text(REAL)
    (tmp_path / ".component_spec.yaml").write_text(SPEC)
    assert script(tmp_path, "--search-path", "code") == (0, {"ok": True, "findings": []})
    (tmp_path / "code" / "tokens.py").write_text(REAL.replace("import math", "import math  # fake"))
    code, document = script(tmp_path, "--search-path", "code")
    assert code == 1
    assert [(f["rule"], f["path"], f["line"]) for f in document["findings"]] == [
        ("components/forbidden-pattern", "code/tokens.py", 2)
    ]
    (tmp_path / ".component_spec.yaml").unlink()
    assert script(tmp_path)[1]["findings"][0]["rule"] == "components/spec"


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', '{"a": {"componets": []}}', "{", '{"a": {}, "a": {}}'])
def test_claims_that_cannot_be_read_are_no_claims(tmp_path: Path, text: str) -> None:
    (tmp_path / ".component_spec.yaml").write_text(SPEC)
    (tmp_path / ".branch_specifications.json").write_text(text)
    code, document = script(tmp_path)
    assert (code, {f["rule"] for f in document["findings"]}) == (1, {"components/spec"})


PROTOCOL = """
from typing import Protocol
class Tracker(Protocol):
    def update(self, points): ...
"""
WORKING = """
class Nearest:
    def update(self, points):
        self.last = sorted(points)[0]
        return self.last
"""
DEAF = """
class Tracker:
    def __init__(self, reach):
        self.tracks = [reach]
    def update(self, points):
        self.seen = True
        return self.tracks
"""


@pytest.mark.parametrize(
    ("code", "classes", "found"),
    [
        (PROTOCOL + WORKING, "Tracker, Nearest", []),
        (PROTOCOL + WORKING.replace("Nearest:", "Nearest(Tracker):"), "Tracker", []),
        (PROTOCOL + WORKING, "Tracker", ["components/empty-class", "components/stub-method"]),
        (DEAF, "Tracker", ["components/constant-method"]),
        (
            DEAF.replace("return self.tracks", "return list(self.tracks)"),
            "Tracker",
            ["components/constant-method"],
        ),
        (DEAF.replace("return self.tracks", "return scan(self.tracks)"), "Tracker", []),
        (DEAF.replace("= True", "= points"), "Tracker", []),
    ],
)
def test_a_required_class_works_itself_or_through_its_heirs(
    tmp_path: Path, code: str, classes: str, found: list[str]
) -> None:
    spec = f"T: {{required_classes: [{classes}], required_methods: {{Tracker: [update]}}}}\n"
    (tmp_path / ".component_spec.yaml").write_text(spec)
    (tmp_path / "tracking.py").write_text(code)
    assert [f["rule"] for f in script(tmp_path)[1]["findings"]] == found


CLIENT = """
import openai
class Client:
    def __init__(self):
        self.client = openai.OpenAI()
    def describe(self, path):
        return self.worded(path)
    def worded(self, path):
        return f"The object at {path} moves smoothly."
"""


def test_a_client_that_is_made_must_be_asked(tmp_path: Path) -> None:
    spec = "L: {type: llm, required_classes: [Client], required_methods: {Client: [describe]}}\n"
    (tmp_path / ".component_spec.yaml").write_text(spec)
    (tmp_path / "client.py").write_text(CLIENT)
    assert [f["rule"] for f in script(tmp_path)[1]["findings"]] == ["components/constant-method"]
    asked = "self.client.responses.create(input=self.worded(path)).output_text"
    (tmp_path / "client.py").write_text(CLIENT.replace("return self.worded(path)", f"return {asked}"))
    assert script(tmp_path)[0] == 0
