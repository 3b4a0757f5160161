from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.__main__ import main
from backend.errors import Cancelled, KineliftError
from backend.evaluation.bench_unseen import RestPose, hide
from backend.fitting.prior import people
from backend.fitting.smpl.body import BODY, BodyModel
from backend.fitting.smpl.fit_smpl import BodyMotion, fit_body, fit_smpl
from backend.fitting.smpl.import_smpl import import_body
from backend.fitting.smpl.shape import JOINTS
from backend.motion.motion3d import Motion3D
from tests.fitting.human import waves
from tests.fitting.smpl.bodies import COUNTS, write_official
from tests.fitting.smpl.dances import FPS, dance, motion_of, moved

BETAS = (0.8, 0.9, -1.2, 1.0, 1.1)
NAMED = list(JOINTS.values())


def body_of(kind: str, folder: Path) -> tuple[BodyModel, np.ndarray]:
    model = import_body(write_official(kind, folder / f"{kind}_female"))
    return model, np.concatenate([BETAS, np.zeros(model.shapes - len(BETAS))])


def fit(motion: Motion3D, model: BodyModel) -> BodyMotion:
    return fit_body(motion, "motion.npz", model, lambda fraction, message: None)


def bones(model: BodyModel, betas: np.ndarray) -> np.ndarray:
    """Lengths of thighs, shins, upper arms and forearms."""
    rest, lower = model.shaped(betas), [JOINTS[f"{joint}.{side}"] for side in "LR" for joint in ("knee", "ankle", "elbow", "wrist")]
    return np.linalg.norm(rest[lower] - rest[model.parents[lower]], axis=-1)


def missed(model: BodyModel, fitted: BodyMotion, placed: np.ndarray) -> np.ndarray:
    return np.linalg.norm(model.posed(fitted.betas, fitted.poses, fitted.trans) - placed, axis=-1)


def speeds(fitted: BodyMotion) -> np.ndarray:
    """Radians a second that each joint turns [T-1,22]."""
    turns = Rotation.from_rotvec(fitted.poses[:, : len(BODY)].reshape(-1, 3)).as_matrix().reshape(-1, len(BODY), 3, 3)
    change = np.swapaxes(turns[:-1], -1, -2) @ turns[1:]
    return Rotation.from_matrix(change.reshape(-1, 3, 3)).magnitude().reshape(-1, len(BODY)) * FPS


def assert_bends_right(fitted: BodyMotion, least: float = -5.0) -> None:
    """Knees bring the shin back, elbows the hand forward; degrees about the joint's own axes, at rest a little bent."""
    for name, axis, sign in (("left_knee", 0, 1), ("right_knee", 0, 1), ("left_elbow", 1, -1), ("right_elbow", 1, 1)):
        assert np.degrees(sign * fitted.poses[:, BODY.index(name), axis]).min() > least, name


@pytest.mark.parametrize("kind", COUNTS)
def test_a_known_motion_of_a_known_body_is_recovered(kind: str, tmp_path: Path):
    model, betas = body_of(kind, tmp_path)
    poses, trans = dance(model)
    placed = model.posed(betas, poses, trans)
    fitted = fit(motion_of(placed), model)
    assert np.abs(bones(model, fitted.betas) / bones(model, betas) - 1).max() < 0.02
    assert missed(model, fitted, placed)[:, NAMED].mean() < 0.005
    assert missed(model, fitted, placed)[:, : len(BODY)].mean() < 0.015  # also those that the motion doesn't have
    assert fitted.missed.mean() < 0.005
    assert np.linalg.norm(fitted.trans - trans, axis=-1).max() < 0.04
    away = (Rotation.from_rotvec(fitted.poses[:, 0]).inv() * Rotation.from_rotvec(poses[:, 0])).magnitude()
    assert np.degrees(away).mean() < 10  # hips and spine share what the back bends
    assert_bends_right(fitted)
    assert np.abs(np.degrees(fitted.poses[:, BODY.index("left_knee")] - poses[:, BODY.index("left_knee")])).mean() < 4
    hands = fitted.poses[:, -30:] if kind != "smpl" else fitted.poses[:, 22:]
    np.testing.assert_array_equal(hands, np.broadcast_to(model.hands if kind != "smpl" else 0.0, hands.shape))
    if kind == "smplx":
        assert not fitted.poses[:, 22:25].any()


def test_the_whole_is_carried_along(tmp_path: Path):
    """Turned about the vertical and moved, the same motion has the same pose and shape."""
    model, betas = body_of("smpl", tmp_path)
    motion = motion_of(model.posed(betas, *dance(model, frames=20)))
    turn, away = Rotation.from_rotvec([0, 0, 2.0]), np.array([3.0, -2.0, 0.0])
    other = replace(motion, positions=turn.apply(motion.positions.reshape(-1, 3)).reshape(motion.positions.shape) + away)
    one, two = fit(motion, model), fit(other, model)
    np.testing.assert_allclose(one.betas, two.betas, atol=1e-4)
    np.testing.assert_allclose(one.poses[:, 1:], two.poses[:, 1:], atol=0.02)
    first, second = (model.posed(two.betas, fitted.poses, fitted.trans) for fitted in (one, two))
    np.testing.assert_allclose(turn.apply(first.reshape(-1, 3)).reshape(first.shape) + away, second, atol=0.003)


