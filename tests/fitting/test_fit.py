from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backend.errors import Cancelled, KineliftError
from backend.evaluation.retargeting import turn_speeds
from backend.fitting.fit import fit_motion, solved
from backend.fitting.human import plan as human_plan
from backend.fitting.kinematics import Rig, forward, load_rig, relative
from backend.fitting.limits import hinges
from backend.fitting.solver import solve
from backend.motion.motion3d import Motion3D
from rigs import load_skeleton
from tests.fitting.human import armature_file, dance, human, joints_of, motion_of, pose, waves


def fit(motion: Motion3D, armature: Path, folder: Path, contacts: str = "auto") -> dict[str, np.ndarray]:
    result = fit_motion(motion.save(folder / "motion.npz"), armature, folder / "fit.npz", lambda fraction, message: None, contacts)
    with np.load(result["fit"]) as data:
        return {key: data[key] for key in data.files} | {key: result[key] for key in ("mean_error", "skate", "source_skate")}


def fitted_joints(result: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {str(role): result["fitted_positions"][:, number] for number, role in enumerate(result["target_roles"])}


def turns_of(rig: Rig, result: dict[str, np.ndarray]) -> np.ndarray:
    """The relative turns [T,N,3,3] behind a fit file's world rotations."""
    posed = Rotation.from_quat(np.roll(result["rotations"].reshape(-1, 4), -1, axis=1)).as_matrix().reshape(*result["rotations"].shape[:2], 3, 3)
    rest = Rotation.from_quat(np.roll(rig.rotations, -1, axis=1)).as_matrix()
    return relative(rig, posed @ np.swapaxes(rest, -1, -2))


def test_a_motion_posed_on_the_rig_is_recovered(tmp_path: Path):
    armature, rig = human(tmp_path)
    joints = joints_of(rig, *dance(rig))
    result = fit(motion_of(joints), armature, tmp_path, "never")
    found = fitted_joints(result)
    offsets = {role: found[role] - joints[role] for role in found}
    lift = np.mean(offsets["ankle.L"], axis=0)
    assert float(result["scale"]) == pytest.approx(1, abs=1e-3)
    assert np.abs(lift[:2]).max() < 1e-3
    for role, offset in offsets.items():
        assert np.linalg.norm(offset - lift, axis=-1).max() < (0.003 if role == "neck" else 0.001), role


def test_a_motion_without_a_neck_has_one_between_its_shoulders(tmp_path: Path):
    """COCO's keypoints name no neck; limbs, feet and the look of the head come out as posed all the same."""
    armature, rig = human(tmp_path)
    joints = joints_of(rig, *dance(rig))
    for side, sign in (("L", 1), ("R", -1)):
        across = joints["shoulder.L"] - joints["shoulder.R"]
        joints[f"ear.{side}"] = joints["head_top"] - 0.1 * (joints["head_top"] - joints["neck"]) + 0.2 * sign * across
        joints[f"eye.{side}"] = joints["nose"] + 0.08 * sign * across
    skeleton = load_skeleton("coco17-ball")
    positions = np.stack([joints[skeleton.roles[name]] for name in skeleton.joints], axis=1)
    found = fitted_joints(fit(Motion3D(positions, list(skeleton.joints), list(skeleton.parents), 30.0, skeleton.name), armature, tmp_path))
    lift = np.mean(found["ankle.L"] - joints["ankle.L"], axis=0)
    for limb in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"):
        for side in "LR":
            missed = np.linalg.norm(found[f"{limb}.{side}"] - joints[f"{limb}.{side}"] - lift, axis=-1)
            assert missed.mean() < 0.03, limb


def test_a_motion_on_a_skeleton_of_its_own_says_its_roles(tmp_path: Path):
    armature, rig = human(tmp_path)
    motion = motion_of(joints_of(rig, *dance(rig, frames=10)))
    usual = fitted_joints(fit(motion, armature, tmp_path))
    roles = load_skeleton(motion.skeleton).roles
    own = replace(motion, skeleton="parkour", roles=roles)
    assert Motion3D.load(own.save(tmp_path / "own.npz")).roles == roles
    assert all(np.array_equal(usual[name], joints) for name, joints in fitted_joints(fit(own, armature, tmp_path)).items())


def test_rotations_place_the_joints_and_never_flip(tmp_path: Path):
    armature, rig = human(tmp_path, rolls=np.linspace(-3, 3, 30))
    result = fit(motion_of(joints_of(rig, *dance(rig))), armature, tmp_path)
    world, heads = forward(rig, turns_of(rig, result), result["root_positions"])
    for role, positions in joints_of(rig, world, heads).items():
        if role in result["target_roles"]:
            np.testing.assert_allclose(positions, fitted_joints(result)[role], atol=1e-5)
    assert (np.sum(result["rotations"][1:] * result["rotations"][:-1], axis=-1) > 0.5).all()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), raised=st.floats(-0.5, 0.6), scale=st.floats(0.05, 20), yaw=st.floats(-3, 3))
