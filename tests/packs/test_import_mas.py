from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import KineliftError
from backend.evaluation.feature_vae import load_evaluator
from backend.mas.generate import to_motion
from backend.mas.sampler import SamplerSettings, sample
from backend.packs.catalogue import WEIGHTS
from backend.packs.import_mas import DATASETS, add_arguments, import_evaluator, import_network, keypoint_order, run
from backend.packs.model import load_model
from rigs import load_skeleton
from tests.packs import official


def bring(folder: Path, to: Path) -> Path:
    return import_network(folder, to, folder / "Mean.npy", folder / "Std.npy", 1.0)


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_imported_network_gives_the_programs_numbers(dataset: str, tmp_path: Path):
    state = official.write_folder(tmp_path / "run", dataset)
    model = load_model(str(bring(tmp_path / "run", tmp_path / "pack")), "cpu")
    order = keypoint_order(DATASETS[dataset], model.skeleton)
    x, t, lengths = torch.randn(3, official.JOINTS[dataset], 2, 20), torch.tensor([0, 40, 99]), torch.tensor([20, 11, 1])

    theirs = official.network(state, x, t, lengths)
    ours = model.denoiser(x[:, order].permute(0, 3, 1, 2), t, lengths)

    for row, length in enumerate(lengths):
        expected = theirs[row, order].permute(2, 0, 1)[:length]
        assert torch.allclose(ours[row, :length], expected, atol=2e-5), dataset
    mean = torch.from_numpy(np.load(tmp_path / "run/Mean.npy")).float()
    assert torch.equal(model.mean, mean[order])


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_imported_pack_samples_and_its_motion_stands_on_the_floor(dataset: str, tmp_path: Path):
    official.write_folder(tmp_path / "run", dataset)
    model = load_model(str(bring(tmp_path / "run", tmp_path / "pack")), "cpu")
    points = sample(model, 30, [3], SamplerSettings(calls=4))[0].double().numpy()
    motion = to_motion(points, model, in_place=False, provenance={})
    assert motion.frames == 30
    assert motion.skeleton == DATASETS[dataset].skeleton
    assert motion.fps == DATASETS[dataset].fps
    assert np.isfinite(motion.positions).all()
    lowest = motion.positions if dataset != "nba" else motion.positions[:, [3, 6]]
    assert np.allclose(lowest[..., 2].min(1), 0, atol=1e-3)


def test_constants_come_from_the_data_set_and_the_unit_scales_them(tmp_path: Path):
    official.write_folder(tmp_path / "run", "horse")
    folder = import_network(tmp_path / "run", tmp_path / "pack", tmp_path / "run/Mean.npy", tmp_path / "run/Std.npy", 1.4)
    card = json.loads((folder / "card.json").read_text())
    assert card["camera"]["distance"] == pytest.approx(9.8)
    assert card["camera"]["scale"] == pytest.approx(0.7)
    assert card["camera"]["elevation"] == [pytest.approx(np.pi / 16)] * 2
    assert (card["fps"], card["centring"], card["skeleton"]) == (30, "mean", "ap10k")
    assert card["diffusion"] == {"steps": 100, "tau": 2.0}
    assert card["training"]["steps"] == 500000


def test_weights_are_stored_in_half_precision(tmp_path: Path):
    state = official.write_folder(tmp_path / "run")
    folder = bring(tmp_path / "run", tmp_path / "pack")
    numbers = sum(value.numel() for key, value in state.items() if not key.endswith(".pe"))
    assert (folder / WEIGHTS).stat().st_size < 2 * numbers + 10_000


def test_the_checkpoint_of_most_steps_is_taken(tmp_path: Path):
    official.write_folder(tmp_path / "run", step=50000)
    official.write_folder(tmp_path / "run", step=100000)
    card = json.loads((bring(tmp_path / "run", tmp_path / "pack") / "card.json").read_text())
    assert card["training"]["checkpoint"] == "checkpoint_100000.pth"


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_imported_evaluator_gives_the_programs_numbers(dataset: str, tmp_path: Path):
    joints = official.JOINTS[dataset]
    state = official.write_folder(tmp_path / "run", dataset, state=official.evaluator_state(joints), step=1000000)
    import_evaluator(tmp_path / "run/checkpoint_1000000.pth", tmp_path / "pack", tmp_path / "run/Mean.npy", tmp_path / "run/Std.npy")
    vae = load_evaluator(tmp_path / "pack")
    order = keypoint_order(DATASETS[dataset], load_skeleton(DATASETS[dataset].skeleton))
    x, lengths = torch.randn(2, joints, 2, 15), torch.tensor([15, 9])

    mu, logvar, made = official.evaluator(state, x, lengths)
    ours_mu, ours_logvar = vae.encode(x[:, order].permute(0, 3, 1, 2), lengths)

    assert torch.allclose(ours_mu, mu, atol=2e-5)
    assert torch.allclose(ours_logvar, logvar, atol=2e-5)
    decoded = vae.decode(mu, lengths, 15)
    for row, length in enumerate(lengths):
        assert torch.allclose(decoded[row, :length], made[row, order].permute(2, 0, 1)[:length], atol=2e-5)