def test_keypoints_that_lie_elsewhere_on_their_bones_do_not_bend_the_body(tmp_path: Path):
    model, betas = body_of("smplh", tmp_path)
    poses, trans = dance(model)
    placed = model.posed(betas, poses, trans)
    elsewhere = {"hip.L": ("pelvis", (0.05, 0.03, -0.01)), "hip.R": ("pelvis", (-0.05, 0.03, -0.01)), "neck": ("spine3", (0.0, -0.05, 0.0)),
                 "shoulder.L": ("left_collar", (0.02, -0.01, 0.0)), "shoulder.R": ("right_collar", (-0.02, -0.01, 0.0))}
    fitted = fit(moved(motion_of(placed), poses, elsewhere), model)
    far = missed(model, fitted, placed)
    assert far[:, NAMED].mean() < 0.012
    assert far[:, [JOINTS[f"{joint}.{side}"] for side in "LR" for joint in ("ankle", "wrist")]].mean() < 0.005
    assert_bends_right(fitted)


def test_straight_and_noisy_limbs_bend_the_right_way_and_do_not_flip(tmp_path: Path):
    model, betas = body_of("smpl", tmp_path)
    poses, trans = np.zeros((60, 24, 3)), np.tile([0.0, 0.0, 1.3], (60, 1))
    poses[:, 0] = [np.pi / 2, 0, 0]
    poses[:, BODY.index("left_shoulder")], poses[:, BODY.index("right_shoulder")] = (0, 0, -1.2), (0, 0, 1.2)
    motion = motion_of(model.posed(betas, poses, trans))
    positions, at = motion.positions.copy(), motion.joint_names.index
    noise = np.random.default_rng(1)
    for side in "LR":
        for upper, middle, lower, size in (("hip", "knee", "ankle", 0.01), ("shoulder", "elbow", "wrist", 0.005)):
            straight = (positions[:, at(f"{upper}.{side}")] + positions[:, at(f"{lower}.{side}")]) / 2
            positions[:, at(f"{middle}.{side}")] = straight + size * noise.standard_normal((60, 3))
    fitted = fit(replace(motion, positions=positions), model)
    assert_bends_right(fitted)
    assert np.degrees(speeds(fitted) / FPS).max() < 25


def test_hands_before_the_chest_do_not_twist_the_forearms(tmp_path: Path):
    """Elbows that are bent far, each by turns: nothing tells the twist of a forearm, which stays where it is."""
    model, betas = body_of("smpl", tmp_path)
    poses, trans = dance(model)
    sway = waves(60, FPS, (0.1, 0.15, 0.1))
    poses[:, BODY.index("left_shoulder")], poses[:, BODY.index("right_shoulder")] = sway + [0.3, -0.7, -1.1], sway + [0.3, 0.7, 1.1]
    poses[:, BODY.index("left_elbow")], poses[:, BODY.index("right_elbow")] = [0, -1.9, 0] + 0.1 * sway, [0, 1.9, 0] + 0.1 * sway
    fitted = fit(motion_of(model.posed(betas, poses, trans)), model)
    assert_bends_right(fitted)
    for name in ("left_elbow", "right_elbow"):
        assert np.abs(np.degrees(fitted.poses[:, BODY.index(name), 0])).max() < 25, name
    assert speeds(fitted)[:, NAMED].max() < 12


def test_arms_that_are_not_seen_hang_as_peoples_do(tmp_path: Path):
    """These bodies hold them sideways at rest."""
    model, betas = body_of("smplh", tmp_path)
    poses, trans = dance(model, frames=100)
    sway = waves(100, FPS, (0.1, 0.15, 0.1))
    poses[:, BODY.index("left_shoulder")], poses[:, BODY.index("right_shoulder")] = sway + [0, 0, -1.2], sway + [0, 0, 1.2]
    poses[:, BODY.index("left_elbow")], poses[:, BODY.index("right_elbow")] = [0, -0.5, 0], [0, 0.5, 0]
    placed, roles, gap = model.posed(betas, poses, trans), ("elbow.L", "wrist.L", "elbow.R", "wrist.R"), slice(20, 80)
    motion = hide(motion_of(placed), roles, gap)
    prior = people()
    far = [missed(model, fit_body(motion, "motion.npz", model, lambda fraction, message: None, one), placed)[gap][:, [JOINTS[role] for role in roles]].mean()
           for one in (prior, RestPose(prior.means, prior.covariance, ""))]
    assert far[0] < 0.15 and far[1] > 0.25
    result = fit_smpl(motion.save(tmp_path / "motion.npz"), model.save(tmp_path / "model.npz"), tmp_path / "amass.npz", lambda fraction, message: None)
    assert result["mean_error"] < 0.005, "what is not seen is no error"


