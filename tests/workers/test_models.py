"""The extractors keep their contract and can learn."""

from __future__ import annotations

from functools import partialmethod
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.workers.conftest import ROOT, train_here
from workers.config import TrainConfig
from workers.config_file import load_config
from workers.data.dataset import Clips, load_datasets
from workers.evaluation.baselines import baseline_errors
from workers.evaluation.metrics import evaluate
from workers.extractors import FeatureExtractor, build_extractor
from workers.extractors.objects import ObjectTokens
from workers.models.losses import multi_task_loss
from workers.runtime.checkpoint import newest_checkpoint
from workers.runtime.session import build_model

CPU = torch.device("cpu")
ARMS = ["objects", "factorized_conv", "i3d", "slowfast", "transformer", "magvit"]


def arm_config(arm: str, *overrides: str) -> TrainConfig:
    name = f"{arm}_cpu" if arm in ARMS[2:] else arm
    return load_config(TrainConfig, ROOT / "workers" / "configs" / f"{name}.yaml", overrides)


def eight_clips(config: TrainConfig) -> Clips:
    training, _ = load_datasets(config, CPU)
    return training.clips(np.arange(8))


@pytest.fixture(params=ARMS)
def arm(request: pytest.FixtureRequest) -> TrainConfig:
    torch.manual_seed(0)
    return arm_config(request.param, "data.num_samples=40")


@pytest.mark.parametrize("frames", [16, 32])
def test_video_becomes_a_feature_per_frame(arm: TrainConfig, frames: int) -> None:
    clip = arm.data.clip.model_copy(update={"frames": frames})
    extractor = build_extractor(arm.model.extractor, arm.data.model_copy(update={"clip": clip}))
    features = extractor(torch.rand(2, frames, 3, 64, 64))
    assert features.shape == (2, frames, extractor.feature_dim)


def test_a_clip_is_judged_alone(arm: TrainConfig) -> None:
    clips = eight_clips(arm)
    model = build_model(arm, CPU).eval()
    with torch.no_grad():
        together, alone = model(clips.video), model(clips.video[2:3])
    assert torch.allclose(together.future_position[2:3], alone.future_position, atol=1e-5)
    assert torch.allclose(together.class_logits[2:3], alone.class_logits, atol=1e-5)


def test_the_order_of_frames_matters(arm: TrainConfig) -> None:
    clips = eight_clips(arm)
    model = build_model(arm, CPU).eval()
    with torch.no_grad():
        forward, backward = model(clips.video), model(clips.video.flip(1))
    assert (forward.class_logits - backward.class_logits).abs().max() > 1e-4


def test_the_gradient_reaches_every_parameter(arm: TrainConfig) -> None:
    clips = eight_clips(arm)
    model = build_model(arm, CPU)
    total = multi_task_loss(model(clips.video), clips, arm.tasks).total
    auxiliary = model.extractor.auxiliary_loss()
    (total if auxiliary is None else total + auxiliary).backward()
    assert all(value.grad is not None and value.grad.any() for value in model.parameters())


def test_the_total_loss_is_the_weighted_sum(arm: TrainConfig) -> None:
    clips = eight_clips(arm)
    losses = multi_task_loss(build_model(arm, CPU)(clips.video), clips, arm.tasks)
    parts = (
        arm.tasks.classification.weight * losses.classification,
        arm.tasks.prediction.weight * losses.prediction,
        arm.tasks.forecast.weight * losses.forecast,
    )
    assert torch.isclose(losses.total, sum(parts, torch.zeros(())))
    assert losses.prediction > 0


def test_eight_clips_are_learned_by_heart(arm: TrainConfig) -> None:
    clips = eight_clips(arm)
    model = build_model(arm, CPU).train()
    model.standardise(clips.target)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(150):
        losses = multi_task_loss(model(clips.video), clips, arm.tasks)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        if losses.classification < 0.05 and losses.prediction < 0.01:
            break
    assert losses.classification < 0.05
    assert losses.prediction < 0.01


def test_the_arms_are_different_models() -> None:
    shapes = [
        sorted(tuple(p.shape) for p in build_model(arm_config(arm), CPU).extractor.parameters())
        for arm in ARMS
    ]
    assert all(one != other for one, other in combinations(shapes, 2))


