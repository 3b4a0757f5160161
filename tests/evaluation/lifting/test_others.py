"""Results of other tools, from files: made here by their formats from the true motion."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.evaluation.lifting.others import SMPL_JOINTS, SMPL_PARENTS, read_motionbert, read_results, read_wham
from backend.evaluation.lifting.results import measure
from backend.evaluation.lifting.scenes import CLEAR, Scene
from rigs import load_skeleton
from tests.evaluation.lifting.world import SKELETON, in_camera

H36M = ("Hip", "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", None, "Neck", "Nose", "Head", "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow",
        "RWrist")


def motionbert(scene: Scene) -> np.ndarray:
    """The true motion as MotionBERT writes it: x right, y down, z ahead, from the root, in no unit."""
    points = in_camera(scene) * [1, -1, 1]
    joints = np.stack([points[:, SKELETON.joints.index(name)] if name else points[:, [0, 7]].mean(1) for name in H36M], 1)
    return ((joints - joints[:, :1]) * 0.4).astype(np.float32)


def write_motionbert(scenes: list[Scene], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(scenes):
        np.save(folder / f"{number:04d}.npy", motionbert(scene))
    return folder


def test_motionbert_is_read(scenes: list[Scene], tmp_path: Path):
    folder = write_motionbert(scenes, tmp_path)
    points = read_motionbert(folder / "0000.npy", 30, SKELETON)
    assert np.isnan(points[:, 16:]).all()
    assert np.isfinite(points[:, :16]).all()
    for scene, lifted in zip(scenes, read_results("motionbert", folder, scenes, SKELETON, CLEAR)):
        measured = measure(scene, lifted, SKELETON)
        assert measured["aligned"] < 1e-2
        assert measured["joint"] < 1e-2
        assert measured["centred_picture"] < 12  # perspective of a depth that it doesn't say
        assert np.isnan([measured["root"], measured["object_root"]]).all()


def wham(turns: np.ndarray, places: np.ndarray) -> dict:
    """What WHAM's demo saves: axis-angle turns [T,24,3] and places [T,3], y up."""
    return {0: {"pose_world": turns.reshape(len(turns), 72), "trans_world": places, "betas": np.zeros((len(turns), 10)), "frame_ids": np.arange(len(turns))}}


def test_wham_is_read_and_moves_a_body(tmp_path: Path):
    rng = np.random.default_rng(0)
    turns, places = rng.normal(0, 0.4, (12, 24, 3)), np.cumsum(rng.normal(0, 0.02, (12, 3)), 0)
    (tmp_path / "0000.pkl").write_bytes(pickle.dumps(wham(turns, places)))
    skeleton = load_skeleton("openpose18")
    points = read_wham(tmp_path / "0000.pkl", 12, skeleton)
    column = skeleton.joints.index
    for one, other in (("LeftKnee", "LeftAnkle"), ("RightShoulder", "RightElbow"), ("RightElbow", "RightWrist"), ("LeftHip", "RightHip")):
        lengths = np.linalg.norm(points[:, column(one)] - points[:, column(other)], axis=-1)
        assert lengths.std() < 1e-9
        assert 0.15 < lengths.mean() < 0.45
    assert np.isnan(points[:, column("Nose")]).all()
    for child, parent in enumerate(SMPL_PARENTS):
        assert parent < child
    assert len(SMPL_JOINTS) == 24


def test_a_body_of_wham_stands_upright_and_walks_on_the_floor(tmp_path: Path):
    """At rest, arms to the sides, it faces -Y; its y is our height, and a turn of the pelvis turns all."""
    skeleton, turns = load_skeleton("openpose18"), np.zeros((2, 24, 3))
    turns[1, 0] = [0, np.pi / 2, 0]
    places = np.array([[0, 0, 0], [1.0, 2.0, 3.0]])
    (tmp_path / "0000.pkl").write_bytes(pickle.dumps(wham(turns, places)))
    points = read_wham(tmp_path / "0000.pkl", 2, skeleton)
    column = skeleton.joints.index
    assert points[0, column("LeftWrist"), 0] > 0.5
    assert points[0, column("LeftAnkle"), 2] < -0.7
    assert points[0, column("LeftShoulder"), 2] > 0.3
    moved = (points[0] @ Rotation.from_rotvec([0, 0, np.pi / 2]).as_matrix().T) + [1, -3, 2]
    assert np.allclose(points[1], moved, equal_nan=True)


