"""Draws shaded, anti-aliased balls. Only the box around each ball is computed.

Arithmetic is limited to + - * / sqrt on float32, which IEEE 754 rounds the same way for any batch size:
a video's bytes do not depend on which others are drawn with it.
"""

import numpy as np
from numpy.typing import NDArray

from workers.config import SceneConfig
from workers.data.camera import focal_px
from workers.data.scenes import Scenes

# Ambient share of the light; the rest is Lambert's cosine.
AMBIENT = np.float32(0.6)

Video = NDArray[np.uint8]
Floats = NDArray[np.float32]


def render(scenes: Scenes, frames: NDArray[np.int64], scene: SceneConfig) -> Video:
    """Return (N, T, 3, H, W) for the given T frame numbers; a ball is drawn as a disc of radius f R / z."""
    size = scene.image_size
    points = scenes.positions[:, frames].reshape(-1, 3)  # (K, 3), K = N * T
    centre, radius = _discs(points, scene)
    box = min(size, int(np.ceil(2 * radius.max())) + 2)
    origin = np.clip(np.floor(centre - box / 2), 0, size - box).astype(np.int64)  # (K, 2) column, row
    light = np.repeat(scenes.light, len(frames), axis=0)
    coverage, shade = _disc_patches(origin, centre, radius, light, box)  # (K, P, P) each

    video = np.empty((len(scenes), len(frames), 3, size, size), np.uint8)
    video[:] = _to_bytes(scenes.background)[:, None, :, None, None]
    flat = video.reshape(-1)
    pixels = _pixel_numbers(origin, box, size)  # (K, P, P)
    for channel in range(3):
        ground = np.repeat(scenes.background[:, channel], len(frames))[:, None, None]
        colour = np.repeat(scenes.colour[:, channel], len(frames))[:, None, None]
        flat[pixels + channel * size * size] = _to_bytes(ground + coverage * (shade * colour - ground))
    return video


def _discs(points: Floats, scene: SceneConfig) -> tuple[Floats, Floats]:
    focal = np.float32(focal_px(scene))
    centre = focal * points[:, :2] / points[:, 2:] + np.float32(scene.image_size / 2)
    return centre, focal * np.float32(scene.ball_radius) / points[:, 2]


def _disc_patches(
    origin: NDArray[np.int64], centre: Floats, radius: Floats, light: Floats, box: int
) -> tuple[Floats, Floats]:
    middle = np.arange(box, dtype=np.float32) + np.float32(0.5)
    dx = (origin[:, :1] + middle - centre[:, :1]).astype(np.float32)[:, None, :]  # (K, 1, P)
    dy = (origin[:, 1:] + middle - centre[:, 1:]).astype(np.float32)[:, :, None]  # (K, P, 1)
    r = radius[:, None, None]
    squared = dx * dx + dy * dy
    coverage = np.clip(r - np.sqrt(squared) + np.float32(0.5), 0, 1)
    depth = np.sqrt(np.maximum(r * r - squared, 0))
    lx, ly, lz = (light[:, axis, None, None] for axis in range(3))
    cosine = np.clip((dx * lx + dy * ly - depth * lz) / r, 0, 1)  # the surface normal faces -z
    return coverage, AMBIENT + (1 - AMBIENT) * cosine


def _pixel_numbers(origin: NDArray[np.int64], box: int, size: int) -> NDArray[np.int64]:
    first = np.arange(len(origin)) * (3 * size * size) + origin[:, 1] * size + origin[:, 0]
    inside = np.arange(box)[:, None] * size + np.arange(box)
    return first[:, None, None] + inside


def _to_bytes(values: Floats) -> NDArray[np.uint8]:
    return (values + np.float32(0.5)).astype(np.uint8)
