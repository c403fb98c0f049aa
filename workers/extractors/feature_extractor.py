"""The one interface of all video encoders."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class FeatureExtractor(nn.Module, ABC):
    """Turns (B, T, C, H, W) video in 0..1 into (B, T, D) features with D = `feature_dim`."""

    feature_dim: int

    @abstractmethod
    def extract(self, video: Tensor) -> Tensor: ...

    def forward(self, video: Tensor) -> Tensor:
        return self.extract(video)
