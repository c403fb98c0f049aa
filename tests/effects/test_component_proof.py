"""`components` with `proof: tests`: the component's tests run with its bodies replaced by `raise`."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.checks.taken_away import Aim, without_bodies
from orchestrator.core.plan import HostName
from orchestrator.gates import GateVerdict
from tests.support.landing import Desk, Scene, scene_fixture
from tests.support.sshd import Sshd
from tests.support.trials import check_gate, one, rules, stream, verdict

__all__ = ["scene_fixture"]

SPEC = "Tokens:\n  required_classes: [Tokens]\n  required_methods: {Tokens: [encode]}\n"
CODE = """\
class Tokens:
    def __init__(self, words):
        self.ids = self.numbered(words)

    def numbered(self, words):
        return {word: n for n, word in enumerate(words)}

    def encode(self, text):
        return [self.ids[word] for word in text.split()]
"""
REAL = (
    "from tokens import Tokens\n\n\ndef test_it():\n    assert Tokens(['a', 'b']).encode('b a') == [1, 0]\n"
)
IDLE = "from tokens import Tokens\n\n\ndef test_it():\n    assert Tokens(['a']) is not None\n"
MOCKED = """\
from unittest.mock import MagicMock
from tokens import Tokens

def test_it():
    tokens = MagicMock(spec=Tokens)
    tokens.encode.return_value = [1]
    assert tokens.encode('b') == [1]
