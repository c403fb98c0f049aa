"""Equation accuracy: the share of all samples whose equation draws the true path, and goes on as it does.

NRMSE is the root mean squared error over all axes, divided by the RMS spread of the true path: 1 is what
the path's mean point would get. A hit is within 0.05 where the path was observed and within 0.10 over the six
frames after. What cannot be parsed is wrong and stays in the denominator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.data.trajectories import path_length
from workers.evaluation.fits import Fit, best_fit, fit
from workers.language.answers import AXES, SLOTS, Answer
from workers.language.expressions import ExpressionError

Floats = NDArray[np.float64]

OBSERVED_LIMIT = 0.05
EXTENSION_LIMIT = 0.10
EXTENSION_FRAMES = 6
# A curve belongs to a family when its equation draws it to this share of its spread.
_STRUCTURE_LIMIT = 1e-3
_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One true path and what of it a model is told."""

    number: int
    family: str
    path: Floats  # (G, 3), clean, all frames that are known
    t: Floats  # (G,), 1 at the last observed frame
    observed: int  # frames
    points: Floats  # (P, 3), what the model is told
    points_t: Floats  # (P,)
    hint: str | None  # a class that a classifier found


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    nrmse_observed: float | None  # None: no curve
    nrmse_extension: float | None
    structure: bool  # the curve is of the true family, and the answer says so
    slots: int  # right ones, of the three and the family
    reason: str  # why it is no hit; empty for a hit

    @property
    def hit(self) -> bool:
        return not self.reason


def wrong(reason: str) -> Score:
    return Score(nrmse_observed=None, nrmse_extension=None, structure=False, slots=0, reason=reason)


def score_answer(answer: Answer, subject: Subject) -> Score:
    """Score the expressions, or where there are none the fit of the family to the points."""
    if not answer.expressions:
        fitted = fit(answer.family, subject.points_t, subject.points)
        return _score(fitted.at(subject.t), answer, subject)
    try:
        curve = np.stack([one.at(subject.t) for one in answer.expressions], axis=1)
    except ExpressionError as error:
        return wrong(str(error))
    return _score(curve, answer, subject)


def score_least_squares(subject: Subject) -> tuple[Fit, Score]:
    """The baseline of every language model: the best of the four families."""
    fitted = best_fit(subject.points_t, subject.points)
    answer = Answer(family=fitted.family, expressions=(), slots={}, text="")
    return fitted, _score(fitted.at(subject.t), answer, subject)


def _score(curve: Floats, answer: Answer, subject: Subject) -> Score:
    seen = slice(0, subject.observed)
    after = slice(subject.observed, subject.observed + EXTENSION_FRAMES)
    truth = subject.path[seen]
    spread = float(np.sqrt(np.square(truth - truth.mean(axis=0)).mean()))
    observed = _rms(curve[seen] - truth) / spread
    extension = _rms(curve[after] - subject.path[after]) / spread
    reasons = [
        f"{name} {value:.3f} > {limit:.2f}"
        for name, value, limit in (
            ("NRMSE observed", observed, OBSERVED_LIMIT),
            ("NRMSE after", extension, EXTENSION_LIMIT),
        )
        if not value <= limit
    ]
    truths = true_slots(subject)
    return Score(
        nrmse_observed=observed,
        nrmse_extension=extension,
        structure=answer.family == subject.family == _family_of(curve[seen], subject.t[seen]),
        slots=sum(answer.slots.get(name) == truths[name] for name in SLOTS)
        + (answer.family == subject.family),
        reason="; ".join(reasons),
    )


def _rms(values: Floats) -> float:
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.square(values).mean()))


def _family_of(curve: Floats, t: Floats) -> str | None:
    """The family whose equation draws the curve, told by its shape and not by how it is written."""
    if not np.abs(curve).max() < 1e6:
        return None
    found = best_fit(t, curve)
    spread = _rms(curve - curve.mean(axis=0))
    return found.family if found.residual < _STRUCTURE_LIMIT * spread else None


def true_slots(subject: Subject) -> Mapping[str, str]:
    """Sense as the camera sees it, the plane the path lies closest to, and a band of mean speed."""
    seen = subject.path[: subject.observed]
    fitted = fit(subject.family, subject.t[: subject.observed], seen)
    normal = _normal(fitted)
    turns = subject.family in ("circular", "helical")
    # x points right and y down: a turn from x to y is clockwise.
    sense = ("clockwise" if normal[2] > 0 else "counterclockwise") if turns else "none"
    plane = "none" if fitted.family == "linear" else ("yz", "xz", "xy")[int(np.abs(normal).argmax())]
    length = path_length(seen)
    speed = "slow" if length < 5 / 3 else "medium" if length < 29 / 15 else "fast"
    return {"sense": sense, "plane": plane, "speed": speed}


def _normal(fitted: Fit) -> Floats:
    if fitted.family == "linear":
        return np.zeros(3)
    normal: Floats = np.cross(fitted.coefficients[1], fitted.coefficients[2])
    return normal


def written(fitted: Fit) -> Mapping[str, str]:
    """The fitted equation as expressions of the agreed form."""
    rate = round(fitted.rate, _DIGITS)
    factors = {
        "linear": ("", "*t"),
        "parabolic": ("", "*t", "*t**2"),
        "circular": ("", f"*cos({rate}*t)", f"*sin({rate}*t)"),
        "helical": ("", f"*cos({rate}*t)", f"*sin({rate}*t)", "*t"),
    }[fitted.family]
    return {
        axis: " + ".join(
            f"({value:.{_DIGITS}f}){factor}" for value, factor in zip(column, factors, strict=True)
        )
        for axis, column in zip(AXES, fitted.coefficients.T, strict=True)
    }


def summary(scores: Sequence[Score]) -> Mapping[str, float]:
    """Return flat figures over all samples, whatever became of each."""
    curves = [one.nrmse_observed for one in scores if one.nrmse_observed is not None]
    count = len(scores)
    figures = {
        "equation_acc": sum(one.hit for one in scores) / count,
        "parse_rate": len(curves) / count,
        "structure_acc": sum(one.structure for one in scores) / count,
        "description_acc": sum(one.slots for one in scores) / (count * (len(SLOTS) + 1)),
        "acc_tau_0_1": sum(value <= 0.1 for value in curves) / count,
        "samples": float(count),
    }
    return figures | ({"median_nrmse": float(np.median(curves))} if curves else {})
