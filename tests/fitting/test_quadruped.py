from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.fitting.fit import fit_motion
from backend.fitting.kinematics import Rig, forward, load_rig
from backend.fitting.quadruped.rest import hinges, read_rest
from tests.fitting import human
from tests.fitting.quadruped import HEIGHT, armature_file, horse, joints_of, motion_of, pose, prance, walk
from tests.fitting.test_fit import fit, fitted_joints, turns_of
from tests.motions import _bend as bend

FEET = [f"{pair}_foot.{side}" for pair in ("front", "back") for side in "LR"]


def wrong_way(rig: Rig, turns: np.ndarray) -> float:
    """Degrees that any joint bends against the anatomy."""
    return -min(np.degrees(hinge.flexion(turns)).min() for hinge in hinges(rig, read_rest(rig)))


def fastest(turns: np.ndarray) -> float:
    """Degrees a frame that any bone turns against its carrier."""
    return float(np.degrees(Rotation.from_matrix((turns[1:] @ np.swapaxes(turns[:-1], -1, -2)).reshape(-1, 3, 3)).magnitude()).max())


def test_a_motion_posed_on_the_rig_is_recovered(tmp_path: Path):
    armature, rig = horse(tmp_path)
    world, heads = prance(rig)
    joints = joints_of(rig, world, heads)
    result = fit(motion_of(joints), armature, tmp_path)
    assert float(result["scale"]) == pytest.approx(1, abs=0.02)
    for role, found in fitted_joints(result).items():
        if role in joints:
            assert np.linalg.norm(found - joints[role], axis=-1).mean() < 0.021 * HEIGHT, role
    _, fitted = forward(rig, turns_of(rig, result), result["root_positions"])
    hidden = [rig.index[f"{part}.{side}"] for part in ("upper_arm", "forearm", "shin", "front_pastern", "hind_pastern") for side in "LR"]
    missed = np.linalg.norm(fitted[:, hidden] - heads[:, hidden], axis=-1)
    assert missed.mean() < 0.04 * HEIGHT
    assert wrong_way(rig, turns_of(rig, result)) < 1
    assert fastest(turns_of(rig, result)) < 40


def test_elbows_are_seen_in_the_middle_of_an_animals_front_limbs_that_has_paws(tmp_path: Path):
    """They bend the other way than the carpi that hoofed animals show there."""
    armature, rig = horse(tmp_path)
    world, heads = prance(rig, frames=30)
    joints = joints_of(rig, world, heads)
    for side in "LR":
        del joints[f"carpus.{side}"]
        joints[f"elbow.{side}"] = heads[:, rig.index[f"forearm.{side}"]]
    result = fit(motion_of(joints, skeleton_name="ap10k-paws"), armature, tmp_path)
    found = fitted_joints(result)
    for role in ("elbow.L", "elbow.R", *FEET):
        assert np.linalg.norm(found[role] - joints[role], axis=-1).mean() < 0.03 * HEIGHT, role
    assert wrong_way(rig, turns_of(rig, result)) < 1
    assert fastest(turns_of(rig, result)) < 40


def test_a_limb_without_an_elbow_bends_below_it_where_elbows_are_seen(tmp_path: Path):
    """As the rigs have it in which one bone goes from the shoulder to the carpus."""
    _, rig = horse(tmp_path)
    world, heads = prance(rig, frames=15)
    joints = joints_of(rig, world, heads)
    joints |= {f"elbow.{side}": heads[:, rig.index[f"forearm.{side}"]] for side in "LR"}
    other, stiff = horse(tmp_path, without=("upper_arm",))
    result = fit(motion_of(joints, skeleton_name="ap10k-paws"), other, tmp_path)
    assert wrong_way(stiff, turns_of(stiff, result)) < 1
    assert fastest(turns_of(stiff, result)) < 45


