"""Tokens made by overlapping convolutions instead of one linear map (Xiao et al. 2021, arXiv 2106.14881).

With them a small transformer learns in a few epochs what takes it many with the linear map.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from workers.config import TransformerConfig


class ConvolutionalStem(nn.Module):
    """Halves the image down to one place per patch, and last the frames down to one step per tubelet."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        halvings = _halvings(config.patch)
        still = halvings - _halvings(config.tubelet)
        widths = [3, *(config.dim >> left for left in reversed(range(halvings)))]
        layers = [
            layer
            for depth, (inputs, outputs) in enumerate(pairwise(widths))
            for layer in _halving(inputs, outputs, in_time=depth >= still)
        ]
        self.layers = nn.Sequential(*layers, nn.Conv3d(config.dim, config.dim, 1))

    def forward(self, video: Tensor) -> Tensor:
        """(B, T, C, H, W) -> tokens (B, T / tubelet * H / patch * W / patch, D), in VideoMAE's order."""
        volume = video.transpose(1, 2).contiguous(memory_format=torch.channels_last_3d)
        tokens: Tensor = self.layers(volume)
        return tokens.flatten(2).transpose(1, 2)


def _halving(inputs: int, outputs: int, *, in_time: bool) -> Iterator[nn.Module]:
    kernel, stride, padding = (
        ((3, 3, 3), (2, 2, 2), (1, 1, 1)) if in_time else ((1, 3, 3), (1, 2, 2), (0, 1, 1))
    )
    yield nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
    yield nn.BatchNorm3d(outputs, momentum=0.1)
    yield nn.ReLU()


def _halvings(side: int) -> int:
    return side.bit_length() - 1
