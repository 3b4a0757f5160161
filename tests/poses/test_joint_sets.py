"""Joint names become roles, and roles a skeleton's joints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.poses.content import Options
from backend.poses.joint_sets import joint_set, joint_set_names, role_of, roles_of, sources, to_skeleton
from backend.poses.layouts import joints_of
from backend.poses.sniffer import read_poses
from rigs import load_skeleton, skeleton_names
from tests.poses import writers
from tests.poses.people import horse, joints, person


@pytest.mark.parametrize(("name", "role"), [
    ("left_shoulder", "shoulder.L"), ("LShoulder", "shoulder.L"), ("L_Shoulder", "shoulder.L"), ("shoulder_left", "shoulder.L"), ("lshoulder", "shoulder.L"),
    ("LEFT_SHOULDER", "shoulder.L"), ("leftShoulder", "shoulder.L"), ("shoulder.L", "shoulder.L"), ("Left Shoulder", "shoulder.L"),
    ("RBigToe", "toe.R"), ("MidHip", "pelvis"), ("hip", "pelvis"), ("left_hip", "hip.L"), ("Neck", "neck"), ("REye", "eye.R"), ("R_F_Paw", "front_foot.R"),
    ("Root of tail", "tail_root"), ("front_left_thai", "shoulder.L"), ("back_right_knee", "knee.R"), ("front_right_knee", "elbow.R"),
    ("tail_end", None), ("left", None), ("lower_jaw", None), ("left_nose", None), ("shoulder", None), ("left_eye_inner", None), ("face-12", None), ("", None)])
def test_what_a_name_tells(name: str, role: str | None):
    assert role_of(name) == role


def test_every_set_has_so_many_joints_as_it_says_and_each_once():
    for name in joint_set_names():
        names = joint_set(name).joints
        assert len(set(names)) == len(names)
        digits = "".join(letter for letter in name if letter.isdigit())
        assert name == "ap10k" or len(names) == int(digits.removeprefix("36") if name.startswith("h36m") else digits)
        left = {role[:-2] for role in roles_of(list(names)) if role.endswith(".L")}
        assert left == {role[:-2] for role in roles_of(list(names)) if role.endswith(".R")}


HUMANS = [name for name in joint_set_names() if name not in ("ap10k", "superanimal39")]


@pytest.mark.parametrize("set_name", HUMANS)
def test_a_person_of_any_set_stands_right_on_the_skeletons(set_name: str):
    body = person(10)
    array = joints(body, set_name)
    for name in ("openpose18", "coco17", "nba16"):
        skeleton = load_skeleton(name)
        places, sure = to_skeleton(array[..., :2], array[..., 2], list(joint_set(set_name).joints), skeleton)
        for column, joint in enumerate(skeleton.joints):
            if sure[:, column].any():
                assert np.abs(places[:, column] - body[skeleton.roles[joint]]).max() < 1e-9, joint
        limbs = [column for column, joint in enumerate(skeleton.joints) if skeleton.roles[joint].split(".")[0] in ("hip", "knee", "ankle", "shoulder",
                                                                                                                     "elbow", "wrist", "neck", "pelvis")]
        assert (sure[:, limbs] == 0.9).all()


def test_the_joints_that_sets_have():
    counts = {name: len(sources(list(joint_set(name).joints), load_skeleton("openpose18"))) for name in joint_set_names()}
    assert counts == {"coco17": 18, "halpe26": 18, "halpe136": 18, "wholebody133": 18, "coco25": 18, "openpose18": 18, "body25": 18, "mpi15": 13,
                      "h36m17": 14, "mpii16": 13, "mediapipe33": 18, "sapiens308": 18, "ap10k": 8, "superanimal39": 10}
    assert len(sources(list(joint_set("superanimal39").joints), load_skeleton("ap10k"))) == 17
    assert len(sources(list(joint_set("ap10k").joints), load_skeleton("ap10k"))) == 17
    assert len(sources(list(joint_set("superanimal39").joints), load_skeleton("ap10k-paws"))) == 17
    assert len(sources(list(joint_set("ap10k").joints), load_skeleton("ap10k-paws"))) == 17


@pytest.mark.parametrize("set_name", ["ap10k", "superanimal39"])
def test_an_animal_of_either_set_stands_right(set_name: str):
    body, skeleton = horse(10), load_skeleton("ap10k")
    array = joints(body, set_name)
    places, sure = to_skeleton(array[..., :2], array[..., 2], list(joint_set(set_name).joints), skeleton)
    assert (sure == 0.9).all()
    for column, joint in enumerate(skeleton.joints):
        assert np.abs(places[:, column] - body[skeleton.roles[joint]]).max() < 1e-9, joint


def test_the_neck_is_the_shoulders_middle_where_both_are_seen_and_else_the_files_own():
    skeleton, names = load_skeleton("openpose18"), list(joint_set("halpe26").joints)
    neck = skeleton.joints.index("Neck")
    array = joints(person(3), "halpe26")
    array[:, names.index("neck"), :2] += 40  # Halpe's neck is higher than the shoulders' middle
    array[1, names.index("left_shoulder"), 2] = 0.3
    array[2, names.index("left_shoulder"), 2] = 0
    places, sure = to_skeleton(array[..., :2], array[..., 2], names, skeleton)
    middle = array[:, [names.index("left_shoulder"), names.index("right_shoulder")], :2].mean(1)
    assert np.allclose(places[:2, neck], middle[:2])
    assert np.allclose(places[2, neck], array[2, names.index("neck"), :2])
    assert sure[:, neck].tolist() == [0.9, 0.3, 0.9]
    without = [name for name in names if name != "neck"]
    columns = [names.index(name) for name in without]
    _, sure = to_skeleton(array[:, columns, :2], array[:, columns, 2], without, skeleton)
    assert sure[:, neck].tolist() == [0.9, 0.3, 0.0]


def test_objects_go_by_their_own_name_and_what_is_missing_has_no_confidence():
    skeleton = load_skeleton("coco17-ball")
    array = joints(person(2), "coco17")
    names = [*joint_set("coco17").joints, "ball"]
    with_ball = np.concatenate([array, np.full((2, 1, 3), 0.5)], 1)
    places, sure = to_skeleton(with_ball[..., :2], with_ball[..., 2], names, skeleton)
    assert places.shape == (2, 18, 2)
    assert places[:, -1].tolist() == [[0.5, 0.5]] * 2
    _, sure = to_skeleton(array[..., :2], array[..., 2], names[:-1], skeleton)
    assert sure[:, -1].tolist() == [0, 0]


def test_every_mean_of_a_skeleton_lies_between_a_pair():
    for name in skeleton_names():
        skeleton = load_skeleton(name)
        for joint, pair in skeleton.means.items():
            assert pair in skeleton.mirror or pair[::-1] in skeleton.mirror
            assert joint in skeleton.joints


@pytest.mark.parametrize("set_name", ["coco17", "h36m17", "ap10k"])
@pytest.mark.parametrize("seed", range(6))
def test_a_set_of_seventeen_is_told_by_the_body_it_draws(set_name: str, seed: int, tmp_path: Path):
    rng = np.random.default_rng(seed)
    body = horse(20) if set_name == "ap10k" else person(20, turn=rng.uniform(0, 3))
    array = joints(body, set_name)
    array[..., :2] = (array[..., :2] + rng.normal(0, 3, array[..., :2].shape)) * rng.uniform(0.2, 2)
    file, _ = read_poses(writers.plain_npy(tmp_path, array[None]))
    assert tuple(file.tracks[0].joint_names) == joint_set(set_name).joints


def test_sets_that_cannot_be_told_apart_are_asked_about(tmp_path: Path):
    scattered, sure = np.random.default_rng(3).uniform(100, 900, (10, 17, 2)), np.zeros((10, 17))
    sure[:, :3] = 1  # three joints draw no body
    with pytest.raises(KineliftError, match="may be those of") as caught:
        joints_of(17, Options(), "a.npy", (), scattered, sure)
    assert caught.value.code == "ambiguous-joints"
    assert "--joints" in caught.value.remedy
    assert joints_of(17, Options(joints="h36m17"), "a.npy", (), scattered, sure) == joint_set("h36m17").joints
    with pytest.raises(KineliftError, match="25 joints, and coco17 has 17"):
        joints_of(25, Options(joints="coco17"), "a.npy")
    with pytest.raises(KineliftError, match="no joint set 'coco'"):
        joints_of(17, replace(Options(), joints="coco"), "a.npy")
