"""A video transformer: VideoMAE's encoder (Tong et al. 2022, arXiv 2203.12602) over space-time tubelets.

The encoder is that of the transformers library. It can be trained from nothing, or start from weights that
`python -m workers.pretrain` made by letting it fill in masked tubes.
"""

from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor
from transformers import VideoMAEConfig, VideoMAEForPreTraining, VideoMAEModel

from workers.cli import UsageError
from workers.config import TransformerConfig
from workers.extractors.feature_extractor import FeatureExtractor, stretched

_DECODER_SHARE = 2  # the decoder of pre-training is half as wide as the encoder, and a quarter as deep
_PRETRAINED_KEY = "encoder"


class VideoTransformer(FeatureExtractor):
    """D = the encoder's width. A tubelet spans `tubelet` frames; its steps are stretched to one per frame."""

    def __init__(self, config: TransformerConfig, *, frames: int, image_size: int) -> None:
        super().__init__()
        self.frames = frames
        self.steps = frames // config.tubelet
        self.encoder = VideoMAEModel(encoder_config(config, frames=frames, image_size=image_size))
        self.feature_dim = config.dim
        if config.weights is not None:
            _load_pretrained(self.encoder, config.weights)

    def extract(self, video: Tensor) -> Tensor:
        if video.shape[1] != self.frames:
            raise ValueError(f"built for {self.frames} frames, given {video.shape[1]}")
        tokens = self.encoder(video * 2 - 1).last_hidden_state  # (B, T / tubelet * H / patch * W / patch, D)
        places = tokens.unflatten(1, (self.steps, -1))
        return stretched(places.mean(dim=2).transpose(1, 2), self.frames)


class MaskedVideoModel(torch.nn.Module):
    """Pre-training: the encoder sees the tubes that are not masked, a small decoder fills in the others."""

    def __init__(self, config: TransformerConfig, *, frames: int, image_size: int) -> None:
        super().__init__()
        self.model = VideoMAEForPreTraining(encoder_config(config, frames=frames, image_size=image_size))
        self.steps = frames // config.tubelet
        self.places = (image_size // config.patch) ** 2
        self.masked = round(self.places * config.masked)

    def forward(self, video: Tensor, generator: torch.Generator) -> Tensor:
        """The mean squared error of the masked patches, each normalised by itself."""
        order = torch.rand(len(video), self.places, generator=generator).argsort(dim=1)
        tubes = order < self.masked  # (B, places): the same places are masked in every step
        mask = tubes[:, None].expand(-1, self.steps, -1).flatten(1).to(video.device)
        loss: Tensor = self.model(video * 2 - 1, bool_masked_pos=mask).loss
        return loss

    def save_encoder(self, file: Path | BinaryIO) -> None:
        torch.save({_PRETRAINED_KEY: self.model.videomae.state_dict()}, file)


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
