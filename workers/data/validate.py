"""Checks a generated dataset: whole files, balance, true paths, visible balls, no class given away."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from workers.data.camera import project
from workers.data.generate import StoredDataset, damaged_files, open_dataset
from workers.data.leaks import LeakProbes, probe_leaks
from workers.data.trajectories import FAMILIES, path_length
from workers.evaluation.fits import best_fit, fit
from workers.extractors.objects import ball_mask, image_moments

RESIDUAL_LIMIT = 1e-5  # of the path's length
CENTRE_LIMIT_PX = 1.5  # between the drawn ball's centre of mass and the projected position
SINGLE_FRAME_LIMIT = 0.40
SHUFFLED_GAP = 0.05
PATHS_FITTED = 200
VIDEOS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    check: str
    ok: bool
    value: float
    limit: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    directory: str
    dataset_hash: str
    samples: int
    seed: int
    per_class: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)

    def document(self) -> dict[str, object]:
        return {"v": 1, "ok": self.ok, **asdict(self)}

    def text(self) -> str:
        lines = [f"{self.directory}: {self.samples} samples, dataset hash {self.dataset_hash}", ""]
        for one in self.findings:
            mark = "ok  " if one.ok else "FAIL"
            lines.append(f"{mark} {one.check:<20} {one.value:<12.6g} {one.limit:<12} {one.says}")
        return "\n".join([*lines, "", "valid" if self.ok else "not valid"]) + "\n"


def validate(directory: Path) -> Report:
    """Read the whole dataset once.

    Raises:
        UsageError: there is no complete dataset.
    """
    dataset = open_dataset(directory)
    counts = np.bincount(dataset.scenes.label, minlength=len(FAMILIES))
    picked = _spread(len(dataset.scenes), VIDEOS_LOOKED_AT)
    return Report(
        directory=str(directory),
        dataset_hash=dataset.dataset_hash,
        samples=len(dataset.scenes),
        seed=dataset.config.seed,
        per_class=dict(zip(FAMILIES, counts.tolist(), strict=True)),
        findings=(
            _whole(directory),
            _shapes(dataset),
            _balance(counts),
            _analytic(dataset),
            _in_frame(dataset),
            _drawn_where_they_are(dataset, picked),
            *_leaks(
                probe_leaks(
                    dataset.scenes.positions[:, : dataset.config.scene.frames],
                    dataset.scenes.label,
                    dataset.config.scene,
                )
            ),
        ),
    )


def _whole(directory: Path) -> Finding:
    damaged = damaged_files(directory)
    return Finding(
        check="files",
        ok=not damaged,
        value=len(damaged),
        limit="0 damaged",
        says=", ".join(damaged) or "every file has the sha256 of the index",
    )


def _shapes(dataset: StoredDataset) -> Finding:
    scene = dataset.config.scene
    wanted = (scene.frames, 3, scene.image_size, scene.image_size)
    wrong = sum(shard.shape[1:] != wanted or shard.dtype != np.uint8 for shard in dataset.videos.shards)
    held = sum(len(shard) for shard in dataset.videos.shards)
    return Finding(
        check="shape",
        ok=not wrong and held == len(dataset.scenes),
        value=held,
        limit=str(len(dataset.scenes)),
        says=f"videos of {' x '.join(map(str, wanted))} bytes",
    )


def _balance(counts: NDArray[np.int64]) -> Finding:
    allowed = int(counts.sum() % len(FAMILIES) > 0)
    return Finding(
        check="balance",
        ok=int(np.ptp(counts)) <= allowed,
        value=float(np.ptp(counts)),
        limit=f"<= {allowed}",
        says="largest class less smallest",
    )


def _analytic(dataset: StoredDataset) -> Finding:
    scene = dataset.config.scene
    t = np.arange(scene.ground_truth_frames) / (scene.frames - 1)
    worst, mistaken = 0.0, 0
    picked = _spread(len(dataset.scenes), PATHS_FITTED)
    for number in picked:
        path = dataset.scenes.positions[number].astype(np.float64)
        family = FAMILIES[dataset.scenes.label[number]]
        worst = max(worst, fit(family, t, path).residual / path_length(path))
        mistaken += best_fit(t, path).family != family  # a line would pass for a flat parabola
    return Finding(
        check="analytic residual",
        ok=worst < RESIDUAL_LIMIT and not mistaken,
        value=worst,
        limit=f"< {RESIDUAL_LIMIT:g}",
        says=f"worst distance from the equation of its family, in path lengths, of {len(picked)} paths; "
        f"{mistaken} fit a simpler or other family better",
    )


def _in_frame(dataset: StoredDataset) -> Finding:
    scene = dataset.config.scene
    pixels = project(dataset.scenes.positions[:, : scene.frames].astype(np.float64), scene)
    outside = ((pixels < 0) | (pixels > scene.image_size)).any(axis=(1, 2)).sum()
    return Finding(
        check="centres in frame",
        ok=not outside,
        value=float(outside),
        limit="0 outside",
        says="videos in which a ball's centre leaves the image",
    )


def _drawn_where_they_are(dataset: StoredDataset, picked: NDArray[np.int64]) -> Finding:
    scene = dataset.config.scene
    frames = np.arange(scene.frames)
    truth = project(dataset.scenes.positions[picked][:, : scene.frames].astype(np.float64), scene)
    video = torch.from_numpy(dataset.videos.read(picked, frames)).float() / 255
    u, v, _ = image_moments(ball_mask(video))
    seen = (torch.stack([u, v], dim=-1).double().numpy() + 1) / 2 * scene.image_size
    off = float(np.linalg.norm(seen - truth, axis=2).max())
    return Finding(
        check="drawn ball",
        ok=off <= CENTRE_LIMIT_PX,
        value=off,
        limit=f"<= {CENTRE_LIMIT_PX} px",
        says="worst distance between a drawn ball and its stored position",
    )


def _leaks(found: LeakProbes) -> tuple[Finding, Finding]:
    return (
        Finding(
            check="single frame",
            ok=found.single_frame <= SINGLE_FRAME_LIMIT,
            value=found.single_frame,
            limit=f"<= {SINGLE_FRAME_LIMIT}",
            says="held-out accuracy of a probe that sees one frame's ball; chance is 0.25",
        ),
        Finding(
            check="shuffled frames",
            ok=found.shuffled <= found.ordered - SHUFFLED_GAP,
            value=found.shuffled,
            limit=f"<= {found.ordered - SHUFFLED_GAP:.3f}",
            says=f"the same in random order; ordered, the probe reaches {found.ordered:.3f}",
        ),
    )


def _spread(length: int, count: int) -> NDArray[np.int64]:
    """Numbers from all over the dataset; 1 more than a multiple of four apart, so that classes take turns."""
    step = max(1, length // count // len(FAMILIES) * len(FAMILIES) + 1) if length > count else 1
    return np.arange(0, length, step)[:count]
