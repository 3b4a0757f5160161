from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.__main__ import main
from backend.errors import KineliftError
from backend.mvlift.lift import lift
from backend.mvlift.model import LINE, load_lift_model
from backend.mvlift.settings import LiftSettings
from backend.mvlift.views import lines_through
from backend.packs.import_mvlift import KINDS, import_network
from backend.poses.poses2d import Poses2D
from rigs import load_skeleton
from tests.packs import official_mvlift as official

BODY = "denoise_fn.motion_transformer"


def bring(folder: Path, joints: int = 18, across: bool = True, state: dict | None = None) -> tuple[dict, Path]:
    state = official.network_state(joints, across) if state is None else state
    path = official.write(folder / "weights" / "model-3.pt", state)
    return state, import_network(path, folder / "pack", official.HEADS, across)


def order(joints: int) -> list[int]:
    from rigs import load_skeleton

    kind = KINDS[joints]
    return [kind.keypoints.index(name) for name in load_skeleton(kind.skeleton).keypoints]


@pytest.mark.parametrize("joints", KINDS)
def test_an_imported_multi_view_network_gives_the_programs_numbers(joints: int, tmp_path: Path):
    """Also with padding, which official networks look at, and with one cross-view layer in place of three."""
    state, pack = bring(tmp_path, joints)
    model = load_lift_model(str(pack), "cpu")
    torch.manual_seed(3)
    x, given = torch.randn(2, 4, 20, joints, 2), torch.randn(2, 4, 20, joints, 2)
    t, lengths = torch.randint(1000, (2, 4)), torch.tensor([20, 13])
    here = (torch.arange(20) < lengths[:, None]).view(2, 1, 20, 1, 1)
    theirs = official.network(state, (x * here).flatten(3), t, (given * here).flatten(3), lengths).unflatten(-1, (joints, 2))
    ours = model.denoiser((x * here)[..., order(joints), :], t, (given * here)[..., order(joints), :].flatten(3), lengths)
    for row, length in enumerate(lengths):
        assert torch.allclose(ours[row, :, :length], theirs[row, :, :length][..., order(joints), :], atol=3e-5)
    assert (model.card["network"]["cross"], model.card["network"]["views"], model.frames) == ("shared", 4, 20)


def test_an_imported_line_network_gives_the_programs_numbers(tmp_path: Path):
    """Lines are told as the program does: in its coordinates, x and y of different units, y down, a not negative."""
    state, pack = bring(tmp_path, across=False)
    model = load_lift_model(str(pack), "cpu", LINE)
    torch.manual_seed(4)
    x, t, lengths = torch.rand(3, 1, 20, 18, 2) - 0.5, torch.randint(1000, (3, 1)), torch.full((3,), 20)
    epipole = torch.tensor([1.8, 0.1])
    a, b = x[..., 1] - epipole[1], epipole[0] - x[..., 0]
    c = x[..., 0] * epipole[1] - epipole[0] * x[..., 1]
    lines = torch.stack([a, b, c], -1) / (a**2 + b**2).sqrt().unsqueeze(-1) * torch.where(a < 0, -1.0, 1.0).unsqueeze(-1)
    theirs = official.network(state, x.flatten(3), t, lines.flatten(3), lengths).unflatten(-1, (18, 2))
    pictures = model.features.denormalise(x)
    centre = model.features.denormalise(epipole.expand(18, 2))[0]
    told = model.features.given_lines(lines_through(pictures, torch.cat([centre, torch.ones(1)])), official=True).unflatten(-1, (18, 3))
    assert torch.allclose(told, lines, atol=1e-4)
    ours = model.denoiser(x[..., order(18), :], t, told[..., order(18), :].flatten(3), lengths)
    assert torch.allclose(ours, theirs[..., order(18), :], atol=3e-4)


def test_pictures_are_normalised_as_in_a_picture_of_1920_by_1080(tmp_path: Path):
    model = load_lift_model(str(bring(tmp_path)[1]), "cpu")
    rays = torch.tensor([[0.3, 0.2]]).expand(18, 2)
    pixels = torch.tensor([960 + 1000 * 0.3, 540 - 1000 * 0.2])
    assert torch.allclose(model.features.normalise(rays * 3.0)[0], pixels / torch.tensor([960.0, 540.0]) - 1, atol=1e-6)


