"""The extractors keep their contract and can learn."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.workers.conftest import ROOT, train_here
from workers.config import TrainConfig, load_config
from workers.data.dataset import Clips, load_datasets
from workers.evaluation.metrics import evaluate
from workers.extractors import build_extractor
from workers.extractors.objects import ObjectTokens
from workers.models.losses import multi_task_loss
from workers.runtime.checkpoint import newest_checkpoint
from workers.runtime.session import build_model

CPU = torch.device("cpu")
ARMS = ["objects", "factorized_conv", "i3d", "slowfast", "transformer", "magvit"]
CPU_PRESET = ["model.extractor.preset=cpu"]


def arm_config(arm: str, *overrides: str) -> TrainConfig:
    small = CPU_PRESET if arm in ARMS[2:] else []
    return load_config(TrainConfig, ROOT / "workers" / "configs" / f"{arm}.yaml", [*small, *overrides])


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
        if losses.total < 0.03:
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
    config = arm_config(
        "objects", "optim.epochs=8", "optim.learning_rate=3e-3", "checkpoint.interval_epochs=8"
    )
    train_here(config, tmp_path, 8)
    found = newest_checkpoint(tmp_path)
    assert found
    model = build_model(config, CPU)
    model.load_state_dict(found[1].model)
    unseen, _ = load_datasets(arm_config("objects", "data.seed=99", "data.num_samples=500"), CPU)
    evaluation = evaluate(model, unseen, config.tasks, after_batch=lambda: None)
    assert evaluation.classification_acc >= 0.90
    assert evaluation.prediction.mse < 0.045
    assert evaluation.forecast[0].mae < evaluation.forecast[-1].mae < 0.2
