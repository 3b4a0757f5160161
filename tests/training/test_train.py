from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.__main__ import main
from backend.diffusion.denoiser import Denoiser, DenoiserSettings
from backend.errors import Cancelled, KineliftError
from backend.evaluation.evaluate import training_steps
from backend.motion.motion2d import Motion2DSet
from backend.motion.motion3d import Motion3D
from backend.packs.catalogue import list_packs, read_pack
from backend.packs.model import load_model
from backend.training.project import project
from backend.training.train import StartingPoint, Trainer, TrainingSettings, crops, masked_loss, normalisation, standing_height
from tests.rigs.test_skeletons import OCTOPUS
from tests.training.clips import TOML, walks, write_clips

NETWORK = DenoiserSettings(keypoints=18, width=16, feedforward=24, layers=1, heads=2, dropout=0.1)
ROOT = Path(__file__).parents[2]
SETTINGS = TrainingSettings(steps=20, batch=4, learning_rate=3e-3, warmup=5, min_frames=20)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    """The domain of walks and eight 2D motions of it."""
    folder = tmp_path_factory.mktemp("walks")
    domain = walks(folder)
    write_clips(folder)
    return domain, project(domain, domain.clips(folder, "train"), 8, 0, stitch=True)


def trainer(data, folder: Path, **changes) -> Trainer:
    domain, motions = data
    return Trainer(motions, domain, NETWORK, replace(SETTINGS, **changes), folder, "cpu")


def go(trained: Trainer, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        losses.append(trained.train_step())
        trained.state.step += 1
    return losses


def test_a_resumed_run_is_the_unbroken_one(data, tmp_path: Path):
    unbroken = trainer(data, tmp_path / "a")
    losses = go(unbroken, 20)
    first = trainer(data, tmp_path / "b")
    resumed_losses = go(first, 10)
    first.save()
    torch.randn(7)  # whatever else draws from torch's generator in between
    second = trainer(data, tmp_path / "b")
    assert second.state.step == 10
    resumed_losses += go(second, 10)
    assert resumed_losses == losses
    for key, value in unbroken.denoiser.state_dict().items():
        assert torch.equal(value, second.denoiser.state_dict()[key]), key
        assert torch.equal(unbroken.average[key], second.average[key]), key


def test_the_loss_falls(data, tmp_path: Path):
    losses = go(trainer(data, tmp_path, steps=150), 150)
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:10])


def test_an_interrupted_run_leaves_a_pack_and_goes_on(data, tmp_path: Path):
    folder = tmp_path / "pack"

    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        trainer(data, folder, steps=60).run(stop)
    assert read_pack(folder).problem == ""
    resumed = trainer(data, folder, steps=60)
    assert resumed.state.step == 20
    messages = []
    resumed.run(lambda fraction, message: messages.append(message))
    assert resumed.state.step == 60
    assert "min left" in messages[0]
    model = load_model(str(folder), "cpu")
    assert model.card["training"]["steps"] == 60
    assert model.card["data"][0]["licence"] == "CC0"
    assert "standing_height" not in model.card  # nobody stands still in a walk
    assert (folder / "loss.png").stat().st_size > 1000
    assert model.denoiser(torch.zeros(1, 5, 18, 2), torch.tensor([3])).isfinite().all()


def test_the_standing_height_is_for_packs_that_keep_heights(data):
    domain, motions = data
    points = np.tile(np.float32([0, -0.8]), (3, 30, 18, 1))
    still = Motion2DSet(points, np.ones((3, 30, 18), np.float32), np.full(3, 30), ["a"] * 3, motions.skeleton, motions.fps)
    assert 0.05 < standing_height(still, domain) < 0.1
    assert standing_height(still, replace(domain, settings={**domain.settings, "centring": "root"})) is None


