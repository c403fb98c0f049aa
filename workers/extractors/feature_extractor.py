"""The one interface of all video encoders."""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional


class FeatureExtractor(nn.Module, ABC):
    """Turns (B, T, C, H, W) video in 0..1 into (B, T, D) features with D = `feature_dim`."""

    feature_dim: int

    @abstractmethod
    def extract(self, video: Tensor) -> Tensor: ...

    def auxiliary_loss(self) -> Tensor | None:
        """A loss of its own over the clips last extracted in training, once; most have none."""
        return None

    def forward(self, video: Tensor) -> Tensor:
        return self.extract(video)


def stretched(sequence: Tensor, frames: int) -> Tensor:
    """(B, D, T') -> (B, frames, D), linear between the steps."""
    if sequence.shape[2] != frames:
        sequence = functional.interpolate(sequence, size=frames, mode="linear", align_corners=False)
    return sequence.transpose(1, 2)


def initialise_for_relu(network: nn.Module) -> None:
    """Let signals keep their size through many convolutions with ReLUs (He et al. 2015, fan-in)."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
