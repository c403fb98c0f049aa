"""A pinhole camera that frames the observed part of a path, and nothing of its future.

Camera frame: x right, y down, z forward. The distance depends on the path's length alone, and the path
is placed at random where it fits, so that neither the ball's size nor its place in a frame tells the class.
"""

import math
from dataclasses import dataclass

import numpy as np

from workers.config import SceneConfig
from workers.data.trajectories import Points, path_length

# Share of the half image that a ball's outline may reach.
FRAME_FILL = 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    rotation: Points  # (3, 3), world to camera
    translation: Points  # (3,)

    def to_camera(self, world: Points) -> Points:
        return world @ self.rotation.T + self.translation


def frame_path(observed: Points, rotation: Points, scene: SceneConfig, rng: np.random.Generator) -> Camera:
    """Place a camera with the given orientation so that every observed ball lies in the image circle."""
    turned = observed @ rotation.T  # (F, 3)
    centre = _halfway(turned)
    distance = fitting_distance(path_length(observed), scene) * rng.uniform(*scene.zoom_out)
    offset = np.array([0.0, 0.0, distance]) - centre
    offset[:2] += _free_shift(turned + offset, scene, rng)
    return Camera(rotation=rotation, translation=offset)


def fitting_distance(length: float, scene: SceneConfig) -> float:
    """Return a depth at which any path of this length, centred at its half-way point, fits into the image.

    Points of such a path lie within length / 2 of its half-way point; the bound is the cone tangent to
    that sphere, widened by the ball's radius.
    """
    slope = FRAME_FILL * scene.field_of_view_tan
    return length / 2 * math.hypot(1, 1 / slope) + scene.ball_radius / slope


def project(points: Points, scene: SceneConfig) -> Points:
    """Return (..., 2) pixel coordinates (column, row); the centre of the first pixel is (0.5, 0.5)."""
    focal = focal_px(scene)
    return focal * points[..., :2] / points[..., 2:] + scene.image_size / 2


def unproject(pixels: Points, depth: Points, scene: SceneConfig) -> Points:
    """Invert `project` for (..., 2) pixels at (...) depths."""
    lateral = (pixels - scene.image_size / 2) * depth[..., None] / focal_px(scene)
    return np.concatenate([lateral, depth[..., None]], axis=-1)


def focal_px(scene: SceneConfig) -> float:
    return scene.image_size / 2 / scene.field_of_view_tan


def _halfway(path: Points) -> Points:
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    half = travelled[-1] / 2
    return np.array([np.interp(half, travelled, path[:, axis]) for axis in range(3)])


def _free_shift(points: Points, scene: SceneConfig, rng: np.random.Generator) -> Points:
    """Return a random lateral (2,) shift that keeps every point's ball inside the image circle."""
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    limit = FRAME_FILL * scene.field_of_view_tan * points[:, 2] - scene.ball_radius  # (F,)
    along = points[:, :2] @ direction
    room = np.sqrt(along**2 + limit**2 - (points[:, :2] ** 2).sum(axis=1)) - along
    shift: Points = direction * (room.min() * np.sqrt(rng.uniform()))
    return shift