def test_a_run_starts_from_a_pack_and_its_card_says_so(data, tmp_path: Path):
    first = trainer(data, tmp_path / "first", steps=10)
    first.run(lambda fraction, message: None)
    domain, motions = data
    larger = replace(motions, keypoints=2 * motions.keypoints)
    second = Trainer(larger, domain, NETWORK, SETTINGS, tmp_path / "second", "cpu", start_from=str(tmp_path / "first"))
    assert torch.allclose(second.mean, first.mean, atol=1e-6) and torch.allclose(second.std, first.std, atol=1e-6)  # what the weights were made for
    for key, value in second.denoiser.state_dict().items():
        assert torch.equal(value, first.average[key].half().float()), key
    second.run(lambda fraction, message: None)
    training = load_model(str(tmp_path / "second"), "cpu").card["training"]
    assert (training["steps"], training["before"][0]["pack"], training["before"][0]["steps"]) == (20, "first", 10)
    assert training_steps(training) == 30


def test_a_network_starts_from_one_of_other_keypoints():
    old, new = ("Hip", "Knee", "Ball"), ("Ball", "Box", "Hip")
    torch.manual_seed(0)
    few = Denoiser(replace(NETWORK, keypoints=3, skip=True)).eval()
    many = Denoiser(replace(NETWORK, keypoints=3, skip=True)).eval()
    start = StartingPoint("old", {}, old, few.state_dict(), torch.zeros(3, 2), torch.ones(3, 2))
    def of_the_box() -> list[torch.Tensor]:
        places = (("frame_in.weight", 1), ("frame_out.weight", 0), ("frame_out.bias", 0))
        return [many.state_dict()[name].unflatten(axis, (3, 2)).select(axis, 1).clone() for name, axis in places]

    before = of_the_box()
    assert start.give_to(many, new, (2,)) == [(0, 2), (2, 0)]
    x, steps = torch.randn(2, 5, 3, 2), torch.tensor([3, 70])
    x[:, :, 1] = 0
    known = torch.stack([x[:, :, 2], x[:, :, 1], x[:, :, 0]], 2)  # the knee, which the new skeleton lacks, at its mean
    assert torch.allclose(many(x, steps)[:, :, [2, 0]], few(known, steps)[:, :, [0, 2]], atol=1e-6)
    assert all(torch.equal(now, then) for now, then in zip(of_the_box(), before))  # a network of stage 4 knows it from stage 1


def test_a_pack_to_start_from_must_have_the_same_network(data, tmp_path: Path):
    trainer(data, tmp_path / "first").save()
    domain, motions = data
    with pytest.raises(KineliftError, match="another network"):
        Trainer(motions, domain, replace(NETWORK, width=32), SETTINGS, tmp_path / "second", "cpu", start_from=str(tmp_path / "first"))


