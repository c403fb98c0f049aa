"""Least squares over the four families: the oracle of every figure, and the equations' baseline.

Each axis of a path is a sum of terms in t (0..1 over the observed video) that its family allows; only the
turning rate of circles and helices is not linear, and is searched for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.data.trajectories import FAMILIES

Floats = NDArray[np.float64]

# Turns per observed video. The generator draws from 0.6 to 1.2.
SLOWEST, FASTEST = 0.3, 1.8
_GRID = 91
_GOLDEN = (5**0.5 - 1) / 2
_REFINEMENTS = 36
# Independent numbers behind a path of each family, for the Bayesian information criterion.
PARAMETERS = {"linear": 6, "parabolic": 9, "circular": 8, "helical": 9}
# Paths are stored as float32: a smaller residual is rounding and proves nothing.
_ROUNDING = 1e-6
_GAUSS_NEWTON_STEPS = 8
_DIFFERENCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    family: str
    rate: float  # radians per unit of t; 0 where nothing turns
    coefficients: Floats  # (terms, 3)
    residual: float  # RMS over all axes and times
    count: int  # numbers fitted to: times x 3

    def at(self, t: Floats) -> Floats:
        """Return the (T, 3) positions at these times."""
        return terms(self.family, t, self.rate) @ self.coefficients

    @property
    def information(self) -> float:
        """The Bayesian information criterion (Schwarz 1978) for noise of unknown size."""
        variance = max(self.residual**2, _ROUNDING**2)
        return float(self.count * np.log(variance) + PARAMETERS[self.family] * np.log(self.count))


def terms(family: str, t: Floats, rate: float) -> Floats:
    """Return the (T, terms) design matrix."""
    one = np.ones_like(t)
    match family:
        case "linear":
            columns = [one, t]
        case "parabolic":
            columns = [one, t, t * t]
        case "circular":
            columns = [one, np.cos(rate * t), np.sin(rate * t)]
        case "helical":
            columns = [one, np.cos(rate * t), np.sin(rate * t), t]
        case _:
            raise ValueError(f"no such family: {family}")
    return np.stack(columns, axis=1)


def fit(family: str, t: Floats, path: Floats) -> Fit:
    """Fit a (T, 3) path of a family; circles are round, and helices climb along their axis."""
    if family not in ("circular", "helical"):
        return _fitted(family, t, path, _solve(family, t, path, 0.0)[0], 0.0)
    rate = _best_rate(family, t, path)
    coil = _round(family, t, path, _solve(family, t, path, rate)[0], rate)
    return _fitted(family, t, path, coil.coefficients(family), coil.rate)


def _fitted(family: str, t: Floats, path: Floats, coefficients: Floats, rate: float) -> Fit:
    residual = np.sqrt(np.square(terms(family, t, rate) @ coefficients - path).mean())
    return Fit(family=family, rate=rate, coefficients=coefficients, residual=float(residual), count=path.size)


def best_fit(t: Floats, path: Floats) -> Fit:
    """Fit every family and return the one the information criterion prefers."""
    return min((fit(family, t, path) for family in FAMILIES), key=lambda found: found.information)


def _solve(family: str, t: Floats, path: Floats, rate: float) -> tuple[Floats, float]:
    design = terms(family, t, rate)
    coefficients = np.linalg.lstsq(design, path, rcond=None)[0].astype(np.float64)
    return coefficients, float(np.sqrt(np.square(design @ coefficients - path).mean()))


def _best_rate(family: str, t: Floats, path: Floats) -> float:
    """Scan the rates, then close in on the best by golden section."""
    grid = 2 * np.pi * np.linspace(SLOWEST, FASTEST, _GRID)
    bases = np.linalg.qr(np.stack([terms(family, t, rate) for rate in grid]))[0]  # (G, T, terms)
    explained = np.square(bases.transpose(0, 2, 1) @ path).sum(axis=(1, 2))  # (G,)
    best = int(explained.argmax())
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
    for _ in range(_REFINEMENTS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _solve(family, t, path, left)[1] < _solve(family, t, path, right)[1]:
            high = right
        else:
            low = left
    return float((low + high) / 2)


@dataclass(frozen=True, slots=True)
class _Coil:
    centre: Floats  # (3,)
    frame: Floats  # (3, 3), columns: towards the start, onwards, the axis
    radius: float
    rate: float
    climb: float  # per unit of t

    def coefficients(self, family: str) -> Floats:
        start, onwards, axis = self.frame.T
        rows = [self.centre, self.radius * start, self.radius * onwards]
        return np.stack([*rows, self.climb * axis] if family == "helical" else rows)

    def moved(self, step: Floats) -> "_Coil":
        """Apply (shift, turn, radius, rate, climb): nine numbers."""
        return _Coil(
            self.centre + step[:3],
            _rotation(step[3:6]) @ self.frame,
            self.radius + float(step[6]),
            self.rate + float(step[7]),
            self.climb + float(step[8]),
        )


def _round(family: str, t: Floats, path: Floats, free: Floats, rate: float) -> _Coil:
    """Make the ellipse of the linear solution round, then improve all numbers by Gauss-Newton steps."""
    left, sizes, right = np.linalg.svd(free[1:3].T, full_matrices=False)
    start, onwards = (left @ right).T
    axis = np.cross(start, onwards)
    climb = float(free[3] @ axis) if family == "helical" else 0.0
    coil = _Coil(free[0], np.stack([start, onwards, axis], axis=1), float(sizes.mean()), rate, climb)
    moves = np.eye(9)[: 9 if family == "helical" else 8]

    def error(tried: _Coil) -> Floats:
        found: Floats = (terms(family, t, tried.rate) @ tried.coefficients(family) - path).ravel()
        return found

    for _ in range(_GAUSS_NEWTON_STEPS):
        now = error(coil)
        slopes = np.stack([(error(coil.moved(_DIFFERENCE * move)) - now) / _DIFFERENCE for move in moves])
        tried = coil.moved(np.linalg.lstsq(slopes.T, -now, rcond=None)[0] @ moves)
        if np.square(error(tried)).sum() >= np.square(now).sum():
            break
        coil = tried
    return coil


def _rotation(vector: Floats) -> Floats:
    """Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Floats = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turned