def test_an_imported_pack_lifts(tmp_path: Path):
    model = load_lift_model(str(bring(tmp_path)[1]), "cpu")
    rng = np.random.default_rng(0)
    keypoints = rng.normal([960, 500], [60, 150], (1, 18, 2)) + rng.normal(0, 2, (15, 18, 2))
    joints = list(load_skeleton("openpose18").joints)
    poses = Poses2D(keypoints[None], np.ones((1, 15, 18)), joints, "openpose18", 30.0, (1920, 1080), 1000.0, ["1"], "dance.json")
    motion = lift(poses, model, LiftSettings("pack", "poses", calls=3, look_calls=2))[0]
    assert (motion.frames, motion.skeleton) == (15, "openpose18")
    assert np.isfinite(motion.positions).all()


def test_the_command_imports_both_networks(tmp_path: Path, capsys):
    whole = official.write(tmp_path / "a" / "model-3.pt", official.network_state(18, True))
    line = official.write(tmp_path / "b" / "model-30.pt", official.network_state(18, False))
    assert main(["import-mvlift", str(whole), "--line", str(line), "--to", str(tmp_path / "pack")]) == 0
    assert load_lift_model(str(tmp_path / "pack"), "cpu").card["kind"] == "mvlift"
    assert load_lift_model(str(tmp_path / "pack" / "line"), "cpu", LINE).card["kind"] == "mvlift-line"
    assert main(["import-mvlift", str(line), "--to", str(tmp_path / "other")]) == 1
    assert "this is a line-conditioned network" in capsys.readouterr().err


def without(key: str):
    def change(state: dict) -> dict:
        return {name: value for name, value in state.items() if name != key}
    return change


def replaced(key: str, value):
    def change(state: dict) -> dict:
        return {**state, key: value(state[key])}
    return change


@pytest.mark.parametrize(("change", "said"), [
    (without(f"{BODY}.layer_stack.1.self_attn.w_q.weight"), "keys are missing"),
    (without(f"{BODY}.start_conv.weight"), "start_conv.weight' is missing"),
    (lambda state: {**state, "denoise_fn.extra.weight": torch.zeros(2)}, "denoise_fn.extra.weight' is not expected"),
    (replaced(f"{BODY}.layer_stack.0.pos_ffn.w_2.weight", lambda value: value[:, :3]), "has shape"),
    (replaced(f"{BODY}.layer_stack.0.self_attn.fc.bias", lambda value: value * float("nan")), "not numbers"),
    (replaced(f"{BODY}.position_vec.weight", lambda value: value + 1), "not the usual table"),
    (replaced(f"{BODY}.view_position_vec.weight", lambda value: value + 1), "not the usual table"),
    (replaced("alphas_cumprod", lambda value: value * 0.5), "noise schedule"),
    (replaced("denoise_fn.linear_out.weight", lambda value: value[:14]), "14 features"),
])
def test_checkpoints_of_another_kind_are_named(change, said: str, tmp_path: Path):
    with pytest.raises(KineliftError, match=said) as caught:
        bring(tmp_path, state=change(official.network_state(18, True)))
    assert caught.value.code == "bad-checkpoint"
    assert caught.value.place.endswith("model-3.pt")
    assert not (tmp_path / "pack").exists()


class Trap:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_no_code_of_a_checkpoint_runs(tmp_path: Path):
    path = tmp_path / "model-1.pt"
    torch.save({"ema": {"ema_model.x": Trap(tmp_path / "ran")}}, path)
    with pytest.raises(KineliftError, match="no plain checkpoint"):
        import_network(path, tmp_path / "pack")
    assert not (tmp_path / "ran").exists()
    path.write_bytes(b"PK nothing")
    with pytest.raises(KineliftError, match="damaged"):
        import_network(path, tmp_path / "pack")
    torch.save({"model": {}}, path)
    with pytest.raises(KineliftError, match="no moving average"):
        import_network(path, tmp_path / "pack")
    with pytest.raises(KineliftError, match="no such file"):
        import_network(tmp_path / "nothing.pt", tmp_path / "pack")