def test_processes_train_one_network_and_stop_together(tmp_path: Path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.training.one_of_two"]
    done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert first["steps"] == second["steps"] > 1
    for key, value in first["weights"].items():
        assert torch.equal(value, second["weights"][key]), key
    assert load_model(str(tmp_path / "pack"), "cpu").card["training"]["batch"] == 8


def test_another_network_in_the_folder_is_named(data, tmp_path: Path):
    trainer(data, tmp_path).save()
    domain, motions = data
    with pytest.raises(KineliftError, match="another network") as caught:
        Trainer(motions, domain, replace(NETWORK, width=32), SETTINGS, tmp_path, "cpu")
    assert caught.value.place.endswith("training.pt")


def test_unseen_points_do_not_count():
    motions = Motion2DSet(np.random.default_rng(0).normal(3, 2, (4, 50, 5, 2)).astype(np.float32), np.ones((4, 50, 5), np.float32),
                          np.full(4, 50), ["a"] * 4, "nba16", 30.0)
    motions.keypoints[:, 25:] = 0
    motions.confidences[:, 25:] = 0
    mean, std = normalisation(motions)
    assert torch.allclose(mean, torch.full((5, 2), 3.0), atol=0.5)
    assert torch.allclose(std, torch.full((5, 2), 2.0), atol=0.5)
    predicted, x0, mask = torch.randn(2, 6, 5, 2), torch.randn(2, 6, 5, 2), torch.ones(2, 6, 5)
    mask[0, 3:] = 0
    before = masked_loss(predicted, x0, mask, 1.0, torch.ones(2))
    predicted[0, 3:] = 100
    assert torch.equal(before, masked_loss(predicted, x0, mask, 1.0, torch.ones(2)))


def test_a_coordinate_that_never_moves_is_not_blown_up():
    keypoints = np.random.default_rng(0).normal(0, 1e-3, (2, 10, 3, 2)).astype(np.float32)
    _, std = normalisation(Motion2DSet(keypoints, np.ones((2, 10, 3), np.float32), np.full(2, 10), ["a", "b"], "nba16", 30.0))
    assert torch.equal(std, torch.ones(3, 2))


def test_crops_stay_inside_their_motions(data):
    _, motions = data
    rng = np.random.default_rng(0)
    for _ in range(20):
        keypoints, confidences, lengths = crops(motions, SETTINGS, rng)
        assert (lengths <= keypoints.shape[1]).all()
        for row, length in enumerate(lengths):
            assert not confidences[row, length:].any()
            assert confidences[row, :length].any()


def test_the_command_trains_a_pack(data, tmp_path: Path, capsys):
    domain, motions = data
    motions.save(tmp_path / "2d" / "train.npz")
    arguments = ["train", "--domain", str(domain.path), "--data", str(tmp_path / "2d"), "--to", str(tmp_path / "pack"), "--steps", "20", "--batch", "4",
                 "--width", "16", "--feedforward", "24", "--layers", "1", "--heads", "2", "--device", "cpu"]
    assert main(arguments) == 0
    assert "M parameters on cpu from step 0" in capsys.readouterr().out
    assert main([*arguments[:-2], "--steps", "40"]) == 0
    assert "from step 20" in capsys.readouterr().out
    assert json.loads((tmp_path / "pack" / "card.json").read_text())["training"]["steps"] == 40
    motions.skeleton = "nba16"
    motions.save(tmp_path / "2d" / "train.npz")
    assert main(arguments) == 1
    assert "skeleton 'nba16'" in capsys.readouterr().err


def test_a_domain_and_a_skeleton_of_ones_own_need_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "home"))
    (tmp_path / "octopus.toml").write_text(OCTOPUS)
    (tmp_path / "reef.toml").write_text(TOML.split("[detector]")[0].replace('"nba16-ball"', '"octopus.toml"')
                                        + '[[sources]]\nname = "my dives"\nlicence = "mine"\ncredit = "me"\n')
    (tmp_path / "data" / "motions").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(12):
        waving = np.sin(np.arange(50)[:, None, None] / 5 + random.uniform(0, 6, (1, 3, 2)))
        np.save(tmp_path / "data" / "motions" / f"{number}.npy", np.concatenate([waving, np.ones((50, 3, 1))], -1).astype(np.float32))
    small = ["--steps", "20", "--batch", "4", "--width", "16", "--feedforward", "24", "--layers", "1", "--heads", "2", "--device", "cpu"]
    assert main(["train", "--domain", str(tmp_path / "reef.toml"), "--data", str(tmp_path / "data"), *small]) == 0
    pack = next(pack for pack in list_packs() if pack.name == "reef")
    assert (pack.title, pack.skeleton, pack.problem) == ("Walks", "octopus", "")
    assert pack.card["data"] == [{"name": "my dives", "licence": "mine", "credit": "me"}]
    assert main(["generate", "--pack", "reef", "--seconds", "1", "--device", "cpu", "--to", str(tmp_path / "takes")]) == 0
    motion = Motion3D.load(next((tmp_path / "takes").glob("*.npz")))
    assert (motion.joint_names, motion.skeleton) == (["Mantle", "LeftArm", "RightArm"], "octopus")
    assert motion.roles == {"LeftArm": "wrist.L", "RightArm": "wrist.R"}
