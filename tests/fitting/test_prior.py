"""How people hold themselves: the prior by itself, as a fit uses it, and how it is learned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backend.__main__ import main
from backend.errors import KineliftError
from backend.evaluation.bench_unseen import RestPose, hide, on_rig
from backend.fitting import prior as module
from backend.fitting.ends import with_ends
from backend.fitting.kinematics import Rig, forward, load_rig, relative
from backend.fitting.learn_prior import mirrored
from backend.fitting.limits import hinges
from backend.fitting.prior import FEATURES, FILE, PosePrior, features_of, learn, people
from backend.fitting.source import read_body
from backend.motion.files import read_npz, write_npz
from backend.motion.motion3d import Motion3D
from backend.training.domain import Domain
from tests.fitting.human import armature_file, dance, human, joints_of, motion_of, pose, waves
from tests.fitting.test_fit import fit, fitted_joints, turns_of
from tests.properties import patient

GAP = slice(20, 80)
"""Two seconds, in which a joint is hidden."""


def without() -> PosePrior:
    return RestPose(people().means, people().covariance, "")


def stroll(rig: Rig, frames: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Somebody stands about: arms hang and swing a little, knees give."""
    bend = np.abs(waves(frames, 30, (0.15, 0, 0))) + [0.1, 0, 0]
    hang = Rotation.align_vectors([[0.1, 0, -1]], [rig.direction(rig.index["upper_arm.L"])])[0].as_rotvec()
    angles = {"thigh.L": -bend, "thigh.R": -bend, "shin.L": 2 * bend, "shin.R": 2 * bend, "head": waves(frames, 30, (0.05, 0, 0.2)),
              "upper_arm.L": hang + waves(frames, 30, (0.15, 0, 0)), "upper_arm.R": hang * [1, -1, -1] - waves(frames, 30, (0.15, 0, 0)),
              "forearm.L": np.tile([-0.3, 0, 0], (frames, 1)), "forearm.R": np.tile([-0.3, 0, 0], (frames, 1))}
    return pose(rig, angles, rig.heads[0] + waves(frames, 30, (0.05, 0.1, 0)))


def missed(motion: Motion3D, truth: dict[str, np.ndarray], roles: tuple[str, ...], armature: Path, prior: PosePrior) -> float:
    """Metres between where hidden joints are and should be in the gap, of a rig of the motion's size."""
    found = on_rig(armature).fit(motion, prior)[1].points
    hips = np.mean(found["ankle.L"] - truth["ankle.L"], axis=0)
    return float(np.mean([np.linalg.norm(found[role] - hips - truth[role], axis=-1)[GAP].mean() for role in roles]))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), raised=st.floats(-0.5, 0.6), scale=st.floats(0.05, 20), yaw=st.floats(-3, 3))
def test_a_pose_is_as_usual_on_every_rig(tmp_path_factory, seed: int, raised: float, scale: float, yaw: float):
    """Roll, size, direction and lifted arms of a rest pose change nothing of what a pose is."""
    folder = tmp_path_factory.mktemp("rigs")
    rig = with_ends(human(folder)[1])
    world, _ = dance(rig, frames=5)
    other = with_ends(load_rig(armature_file(folder / "other.npz", scale, np.random.default_rng(seed).uniform(-3, 3, 30), raised, yaw)))
    rest = np.tile(np.eye(3), (rig.bones, 1, 1))
    for side, sign in (("L", 1), ("R", -1)):
        rest[[rig.index[f"{part}.{side}"] for part in ("upper_arm", "forearm", "hand")]] = Rotation.from_rotvec([0, -sign * raised, 0]).as_matrix()
    same = world @ np.swapaxes(Rotation.from_rotvec([0, 0, yaw]).as_matrix() @ rest, -1, -2)
    np.testing.assert_allclose(people().away(rig, hinges(rig), world), people().away(other, hinges(other), same), rtol=1e-4)
    one, two = (people().pull(each, hinges(each)) for each in (rig, other))
    odd = [Rotation.from_matrix((relative(each, turns) @ pull.centre).reshape(-1, 3, 3)).as_rotvec().reshape(5, -1)
           for each, turns, pull in ((rig, world, one), (other, same, two))]
    np.testing.assert_allclose(*(np.sum(vectors @ pull.precision * vectors, axis=-1) for vectors, pull in zip(odd, (one, two), strict=True)), rtol=1e-3)


