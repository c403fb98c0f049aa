"""What a clip is aligned with: descriptions of the four families, as a CLIP text model sees them.

Nothing is downloaded. A model of the transformers library is read from a directory or from what this machine
has already fetched; `tiny` is one of the same class, small and with random weights, made here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from workers.cli import UsageError
from workers.data.trajectories import FAMILIES
from workers.language.backends import Label

TINY = "tiny"
# Published text models begin at about 38 million parameters; what is smaller was made for a test.
LIVE_PARAMETERS = 3.0e7
_TINY_SEED = 0

# The last wording of each family is never trained on.
DESCRIPTIONS: Mapping[str, Sequence[str]] = {
    "linear": (
        "a ball that moves in a straight line",
        "a ball on a straight path that never turns",
        "straight motion in one direction",
        "the ball goes straight ahead along a line",
    ),
    "circular": (
        "a ball that moves around a circle",
        "a ball on a closed round path in one plane",
        "circular motion around a fixed point",
        "the ball goes round and round in a circle",
    ),
    "helical": (
        "a ball that moves along a helix",
        "a ball that circles while it climbs like a screw",
        "spiral motion along an axis",
        "the ball winds forward like a corkscrew helix",
    ),
    "parabolic": (
        "a ball that moves along a parabola",
        "a ball thrown up that falls in an arc",
        "motion in an arc under constant acceleration",
        "the ball flies in an arc like a parabola",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFeatures:
    features: Tensor  # (N, E)
    family: Tensor  # (N,), the row of FAMILIES
    unseen: Tensor  # (N,), bool: wordings kept out of training
    label: Label


def describe(text_model: str) -> TextFeatures:
    """Return the features of all descriptions; the random generators are left as they were.

    Raises:
        UsageError: `text_model` is not on this machine or has no text tower.
    """
    texts = list(chain.from_iterable(DESCRIPTIONS[family] for family in FAMILIES))
    counts = [len(DESCRIPTIONS[family]) for family in FAMILIES]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        features, label = _tiny(texts) if text_model == TINY else _stored(text_model, texts)
    return TextFeatures(
        features=features.float(),
        family=torch.repeat_interleave(torch.arange(len(FAMILIES)), torch.tensor(counts)),
        unseen=torch.tensor([n == count - 1 for count in counts for n in range(count)]),
        label=label,
    )


def _tiny(texts: Sequence[str]) -> tuple[Tensor, Label]:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    words = sorted(set(chain.from_iterable(text.split() for text in texts)))
    begin, end = len(words), len(words) + 1
    rows = [[begin, *(words.index(word) for word in text.split()), end] for text in texts]
    longest = max(map(len, rows))
    torch.manual_seed(_TINY_SEED)
    model = CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(words) + 2,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=longest,
            projection_dim=32,
            bos_token_id=begin,
            eos_token_id=end,
            pad_token_id=end,
        )
    )
    torch.nn.Module.train(model, False)
    # CLIP attends to the past alone and reads the first end, so what pads a row does not matter.
    tokens = torch.tensor([[*row, *[end] * (longest - len(row))] for row in rows])
    return model(input_ids=tokens).text_embeds, Label.TINY


def _stored(name: str, texts: Sequence[str]) -> tuple[Tensor, Label]:
    tokenizer, model = _load(name)
    told = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    found = model.eval()(input_ids=told.input_ids, attention_mask=told.attention_mask)
    features = found.text_embeds if hasattr(found, "text_embeds") else found.pooler_output
    parameters = sum(one.numel() for one in model.parameters())
    return features, Label.LIVE if parameters >= LIVE_PARAMETERS else Label.TINY


def _load(name: str) -> tuple[Any, Any]:
    from transformers import AutoTokenizer, CLIPTextModel, CLIPTextModelWithProjection

    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
        kinds: tuple[Any, ...] = CLIPTextModelWithProjection, CLIPTextModel
        for kind in kinds:
            model, found = kind.from_pretrained(name, local_files_only=True, output_loading_info=True)
            if not found["missing_keys"]:  # they would be random
                return tokenizer, model
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"{_refusal(name)} ({said})") from None
    raise UsageError(f"{_refusal(name)} (it lacks weights of a CLIP text model)")


def _refusal(name: str) -> str:
    return (
        f"tasks.alignment.text_model: {name} cannot be read on this machine, and nothing is downloaded; "
        f"name a directory with a CLIP model and its tokenizer, fetch it yourself with `hf download {name}`, "
        f"or use --set tasks.alignment.text_model={TINY}"
    )