"""


def desk_of(scene: Scene, **settings: Any) -> Desk:
    return scene.desk(stream("a", check_gate("components", **settings), components=("Tokens",)))


def proved(scene: Scene, files: dict[str, str], **settings: Any) -> GateVerdict:
    scene.work("a", {".component_spec.yaml": SPEC, "tokens.py": CODE, **files})
    return verdict(scene, desk_of(scene, proof="tests", **settings))


def test_a_test_that_asks_the_component_is_a_proof(scene: Scene) -> None:
    found = proved(scene, {"tests/test_tokens.py": REAL})
    assert found.is_green, found.message
    assert scene.repo.git("status", "--porcelain") == ""


@pytest.mark.parametrize("test", [IDLE, MOCKED])
def test_tests_that_never_ask_it_do_not_notice_that_it_is_gone(scene: Scene, test: str) -> None:
    found = one(proved(scene, {"tests/test_tokens.py": test}))
    assert (found.rule, found.path, found.line) == ("components/unnoticed", "tokens.py", 1)
    assert "tests/test_tokens.py" in found.message
    assert found.why and found.mend


def test_a_component_that_no_test_comes_to(scene: Scene) -> None:
    other = "def test_it():\n    assert 1 + 1 == 2\n"
    found = one(proved(scene, {"tests/test_other.py": other}))
    assert (found.rule, found.path) == ("components/untested", "tokens.py")
    skipped = "import pytest\n" + REAL.replace("def test", "@pytest.mark.skip\ndef test")
    assert rules(proved(scene, {"tests/test_tokens.py": skipped})) == ["components/untested"]


def test_tests_that_fail_anyway_are_no_measure(scene: Scene) -> None:
    found = one(proved(scene, {"tests/test_tokens.py": REAL.replace("[1, 0]", "[0, 1]")}))
    assert found.rule == "components/tests-fail"
    assert "test_it fails as it is" in found.message


def test_a_fixture_or_a_name_in_a_string_reaches_it(scene: Scene) -> None:
    fixture = (
        "import pytest\nfrom tokens import Tokens\n\n\n"
        "@pytest.fixture\ndef tokens():\n    return Tokens(['a'])\n"
    )
    asks = "def test_it(tokens):\n    assert tokens.encode('a') == [0]\n"
    assert proved(scene, {"conftest.py": fixture, "tests/test_tokens.py": asks}).is_green
    loads = (
        "import importlib\n\n\ndef test_it():\n"
        "    made = importlib.import_module('shop.tokens').Tokens(['a'])\n"
        "    assert made.encode('a') == [0]\n"
    )
    scene.work("a", {"conftest.py": "", "tokens.py": "", "shop/__init__.py": "", "shop/tokens.py": CODE})
    found = proved(scene, {"tokens.py": "", "tests/test_tokens.py": loads})
    assert found.is_green, found.message


def test_the_plan_may_name_the_tests(scene: Scene) -> None:
    files = {"tests/test_tokens.py": REAL, "tests/test_idle.py": IDLE}
    assert proved(scene, files, tests=["tests/test_tok*.py"]).is_green
    assert rules(proved(scene, files, tests=["tests/test_idle.py"])) == ["components/unnoticed"]
    assert "matches nowhere/*" in one(proved(scene, files, tests=["nowhere/*"])).message


def test_what_is_only_declared_is_done_by_its_heirs(scene: Scene) -> None:
    code = (
        "from typing import Protocol\n\n\nclass Tokens(Protocol):\n    def encode(self, text): ...\n\n\n"
        + CODE.replace("class Tokens:", "class Words(Tokens):")
    )
    test = REAL.replace("Tokens", "Words")
    assert proved(scene, {"tokens.py": code, "tests/test_tokens.py": test}).is_green
    idle = IDLE.replace("Tokens", "Words")
    assert rules(proved(scene, {"tokens.py": code, "tests/test_tokens.py": idle})) == ["components/unnoticed"]


def test_nothing_is_run_for_a_component_that_is_not_there(scene: Scene) -> None:
    marker = scene.root / "executed"
    files = {"tokens.py": "class Tokens: pass\n", "tests/test_tokens.py": f"open({str(marker)!r}, 'w')\n"}
    assert "components/empty-class" in rules(proved(scene, files))
    assert not marker.exists()


def test_what_may_stay_for_a_reason_is_proved_all_the_same(scene: Scene) -> None:
    stub = CODE.replace("return [self.ids[word] for word in text.split()]", "return 3")
    reason = "# orchestrator: allow constant-method because it is three for ever\n    def encode"
    files = {"tokens.py": stub.replace("def encode", reason), "tests/test_tokens.py": IDLE}
    assert rules(proved(scene, files)) == ["components/unnoticed"]
    reason = "# orchestrator: allow unnoticed because a person looked\nclass Tokens"
    files = {"tokens.py": CODE.replace("class Tokens", reason), "tests/test_tokens.py": IDLE}
    assert proved(scene, files).is_green


def test_it_is_proved_once_for_the_same_files(scene: Scene) -> None:
    runs = scene.root.parent / "runs"
    test = REAL.replace("def test_it", f"open({str(runs)!r}, 'a').write('run ')\n\n\ndef test_it")
    assert proved(scene, {"tests/test_tokens.py": test}).is_green
    assert runs.read_text() == "run run "
    assert verdict(scene, desk_of(scene, proof="tests")).cached
    scene.repo.git("commit", "--quiet", "--allow-empty", "-m", "again", cwd=scene.worktrees / "a")
    assert verdict(scene, desk_of(scene, proof="tests")).is_green
    assert runs.read_text() == "run run "


def test_a_setting_that_is_none_is_a_finding(scene: Scene) -> None:
    scene.work("a", {".component_spec.yaml": SPEC, "tokens.py": CODE})
    assert rules(verdict(scene, desk_of(scene, prof="tests"))) == ["checks/setting"]
    assert "the proof there is, is: tests" in one(verdict(scene, desk_of(scene, proof="hope"))).message


def test_a_host_of_its_own_takes_the_bodies_away_there(scene: Scene, sshd: Sshd) -> None:
    scene.work("a", {".component_spec.yaml": SPEC, "tokens.py": CODE, "tests/test_tokens.py": IDLE})
    over_there = stream(
        "a", check_gate("components", proof="tests"), components=("Tokens",), host=HostName("gpu")
    )
    hosts = f'hosts: {{gpu: {{ssh: gpu, root: "{sshd.home}"}}}}'
    waves = "waves: {1: {workstreams: {a: {branch: p/a, host: gpu}}}}"
    (scene.root / "waves.yaml").write_text(f"version: 1\nproject: p\n{hosts}\n{waves}\n")
    found = verdict(scene, scene.desk(over_there, hosts=(sshd.host(),)))
    assert rules(found) == ["components/unnoticed"], found.message
    assert found.log is not None and str(sshd.home) in found.log


# --- the bodies -----------------------------------------------------------------------------------


def test_bodies_go_and_all_else_stays() -> None:
    code = (
        "from __future__ import annotations\nLIMIT = 3\n\n\nclass A:\n    kind = 'a'\n\n"
        "    def __init__(self):\n        self._build()\n\n    def _build(self):\n        self.x = 1\n\n"
        '    async def ask(self):\n        """Asks."""\n        yield self.x\n\n\n'
        "if LIMIT:\n    def f(x): return x\nelse:\n    def f(x): return 2\n\n\ndef g():\n    return LIMIT\n"
    )
    text = without_bodies(code.encode(), [Aim(name="A"), Aim(name="f")])
    assert text is not None
    names: dict[str, Any] = {}
    exec(compile(text, "made.py", "exec", dont_inherit=True), names)
    assert (names["A"]().x, names["g"](), names["A"].ask.__doc__) == (1, 3, "Asks.")
    with pytest.raises(RuntimeError, match="taken away"):
        names["f"](1)
    assert text.count("raise RuntimeError") == 3


def test_a_class_without_methods_can_no_longer_be_made() -> None:
    code = "from dataclasses import dataclass\n\n\n@dataclass\nclass A:\n    x: int = 1\n"
    text = without_bodies(code.encode(), [Aim(name="A")])
    assert text is not None
    names: dict[str, Any] = {"__name__": "made"}
    exec(compile(text, "made.py", "exec", dont_inherit=True), names)
    with pytest.raises(RuntimeError, match="taken away"):
        names["A"]()
    assert without_bodies(code.encode(), [Aim(name="B")]) is None
    assert without_bodies(b"print 'old'\n", [Aim(name="A")]) is None