@patient
@given(seed=st.integers(0, 10**6))
def test_what_the_solver_is_told_is_how_odd_a_pose_is(tmp_path_factory, seed: int):
    """But for a spine that is bent in different directions at once."""
    rig = with_ends(human(tmp_path_factory.mktemp("rig"))[1])
    random = np.random.default_rng(seed)
    alike = Rotation.from_rotvec(random.normal(0, 0.2, (2, 3))).as_matrix()
    turns = Rotation.from_rotvec(random.normal(0, 0.3, (rig.bones, 3))).as_matrix()
    turns[rig.chain("spine")], turns[features_of(rig)["head"]] = alike[0], alike[1]
    prior = people()
    with patch.dict(module.TWIST_SIGMA, clear=True):
        pull = prior.pull(rig, hinges(rig), share=1.0)
    vectors = Rotation.from_matrix(turns @ pull.centre).as_rotvec().ravel()
    world, _ = forward(rig, turns[None], rig.heads[:1])
    told = np.sqrt(vectors @ pull.precision @ vectors / (3 * len(features_of(rig))))
    assert told == pytest.approx(prior.away(rig, hinges(rig), world)[0], rel=0.02)


def test_both_sides_of_people_are_alike(tmp_path: Path):
    rig = with_ends(human(tmp_path)[1])
    world, _ = dance(rig)
    other, turned = mirrored(rig, world)
    np.testing.assert_allclose(people().away(rig, hinges(rig), world), people().away(other, hinges(other), turned), rtol=1e-3)


def test_usual_poses_are_usual(tmp_path: Path):
    """Arms that hang are nearer to how people hold themselves than arms held sideways, above the head or behind the back; knees that bend than such
    that are twisted."""
    rig = with_ends(human(tmp_path)[1])
    hanging = people().away(rig, hinges(rig), stroll(rig)[0]).max()
    still = np.zeros((1, 3))
    for angles in ({"upper_arm.L": [[0, -1.8, 0]], "upper_arm.R": [[0, 1.8, 0]]}, {"upper_arm.L": [[1.8, 0.5, 0]]}, {"shin.L": [[0, 0, 1.2]]},
                   {"spine.0": [[-1.2, 0, 0]]}, {"head": [[0, 0, 2.0]]}, {"thigh.R": [[1.2, 0, 0]]}):
        world, _ = pose(rig, {"upper_arm.L": still, **{role: np.array(turn) for role, turn in angles.items()}}, rig.heads[:1])
        assert people().away(rig, hinges(rig), world)[0] > 1.3 * hanging, angles


@pytest.mark.parametrize(("roles", "raised", "least", "most"), [
    (("elbow.L", "wrist.L"), 0.6, 0.3, 0.1),
    (("elbow.L", "wrist.L", "elbow.R", "wrist.R"), 0.6, 0.3, 0.1),
    (("knee.R", "ankle.R"), 0.0, 0.0, 0.15),
])
def test_hidden_limbs_are_where_people_have_them(roles: tuple[str, ...], raised: float, least: float, most: float, tmp_path: Path):
    """Not held sideways as at rest."""
    _, rig = human(tmp_path)
    truth = joints_of(rig, *stroll(rig))
    armature = armature_file(tmp_path / "other.npz", raised_arms=raised)
    motion = hide(motion_of(truth), roles, GAP)
    assert missed(motion, truth, roles, armature, people()) < most
    assert missed(motion, truth, roles, armature, without()) > least


def test_a_face_that_is_not_seen_looks_where_the_chest_does(tmp_path: Path):
    """It does not go on to look aside, as it did when it was seen last."""
    armature, rig = human(tmp_path)
    world, heads = stroll(rig)
    motion = hide(motion_of(joints_of(rig, world, heads)), ("nose", "head_top"), slice(20, 100))
    fitted, _ = forward(rig, turns_of(rig, fit(motion, armature, tmp_path)), heads[:, 0])
    head, chest = rig.index["head"], rig.chain("spine")[-1]
    away = Rotation.from_matrix(np.swapaxes(fitted[60:, chest], -1, -2) @ fitted[60:, head]).magnitude()
    assert np.degrees(away).max() < 15


def test_what_is_not_seen_may_be_anywhere(tmp_path: Path):
    armature, rig = human(tmp_path)
    motion = hide(motion_of(joints_of(rig, *stroll(rig))), ("elbow.L", "wrist.L", "ankle.R"), GAP)
    other = replace(motion, positions=motion.positions + 5.0 * (motion.confidences == 0)[..., None])
    one, two = (fit(each, armature, tmp_path) for each in (motion, other))
    np.testing.assert_array_equal(one["fitted_positions"], two["fitted_positions"])
    assert one["mean_error"] < 0.01, "and is no error"


