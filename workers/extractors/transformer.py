"""A video transformer: VideoMAE's encoder (Tong et al. 2022, arXiv 2203.12602) over space-time tubelets.

The encoder is that of the transformers library. It can be trained from nothing, or start from weights that
`python -m workers.pretrain` made by letting it fill in masked tubes.
"""

from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import VideoMAEConfig, VideoMAEForPreTraining, VideoMAEModel

from workers.cli import UsageError
from workers.config import TransformerConfig
from workers.extractors.feature_extractor import FeatureExtractor, stretched
from workers.extractors.stem import ConvolutionalStem

_DECODER_SHARE = 2  # the decoder of pre-training is half as wide as the encoder, and a quarter as deep
_SLOWEST_WAVE = 100.0  # in tubelets per radian: no side of a grid is longer
_PRETRAINED_KEY = "encoder"


class VideoTransformer(FeatureExtractor):
    """D = the encoder's width. A tubelet spans `tubelet` frames; its steps are stretched to one per frame."""

    def __init__(self, config: TransformerConfig, *, frames: int, image_size: int) -> None:
        super().__init__()
        self.frames = frames
        self.steps = frames // config.tubelet
        self.config = config
        self.encoder = VideoMAEModel(encoder_config(config, frames=frames, image_size=image_size))
        prepare(self.encoder, config, frames=frames, image_size=image_size)
        self.feature_dim = config.dim
        if config.weights is not None:
            _load_pretrained(self.encoder, config.weights)

    def extract(self, video: Tensor) -> Tensor:
        if video.shape[1] != self.frames:
            raise ValueError(f"built for {self.frames} frames, given {video.shape[1]}")
        tokens = self.encoder(seen(video, self.config)).last_hidden_state
        places = tokens.unflatten(1, (self.steps, -1))  # (B, T / tubelet, H / patch * W / patch, D)
        # In a mean, the few tokens that the ball is in hardly move what the many of the ground say.
        step = places.amax(dim=2) if self.config.readout == "peak" else places.mean(dim=2)
        return stretched(step.transpose(1, 2), self.frames)


class MaskedVideoModel(nn.Module):
    """Pre-training: the encoder sees the tubes that are not masked, a small decoder fills in the others."""

    def __init__(self, config: TransformerConfig, *, frames: int, image_size: int) -> None:
        super().__init__()
        self.config = config
        self.model = VideoMAEForPreTraining(encoder_config(config, frames=frames, image_size=image_size))
        prepare(self.model.videomae, config, frames=frames, image_size=image_size)
        self.steps = frames // config.tubelet
        self.places = (image_size // config.patch) ** 2
        self.masked = round(self.places * config.masked)
        self.model.videomae.embeddings.register_forward_pre_hook(self._without_hidden)

    def forward(self, video: Tensor, generator: torch.Generator) -> Tensor:
        """The mean squared error of the masked patches, each normalised by itself."""
        order = torch.rand(len(video), self.places, generator=generator).argsort(dim=1)
        tubes = order < self.masked  # (B, places): the same places are masked in every step
        mask = tubes[:, None].expand(-1, self.steps, -1).flatten(1).to(video.device)
        loss: Tensor = self.model(seen(video, self.config), bool_masked_pos=mask).loss
        return loss

    def _without_hidden(self, _: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Convolutions overlap: not even the neighbours of a hidden tube may know what is in it."""
        video, hidden = inputs  # (B, T, C, H, W), (B, T / tubelet * places)
        side = video.shape[-1] // self.config.patch
        tubes = hidden[:, : self.places].view(-1, 1, 1, side, side)
        for axis in (3, 4):
            tubes = tubes.repeat_interleave(self.config.patch, axis)
        return video.masked_fill(tubes, 0), hidden

    def save_encoder(self, file: Path | BinaryIO) -> None:
        torch.save({_PRETRAINED_KEY: self.model.videomae.state_dict()}, file)


def seen(video: Tensor, config: TransformerConfig) -> Tensor:
    """What the encoder is given: around zero, and where asked with the same contrast for all clips."""
    if not config.standardise:
        return video * 2 - 1
    # By the peak: dividing by the deviation took out how large the ball is, and with it the depth.
    contrast = video - video.mean(dim=(1, 3, 4), keepdim=True)
    return contrast / contrast.abs().amax(dim=(1, 2, 3, 4), keepdim=True).clamp_min(1e-3)


def prepare(encoder: VideoMAEModel, config: TransformerConfig, *, frames: int, image_size: int) -> None:
    """Give a new encoder the stem, the positions and the initial weights that its config asks for."""
    if config.stem == "convolutions":
        encoder.embeddings.add_module("patch_embeddings", ConvolutionalStem(config))
    if config.positions == "grid":
        grid = frames // config.tubelet, image_size // config.patch
        encoder.embeddings.position_embeddings = grid_positions(*grid, config.dim)
    if config.xavier:
        for module in encoder.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
            elif isinstance(module, nn.Conv3d):
                module.reset_parameters()


def grid_positions(steps: int, side: int, dim: int) -> Tensor:
    """Sines and cosines (1, T * H * W, D) of a tubelet's time, row and column, a third of D for each.

    The library numbers all tubelets in one sequence, in which neighbours above each other are far apart.
    """
    width = dim // 6 * 2
    time, row, column = (_waves(count, width) for count in (steps, side, side))
    parts = (time[:, None, None], row[None, :, None], column[None, None])
    table = torch.cat([part.expand(steps, side, side, width) for part in parts], dim=-1).flatten(0, 2)
    return functional.pad(table, (0, dim - 3 * width))[None]


def _waves(count: int, width: int) -> Tensor:
    rates = _SLOWEST_WAVE ** (-2 * torch.arange(width // 2) / width)
    angles = torch.arange(count)[:, None] * rates  # (count, width / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def encoder_config(config: TransformerConfig, *, frames: int, image_size: int) -> VideoMAEConfig:
    return VideoMAEConfig(
        image_size=image_size,
        patch_size=config.patch,
        num_frames=frames,
        tubelet_size=config.tubelet,
        hidden_size=config.dim,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=4 * config.dim,
        decoder_num_hidden_layers=max(1, config.layers // 4),
        decoder_hidden_size=config.dim // _DECODER_SHARE,
        decoder_num_attention_heads=config.heads,
        decoder_intermediate_size=2 * config.dim,
        use_mean_pooling=False,
    )


def _load_pretrained(encoder: VideoMAEModel, path: Path) -> None:
    try:
        encoder.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)[_PRETRAINED_KEY])
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise UsageError(f"model.extractor.weights {path}: {str(error).splitlines()[0]}") from None
