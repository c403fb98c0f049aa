"""Waves that land, and what moves with them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingAsked:
    wave: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveProposed:
    """What landing was decided on: where base and the branches stood, and whether they merge."""

    wave: int
    base: str
    base_before: str
    tips: dict[str, str]
    generated: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefStep:
    """A ref from one object to another; None where there is no such ref."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingBegun:
    """Written before any ref moves: what the transaction will do, so that it can be finished or undone.

    `refs` are those that move with base, in the transaction's order; `verified` those that must stand
    still; `tree` is what the gates ran on. A journal from before they were kept has the tag only.
    """

    wave: int
    base: str
    base_before: str
    candidate: str
    tag: str
    tag_object: str
    tips: dict[str, str]
    refs: tuple[RefStep, ...] = ()
    verified: dict[str, str] = field(default_factory=dict)
    tree: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveLanded:
    """`left_out` are those of the wave that have not landed, with this or before: empty, it is complete."""

    wave: int
    base: str
    base_before: str
    base_after: str
    tag: str
    landed: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingUndone:
    """It had landed, and the proof after it failed: refs and checkouts were put back."""

    wave: int
    base: str
    base_before: str
    candidate: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WavePushed:
    wave: int
    remote: str
    commit: str
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WavePushRefused:
    """`cause`: `moved` (the remote's base has commits of others), `rejected` (a hook or a protected
    branch over there), or `failed` (network or login: the remote could not be asked)."""

    wave: int
    remote: str
    commit: str
    tag: str
    cause: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingRefused:
    wave: int
    reasons: tuple[str, ...]