@pytest.mark.parametrize("height", [-0.05, 0.0, 0.08])
def test_feet_stand_flat_wherever_the_motion_stands(height: float, tmp_path: Path):
    """Nothing is lifted to where the body's soles are on the floor, and feet don't tip for it."""
    model, betas = body_of("smpl", tmp_path)
    poses, trans = np.zeros((30, 24, 3)), np.zeros((30, 3))
    poses[:, 0] = [np.pi / 2, 0, 0]
    _, pelvis_up, pelvis_ahead = model.shaped(betas)[0]
    trans[:, 2] = height + pelvis_up - model.shaped_ends(betas)[0, 1] - pelvis_ahead  # the pelvis stays where it is at rest when it turns
    placed = model.posed(betas, poses, trans)
    fitted = fit(motion_of(placed), model)
    assert missed(model, fitted, placed)[:, [JOINTS["ankle.L"], JOINTS["ankle.R"]]].max() < 0.003
    for side in ("left", "right"):
        chain = [fitted.poses[:, BODY.index(name)] for name in ("pelvis", f"{side}_hip", f"{side}_knee", f"{side}_ankle")]
        turn = Rotation.identity()
        for vectors in chain:
            turn = turn * Rotation.from_rotvec(vectors)
        assert np.degrees((Rotation.from_rotvec([np.pi / 2, 0, 0]).inv() * turn).magnitude()).max() < 6, side


def test_the_file_is_of_the_amass_kind(tmp_path: Path):
    for kind, joints in COUNTS.items():
        model, betas = body_of(kind, tmp_path)
        poses, trans = dance(model, frames=10)
        placed = model.posed(betas, poses, trans)
        result = fit_smpl(motion_of(placed).save(tmp_path / "motion.npz"), model.save(tmp_path / "model.npz"), tmp_path / f"{kind}.npz",
                          lambda fraction, message: None)
        with np.load(result["amass"], allow_pickle=False) as data:
            arrays = dict(data)
        assert arrays["poses"].shape == (10, 3 * joints) and arrays["trans"].shape == (10, 3) and arrays["betas"].shape == (model.shapes,)
        assert str(arrays["gender"]) == "female" and str(arrays["surface_model_type"]) == kind
        assert arrays["mocap_framerate"] == arrays["mocap_frame_rate"] == FPS
        parts = [arrays[name] for name in ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand") if name in arrays]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), arrays["poses"])
        again = model.posed(arrays["betas"], arrays["poses"].reshape(10, joints, 3), arrays["trans"])
        assert np.linalg.norm(again - placed, axis=-1)[:, NAMED].mean() < 0.005
        assert result["mean_error"] < 0.005
        sole, top = model.shaped_ends(betas)
        assert result["height"] == pytest.approx(top[1] - sole[1], rel=0.05)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture):
    official = write_official("smplx", tmp_path / "SMPLX_MALE")
    assert main(["import-smpl", str(official), "--to", str(tmp_path / "model.npz")]) == 0
    assert "smplx, male, 55 joints, 10 shapes" in capsys.readouterr().out
    model = import_body(official)
    motion = motion_of(model.posed(np.zeros(model.shapes), *dance(model, frames=5))).save(tmp_path / "motion.npz")
    command = ["fit-smpl", "--motion", str(motion), "--model", str(tmp_path / "model.npz"), "--to", str(tmp_path / "amass.npz")]
    assert main(command) == 0
    assert "mean joint error" in capsys.readouterr().out and (tmp_path / "amass.npz").exists()
    command[4] = str(official)
    assert main(command) == 1
    assert "import-smpl" in capsys.readouterr().err


@pytest.mark.parametrize("scale", [0.01, 0.5, 2.0, 100.0])
def test_a_motion_that_is_not_in_metres_is_refused(scale: float, tmp_path: Path):
    model, betas = body_of("smpl", tmp_path)
    motion = motion_of(model.posed(betas, *dance(model, frames=5)))
    with pytest.raises(KineliftError, match=r"legs of the motion are .* m long.*import-motion --scale") as caught:
        fit(replace(motion, positions=scale * motion.positions), model)
    assert caught.value.place == "motion.npz"


def test_a_report_can_stop_it(tmp_path: Path):
    model, betas = body_of("smpl", tmp_path)

    def stop(fraction: float, message: str) -> None:
        if fraction > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit_body(motion_of(model.posed(betas, *dance(model, frames=5))), "motion.npz", model, stop)
