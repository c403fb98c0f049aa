"""The forecast as `conflicts --json` prints it."""

from __future__ import annotations

from typing import Any

from orchestrator.candidate import Collision
from orchestrator.core.overlap import Meeting
from orchestrator.forecast.model import Branch, FileClash, Forecast, Overlap, Pair, WaveFold


def forecast_document(forecast: Forecast) -> dict[str, Any]:
    return {
        "conflict": forecast.conflict,
        "pairs": [_pair(pair) for pair in forecast.pairs],
        "base": [_pair(pair) for pair in forecast.against_base],
        "waves": [_wave(wave) for wave in forecast.waves],
        "overlaps": [_overlap(overlap) for overlap in forecast.overlaps],
        "order": [{"name": step.name, "rework": list(step.rework)} for step in forecast.order],
        "branches": [_branch(branch) for branch in forecast.branches],
        "left_out": [{"name": one.name, "reason": one.reason} for one in forecast.left_out],
        "notes": list(forecast.notes),
        "base_commit": forecast.base_commit,
        "merges": {"computed": forecast.computed, "reused": forecast.reused},
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "a": pair.a,
        "b": pair.b,
        "conflict": pair.conflict,
        "reason": pair.reason,
        "files": [_clash(file) for file in pair.files],
    }


def _clash(file: FileClash) -> dict[str, Any]:
    other = {"other": file.other} if file.other else {}
    return {"path": file.path, "kind": file.kind, **other, "lines": _lines(file.lines)}


def _lines(lines: Meeting | None) -> dict[str, Any] | None:
    """Pairs of first and last line, each in the branch's own version of the file."""
    return None if lines is None else {"a": [list(s) for s in lines.a], "b": [list(s) for s in lines.b]}


def _wave(wave: WaveFold) -> dict[str, Any]:
    return {
        "wave": wave.wave,
        "conflict": wave.conflict,
        "files": [{"path": path, "kind": kind} for path, kind in wave.files],
        "collisions": [_collision(collision) for collision in wave.collisions],
    }


def _collision(collision: Collision) -> dict[str, Any]:
    return {
        "name": collision.workstream,
        "against": list(collision.against),
        "files": [{"path": file.path, "kind": file.kind} for file in collision.files],
    }


def _overlap(overlap: Overlap) -> dict[str, Any]:
    distance = overlap.lines.distance if overlap.lines else None
    return {
        "a": overlap.a,
        "b": overlap.b,
        "path": overlap.path,
        "lines": _lines(overlap.lines),
        "distance": distance,
    }


def _branch(branch: Branch) -> dict[str, Any]:
    return {
        "name": branch.name,
        "wave": branch.wave,
        "branch": branch.branch,
        "host": branch.host,
        "tip": branch.tip,
        "uncommitted": branch.is_uncommitted,
        "contained": branch.contained,
    }
