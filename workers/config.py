"""Schemas of the YAML configs.

Nothing here imports torch: a bad config is reported before the slow imports.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Range = tuple[float, float]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SceneConfig(Section):
    """One ball on one path. Lengths in world units; the ranges are shared by all classes."""

    frames: Count = 32
    ground_truth_frames: Count = 44
    image_size: Annotated[int, Field(ge=16)] = 64
    ball_radius: Positive = 0.12
    field_of_view_tan: Positive = 0.7  # tangent of half the angle
    path_length: Range = (1.4, 2.2)  # over the observed frames, so mean speed is no class cue
    turns: Range = (0.6, 1.2)
    climb: Range = (0.4, 0.75)  # share of a helix's path that goes along its axis
    bend: Range = (1.0, 2.5)  # height of a parabola's arm per squared width
    zoom_out: Range = (1.0, 1.2)

    @model_validator(mode="after")
    def _ground_truth_covers_video(self) -> "SceneConfig":
        if self.ground_truth_frames < self.frames:
            raise ValueError("ground_truth_frames must be at least frames")
        return self


class GenerateConfig(Section):
    num_samples: Count = 10_000
    seed: Annotated[int, Field(ge=0)] = 0
    shard_size: Count = 2000
    scene: SceneConfig = SceneConfig()


class Clip(Section):
    frames: Count = 16
    stride: Count = 2


class Augmentation(Section):
    noise_level: Annotated[float, Field(ge=0, le=1)] = 0.02  # of the white level, per channel
    rotation: bool = True  # about the optical axis
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.1


class DataConfig(Section):
    source: Literal["procedural", "directory"] = "procedural"
    directory: Path | None = None
    num_samples: Annotated[int, Field(ge=8)] = 2500
    seed: Annotated[int, Field(ge=0)] = 0
    validation_fraction: Fraction = 0.2
    clip: Clip = Clip()
    scene: SceneConfig = SceneConfig()
    augmentation: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _source_is_complete(self) -> "DataConfig":
        if (self.source == "directory") != (self.directory is not None):
            raise ValueError("directory belongs to source: directory, and only to it")
        if (self.clip.frames - 1) * self.clip.stride >= self.scene.frames:
            raise ValueError(
                "the clip is longer than the video: (frames - 1) * stride must be < scene.frames"
            )
        if min(self.validation_samples, self.training_samples) < 1:
            raise ValueError("validation_fraction leaves nothing to validate or nothing to train on")
        return self

    @property
    def validation_samples(self) -> int:
        return round(self.num_samples * self.validation_fraction)

    @property
    def training_samples(self) -> int:
        return self.num_samples - self.validation_samples


class ObjectsConfig(Section):
    name: Literal["objects"]
    dim: Count = 96
    layers: Count = 3
    heads: Count = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class FactorizedConvConfig(Section):
    name: Literal["factorized_conv"]
    channels: Count = 16
    dim: Count = 96
    temporal_layers: Count = 3


class Preset(Section):
    """An architecture whose values come from a named preset unless they are given themselves."""

    preset: Literal["full", "cpu"] = "full"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {**cls.presets.get(values.get("preset", "full"), {}), **values}


class I3DConfig(Preset):
    name: Literal["i3d"]
    width: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the 1024 channels
    batch_norm_momentum: Fraction = 0.1  # a short run's statistics lag behind at the public model's 0.01
    weights: Path | None = None  # the public RGB weights
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"cpu": {"width": 0.125}}


class SlowFastConfig(Preset):
    name: Literal["slowfast"]
    channels: Count = 64  # of the slow pathway's stem
    depths: tuple[Count, Count, Count, Count] = (3, 4, 6, 3)
    alpha: Count = 4  # the paper's 8 is for 32 frames and more
    beta: Fraction = 0.125
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"cpu": {"channels": 16, "depths": (1, 1, 1, 1)}}


class TransformerConfig(Preset):
    name: Literal["transformer"]
    patch: Count = 8
    tubelet: Count = 2  # frames
    stem: Literal["linear", "convolutions"] = "linear"  # what makes a token of a tubelet
    dim: Count = 384
    layers: Count = 12
    heads: Count = 6
    masked: Fraction = 0.9  # share of the tubes hidden in pre-training
    weights: Path | None = None  # of python -m workers.pretrain
    positions: Literal["sequence", "grid"] = "sequence"  # of a tubelet: its number, or time, row and column
    standardise: bool = False  # each clip: its mean colour taken out, its strongest contrast one
    xavier: bool = False  # initial weights as VideoMAE's authors draw them, not as the library does
    readout: Literal["mean", "peak"] = "mean"  # of a step's tokens, each number by itself
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cpu": {
            "tubelet": 4,
            "stem": "convolutions",
            "dim": 96,
            "layers": 3,
            "heads": 4,
            "positions": "grid",
            "standardise": True,
            "xavier": True,
            "readout": "peak",
        }
    }

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> "TransformerConfig":
        if self.dim % (2 * self.heads):
            raise ValueError("dim must be a multiple of 2 * heads")
        return self

    @model_validator(mode="after")
    def _stem_can_halve(self) -> "TransformerConfig":
        if self.stem == "convolutions":
            if self.patch.bit_count() != 1 or self.tubelet.bit_count() != 1 or self.tubelet > self.patch:
                raise ValueError(
                    f"stem: convolutions halve, so patch and tubelet must be powers of two, "
                    f"and tubelet ({self.tubelet}) no more than patch ({self.patch})"
                )
            if self.dim % (self.patch // 2):
                raise ValueError(
                    f"stem: convolutions start with 2 * dim / patch channels: {self.dim} / {self.patch}"
                )
        return self


class VQConfig(Section):
    kind: Literal["vq"]
    codes: Count = 1024


class LFQConfig(Section):
    kind: Literal["lfq"]
    bits: Annotated[int, Field(gt=0, le=18)] = 10


class FSQConfig(Section):
    kind: Literal["fsq"] = "fsq"
    levels: tuple[Annotated[int, Field(ge=2)], ...] = (8, 5, 5, 5)


QuantizerConfig = Annotated[VQConfig | LFQConfig | FSQConfig, Field(discriminator="kind")]


class MagvitConfig(Preset):
    name: Literal["magvit"]
    channels: Annotated[int, Field(gt=0, multiple_of=8)] = 64  # of the first of three resolutions
    depth: Count = 2  # residual blocks at each
    code_dim: Count = 16
    quantizer: QuantizerConfig = FSQConfig()
    dim: Count = 256
    layers: Count = 4
    heads: Count = 4
    ball_weight: Annotated[float, Field(ge=0)] = 10.0
    # Share of a batch that the tokens' decoder learns; one clip alone takes a slow path on a CPU.
    reconstructed: Annotated[float, Field(gt=0, le=1)] = 1.0
    halving_stem: bool = False  # no convolution at the image's full resolution in the encoder
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cpu": {
            "channels": 8,
            "depth": 1,
            "code_dim": 8,
            "dim": 96,
            "layers": 2,
            "reconstructed": 0.125,
            "halving_stem": True,
        }
    }


class CompressedConfig(Section):
    """An extractor that sees a clip as the tokenizer's codes keep it."""

    name: Literal["compressed"]
    tokenizer: MagvitConfig
    extractor: Annotated[I3DConfig | SlowFastConfig, Field(discriminator="name")]