def test_the_way_of_wham_is_compared_too(scenes: list[Scene], tmp_path: Path):
    """Turns of nobody, but on the true way of the root: T_root is small, up to the turn that the hips tell and the body's size."""
    for number, scene in enumerate(scenes):
        hips = scene.points[:, [1, 4]].mean(1)
        (tmp_path / f"{number:04d}.pkl").write_bytes(pickle.dumps(wham(np.zeros((30, 24, 3)), hips[:, [0, 2, 1]] * [1, 1, -1])))
    for scene, lifted in zip(scenes, read_results("wham", tmp_path, scenes, SKELETON, CLEAR)):
        measured = measure(scene, lifted, SKELETON)
        assert measured["joint"] > 50
        assert np.isfinite([measured["root"], measured["picture"]]).all()
        true = np.linalg.norm(scene.points[-1, [1, 4]].mean(0) - scene.points[0, [1, 4]].mean(0))
        way = np.linalg.norm(lifted.points[-1, [1, 4]].mean(0) - lifted.points[0, [1, 4]].mean(0))
        assert way == pytest.approx(true, rel=0.35)


@pytest.mark.parametrize(("name", "content", "said"), [
    ("motionbert", None, "0000.npy: there is no result for this scene"),
    ("motionbert", np.zeros((30, 16, 3)), "shape [30, 16, 3], not [30, 17, 3]"),
    ("motionbert", np.zeros((29, 17, 3)), "shape [29, 17, 3], not [30, 17, 3]"),
    ("motionbert", np.full((30, 17, 3), np.nan), "holds no number at frame 0"),
    ("motionbert", np.array([{}], object), "not a readable array"),
    ("wham", {}, "no subject with pose_world"),
    ("wham", [1, 2], "no subject with pose_world"),
    ("wham", {0: {"pose_world": np.zeros((30, 72)), "trans_world": "x"}}, "trans_world is a str"),
    ("wham", {0: {"pose_world": np.zeros((30, 71)), "trans_world": np.zeros((30, 3))}}, "pose_world is shape [30, 71]"),
    ("wham", {0: {"pose_world": np.full((30, 72), "x"), "trans_world": np.zeros((30, 3))}}, "pose_world is <U1 of shape [30, 72]"),
    ("wham", {0: {"pose_world": np.array([{}], object), "trans_world": np.zeros((30, 3))}}, "pose_world is a list"),
    ("wham", {0: Path("x")}, "reading it would need code to run (pathlib"),
    ("wham", b"nonsense", "no pickle of plain data"),
])
def test_results_that_can_not_be_read_are_named(name: str, content: object, said: str, scenes: list[Scene], tmp_path: Path):
    if isinstance(content, np.ndarray):
        np.save(tmp_path / "0000.npy", content, allow_pickle=True)
        np.save(tmp_path / "0001.npy", content, allow_pickle=True)
    elif content is not None:
        for number in range(2):
            (tmp_path / f"{number:04d}.pkl").write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    with pytest.raises(KineliftError) as caught:
        read_results(name, tmp_path, scenes, SKELETON, CLEAR)
    assert said in str(caught.value)
    assert caught.value.remedy


def test_a_pickle_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(KineliftError, match="can't be read"):
        read_wham(tmp_path / "nowhere.pkl", 30, SKELETON)


def test_they_lift_people(scenes: list[Scene], tmp_path: Path):
    with pytest.raises(KineliftError, match="lifts people"):
        read_results("wham", tmp_path, scenes, load_skeleton("ap10k"), CLEAR)