def test_rolls_rest_poses_and_scales_give_the_same_world_joints(tmp_path_factory, seed: int, raised: float, scale: float, yaw: float):
    folder = tmp_path_factory.mktemp("rigs")
    armature, rig = human(folder)
    motion = motion_of(joints_of(rig, *dance(rig, frames=20)))
    plain = fit(motion, armature, folder)
    rolls = np.random.default_rng(seed).uniform(-3, 3, 30)
    other = fit(motion, armature_file(folder / "other.npz", scale, rolls, raised, yaw), folder)
    assert float(other["scale"]) == pytest.approx(scale * float(plain["scale"]), rel=1e-4)
    np.testing.assert_allclose(other["fitted_positions"] / scale, plain["fitted_positions"], atol=0.004)


def test_straight_and_overstretched_legs_keep_knees_forward(tmp_path: Path):
    armature, rig = human(tmp_path)
    joints = joints_of(rig, *pose(rig, {"pelvis": waves(60, 30, (0, 0, 1.0))}, rig.heads[0] + waves(60, 30, (0.2, 0.2, 0))))
    noise = np.random.default_rng(1)
    for side in "LR":
        middle = (joints[f"hip.{side}"] + joints[f"ankle.{side}"]) / 2
        joints[f"knee.{side}"] = middle + 0.01 * noise.standard_normal((60, 3))
        elbow = (joints[f"shoulder.{side}"] + joints[f"wrist.{side}"]) / 2
        joints[f"elbow.{side}"] = elbow + 0.005 * noise.standard_normal((60, 3))
    result = fit(motion_of(joints), armature, tmp_path)
    turns = turns_of(rig, result)
    for hinge in hinges(rig):
        assert np.degrees(hinge.flexion(turns)).min() > -1, rig.names[hinge.bone]
    speed = Rotation.from_matrix((turns[1:] @ np.swapaxes(turns[:-1], -1, -2)).reshape(-1, 3, 3)).magnitude()
    assert np.degrees(speed).max() < 25


@pytest.mark.parametrize(("about", "bent"), [((1, 0, 0), 0.3), ((-1, 0, 0), 0.9), ((0, 1, 0), 0.3), ((-0.6, 0.8, 0), 0.6)],
                         ids=("back", "forth", "aside", "askew"))
def test_feet_without_toes_do_not_flip_when_the_body_goes_over(tmp_path: Path, about: tuple[float, float, float], bent: float):
    """Nothing but the shins tells of feet in the air, which are carried by them whichever way they point."""
    armature, rig = human(tmp_path)
    over = 2 * np.pi * np.clip(np.arange(75) / 60 - 0.1, 0, 1)
    wave = waves(75, 30, (0.3, 0.1, 0.1))
    angles = {"pelvis": over[:, None] * about, "thigh.L": wave - [bent, 0, 0], "thigh.R": -wave - [bent, 0, 0], "shin.L": np.tile([2 * bent, 0, 0], (75, 1)),
              "shin.R": np.tile([bent, 0, 0], (75, 1))}
    rise = np.stack([0 * over, 0 * over, 0.5 * (1 - np.cos(over))], axis=-1)
    result = fit(motion_of(joints_of(rig, *pose(rig, angles, rig.heads[0] + rise))), armature, tmp_path)
    fastest = turn_speeds(turns_of(rig, result), 30.0).max(axis=0)
    for side in "LR":
        assert fastest[rig.index[f"foot.{side}"]] < 25
        assert fastest[rig.index[f"toe.{side}"]] < 25
    world, _ = forward(rig, turns_of(rig, result), result["root_positions"])
    upside_down = np.flatnonzero(np.cos(over) < -0.9)
    for side in "LR":
        shin, foot = (world[upside_down, rig.index[f"{part}.{side}"]] for part in ("shin", "foot"))
        assert np.degrees(Rotation.from_matrix(np.swapaxes(shin, -1, -2) @ foot).magnitude()).max() < 50, "a foot in the air goes with its shin"


