"""Stage 3 whose motions a MAS pack generates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import KineliftError
from backend.motion.bones import bone_lengths
from backend.motion.motion3d import Motion3D
from backend.mvlift.synthesise import generate_windows, load_motions, on_skeleton, synthesise_by
from backend.packs.model import load_model
from backend.training.domain import Domain
from rigs import load_skeleton
from tests.mvlift.lifting import SKELETON, make_pack
from tests.mvlift.lifting import load as load_lift
from tests.tiny_pack import make_tiny_pack


def silent(fraction: float, message: str) -> None:
    pass


def test_a_mas_pack_generates_whole_windows(tmp_path: Path):
    pack = make_tiny_pack(tmp_path)
    domain, model = Domain.load("basketball"), load_lift(make_pack(tmp_path / "lift"))
    steps: list[float] = []
    path = synthesise_by([str(pack)], 3, 5, domain, model, tmp_path, lambda fraction, message: steps.append(fraction))
    positions, lengths, source = load_motions(tmp_path)
    assert path.parent == tmp_path and (source["packs"][0]["generated_by"], source["seed"]) == ("tiny", 5)
    assert lengths.tolist() == [round(domain.settings["seconds"]["max"] * 30)] * 3 == [positions.shape[1]] * 3
    assert steps == sorted(steps) and steps[0] >= 0 and steps[-1] <= 1
    roots = model.body.root(torch.from_numpy(np.nan_to_num(positions[:, 0])))
    assert roots.abs().max() < 1e-5
    spans = bone_lengths(positions[0, :, : len(SKELETON.joints)].astype(np.float64), list(SKELETON.parents))
    assert spans.std(0)[[child - 1 for child in range(1, 16) if child not in SKELETON.elastic_joints]].max() < 0.01
    again = synthesise_by([str(pack)], 2, 6, domain, model, tmp_path / "again", silent)
    assert np.allclose(np.load(again)["positions"], positions[1:], atol=1e-5, equal_nan=True)  # a seed is a motion
    assert json.loads(str(np.load(again)["source"]))["packs"][0]["training"] == json.loads((pack / "card.json").read_text())["training"]


def test_several_packs_share_the_windows(tmp_path: Path):
    packs = [str(make_tiny_pack(tmp_path / name)) for name in "ab"]
    domain, model = Domain.load("basketball"), load_lift(make_pack(tmp_path / "lift"))
    steps: list[float] = []
    synthesise_by(packs, 3, 5, domain, model, tmp_path, lambda fraction, message: steps.append(fraction))
    positions, _, source = load_motions(tmp_path)
    assert len(positions) == 3 and [one["motions"] for one in source["packs"]] == [1, 2] and steps == sorted(steps)
    synthesise_by(packs, 1, 5, domain, model, tmp_path / "one", silent)
    assert len(load_motions(tmp_path / "one")[0]) == 1


def test_a_pack_of_another_rate_gives_the_same_motion_at_the_domains(tmp_path: Path):
    model = load_model(str(make_tiny_pack(tmp_path)), "cpu")
    own, slower = (generate_windows(model, SKELETON, fps, 2.0, 1, 4, silent)[0] for fps in (30.0, 20.0))
    assert (len(own), len(slower)) == (60, 40)
    assert np.allclose(slower[:38:2], own[:57:3], atol=1e-3, equal_nan=True)


def test_another_subject_is_refused(tmp_path: Path):
    model = load_model(str(make_tiny_pack(tmp_path)), "cpu")
    with pytest.raises(KineliftError, match="have no Tail, "):
        generate_windows(model, load_skeleton("ap10k"), 30.0, 1.0, 1, 0, silent)


def test_a_cat_is_no_horse():
    """Both have a LeftElbow, which is the carpus of the one."""
    cat, horse = load_skeleton("ap10k-paws"), load_skeleton("ap10k")
    motion = Motion3D(np.zeros((4, 17, 3)), list(cat.joints), list(cat.parents), 30.0, cat.name)
    with pytest.raises(KineliftError, match="have no LeftElbow, RightElbow"):
        on_skeleton(motion, cat, horse, "cat")


def test_joints_are_found_by_name_or_as_means():
    person, openpose = load_skeleton("coco17-ball"), load_skeleton("openpose18-ball-box")
    points = np.random.default_rng(0).normal(size=(4, len(person.joints), 3)).astype(np.float32)
    motion = Motion3D(points, list(person.joints), list(person.parents), 30.0, person.name, ["Ball"], np.ones((4, 1, 3), np.float32))
    found = dict(zip(openpose.keypoints, on_skeleton(motion, person, openpose, "people").transpose(1, 0, 2), strict=True))
    left, right = (points[:, person.joints.index(side + "Shoulder")] for side in ("Left", "Right"))
    assert np.allclose(found["Neck"], (left + right) / 2)
    assert np.allclose(found["LeftWrist"], points[:, person.joints.index("LeftWrist")])
    assert np.allclose(found["Ball"], 1) and np.isnan(found["BoxCentre"]).all()
    shoulders = replace(person, joints=("LeftShoulder", "RightShoulder"), parents=(-1, 0))
    with pytest.raises(KineliftError, match="have no Nose"):
        on_skeleton(replace(motion, positions=points[:, :2], joint_names=list(shoulders.joints), parents=[-1, 0]), shoulders, openpose, "people")
