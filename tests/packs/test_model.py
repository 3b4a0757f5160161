from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backend.devices import choose_device
from backend.errors import KineliftError
from backend.packs.catalogue import CARD, WEIGHTS
from backend.packs.model import find_pack, load_model
from tests.tiny_pack import STANDING, make_tiny_pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_tiny_pack(tmp_path)


def change_card(folder: Path, **changes) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, **changes}))


def test_a_pack_loads_ready_to_sample(folder: Path):
    model = load_model(str(folder), "cpu")
    assert (model.name, model.distance, model.scale, model.schedule.steps) == ("tiny", 7.0, 1.0, 100)
    assert not model.denoiser.training
    assert not any(parameter.requires_grad for parameter in model.denoiser.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in model.denoiser.parameters())
    keypoints = torch.tensor([STANDING[name] for name in model.skeleton.keypoints])
    assert torch.allclose(model.normalise(keypoints), torch.zeros(18, 2), atol=1e-6)
    assert torch.allclose(model.denormalise(model.normalise(keypoints + 1)), keypoints + 1, atol=1e-6)


@pytest.mark.parametrize("changes", [
    {"network": {"width": 64, "feedforward": 64, "layers": 1, "heads": 2, "dropout": 0.0}},
    {"network": {"depth": 3}},
    {"skeleton": "nba16"},
    {"skeleton": "centaur"},
    {"diffusion": {}},
])
def test_a_card_that_does_not_fit_the_weights(changes: dict, folder: Path):
    change_card(folder, **changes)
    with pytest.raises(KineliftError, match="don't fit their card") as caught:
        load_model(str(folder), "cpu")
    assert caught.value.place == str(folder / WEIGHTS)
    assert caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0garbage!", b"\x80\x04\x95evil pickle"])
def test_weights_that_are_no_safetensors(content: bytes, folder: Path):
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(KineliftError, match="don't fit their card"):
        load_model(str(folder), "cpu")


def test_unknown_and_broken_packs_are_named(folder: Path):
    with pytest.raises(KineliftError, match="no pack 'atlantis'") as caught:
        find_pack("atlantis")
    assert caught.value.code == "missing-pack"
    (folder / WEIGHTS).unlink()
    with pytest.raises(KineliftError, match=r"weights\.safetensors is missing") as caught:
        find_pack(str(folder))
    assert caught.value.code == "bad-pack"


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(KineliftError, match="'abacus' can't be used"):
        choose_device("abacus")
