"""Small probes that look for the class where it must not be.

A probe sees what a perfect eye would: the place and size of the ball's disc. A single frame must not tell
the class. Frames in random order cannot be kept from telling something, since a line is a line in any order;
they must tell less than frames in order.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workers.config import SceneConfig
from workers.data.camera import project
from workers.data.scenes import Scenes
from workers.data.trajectories import FAMILIES

Floats = NDArray[np.float64]

SAMPLES = 3000
FRAMES = 8
STEPS = 200
_HELD_OUT = 3  # every third sample
_CHANGES = (1, 2)  # first and second differences of the discs, beside the discs themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakProbes:
    """Held-out accuracies; chance is 0.25."""

    single_frame: float  # the worst of first, middle and last
    shuffled: float
    ordered: float


def probe_leaks(observed: NDArray[np.float32], label: NDArray[np.int64], scene: SceneConfig) -> LeakProbes:
    """Probe at most `SAMPLES` of (N, F, 3) camera-frame paths."""
    paths, label = observed[:SAMPLES].astype(np.float64), label[:SAMPLES]
    discs = np.concatenate([project(paths, scene), 1 / paths[..., 2:]], axis=2)  # (N, F, 3)
    chosen = np.linspace(0, scene.frames - 1, FRAMES).round().astype(int)
    few = discs[:, chosen]
    order = np.random.default_rng(0).random(few.shape[:2]).argsort(axis=1)
    mixed = np.take_along_axis(few, order[..., None], axis=1)
    return LeakProbes(
        single_frame=max(
            probe_accuracy(discs[:, frame], label) for frame in (0, scene.frames // 2, scene.frames - 1)
        ),
        shuffled=probe_accuracy(_with_changes(mixed), label),
        ordered=probe_accuracy(_with_changes(few), label),
    )


def probe_accuracy(features: Floats, label: NDArray[np.int64], held_out: torch.Tensor | None = None) -> float:
    """Train a small network on (N, K) features but those held out (a third); return its accuracy there."""
    generator = torch.Generator().manual_seed(0)
    if held_out is None:
        held_out = torch.arange(len(label)) // len(FAMILIES) % _HELD_OUT == 0
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    x, y = torch.from_numpy(scaled).float(), torch.from_numpy(label)
    network = _network(x.shape[1], generator)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.1)
    for _ in range(STEPS):
        loss = nn.functional.cross_entropy(network(x[~held_out]), y[~held_out])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        return float((network(x[held_out]).argmax(dim=1) == y[held_out]).float().mean())


def single_frame_accuracy(training: Scenes, validation: Scenes, frame: int, scene: SceneConfig) -> float:
    """What the middle of a clip alone tells: the baseline of every accuracy."""
    both = np.concatenate([training.positions[:SAMPLES, frame], validation.positions[:, frame]])
    paths = both.astype(np.float64)
    discs = np.concatenate([project(paths, scene), 1 / paths[..., 2:]], axis=1)
    label = np.concatenate([training.label[:SAMPLES], validation.label])
    held_out = torch.arange(len(label)) >= len(label) - len(validation)
    return probe_accuracy(discs, label, held_out)


def _network(inputs: int, generator: torch.Generator) -> nn.Sequential:
    network = nn.Sequential(
        nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, len(FAMILIES))
    )
    for parameter in network.parameters():
        scale = 1 / max(1, parameter.shape[-1]) ** 0.5
        nn.init.uniform_(parameter, -scale, scale, generator=generator)
    return network


def _with_changes(discs: Floats) -> Floats:
    parts = [discs, *(np.diff(discs, order, axis=1) for order in _CHANGES)]
    return np.concatenate([part.reshape(len(discs), -1) for part in parts], axis=1)