def test_a_limb_without_an_elbow_bends_at_its_carpus_where_an_animal_crouches(tmp_path: Path):
    """Elbows go behind the line from the shoulder to the foot, carpi before it: each is where its own joint can be."""
    _, rig = horse(tmp_path)
    joints = {role: at.repeat(20, 0) for role, at in joints_of(rig, *pose(rig, {}, rig.heads[:1])).items()}
    down = np.linspace(0.3, 0.55, 20)[:, None] * [0.0, 0.0, 1.0]
    for side in "LR":
        front, hind = (joints[f"{foot}_foot.{side}"] for foot in ("front", "back"))
        joints[f"elbow.{side}"] = bend(joints[f"shoulder.{side}"] - down, front, 0.53, 0.86, np.array([0.0, 1.0, 0.0]))
        joints[f"hock.{side}"] = bend(joints[f"hip.{side}"] - down, hind, 0.74, 0.56, np.array([0.0, 1.0, 0.0]))
    for role in joints:
        if not role.startswith(("front_foot", "back_foot", "elbow", "hock")):
            joints[role] = joints[role] - down
    other, stiff = horse(tmp_path, without=("upper_arm",))
    result = fit(motion_of(joints, skeleton_name="ap10k-paws"), other, tmp_path)
    turns, found = turns_of(stiff, result), fitted_joints(result)
    assert wrong_way(stiff, turns) < 1
    for foot in FEET:
        assert np.linalg.norm(found[foot] - result["target_positions"][:, list(result["target_roles"]).index(foot)], axis=-1).max() < 0.01 * HEIGHT, foot
    _, heads = forward(stiff, turns, result["root_positions"])
    for side in "LR":
        carpus, foot = heads[:, stiff.index[f"metacarpus.{side}"]], found[f"front_foot.{side}"]
        assert (carpus[:, 1] < foot[:, 1] - 0.1 * HEIGHT).all(), "it bends ahead"


def test_a_bone_that_goes_to_the_side_is_no_part_of_a_hinge(tmp_path: Path):
    """A collar bone from the spine to the shoulder tells nothing of how the limb below it bends."""
    other, _ = horse(tmp_path, without=("upper_arm",))
    rig = load_rig(other)
    bent = {rig.roles[hinge.bone] for hinge in hinges(rig, read_rest(rig))}
    for side, sign in (("L", 1), ("R", -1)):
        scapula, forearm = rig.index[f"scapula.{side}"], rig.index[f"forearm.{side}"]
        rig.heads[scapula] = rig.heads[forearm] - [0.2 * sign, 0, 0.02]
    assert {rig.roles[hinge.bone] for hinge in hinges(rig, read_rest(rig))} == bent - {"forearm.L", "forearm.R"}


def test_a_carpus_just_above_the_floor_does_not_tell_where_the_shoulder_is(tmp_path: Path):
    """What the paws of two animals differ by must not be taken for how far up their limbs are seen."""
    _, rig = horse(tmp_path)
    for side in "LR":
        limb = read_rest(rig, ratios={"front": 5.0, "hind": 1.3}).limbs["front", side]
        np.testing.assert_array_equal(limb.top, rig.heads[rig.index[f"upper_arm.{side}"]])


def test_straight_limbs_do_not_flip_on_a_rig_that_stands_with_bent_ones(tmp_path: Path):
    """A horse's front limb, straight but for the noise of its carpus and a little longer than it can be, tells no bend; the crouched rig's own bones must not
    choose another in every frame."""
    _, rig = horse(tmp_path)
    joints = joints_of(rig, *prance(rig, frames=60, fps=20))
    random = np.random.default_rng(0)
    for side in "LR":
        shoulder, carpus, foot = (joints[f"{joint}.{side}"] for joint in ("shoulder", "carpus", "front_foot"))
        upper, lower = (np.median(np.linalg.norm(b - a, axis=-1)) for a, b in ((shoulder, carpus), (carpus, foot)))
        line = (foot - shoulder) / np.linalg.norm(foot - shoulder, axis=-1, keepdims=True)
        joints[f"carpus.{side}"] = shoulder + upper * line + random.normal(0, 0.02, foot.shape)
        joints[f"front_foot.{side}"] = shoulder + 1.06 * (upper + lower) * line
        joints[f"front_foot.{side}"][:, 2] = np.maximum(joints[f"front_foot.{side}"][:, 2], foot[:, 2].min())
    other = armature_file(tmp_path / "other.npz", scale=0.3, legs=0.7, trunk=1.1, width=0.8, front_legs=0.85)
    turns = turns_of(load_rig(other), fit(motion_of(joints), other, tmp_path))
    assert fastest(turns) < 14
    assert wrong_way(load_rig(other), turns) < 1


def test_the_head_goes_along(tmp_path: Path):
    armature, rig = horse(tmp_path)
    world, heads = prance(rig)
    result = fit(motion_of(joints_of(rig, world, heads)), armature, tmp_path)
    fitted, _ = forward(rig, turns_of(rig, result), result["root_positions"])
    head = rig.index["head"]
    away = Rotation.from_matrix(fitted[:, head] @ np.swapaxes(world[:, head], -1, -2)).magnitude()
    assert np.degrees(away).mean() < 10
    look = fitted[:, head] @ rig.direction(head), world[:, head] @ rig.direction(head)
    assert np.corrcoef(look[0][:, 0], look[1][:, 0])[0, 1] > 0.98, "it looks left and right with the motion's"


