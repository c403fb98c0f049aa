"""Landing three branches: refs, checkout and proof, against `git merge` and `git tag` by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import Figure, interleaved, median, seconds
from benchmarks.scene import scene
from orchestrator.candidate import Candidate, build_candidate
from orchestrator.core.facts import RefStep
from orchestrator.core.plan import Plan, WaveNumber
from orchestrator.git import Git
from orchestrator.home import find_home
from orchestrator.land.moving import RefMove, carry_out, take_back
from orchestrator.land.proof import Claim, disproved
from orchestrator.site import Home
from tests.core.plans import plan_of
from tests.support.landing import workstream
from tests.support.repository import PINNED

FILES = 500
LANDING_LIMIT_S = 0.05
PROOF_LIMIT_S = 0.1
_NAMES = ("a", "b", "c")


@dataclass(frozen=True, slots=True)
class _Wave:
    home: Home
    plan: Plan
    base: str
    tips: dict[str, str]
    candidate: Candidate

    def move(self) -> RefMove:
        refs = {
            "refs/tags/p/wave1": self.candidate.commit,
            **{f"refs/orchestrator/waves/1/tips/{name}": tip for name, tip in self.tips.items()},
            "refs/heads/integration/wave1": self.candidate.commit,
        }
        return RefMove(
            base="main",
            old=self.base,
            new=self.candidate.commit,
            reason="wave 1: land",
            others=tuple(RefStep(ref=ref, old=None, new=oid) for ref, oid in refs.items()),
            verified={f"refs/heads/p/{name}": tip for name, tip in self.tips.items()},
        )

    def claim(self) -> Claim:
        return Claim(
            base="main",
            before=self.base,
            after=self.candidate.commit,
            tree=self.candidate.tree,
            tips=self.tips,
        )


def measure(runs: int) -> Iterator[Figure]:
    os.environ.update(PINNED)
    with scene(FILES) as project:
        wave = _wave(project.root)
        proofs: list[float] = []
        landings, merges = interleaved(runs, lambda: _land(wave, proofs), lambda: _merge(project.root, wave))
    yield Figure(
        what="refs and checkout move, against git merge and git tag",
        ours=median(landings),
        unit="s",
        baseline=median(merges),
        limit=LANDING_LIMIT_S,
    )
    yield Figure(what="the proof after it", ours=median(proofs), unit="s", limit=PROOF_LIMIT_S)


def _wave(root: Path) -> _Wave:
    base = _git(root, "rev-parse", "HEAD")
    tips = {name: _branch(root, name, base) for name in _NAMES}
    home = find_home(root)
    home.state.create()
    plan = plan_of(root, *map(workstream, _NAMES))
    candidate = build_candidate(home.git, plan, WaveNumber(1), base, tips)
    assert isinstance(candidate, Candidate)
    return _Wave(home, plan, base, tips, candidate)


def _branch(root: Path, name: str, base: str) -> str:
    _git(root, "checkout", "--quiet", "-b", f"p/{name}", base)
    for number in range(5):
        (root / f"{name}{number}.py").write_text(f"{name} = {number}\n", encoding="utf-8")
    _git(root, "add", "--", *(f"{name}{number}.py" for number in range(5)))
    _git(root, "commit", "--quiet", "-m", f"work of {name}")
    _git(root, "checkout", "--quiet", "main")
    return _git(root, "rev-parse", f"p/{name}")


def _land(wave: _Wave, proofs: list[float]) -> float:
    """Seconds of the move; those of its proof go to `proofs`. Everything is put back."""
    move = wave.move()
    landing = seconds(lambda: carry_out(wave.home, move))
    proofs.append(seconds(lambda: _prove(wave.home.git, wave.claim())))
    take_back(wave.home, move)
    return landing


def _prove(repository: Git, claim: Claim) -> None:
    wrong = disproved(repository, claim)
    assert not wrong, wrong


def _merge(root: Path, wave: _Wave) -> float:
    """Seconds of the same by porcelain; everything is put back."""

    def by_hand() -> None:
        for name in _NAMES:
            _git(root, "merge", "--quiet", "--no-ff", "--no-edit", f"p/{name}")
        _git(root, "tag", "-a", "-m", "wave 1", "p/wave1")

    took = seconds(by_hand)
    _git(root, "reset", "--quiet", "--hard", wave.base)
    _git(root, "tag", "-d", "p/wave1")
    return took


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()
