"""Video encoders behind one interface, chosen by the config."""

from workers.config import ExtractorConfig, FactorizedConvConfig, ObjectsConfig, SceneConfig
from workers.extractors.factorized_conv import FactorizedConv
from workers.extractors.feature_extractor import FeatureExtractor
from workers.extractors.objects import ObjectTransformer

__all__ = ["FeatureExtractor", "build_extractor"]


def build_extractor(config: ExtractorConfig, scene: SceneConfig) -> FeatureExtractor:
    match config:
        case ObjectsConfig():
            return ObjectTransformer(config, scene)
        case FactorizedConvConfig():
            return FactorizedConv(config)