def test_an_elbow_that_is_not_seen_lies_between_shoulder_and_hand(tmp_path: Path):
    armature, rig = human(tmp_path)
    truth = joints_of(rig, *dance(rig, frames=100))
    found = fitted_joints(fit(hide(motion_of(truth), ("elbow.L",), GAP), armature, tmp_path, "never"))
    lift = np.mean(found["ankle.R"] - truth["ankle.R"], axis=0)
    assert np.linalg.norm(found["wrist.L"] - lift - truth["wrist.L"], axis=-1).max() < 0.05
    assert np.linalg.norm(found["elbow.L"] - lift - truth["elbow.L"], axis=-1)[GAP].mean() < 0.12


def test_surer_joints_count_for_more(tmp_path: Path):
    """A hand that is put a foot away, in a few frames: the less sure it is, the less the arm follows."""
    armature, rig = human(tmp_path)
    truth = joints_of(rig, *stroll(rig))
    motion = motion_of(truth)
    wrist = next(number for number, name in enumerate(motion.joint_names) if name == "LWrist")
    positions = motion.positions.copy()
    positions[48:52, wrist] += [0.1, -0.2, 0.2]
    usual = fitted_joints(fit(motion, armature, tmp_path))["wrist.L"]
    followed = []
    for sure in (1.0, 0.5, 0.2, 0.0):
        confidences = np.ones(positions.shape[:2])
        confidences[48:52, wrist] = sure
        found = fitted_joints(fit(replace(motion, positions=positions, confidences=confidences), armature, tmp_path))["wrist.L"]
        followed.append(np.linalg.norm(found - usual, axis=-1)[48:52].mean())
    assert followed[0] > 0.15 and followed[3] < 0.05
    assert followed[1] < 0.95 * followed[0] and followed[2] < 0.8 * followed[0], followed
    assert followed == sorted(followed, reverse=True)


def test_a_joint_that_is_never_seen_is_named(tmp_path: Path):
    armature, rig = human(tmp_path)
    motion = hide(motion_of(joints_of(rig, *stroll(rig))), ("wrist.L", "ankle.R"), slice(None))
    with pytest.raises(KineliftError, match=r"never shows wrist\.L, ankle\.R") as caught:
        fit(motion, armature, tmp_path)
    assert caught.value.code == "missing-joints" and caught.value.place.endswith("motion.npz")


def test_feet_that_are_not_seen_are_not_planted(tmp_path: Path):
    _, rig = human(tmp_path)
    still, _ = pose(rig, {}, np.repeat(rig.heads[:1], 100, axis=0))
    motion = hide(motion_of(joints_of(rig, still, forward(rig, still, np.repeat(rig.heads[:1], 100, axis=0))[1])), ("ankle.L",), GAP)
    body = read_body(motion, "motion", 0.09, "auto")
    for stands in (body.contacts.stands, body.contacts.kept, body.contacts.grounded):
        assert stands[:20].all() and not stands[GAP, 0].any() and stands[GAP, 1].all()
    assert body.planted["L"][0] == 1 and not body.planted["L"][GAP].any()


def test_straight_arms_are_twisted_alike_whatever_the_rest_pose(tmp_path: Path):
    """No joint tells how: as people twist theirs, not as the shortest way from a rest pose that holds them sideways happens to."""
    _, rig = human(tmp_path)
    straight = Rotation.align_vectors([[0, -1, 0.1]], [rig.direction(rig.index["upper_arm.L"])])[0].as_rotvec()
    world, heads = pose(rig, {"upper_arm.L": np.tile(straight, (30, 1)), "upper_arm.R": np.tile(straight * [1, -1, -1], (30, 1))},
                        np.repeat(rig.heads[:1], 30, axis=0))
    joints = joints_of(rig, world, heads)
    for side in "LR":
        joints[f"wrist.{side}"] = 2 * joints[f"elbow.{side}"] - joints[f"shoulder.{side}"]
    subjects = [on_rig(armature_file(tmp_path / f"{raised}.npz", raised_arms=raised)) for raised in (0.0, 0.6)]
    odd = [[people().away(subject.rig, subject.hinges, subject.fit(motion_of(joints), prior)[1].turns).mean() for subject in subjects]
           for prior in (people(), without())]
    assert odd[0][0] == pytest.approx(odd[0][1], rel=0.02) and odd[0][1] < 0.96 * odd[1][1]
    assert odd[1][0] != pytest.approx(odd[1][1], rel=0.1)