def test_object_tokens_find_the_ball_in_space() -> None:
    config = arm_config("objects", "data.num_samples=40")
    clips = eight_clips(config)
    tokens = ObjectTokens(config.data.scene)(clips.video)
    error = (tokens[..., :3] - clips.observed).abs()
    assert error[..., :2].mean() < 0.05
    assert error[..., 2].mean() < 0.2  # a soft mask sees the ball a little too small or too large
    assert torch.allclose(tokens[..., 3:6].mean(dim=1), torch.zeros(8, 3), atol=1e-4)


def test_object_tokens_learn_the_four_families(tmp_path: Path) -> None:
    # Half as wide as the arm, with as many clips to learn from: it learns as well in half the time.
    config = arm_config(
        "objects",
        "model.extractor={name: objects, dim: 48, layers: 2, heads: 4}",
        "optim.learning_rate=5e-3",
        "data={num_samples: 2040, validation_fraction: 0.02}",
        "checkpoint.interval_epochs=12",
    )
    train_here(config, tmp_path, config.optim.epochs)
    found = newest_checkpoint(tmp_path)
    assert found
    model = build_model(config, CPU)
    model.load_state_dict(found[1].model)
    training, unseen = load_datasets(
        arm_config("objects", "data.seed=99", "data.num_samples=540", "data.validation_fraction=0.926"), CPU
    )
    evaluation = evaluate(model, unseen, config.tasks, after_batch=lambda: None)
    assert evaluation.classification_acc >= 0.95
    baselines = baseline_errors(training, unseen, config.tasks.prediction.predict_future)
    assert baselines.skill(evaluation.prediction.mse) > 0.3
    assert all(step.mae < 0.12 for step in evaluation.forecast)


def test_bf16_changes_the_arithmetic_and_little_else(arm: TrainConfig) -> None:
    clips = eight_clips(arm)
    half = arm.model_copy(update={"run": arm.run.model_copy(update={"precision": "bf16"})})
    plain, model = build_model(arm, CPU), build_model(half, CPU)
    model.load_state_dict(plain.state_dict())
    with torch.no_grad():
        exact, rounded = plain.eval()(clips.video), model.eval()(clips.video)
    assert rounded.class_logits.dtype == rounded.future_position.dtype == torch.float32
    difference = (exact.class_logits - rounded.class_logits).abs().max()
    assert 0 < difference < 0.1
    losses = multi_task_loss(model.train()(clips.video), clips, arm.tasks)
    auxiliary = model.extractor.auxiliary_loss()
    (losses.total if auxiliary is None else losses.total + auxiliary).backward()
    assert all(p.dtype == torch.float32 and torch.isfinite(p.grad).all() for p in model.parameters())  # type: ignore[arg-type]


def test_bf16_does_not_reach_the_moments_of_the_image() -> None:
    config = arm_config("objects", "data.num_samples=40")
    video, tokens = eight_clips(config).video, ObjectTokens(config.data.scene)
    with torch.autocast("cpu", torch.bfloat16):
        inside = tokens(video)
    assert torch.equal(inside, tokens(video))


def test_a_compiled_model_keeps_its_names_and_results(monkeypatch: pytest.MonkeyPatch) -> None:
    # Captures the graph as on a GPU; generating code for it would take half a minute.
    monkeypatch.setattr(FeatureExtractor, "compile", partialmethod(torch.nn.Module.compile, backend="eager"))
    config = load_config(
        TrainConfig,
        None,
        [
            "model={extractor: {name: objects, dim: 16, layers: 1, heads: 2}}",
            "optim={epochs: 1}",
            "data={num_samples: 40}",
        ],
    )
    compiled_config = config.model_copy(update={"run": config.run.model_copy(update={"compile": True})})
    plain, compiled = build_model(config, CPU).eval(), build_model(compiled_config, CPU).eval()
    compiled.load_state_dict(plain.state_dict())
    clips = eight_clips(config)
    with torch.no_grad():
        expected, found = plain(clips.video), compiled(clips.video)
    assert torch.allclose(expected.class_logits, found.class_logits, atol=1e-4)
    assert torch.allclose(expected.future_position, found.future_position, atol=1e-4)