def test_standing_hooves_keep_their_place_on_another_body(tmp_path: Path):
    _, rig = horse(tmp_path)
    joints, stands = walk(rig)
    for foot in FEET:
        joints[foot] = joints[foot] + 0.015 * np.sin(2 * np.pi * 3 * np.arange(60) / 30)[:, None] * [0.5, 1.0, 0]
    other = armature_file(tmp_path / "other.npz", scale=0.6, legs=0.9, trunk=1.15, width=0.8)
    result = fit(motion_of(joints), other, tmp_path)
    found = fitted_joints(result)
    rest = read_rest(load_rig(other))
    for foot in FEET:
        pair = "front" if "front" in foot else "hind"
        on_floor = found[foot][stands[foot]]
        assert np.abs(on_floor[:, 2] - rest.height(pair)).max() < 0.006, foot
        assert found[foot][:, 2].max() > rest.height(pair) + 0.04, "and it is lifted"
        steps = np.linalg.norm(np.diff(found[foot][:, :2], axis=0), axis=-1)[stands[foot][1:] & stands[foot][:-1]]
        assert steps.mean() < 0.002, foot
    assert wrong_way(load_rig(other), turns_of(load_rig(other), result)) < 1


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 5), yaw=st.floats(-3, 3), legs=st.floats(0.7, 1.2), trunk=st.floats(0.8, 1.3),
       width=st.floats(0.6, 1.4), front=st.floats(0.9, 1.1))
def test_any_proportions_stand_on_the_floor_and_bend_the_right_way(tmp_path_factory, seed, scale, yaw, legs, trunk, width, front):
    folder = tmp_path_factory.mktemp("rigs")
    _, rig = horse(folder)
    joints, stands = walk(rig, frames=25)
    rolls = np.random.default_rng(seed).uniform(-3, 3, 40)
    other = load_rig(armature_file(folder / "other.npz", scale, rolls, yaw, legs=legs, trunk=trunk, width=width, front_legs=front))
    result = fit(motion_of(joints), folder / "other.npz", folder)
    turns = turns_of(other, result)
    assert wrong_way(other, turns) < 1
    assert fastest(turns) < 60
    size = scale * legs
    for foot in FEET:
        heights = fitted_joints(result)[foot][stands[foot]][:, 2] / size
        assert np.ptp(heights) < 0.03
    world, heads = forward(other, turns, result["root_positions"])
    tails = heads + np.einsum("tnij,nj->tni", world, other.tails - other.heads)
    hooves = [other.index[f"{pair}_hoof.{side}"] for pair in ("front", "hind") for side in "LR"]
    assert min(tails[:, hooves, 2].min(), heads[:, hooves, 2].min()) > -0.03 * size


def test_rolls_change_nothing(tmp_path: Path):
    armature, rig = horse(tmp_path)
    motion = motion_of(joints_of(rig, *prance(rig, frames=15)))
    plain = fit(motion, armature, tmp_path)
    rolled = fit(motion, armature_file(tmp_path / "rolled.npz", rolls=np.linspace(-3, 3, 40)), tmp_path)
    np.testing.assert_allclose(rolled["fitted_positions"], plain["fitted_positions"], atol=1e-4)


@pytest.mark.parametrize("without", [("scapula",), ("upper_arm",), ("scapula", "upper_arm", "thigh"), ("front_hoof", "hind_hoof"),
                                     ("tail",), ("head",), ("neck", "head", "tail"), ("spine",),
                                     ("front_pastern", "front_hoof", "hind_pastern", "hind_hoof")])
def test_rigs_without_optional_bones_fit(tmp_path: Path, without: tuple[str, ...]):
    _, rig = horse(tmp_path)
    joints = joints_of(rig, *prance(rig, frames=20))
    bare = armature_file(tmp_path / "bare.npz", without=without)
    result = fit(motion_of(joints), bare, tmp_path)
    found = fitted_joints(result)
    missed = [np.linalg.norm(found[f"{joint}.{side}"] - joints[f"{joint}.{side}"], axis=-1).mean() for joint in ("carpus", "hock") for side in "LR"]
    assert np.mean(missed) < 0.1 * HEIGHT  # what a longer bone counts as shoulder or foot lies elsewhere
    assert wrong_way(load_rig(bare), turns_of(load_rig(bare), result)) < 1