@patient
@given(seed=st.integers(0, 10**6))
def test_learning_finds_the_gaussian_that_turns_come_from(seed: int):
    random = np.random.default_rng(seed)
    means = Rotation.random(2, random_state=seed).as_matrix()
    some = random.normal(0, 0.12, (6, 6))
    vectors = random.multivariate_normal(np.zeros(6), some @ some.T, 4000)
    turns = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(-1, 2, 3, 3) @ means
    found, covariance = learn(turns, np.ones(len(turns)))
    away = Rotation.from_matrix(found @ np.swapaxes(means, -1, -2)).magnitude()
    assert away.max() < 0.06
    np.testing.assert_allclose(covariance, some @ some.T, atol=0.15 * np.abs(some @ some.T).max() + 0.01)


def test_the_shipped_file_says_where_it_comes_from():
    arrays = read_npz(FILE, "pose prior", "", "")
    provenance = json.loads(str(arrays["provenance"]))
    assert provenance["command"].startswith("python -m backend learn-prior")
    assert {source["licence"] for source in provenance["sources"]} == {"CC0 1.0", "CMU Graphics Lab Motion Capture Database, free use"}
    assert all(source["credit"] for source in provenance["sources"]) and provenance["poses"] > 10_000
    assert FILE.stat().st_size < 50_000 and np.linalg.eigvalsh(arrays["covariance"]).min() > -1e-6


NAMES = {"pelvis": "Hips", "spine.0": "Spine", "spine.1": "Spine1", "neck.0": "Neck", "head": "Head"} | {f"{role}.{letter}": f"{side}{name}" for role, name in (
    ("clavicle", "Shoulder"), ("upper_arm", "Arm"), ("forearm", "ForeArm"), ("hand", "Hand"), ("thigh", "UpLeg"), ("shin", "Leg"), ("foot", "Foot"),
    ("toe", "ToeBase")) for letter, side in (("L", "Left"), ("R", "Right"))}


def write_clip(path: Path, rig: Rig, world: np.ndarray, split: str) -> None:
    """A clip of the data's layout, with a turn of the rest pose's own in every joint."""
    own = Rotation.random(rig.bones, random_state=3)
    posed = world @ own.as_matrix()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_npz(path, {"joint_names": np.array([NAMES[role] for role in rig.roles]), "parents": rig.parents.astype(np.int32), "fps": np.float64(30),
                     "rest_positions": rig.heads, "rest_rotations": own.as_quat(scalar_first=True), "split": np.array(split),
                     "rotations": Rotation.from_matrix(posed.reshape(-1, 3, 3)).as_quat(scalar_first=True).reshape(*posed.shape[:2], 4)})


def test_the_command_learns_from_training_clips_alone(tmp_path: Path, capsys: pytest.CaptureFixture):
    _, rig = human(tmp_path)
    places = ("cmu_amc/02_01", "cmu/02_01", "cmu/05_02", "acrobatics/cmu_85_01", "acrobatics/cmu_49_01", "cmu/02_05", "cc0/m2m_human__Idle")
    for place in places:
        write_clip(tmp_path / f"human/{place}.npz", rig, stroll(rig)[0], "train")
    write_clip(tmp_path / "human/cmu/05_03.npz", rig, dance(rig)[0], "test")
    command = ["learn-prior", "--data", str(tmp_path), "--to", str(tmp_path / "prior.npz")]
    assert main(command) == 0, capsys.readouterr().err
    arrays = read_npz(tmp_path / "prior.npz", "pose prior", "", "")
    learned = PosePrior(arrays["means"], arrays["covariance"], str(arrays["provenance"]))
    own = with_ends(rig)
    assert learned.away(own, hinges(own), stroll(rig)[0]).max() < 0.6
    assert learned.away(own, hinges(own), dance(rig)[0]).mean() > 1.5, "of what was held back nothing is known"
    other, turned = mirrored(own, dance(rig)[0])
    np.testing.assert_allclose(learned.away(own, hinges(own), dance(rig)[0]), learned.away(other, hinges(other), turned), rtol=1e-3)
    sources = Domain.load("human").settings["sources"]
    assert [source["name"] for source in json.loads(learned.provenance)["sources"]] == [source["name"] for source in sources]
    assert learned.means.shape == (len(FEATURES), 3, 3)
    (tmp_path / "human/cc0/m2m_human__Idle.npz").unlink()
    assert main(command) == 1
    assert "no training clip of 'Mesh2Motion people (animated)'" in capsys.readouterr().err