def test_smoothness_does_not_blur_a_fast_arm(tmp_path: Path):
    armature, rig = human(tmp_path)
    swing = np.sin(2 * np.pi * 3 * np.arange(60) / 30)[:, None] * np.array([0.8, 0, 0])
    joints = joints_of(rig, *pose(rig, {"upper_arm.R": swing}, np.repeat(rig.heads[:1], 60, axis=0)))
    found = fitted_joints(fit(motion_of(joints), armature, tmp_path))
    ratio = np.ptp(found["wrist.R"][:, 1]) / np.ptp(joints["wrist.R"][:, 1])
    assert ratio == pytest.approx(1, abs=0.02)


def test_feet_stay_planted_on_a_bigger_rig(tmp_path: Path):
    _, rig = human(tmp_path)
    joints = joints_of(rig, *pose(rig, {"shin.L": waves(40, 30, (0.0, 0, 0))}, np.repeat(rig.heads[:1], 40, axis=0)))
    noisy = {role: positions + 0.004 * np.random.default_rng(2).standard_normal(positions.shape) * ("hip" in role)
             for role, positions in joints.items()}
    found = fitted_joints(fit(motion_of(noisy), armature_file(tmp_path / "big.npz", scale=1.3), tmp_path))
    for side in "LR":
        assert np.ptp(found[f"ankle.{side}"], axis=0).max() < 0.01
        assert found[f"ankle.{side}"][:, 2].mean() == pytest.approx(1.3 * 0.08, abs=0.01)


def test_a_held_ball_stays_at_the_hand_of_another_body(tmp_path: Path):
    armature, rig = human(tmp_path)
    joints = joints_of(rig, *dance(rig))
    held = joints["wrist.R"] + [0, -0.15, 0]
    stretched = {role: positions * [1, 1, 1.2] for role, positions in joints.items()}
    ball = held * [1, 1, 1.2]
    result = fit(motion_of(stretched, object_names=["Ball"], object_positions=ball[:, None]), armature, tmp_path)
    reach = np.linalg.norm(result["object_positions"][:, 0] - fitted_joints(result)["wrist.R"], axis=-1)
    wanted = float(result["scale"]) * np.linalg.norm(ball - stretched["wrist.R"], axis=-1)
    np.testing.assert_allclose(reach, wanted, atol=0.03)


def test_a_jump_of_one_frame_is_taken_out(tmp_path: Path):
    armature, rig = human(tmp_path)
    joints = joints_of(rig, *dance(rig))
    clean = fitted_joints(fit(motion_of(joints), armature, tmp_path))
    joints["wrist.L"] = joints["wrist.L"].copy()
    joints["wrist.L"][30] += [0.1, 0.1, 0.1]
    found = fitted_joints(fit(motion_of(joints), armature, tmp_path))
    assert np.abs(found["wrist.L"] - clean["wrist.L"]).max() < 0.01


def test_a_single_frame_fits(tmp_path: Path):
    armature, rig = human(tmp_path)
    result = fit(motion_of({role: at[:1] for role, at in joints_of(rig, *dance(rig)).items()}), armature, tmp_path)
    assert result["mean_error"] < 0.002