def test_limbs_that_the_motion_bends_backwards_are_bent_the_right_way(tmp_path: Path):
    armature, rig = horse(tmp_path)
    joints = joints_of(rig, *prance(rig, frames=30))
    noise = np.random.default_rng(3)
    for side in "LR":
        for top, middle, foot in (("shoulder", "carpus", "front_foot"), ("hip", "hock", "back_foot")):
            straight = 0.6 * joints[f"{top}.{side}"] + 0.4 * joints[f"{foot}.{side}"]
            wrong = 0.03 if middle == "carpus" else -0.03
            joints[f"{middle}.{side}"] = straight + [0, wrong, 0] + 0.01 * noise.standard_normal((30, 3))
    result = fit(motion_of(joints), armature, tmp_path)
    assert wrong_way(rig, turns_of(rig, result)) < 1
    assert fastest(turns_of(rig, result)) < 40


def test_the_tail_follows_through(tmp_path: Path):
    armature, rig = horse(tmp_path)
    still = np.repeat(rig.heads[:1], 90, axis=0)
    turn = np.zeros((90, 3))
    turn[:, 2] = 0.8 * np.clip((np.arange(90) - 20) / 8, 0, 1)
    result = fit(motion_of(joints_of(rig, *pose(rig, {"pelvis": turn}, still))), armature, tmp_path)
    world, _ = forward(rig, turns_of(rig, result), result["root_positions"])
    tip, body = world[:, rig.index["tail.1"]] @ [0.0, 1.0, 0.0], world[:, 0] @ [0.0, 1.0, 0.0]
    angle = np.degrees(np.unwrap(np.arctan2(tip[:, 0], tip[:, 1]) - np.arctan2(body[:, 0], body[:, 1])))
    assert np.abs(angle[5:18]).max() < 2, "a still tail is still"
    assert np.abs(angle[20:30]).max() > 5, "it stays behind"
    behind = np.sign(angle[24])
    assert (behind * angle[28:60]).min() < -0.5, "and swings over"
    assert np.abs(angle[-5:]).max() < 3, "until it rests"


def test_objects_are_scaled_with_the_animal(tmp_path: Path):
    _, rig = horse(tmp_path)
    joints, _ = walk(rig, frames=10)
    ball = np.tile([1.0, 2.0, 0.5], (10, 1, 1))
    result = fit(motion_of(joints, object_names=["Ball"], object_positions=ball), armature_file(tmp_path / "half.npz", scale=0.5), tmp_path)
    np.testing.assert_allclose(result["object_positions"], float(result["scale"]) * ball, atol=1e-6)
    assert float(result["scale"]) == pytest.approx(0.5, rel=0.1)


def test_a_single_frame_fits(tmp_path: Path):
    armature, rig = horse(tmp_path)
    result = fit(motion_of(joints_of(rig, *pose(rig, {}, rig.heads[:1]))), armature, tmp_path)
    assert result["mean_error"] < 0.01 * HEIGHT


def test_errors_name_file_and_remedy(tmp_path: Path):
    armature, rig = horse(tmp_path)
    motion = motion_of(joints_of(rig, *pose(rig, {}, rig.heads[:1])))
    path = motion.save(tmp_path / "motion.npz")
    report = lambda fraction, message: None  # noqa: E731
    person, body = human.human(tmp_path)[0].rename(tmp_path / "person.npz"), human.human(tmp_path)[1]
    with pytest.raises(KineliftError, match=r"motion of a quadruped.*armature is that of a human") as caught:
        fit_motion(path, person, tmp_path / "fit.npz", report)
    assert caught.value.place == str(path)
    dance = human.motion_of(human.joints_of(body, *human.dance(body, frames=3))).save(tmp_path / "dance.npz")
    armature_file(armature)
    with pytest.raises(KineliftError, match=r"motion of a human.*armature is that of a quadruped"):
        fit_motion(dance, armature, tmp_path / "fit.npz", report)
    with pytest.raises(KineliftError, match=r"no bone plays metatarsus\.L"):
        fit_motion(path, armature_file(tmp_path / "lame.npz", without=("metatarsus",)), tmp_path / "fit.npz", report)
    motion.joint_names[5] = "Wing"
    with pytest.raises(KineliftError, match=r"no joint for shoulder\.L"):
        fit_motion(motion.save(tmp_path / "few.npz"), armature, tmp_path / "fit.npz", report)
    with np.load(armature) as data:
        arrays = {key: data[key] for key in data.files}
    np.savez(tmp_path / "centaur.npz", **arrays | {"kind": np.array("centaur")})
    with pytest.raises(KineliftError, match="'kind' is 'centaur'"):
        fit_motion(path, tmp_path / "centaur.npz", tmp_path / "fit.npz", report)
