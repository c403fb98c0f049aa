"""CLIP alignment: clips and descriptions in one space, by real training against a small CLIP text model."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.workers.conftest import ROOT, tiny_config, train_here
from workers.cli import UsageError
from workers.config import TrainConfig
from workers.config_file import RESUMABLE_CHANGES, config_hash, flatten, load_config
from workers.data.dataset import Clips, load_datasets
from workers.data.trajectories import FAMILIES
from workers.evaluate import main as evaluate_main
from workers.language.backends import Label
from workers.models.alignment import MAX_SCALE, Alignment, CLIPAlignment, info_nce
from workers.models.clip_text import DESCRIPTIONS, TextFeatures, describe
from workers.models.losses import Losses, multi_task_loss
from workers.models.unified import UnifiedModel
from workers.runtime.checkpoint import newest_checkpoint
from workers.runtime.session import build_model

CPU = torch.device("cpu")
TINY_TEXT = "tasks.alignment={text_model: tiny}"
COSINE = "tasks.alignment={text_model: tiny, objective: cosine}"


@pytest.fixture(scope="module")
def texts() -> TextFeatures:
    return describe("tiny")


def eight_clips(config: TrainConfig) -> Clips:
    return load_datasets(config, CPU)[0].clips(np.arange(8))


def learn(model: UnifiedModel, clips: Clips, config: TrainConfig, steps: int) -> list[Losses]:
    model.train().standardise(clips.target)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    found = []
    for _ in range(steps):
        found.append(multi_task_loss(model(clips.video), clips, config.tasks))
        optimizer.zero_grad()
        found[-1].total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return found


def retrieved(model: UnifiedModel, clips: Clips) -> float:
    with torch.no_grad():
        alignment = model.eval()(clips.video).alignment
    assert alignment is not None
    nearest = alignment.family[alignment.cosine.argmax(dim=1)]
    return float((nearest == clips.label).float().mean())


def test_every_family_has_descriptions_of_its_own(texts: TextFeatures) -> None:
    assert len({text for family in FAMILIES for text in DESCRIPTIONS[family]}) == len(texts.family)
    assert texts.label is Label.TINY
    assert texts.unseen.sum() == len(FAMILIES)
    assert len(torch.unique(texts.features, dim=0)) == len(texts.features)


def test_describing_repeats_itself_and_leaves_the_random_generator(texts: TextFeatures) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(describe("tiny").features, texts.features)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("task", [TINY_TEXT, COSINE])
def test_eight_clips_find_their_descriptions(tiny: Path, task: str) -> None:
    torch.manual_seed(0)
    config = tiny_config(tiny, task, "model.extractor={name: objects, dim: 32, layers: 1, heads: 2}")
    clips = eight_clips(config)
    model = build_model(config, CPU)
    found = learn(model, clips, config, 80)
    first, last = found[0].alignment, found[-1].alignment
    assert first is not None and last is not None
    assert last < 0.5 * first
    assert retrieved(model, clips) == 1
    assert found[-1].total > found[-1].classification


def test_the_loss_is_a_part_of_the_total_and_its_gradient_reaches_the_extractor(tiny: Path) -> None:
    config = tiny_config(tiny, "tasks.alignment={text_model: tiny, weight: 3}")
    model, clips = build_model(config, CPU).eval(), eight_clips(config)
    losses = multi_task_loss(model(clips.video), clips, config.tasks)
    without = multi_task_loss(
        model(clips.video), clips, config.tasks.model_copy(update={"alignment": None})
    ).total
    assert losses.alignment is not None
    assert losses.parts()["alignment_loss"] is losses.alignment
    assert torch.isclose(losses.total, without + 3 * losses.alignment)
    losses.alignment.backward()  # type: ignore[no-untyped-call]
    alignment = model.alignment
    assert alignment is not None
    reached = [*model.extractor.parameters(), *alignment.parameters()]
    assert all(value.grad is not None and value.grad.any() for value in reached)
    assert not alignment.texts.requires_grad


def aligned(cosine: list[list[float]], scale: float = 10.0) -> Alignment:
    return Alignment(
        cosine=torch.tensor(cosine),
        family_cosine=torch.zeros(len(cosine), 2),
        scale=torch.tensor(scale),
        family=torch.tensor([0, 0, 1]),
        unseen=torch.tensor([False, False, False]),
    )


def test_info_nce_counts_all_descriptions_of_a_family_as_right() -> None:
    sure = info_nce(aligned([[1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]), torch.tensor([0, 1]))
    half = info_nce(aligned([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), torch.tensor([0, 1]))
    assert sure < 1e-6
    assert half == pytest.approx((-(math.log(2 / 3) + math.log(1 / 3)) / 2 + math.log(2)) / 2)


def test_info_nce_survives_a_batch_of_one_family() -> None:
    found = info_nce(aligned([[0.5, 0.5, 0.1]] * 2), torch.tensor([0, 0]))
    assert torch.isfinite(found)


def test_a_wording_kept_out_is_not_trained_on() -> None:
    def with_last(value: float) -> Tensor:
        changed = aligned([[0.3, value, 0.1]])
        object.__setattr__(changed, "unseen", torch.tensor([False, True, False]))
        return info_nce(changed, torch.tensor([0]))

    assert torch.equal(with_last(0.9), with_last(-0.9))


def test_the_mean_description_leaves_out_the_wording_kept_out(texts: TextFeatures) -> None:
    changed = replace(texts, features=texts.features + 9 * texts.unseen[:, None])
    one, other = (CLIPAlignment(8, found, learns_temperature=False) for found in (texts, changed))
    assert torch.equal(one.families, other.families)
    assert not torch.equal(one.texts, other.texts)


def test_the_temperature_is_learned_within_its_bounds(texts: TextFeatures) -> None:
    head = CLIPAlignment(8, texts, learns_temperature=True)
    assert head.temperature is not None and head.scale is not None
    assert head.scale.item() == pytest.approx(1 / 0.07)
    for value in (-50.0, 50.0):
        head.temperature.data.fill_(value)
        assert 1 <= head.scale.item() <= MAX_SCALE * 1.0001
    assert CLIPAlignment(8, texts, learns_temperature=False).scale is None


def test_a_training_retrieves_above_chance_and_says_what_it_was(tmp_path: Path, tiny: Path) -> None:
    config = tiny_config(
        tiny,
        TINY_TEXT,
        "data={num_samples: 400, validation_fraction: 0.2}",
        "model.extractor={name: objects, dim: 32, layers: 1, heads: 2}",
        "optim={epochs: 8, batch_size: 16, learning_rate: 5.0e-3}",
    )
    train_here(config, tmp_path, 8)
    found = json.loads((tmp_path / "final_metrics.json").read_text())
    assert found["alignment_label"] == "tiny"
    losses = found["history"]["train_alignment_loss"]
    assert losses[-1] < losses[0]
    assert found["alignment_retrieval_acc"] > 0.45  # chance is 0.25
    assert found["alignment_cosine"] > found["alignment_other_cosine"] + 0.2
    assert 0 <= found["alignment_unseen_wording_acc"] <= 1
    path = tmp_path / "aligned.yaml"
    path.write_text(json.dumps(config.model_dump(mode="json")))
    assert evaluate_main(["--config", str(path), "--results", str(tmp_path), "--device", "cpu"]) == 0
    again = json.loads((tmp_path / "evaluation_metrics.json").read_text())
    assert again["alignment_retrieval_acc"] == found["alignment_retrieval_acc"]
    assert again["alignment_label"] == "tiny"
    assert "retrieval" in (tmp_path / "evaluation.md").read_text()


def test_a_model_without_alignment_says_that_it_was_not_run(tmp_path: Path, tiny: Path) -> None:
    train_here(tiny_config(tiny, "optim.epochs=1"), tmp_path, 1)
    found = json.loads((tmp_path / "final_metrics.json").read_text())
    assert found["alignment_label"] == "not_run"
    assert not [name for name in found if name.startswith("alignment_") and name != "alignment_label"]


def test_an_aligned_run_resumes_to_the_same_bits(tmp_path: Path, tiny: Path) -> None:
    config = tiny_config(tiny, TINY_TEXT, "optim.epochs=2")
    train_here(config, tmp_path / "straight", 2)
    train_here(config, tmp_path / "resumed", 1)
    train_here(config, tmp_path / "resumed", 2)
    straight, resumed = (newest_checkpoint(tmp_path / name) for name in ("straight", "resumed"))
    assert straight and resumed
    assert straight[1].history == resumed[1].history
    assert all(torch.equal(value, resumed[1].model[name]) for name, value in straight[1].model.items())
    assert "alignment.temperature" in straight[1].model


def save_text_model(directory: Path, *, projection: bool) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        PreTrainedTokenizerFast,
    )

    words = sorted({word for texts in DESCRIPTIONS.values() for text in texts for word in text.split()})
    tokenizer = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(["<end>", *words])}, unk_token="<end>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>", unk_token="<end>"
    ).save_pretrained(directory)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPTextConfig(
        vocab_size=len(words) + 1, max_position_embeddings=32, projection_dim=8, eos_token_id=0, **sizes
    )
    kind = CLIPTextModelWithProjection if projection else CLIPTextModel
    kind(config).save_pretrained(directory)


@pytest.mark.parametrize(("projection", "width"), [(True, 8), (False, 16)])
def test_a_text_model_is_read_from_a_directory(tmp_path: Path, projection: bool, width: int) -> None:
    save_text_model(tmp_path, projection=projection)
    found = describe(str(tmp_path))
    assert found.features.shape == (16, width)
    assert torch.equal(found.features, describe(str(tmp_path)).features)
    assert found.label is Label.TINY  # for its size: it is no published CLIP


def test_what_is_not_on_this_machine_is_refused_and_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was asked"))
    with pytest.raises(UsageError, match=r"example/absent.*nothing is downloaded.*text_model=tiny"):
        describe("example/absent")
    with pytest.raises(UsageError, match="nothing is downloaded"):
        describe(str(tmp_path))


def test_the_variant_is_declared_and_runs_from_before_it_go_on(tiny: Path) -> None:
    declared = load_config(TrainConfig, ROOT / "workers" / "configs" / "i3d_clip.yaml")
    assert declared.tasks.alignment and declared.tasks.alignment.text_model.startswith("openai/clip")
    plain = tiny_config(tiny)
    assert config_hash(plain) != config_hash(tiny_config(tiny, TINY_TEXT))
    before = {k: v for k, v in flatten(plain).items() if k not in {*RESUMABLE_CHANGES, "tasks.alignment"}}
    expected = hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()
    assert config_hash(plain) == expected
