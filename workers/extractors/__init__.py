"""Video encoders behind one interface, chosen by the config."""

from workers.config import (
    CompressedConfig,
    DataConfig,
    ExtractorConfig,
    FactorizedConvConfig,
    I3DConfig,
    MagvitConfig,
    ObjectsConfig,
    SlowFastConfig,
    TransformerConfig,
)
from workers.extractors.factorized_conv import FactorizedConv
from workers.extractors.feature_extractor import FeatureExtractor
from workers.extractors.i3d import I3D
from workers.extractors.objects import ObjectTransformer
from workers.extractors.slowfast import SlowFast

__all__ = ["FeatureExtractor", "build_extractor"]


def build_extractor(config: ExtractorConfig, data: DataConfig) -> FeatureExtractor:
    match config:
        case ObjectsConfig():
            return ObjectTransformer(config, data.scene)
        case FactorizedConvConfig():
            return FactorizedConv(config)
        case I3DConfig():
            return I3D(config)
        case SlowFastConfig():
            return SlowFast(config)
        case TransformerConfig():
            from workers.extractors.transformer import VideoTransformer  # its library takes seconds to load

            return VideoTransformer(config, frames=data.clip.frames, image_size=data.scene.image_size)
        case MagvitConfig():
            from workers.extractors.magvit import MagvitTokens

            return MagvitTokens(config, image_size=data.scene.image_size)
        case CompressedConfig():
            from workers.extractors.magvit import CompressedVideo

            return CompressedVideo(config.tokenizer, build_extractor(config.extractor, data))
