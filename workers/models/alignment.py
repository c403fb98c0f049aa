"""Clips and descriptions in one space, as CLIP has it (Radford et al. 2021, arXiv 2103.00020).

The text features stay as they are; what is learned is the projection of a clip's features, and with
InfoNCE the temperature. Several descriptions fit a clip, and several clips a description.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.language.backends import Label
from workers.models.clip_text import TextFeatures

MAX_SCALE = 100.0  # CLIP's bound; the lower one is 1
FIRST_SCALE = 1 / 0.07


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    cosine: Tensor  # (B, N) of clips and descriptions
    family_cosine: Tensor  # (B, F), with the mean of each family's descriptions that are to be learned
    scale: Tensor | None  # 1 / temperature; none where none is learned
    family: Tensor  # (N,)
    unseen: Tensor  # (N,), bool


class CLIPAlignment(nn.Module):
    texts: Tensor  # (N, E), of length 1
    families: Tensor  # (F, E), likewise
    family: Tensor
    unseen: Tensor

    def __init__(self, dim: int, texts: TextFeatures, *, learns_temperature: bool) -> None:
        super().__init__()
        self.label: Label = texts.label
        # What all descriptions have in common says nothing of the family and would fill most of the cosine.
        centred = texts.features - texts.features[~texts.unseen].mean(dim=0)
        of_length_1 = functional.normalize(centred, dim=1)
        self.register_buffer("texts", of_length_1)
        self.register_buffer("families", _means(of_length_1[~texts.unseen], texts.family[~texts.unseen]))
        self.register_buffer("family", texts.family.clone())
        self.register_buffer("unseen", texts.unseen.clone())
        self.projection = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, texts.features.shape[1])
        )
        share = math.log(FIRST_SCALE) / math.log(MAX_SCALE)
        start = torch.tensor(math.log(share / (1 - share)))
        self.temperature = nn.Parameter(start) if learns_temperature else None

    @property
    def scale(self) -> Tensor | None:
        """1 / temperature, between 1 and 100; smooth, so that its gradient does not end at a bound."""
        if self.temperature is None:
            return None
        return torch.exp(math.log(MAX_SCALE) * torch.sigmoid(self.temperature))

    def project(self, features: Tensor) -> Tensor:
        """(B, D) features -> (B, E), of length 1, in float32."""
        return functional.normalize(self.projection(features).float(), dim=1)

    def forward(self, features: Tensor) -> Alignment:
        found = self.project(features)
        with torch.autocast(found.device.type, enabled=False):
            cosine, family_cosine = found @ self.texts.T, found @ self.families.T
        return Alignment(
            cosine=cosine,
            family_cosine=family_cosine,
            scale=self.scale,
            family=self.family,
            unseen=self.unseen,
        )


def _means(texts: Tensor, family: Tensor) -> Tensor:
    """(F, E), of length 1."""
    members = functional.one_hot(family).to(texts)
    return functional.normalize(members.T @ texts, dim=1)


def cosine_loss(alignment: Alignment, label: Tensor) -> Tensor:
    """One minus the cosine of clips and the mean description of their own family."""
    return 1 - alignment.family_cosine.gather(1, label[:, None]).mean()


def info_nce(alignment: Alignment, label: Tensor) -> Tensor:
    """Cross-entropy, nats, from clips to descriptions and back; each has several positives.

    Descriptions of families that the batch lacks are not asked about.
    """
    assert alignment.scale is not None
    fits = label[:, None] == alignment.family[~alignment.unseen]
    logits = alignment.scale * alignment.cosine[:, ~alignment.unseen]
    asked = fits.any(dim=0)
    return (_missed(logits, fits) + _missed(logits.T[asked], fits.T[asked])) / 2


def _missed(logits: Tensor, fits: Tensor) -> Tensor:
    """-log of the softmax's mass on the positives, mean over rows."""
    positives = logits.masked_fill(~fits, -torch.inf)
    return (logits.logsumexp(dim=1) - positives.logsumexp(dim=1)).mean()
