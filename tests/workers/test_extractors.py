"""Every extractor is what its name says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from tests.workers.conftest import ROOT
from workers.cli import UsageError
from workers.config import I3DConfig, MagvitConfig, SlowFastConfig, TrainConfig, TransformerConfig
from workers.config_file import load_config
from workers.data.dataset import load_datasets
from workers.extractors.feature_extractor import FeatureExtractor
from workers.extractors.i3d import I3D, InceptionI3D
from workers.extractors.magvit import MAGVIT_VQ_VAE, CompressedVideo, MagvitTokens, as_volume
from workers.extractors.slowfast import SlowFast
from workers.extractors.transformer import MaskedVideoModel, VideoTransformer, grid_positions
from workers.models.losses import multi_task_loss
from workers.runtime.session import build_model

QUANTIZERS: list[dict[str, object]] = [
    {"kind": "vq", "codes": 64},
    {"kind": "lfq", "bits": 6},
    {"kind": "fsq"},
]
TRUNK_PARAMETERS = 12_287_264  # of the published Inception-I3D without its classifier


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_i3d_is_the_published_network() -> None:
    trunk = InceptionI3D(1.0, 0.1)
    assert trunk.channels == 1024
    assert sum(parameter.numel() for parameter in trunk.parameters()) == TRUNK_PARAMETERS
    names = {name for name, _ in trunk.named_parameters()}
    assert {"Conv3d_1a_7x7.conv3d.weight", "Mixed_3b.b1a.bn.bias", "Mixed_5c.b3b.conv3d.weight"} <= names
    assert len(list(trunk.blocks())) == 9


def test_i3d_shrinks_time_eightfold_and_space_by_32() -> None:
    volume = InceptionI3D(0.125, 0.1)(torch.rand(1, 3, 32, 64, 96))
    assert volume.shape == (1, 128, 4, 2, 3)


def test_i3d_loads_the_public_weights(tmp_path: Path) -> None:
    published = InceptionI3D(1.0, 0.01)
    classifier = {"logits.conv3d.weight": torch.zeros(400, 1024, 1, 1, 1)}
    torch.save({**published.state_dict(), **classifier}, tmp_path / "rgb.pt")
    loaded = I3D(I3DConfig(name="i3d", weights=tmp_path / "rgb.pt")).trunk
    assert torch.equal(loaded.Conv3d_2c_3x3.conv3d.weight, published.Conv3d_2c_3x3.conv3d.weight)
    with pytest.raises(UsageError, match=r"rgb\.pt.*width: 1\.0"):
        I3D(I3DConfig(name="i3d", preset="cpu", weights=tmp_path / "rgb.pt"))
    with pytest.raises(UsageError, match="absent"):
        I3D(I3DConfig(name="i3d", weights=tmp_path / "absent"))


def small_slowfast() -> SlowFast:
    return SlowFast(SlowFastConfig(name="slowfast", preset="cpu")).eval()


def test_the_pathways_see_their_own_frame_rates() -> None:
    network, seen = small_slowfast(), {}

    def note(name: str) -> None:
        def hook(_module: object, inputs: tuple[Tensor], _output: Tensor) -> None:
            seen[name] = inputs[0].shape[2]

        getattr(network, name).stem.register_forward_hook(hook)

    note("slow")
    note("fast")
    network(torch.rand(1, 16, 3, 64, 64))
    assert seen == {"slow": 4, "fast": 16}


def test_the_slow_pathway_hears_the_fast_one_through_the_laterals() -> None:
    network, video = small_slowfast(), torch.rand(1, 16, 3, 64, 64)
    slow_channels = network.slow.channels
    with torch.no_grad():
        connected = network(video)[..., :slow_channels]
        for lateral in network.laterals:
            for parameter in lateral.parameters():
                parameter.zero_()
        cut = network(video)[..., :slow_channels]
    assert not torch.allclose(connected, cut, atol=1e-4)


def test_the_fast_pathway_is_a_share_of_the_slow_one() -> None:
    network = SlowFast(SlowFastConfig(name="slowfast"))
    assert (network.slow.channels, network.fast.channels) == (2048, 256)


def magvit(quantizer: Mapping[str, object]) -> MAGVIT_VQ_VAE:
    values = {"name": "magvit", "preset": "cpu", "quantizer": quantizer}
    return MAGVIT_VQ_VAE(MagvitConfig.model_validate(values)).eval()


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_tokens_decode_as_their_codes_do(quantizer: dict[str, object]) -> None:
    tokenizer = magvit(quantizer)
    video = torch.rand(2, 3, 17, 64, 64) * 2 - 1
    with torch.no_grad():
        encoded = tokenizer.encode(video)
        again, decoded = tokenizer.decode_indices(encoded.indices), tokenizer.decode(encoded.codes)
    assert encoded.indices.shape[:4] == (2, 5, 8, 8)
    assert not encoded.indices.is_floating_point()
    assert decoded.shape == video.shape
    assert torch.allclose(again, decoded, atol=1e-4)


@pytest.mark.parametrize("halving", [True, False])
def test_no_token_sees_a_later_frame(halving: bool) -> None:
    config = MagvitConfig(name="magvit", preset="cpu", halving_stem=halving)
    tokenizer = MAGVIT_VQ_VAE(config).eval()
    assert next(iter(tokenizer.encoder)).conv.stride == ((1, 2, 2) if halving else (1, 1, 1))
    video = torch.rand(1, 3, 17, 64, 64) * 2 - 1
    changed = video.clone()
    changed[:, :, 9:] = 0
    with torch.no_grad():
        before, after = tokenizer.encoder(video), tokenizer.encoder(changed)
    assert torch.allclose(before[:, :, :3], after[:, :, :3], atol=1e-5)
    assert not torch.allclose(before[:, :, 3:], after[:, :, 3:], atol=1e-3)


SMALL = TransformerConfig(name="transformer", preset="cpu", dim=32, layers=2)


def test_the_transformer_knows_what_it_was_built_for() -> None:
    with pytest.raises(ValueError, match="built for 16 frames, given 8"):
        VideoTransformer(SMALL, frames=16, image_size=64)(torch.rand(1, 8, 3, 64, 64))


def test_ground_and_brightness_of_a_clip_are_taken_out() -> None:
    network, video = VideoTransformer(SMALL, frames=16, image_size=64).eval(), torch.rand(1, 16, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(network(video), network(0.5 * video + 0.2), atol=1e-4)


def test_a_tubelet_is_placed_by_time_row_and_column() -> None:
    table = grid_positions(2, 3, 96).view(2, 3, 3, 96)
    assert torch.equal(table[0, 1, 2, 32:64], table[1, 1, 0, 32:64])
    assert torch.nn.functional.pdist(table.flatten(0, 2)).min() > 0.1
    given = VideoTransformer(SMALL, frames=16, image_size=64).encoder.embeddings.position_embeddings
    assert torch.equal(given, grid_positions(4, 8, SMALL.dim))


@pytest.mark.parametrize("stem", ["linear", "convolutions"])
def test_pre_training_sees_nothing_of_a_hidden_tube(stem: str) -> None:
    model = MaskedVideoModel(SMALL.model_copy(update={"stem": stem}), frames=8, image_size=32).eval()
    hidden = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    hidden[:, :, 1:3, 2] = True
    video = torch.rand(1, 8, 3, 32, 32)
    changed = video.clone()
    changed[..., 8:24, 16:24] = 0.9

    def encoded(clip: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return model.model.videomae(clip, bool_masked_pos=hidden.flatten(1)).last_hidden_state

    assert torch.equal(encoded(video), encoded(changed))
    changed[..., 0, 0] = 0.9
    assert not torch.equal(encoded(video), encoded(changed))


@pytest.mark.parametrize(
    ("sizes", "why"),
    [({"patch": 12}, "powers of two"), ({"tubelet": 16}, "no more than patch"), ({"patch": 64}, "channels")],
)
def test_convolutions_can_only_halve(sizes: dict[str, int], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TransformerConfig(name="transformer", preset="cpu", dim=24, **sizes)


def test_pre_training_learns_and_its_encoder_loads(tmp_path: Path) -> None:
    model = MaskedVideoModel(SMALL.model_copy(update={"masked": 0.5}), frames=8, image_size=32)
    video = torch.rand(4, 8, 3, 32, 32)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = model(video, torch.Generator().manual_seed(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    model.save_encoder(tmp_path / "encoder.pt")
    loaded = VideoTransformer(
        SMALL.model_copy(update={"weights": tmp_path / "encoder.pt"}), frames=8, image_size=32
    )
    trained = model.model.videomae.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in loaded.encoder.state_dict().items())
    with pytest.raises(UsageError, match=r"encoder\.pt"):
        VideoTransformer(
            SMALL.model_copy(update={"dim": 64, "weights": tmp_path / "encoder.pt"}), frames=8, image_size=32
        )


@pytest.mark.parametrize("frames", [16, 17])
def test_a_compressed_clip_is_seen_through_the_codes_alone(frames: int) -> None:
    codes = MagvitConfig.model_validate({"name": "magvit", "preset": "cpu"})
    seen: list[Tensor] = []

    class Watching(FeatureExtractor):
        feature_dim = 1

        def extract(self, video: Tensor) -> Tensor:
            seen.append(video)
            return video.mean(dim=(2, 3, 4))[..., None]

    model = CompressedVideo(codes, Watching())
    video = torch.rand(2, frames, 3, 64, 64)
    features = model(video)
    tokens = model.tokenizer.encode(as_volume(video))
    assert torch.allclose(
        seen[0],
        (model.tokenizer.decode_indices(tokens.indices)[:, :, -frames:].movedim(2, 1) + 1) / 2,
        atol=1e-5,
    )
    assert seen[0].shape == video.shape
    loss = features.mean() + model.auxiliary_loss()
    loss.backward()
    assert all(value.grad is not None and value.grad.any() for value in model.tokenizer.parameters())
    assert model.auxiliary_loss() is None


@pytest.mark.parametrize(("share", "decoded"), [(0.25, 2), (1.0, 8), (0.01, 1)])
def test_the_decoder_learns_from_a_share_of_the_batch(share: float, decoded: int) -> None:
    config = MagvitConfig.model_validate({"name": "magvit", "preset": "cpu", "reconstructed": share})
    model, seen = MagvitTokens(config, image_size=16), []
    model.tokenizer.decoder.register_forward_hook(lambda *found: seen.append(len(found[2])))
    features = model(torch.rand(8, 4, 3, 16, 16))
    loss = model.auxiliary_loss()
    assert loss is not None and loss.isfinite()
    assert (seen, len(features)) == ([decoded], 8)
    model.eval()(torch.rand(2, 4, 3, 16, 16))
    assert seen == [decoded]  # outside training nothing is decoded


@pytest.mark.parametrize("name", ["i3d_magvit", "slowfast_magvit"])
def test_a_compressed_arm_learns_four_clips(name: str) -> None:
    path = ROOT / "workers" / "configs" / f"{name}_cpu.yaml"
    config = load_config(TrainConfig, path, ["data.num_samples=40"])
    model = build_model(config, torch.device("cpu")).train()
    clips = load_datasets(config, torch.device("cpu"))[0].clips(np.arange(4))
    model.standardise(clips.target)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    totals: list[float] = []
    while len(totals) < 50 and (not totals or totals[-1] > 0.4 * totals[0]):
        losses = multi_task_loss(model(clips.video), clips, config.tasks)
        auxiliary = model.extractor.auxiliary_loss()
        assert auxiliary is not None
        totals.append(losses.total.item())
        optimizer.zero_grad()
        (losses.total + auxiliary).backward()
        optimizer.step()
    assert totals[-1] <= 0.4 * totals[0]