def test_rigs_without_optional_bones_fit(tmp_path: Path):
    _, rig = human(tmp_path)
    motion = motion_of(joints_of(rig, *dance(rig)))
    bare = armature_file(tmp_path / "bare.npz", without=("toe.L", "toe.R"))
    assert fit(motion, bare, tmp_path)["mean_error"] < 0.01


def test_errors_name_file_and_remedy(tmp_path: Path):
    armature, rig = human(tmp_path)
    motion = motion_of(joints_of(rig, *dance(rig)))
    report = lambda fraction, message: None  # noqa: E731
    path = motion.save(tmp_path / "motion.npz")

    with pytest.raises(KineliftError, match=r"no bone plays thigh\.L") as caught:
        fit_motion(path, armature_file(tmp_path / "lame.npz", without=("thigh.L", "shin.L", "foot.L", "toe.L")), tmp_path / "fit.npz", report)
    assert "lame.npz" in caught.value.place
    assert caught.value.remedy
    motion.positions[3, 2, 1] = np.nan
    with pytest.raises(KineliftError, match="not a number at frame 3"):
        fit_motion(motion.save(tmp_path / "holes.npz"), armature, tmp_path / "fit.npz", report)
    few = motion_of(joints_of(rig, *dance(rig)))
    few.joint_names[2] = "Tail"
    with pytest.raises(KineliftError, match=r"no joint for knee\.R"):
        fit_motion(few.save(tmp_path / "few.npz"), armature, tmp_path / "fit.npz", report)
    few.skeleton = "octopus"
    with pytest.raises(KineliftError, match="octopus"):
        fit_motion(few.save(tmp_path / "octopus.npz"), armature, tmp_path / "fit.npz", report)
    (tmp_path / "broken.npz").write_bytes(b"not a zip")
    for wrong in (tmp_path / "broken.npz", tmp_path / "nowhere.npz"):
        with pytest.raises(KineliftError) as caught:
            fit_motion(path, wrong, tmp_path / "fit.npz", report)
        assert caught.value.place == str(wrong)
    assert not (tmp_path / "fit.npz").exists()


def test_cancel_ends_the_fit_and_leaves_no_file(tmp_path: Path):
    armature, rig = human(tmp_path)

    def stop(fraction: float, message: str) -> None:
        if fraction > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit_motion(motion_of(joints_of(rig, *dance(rig))).save(tmp_path / "motion.npz"), armature, tmp_path / "fit.npz", stop)
    assert not (tmp_path / "fit.npz").exists()


def test_load_rig_refuses_a_pelvis_that_carries_nothing(tmp_path: Path):
    path = armature_file(tmp_path / "armature.npz")
    with np.load(path) as data:
        arrays = {key: data[key] for key in data.files}
    arrays["parents"][5] = -1
    np.savez(path, **arrays)
    with pytest.raises(KineliftError, match="not carried"):
        load_rig(path)


@pytest.mark.parametrize(("far", "harder"), [(0.1, 1000), (0.2, 10)])
def test_joints_that_are_pressed_the_wrong_way_are_held_harder(tmp_path: Path, far: float, harder: float):
    """Ankles that are drawn ahead of straight legs, as where a body is built quite otherwise, would bend the knees back."""
    _, rig = human(tmp_path)
    plan = human_plan(motion_of(joints_of(rig, *pose(rig, {}, np.repeat(rig.heads[:1], 8, axis=0)))), "motion", rig, "never")
    targets = plan.targets.pulls.point_targets.copy()
    targets[:, [list(plan.targets.joints).index(f"ankle.{side}") for side in "LR"], 1] -= far
    pulls = replace(plan.targets.pulls, point_targets=targets, point_weights=harder * plan.targets.pulls.point_weights)
    plan = replace(plan, targets=replace(plan.targets, pulls=pulls))
    given_way, _ = solve(rig, pulls, plan.hinges, plan.stiffness, plan.targets.turns, plan.targets.root, lambda fraction: None)
    turns, _ = solved(plan, lambda fraction: None)
    least, usual = (np.degrees([hinge.flexion(found) for hinge in plan.hinges]).min() for found in (turns, given_way))
    assert least > -1 > usual
