"""Clips for training and validation, drawn on the fly or read from a generated directory.

Both sources give the same bytes for the same seed. The order of an epoch and its augmentation are pure
functions of (seed, epoch, batch), so a resumed run needs only its position.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workers.cli import UsageError
from workers.config import DataConfig, TrainConfig
from workers.data.augment import NoiseBank, augment_scenes
from workers.data.generate import StoredVideos, open_dataset
from workers.data.render import Video, render
from workers.data.scenes import Scenes, sample_scenes

Indices = NDArray[np.int64]

EVALUATION_BATCH_SIZE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    video: Tensor  # (B, T, C, H, W), 0..1
    label: Tensor  # (B,)
    observed: Tensor  # (B, T, 3), camera frame
    target: Tensor  # (B, 3), camera frame
    forecast: Tensor  # (B, horizon, 3), the positions right after the observed ones

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipDataset:
    scenes: Scenes
    config: DataConfig
    target_frame: int
    forecast_frames: tuple[int, ...]
    device: torch.device
    stored: StoredVideos | None = None

    def __len__(self) -> int:
        return len(self.scenes)

    @property
    def frames(self) -> Indices:
        return np.arange(self.config.clip.frames) * self.config.clip.stride

    def clips(self, indices: Indices) -> Clips:
        scenes = self.scenes.rows(indices)
        if self.stored:
            return self._clips(scenes, self.stored.read(indices, self.frames))
        return self._clips(scenes, self._drawn(scenes))

    def augmented(self, indices: Indices, noise: NoiseBank, rng: np.random.Generator) -> Clips:
        """Return clips that are redrawn from their changed paths, also where stored videos exist."""
        config = self.config.augmentation
        scenes = augment_scenes(self.scenes.rows(indices), config, rng)
        clips = self._clips(scenes, self._drawn(scenes))
        if config.noise_level:
            noise.add_to(clips.video, config.noise_level, rng)
        return clips

    def targets(self) -> Tensor:
        return torch.from_numpy(self.scenes.positions[:, self.target_frame])  # (N, 3)

    def batches(self) -> Iterator[Clips]:
        for start in range(0, len(self), EVALUATION_BATCH_SIZE):
            yield self.clips(np.arange(start, min(start + EVALUATION_BATCH_SIZE, len(self))))

    def _drawn(self, scenes: Scenes) -> Video:
        return render(scenes, self.frames, self.config.scene)

    def _clips(self, scenes: Scenes, video: Video) -> Clips:
        return Clips(
            video=torch.from_numpy(video).to(self.device).float().div_(255),
            label=torch.from_numpy(scenes.label).to(self.device),
            observed=torch.from_numpy(scenes.positions[:, self.frames]).to(self.device),
            target=torch.from_numpy(scenes.positions[:, self.target_frame]).to(self.device),
            forecast=torch.from_numpy(scenes.positions[:, self.forecast_frames]).to(self.device),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBatches:
    dataset: ClipDataset
    noise: NoiseBank
    batch_size: int
    seed: int

    def __len__(self) -> int:
        return len(self.dataset) // self.batch_size

    def of_epoch(self, epoch: int, first_batch: int) -> Iterator[Clips]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
        for batch in range(first_batch, len(self)):
            chosen = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield self.dataset.augmented(chosen, self.noise, np.random.default_rng([self.seed, epoch, batch]))


def load_datasets(config: TrainConfig, device: torch.device) -> tuple[ClipDataset, ClipDataset]:
    """Return training and validation clips: the first and the last of the same numbered samples."""
    data = config.data
    scenes, stored = _load_scenes(data)
    parts = np.split(np.arange(data.num_samples), [data.training_samples])
    training, validation = (
        ClipDataset(
            scenes=scenes.rows(part),
            config=data,
            target_frame=config.target_frame,
            forecast_frames=config.forecast_frames,
            device=device,
            stored=stored and stored.rows(part),
        )
        for part in parts
    )
    return training, validation


def _load_scenes(data: DataConfig) -> tuple[Scenes, StoredVideos | None]:
    if data.directory is None:
        return sample_scenes(data.seed, range(data.num_samples), data.scene), None
    dataset = open_dataset(data.directory)
    found, wanted = (dataset.config.seed, dataset.config.scene), (data.seed, data.scene)
    if found != wanted:
        raise UsageError(
            f"{data.directory} was generated with another seed or scene than data.seed and data.scene"
        )
    if dataset.config.num_samples < data.num_samples:
        raise UsageError(
            f"data.num_samples is {data.num_samples}, "
            f"but {data.directory} holds {dataset.config.num_samples} samples"
        )
    return dataset.scenes, dataset.videos
