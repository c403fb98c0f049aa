"""One model: any extractor, a class head, a future-position head, and where declared CLIP alignment."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workers.data.trajectories import FAMILIES
from workers.extractors.feature_extractor import FeatureExtractor
from workers.models.alignment import Alignment, CLIPAlignment
from workers.models.clip_text import TextFeatures


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOutput:
    class_logits: Tensor  # (B, 4)
    future_position: Tensor  # (B, 3), camera frame, world units
    forecast: Tensor  # (B, horizon, 3), likewise
    alignment: Alignment | None  # only of the variant that has it


class UnifiedModel(nn.Module):
    position_mean: Tensor  # (3,)
    position_std: Tensor  # (3,)

    def __init__(self, extractor: FeatureExtractor, horizon: int, *, bf16: bool = False) -> None:
        """With `bf16`, matrix products and convolutions are computed in it; the outputs are float32."""
        super().__init__()
        self.bf16 = bf16
        dim = extractor.feature_dim
        self.extractor = extractor
        self.class_head = _head(dim, len(FAMILIES))
        self.position_head = _head(2 * dim, 3)
        self.forecast_head = _head(2 * dim, 3 * horizon)
        self.alignment: CLIPAlignment | None = None
        self.register_buffer("position_mean", torch.zeros(3))
        self.register_buffer("position_std", torch.ones(3))

    def align_with(self, texts: TextFeatures, *, learns_temperature: bool) -> None:
        """Add the alignment head; called before the weights are loaded or moved."""
        self.alignment = CLIPAlignment(
            self.extractor.feature_dim, texts, learns_temperature=learns_temperature
        )

    def standardise(self, targets: Tensor) -> None:
        """Let both position heads work in units of these (N, 3) training targets."""
        self.position_mean.copy_(targets.mean(dim=0))
        self.position_std.copy_(targets.std(dim=0))

    def forward(self, video: Tensor) -> ModelOutput:
        with torch.autocast(video.device.type, torch.bfloat16, enabled=self.bf16):
            features = self.extractor(video)  # (B, T, D)
            overall, last = features.mean(dim=1), features[:, -1]  # (B, D) each
            ending = torch.cat([overall, last], dim=1)  # (B, 2 D)
            logits, future = self.class_head(overall), self.position_head(ending)
            forecast = self.forecast_head(ending).unflatten(1, (-1, 3))
            alignment = self.alignment(overall) if self.alignment is not None else None
        return ModelOutput(
            class_logits=logits.float(),
            future_position=self._place(future.float()),
            forecast=self._place(forecast.float()),
            alignment=alignment,
        )

    def _place(self, offset: Tensor) -> Tensor:
        return self.position_mean + self.position_std * offset


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(inputs), nn.Linear(inputs, inputs), nn.GELU(), nn.Linear(inputs, outputs)
    )