ExtractorConfig = Annotated[
    ObjectsConfig
    | FactorizedConvConfig
    | I3DConfig
    | SlowFastConfig
    | TransformerConfig
    | MagvitConfig
    | CompressedConfig,
    Field(discriminator="name"),
]


class ModelConfig(Section):
    extractor: ExtractorConfig


class ClassificationTask(Section):
    weight: Annotated[float, Field(ge=0)] = 1.0


class PredictionTask(Section):
    weight: Annotated[float, Field(ge=0)] = 5.0
    predict_future: Count = 5  # clip steps after the last observed frame


class ForecastTask(Section):
    weight: Annotated[float, Field(ge=0)] = 1.0
    horizon: Count = 4  # clip steps after the last observed frame, each predicted


class AlignmentTask(Section):
    """Features of clips are drawn to those of descriptions: the variant with CLIP."""

    text_model: Annotated[str, Field(min_length=1)]  # a directory, a fetched model's name, or `tiny`
    objective: Literal["infonce", "cosine"] = "infonce"
    weight: Annotated[float, Field(ge=0)] = 1.0


class TasksConfig(Section):
    classification: ClassificationTask = ClassificationTask()
    prediction: PredictionTask = PredictionTask()
    forecast: ForecastTask = ForecastTask()
    alignment: AlignmentTask | None = None


class EarlyStopping(Section):
    patience: Count = 5  # epochs without a better validation loss
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class OptimConfig(Section):
    epochs: Count
    batch_size: Count = 32
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    clip_norm: Positive = 1.0
    early_stopping: EarlyStopping | None = EarlyStopping()


class CheckpointConfig(Section):
    interval_epochs: Count = 2
    keep_last: Count = 2
    keep_best: Annotated[int, Field(ge=0)] = 1


class RunConfig(Section):
    seed: Annotated[int, Field(ge=0)] = 0
    threads: Count = 1
    heartbeat_s: Positive = 5.0
    branch: str | None = None  # names the status file; default: $ORCHESTRATOR_WORKSTREAM
    precision: Literal["fp32", "bf16"] = "fp32"  # of the model's arithmetic; weights and losses stay fp32
    compile: bool = False  # the extractor, by torch.compile
    gpu_memory_share: Annotated[float, Field(gt=0, le=1)] | None = None  # where several runs share a GPU


class TrainConfig(Section):
    run: RunConfig = RunConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig
    tasks: TasksConfig = TasksConfig()
    optim: OptimConfig
    checkpoint: CheckpointConfig = CheckpointConfig()

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "TrainConfig":
        last = max(self.target_frame, *self.forecast_frames)
        if last >= self.data.scene.ground_truth_frames:
            raise ValueError(
                f"the last position to predict is frame {last}, "
                f"but ground_truth_frames is {self.data.scene.ground_truth_frames}"
            )
        extractor = self.model.extractor
        if isinstance(extractor, TransformerConfig) and (
            self.data.clip.frames % extractor.tubelet or self.data.scene.image_size % extractor.patch
        ):
            raise ValueError("the transformer's tubelet and patch must divide the clip's frames and image")
        if self.optim.batch_size > self.data.training_samples:
            raise ValueError(f"batch_size exceeds the {self.data.training_samples} training samples")
        return self

    @property
    def target_frame(self) -> int:
        return self._frame_after(self.tasks.prediction.predict_future)

    @property
    def forecast_frames(self) -> tuple[int, ...]:
        return tuple(self._frame_after(step + 1) for step in range(self.tasks.forecast.horizon))

    def _frame_after(self, steps: int) -> int:
        return (self.data.clip.frames - 1 + steps) * self.data.clip.stride