def test_the_command_imports_network_and_evaluator(tmp_path: Path, capsys):
    official.write_folder(tmp_path / "run")
    official.write_folder(tmp_path / "evaluator", state=official.evaluator_state(16))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    pack, checkpoint = tmp_path / "pack", tmp_path / "evaluator/checkpoint_500000.pth"
    assert run(parser.parse_args([str(tmp_path / "run"), "--to", str(pack), "--evaluator", str(checkpoint)])) == 0
    assert load_evaluator(pack).settings.keypoints == 16
    assert str(pack) in capsys.readouterr().out


class Trap:
    """Makes a file when it is unpickled: stands for any code."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_malicious_pickle_does_not_run(tmp_path: Path):
    official.write_folder(tmp_path / "run")
    torch.save({"model": official.network_state(16), "optimizer": Trap(tmp_path / "ran")}, tmp_path / "run/checkpoint_500000.pth")
    with pytest.raises(KineliftError) as caught:
        bring(tmp_path / "run", tmp_path / "pack")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "pack").exists()
    assert "checkpoint_500000.pth" in caught.value.place
    assert caught.value.remedy


def broken_state(change) -> dict:
    torch.manual_seed(7)
    state = official.network_state(16)
    change(state)
    return state


@pytest.mark.parametrize(("change", "said"), [
    (lambda s: s.pop("seqTransEncoder.layers.1.norm2.bias"), "seqTransEncoder.layers.1.norm2.bias"),
    (lambda s: s.update({"embed_text.weight": torch.zeros(4, 4)}), "embed_text.weight"),
    (lambda s: s.update({"output_process.poseFinal.bias": torch.zeros(34)}), r"output_process.poseFinal.bias.*\[34\].*\[32\]"),
    (lambda s: s.update({"output_process.poseFinal.bias": torch.full((32,), torch.nan)}), "not numbers"),
    (lambda s: s.update({"sequence_pos_encoder.pe": torch.zeros(5000, 1, official.WIDTH)}), "table of sines"),
])
def test_wrong_keys_and_shapes_are_named(change, said: str, tmp_path: Path):
    official.write_folder(tmp_path / "run", state=broken_state(change))
    with pytest.raises(KineliftError, match=said) as caught:
        bring(tmp_path / "run", tmp_path / "pack")
    assert "args.json" in caught.value.remedy or "Download" in caught.value.remedy


@pytest.mark.parametrize(("changes", "said"), [
    ({"dataset": "humanml"}, "'dataset' is 'humanml'"),
    ({"arch": "gru"}, "'arch' is 'gru'"),
    ({"cond": "text"}, "'cond' is 'text'"),
    ({"noise_schedule": "linear"}, "'noise_schedule' is 'linear'"),
    ({"latent_dim": "wide"}, "'latent_dim' is 'wide'"),
    ({"layers": None}, "'layers' is None"),
    ({"layers": 3}, "keys are missing"),
    ({"num_heads": 5}, "no network has these sizes"),
])
def test_unsuitable_settings_are_named(changes: dict, said: str, tmp_path: Path):
    official.write_folder(tmp_path / "run")
    (tmp_path / "run/args.json").write_text(json.dumps({**official.ARGS, "dataset": "nba", **changes}))
    with pytest.raises(KineliftError, match=said) as caught:
        bring(tmp_path / "run", tmp_path / "pack")
    assert caught.value.remedy


def test_missing_and_damaged_files_are_named(tmp_path: Path):
    folder = tmp_path / "run"
    with pytest.raises(KineliftError, match="no checkpoint"):
        bring(folder, tmp_path / "pack")
    official.write_folder(folder)
    (folder / "args.json").write_text("{")
    with pytest.raises(KineliftError, match="not valid JSON"):
        bring(folder, tmp_path / "pack")
    (folder / "args.json").unlink()
    with pytest.raises(KineliftError, match=r"args\.json can't be read"):
        bring(folder, tmp_path / "pack")
    official.write_folder(folder)
    (folder / "Std.npy").unlink()
    with pytest.raises(KineliftError, match="--mean, --std"):
        bring(folder, tmp_path / "pack")
    np.save(folder / "Std.npy", np.zeros((16, 2)))
    with pytest.raises(KineliftError, match="not a standard deviation of 16 keypoints"):
        bring(folder, tmp_path / "pack")
    official.write_folder(folder)
    whole = (folder / "checkpoint_500000.pth").read_bytes()
    (folder / "checkpoint_500000.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(KineliftError, match="no plain checkpoint"):
        bring(folder, tmp_path / "pack")
    torch.save([1, 2], folder / "checkpoint_500000.pth")
    with pytest.raises(KineliftError, match="under 'model'"):
        bring(folder, tmp_path / "pack")
