"""The same skeleton with any rest pose, roll, scale and tails is fitted to the same world joints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backend.fitting.fit import fit_motion
from backend.fitting.kinematics import Rig, forward, load_rig
from backend.fitting.limits import body_axes, hinges
from backend.motion.files import write_npz
from tests.fitting import quadruped
from tests.fitting.human import armature_file, dance, joints_of, motion_of

few = settings(max_examples=6, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))

SWINGS = {"upper_arm": 0.8, "forearm": 0.6, "thigh": 0.35, "shin": 0.4, "foot": 0.3, "clavicle": 0.15, "spine": 0.1, "neck": 0.15, "head": 0.2}
"""Radians a human's rest pose may differ from the usual one."""

ANIMAL_SWINGS = {"upper_arm": 0.12, "forearm": 0.1, "metacarpus": 0.1, "thigh": 0.1, "shin": 0.1, "metatarsus": 0.1, "neck": 0.2, "head": 0.3, "tail": 0.5}
"""The same of an animal, about the axis of its joints: where the limbs stand says how high the trunk is."""


def posed_file(path: Path, rig: Rig, random: np.random.Generator, amount: float, scale: float = 1.0, turn: tuple = (0, 0, 0),
               loose_tails: bool = False) -> Path:
    """Writes the armature file of the same skeleton in another rest pose: limbs turned, bones rolled, the whole turned and scaled.

    loose_tails: bones point anywhere, as some imports leave them.
    """
    turns = np.broadcast_to(np.eye(3), (1, rig.bones, 3, 3)).copy()
    for bone, role in enumerate(rig.roles):
        vector = amount * SWINGS.get(role.split(".")[0], 0.0) * random.uniform(-1, 1, 3)
        if rig.kind == "quadruped":
            vector = amount * ANIMAL_SWINGS.get(role.split(".")[0], 0.0) * random.uniform(-1, 1, 3) * [1, 0, 0]
        elif role.startswith("shin"):
            vector = np.array([abs(vector[0]), 0, 0])  # knees bend one way
        if role.startswith("forearm"):
            vector = np.array([0, 0, -abs(vector[2]) if role.endswith("L") else abs(vector[2])])
        turns[0, bone] = Rotation.from_rotvec(vector).as_matrix()
    world, heads = forward(rig, turns, rig.heads[:1])
    whole = Rotation.from_rotvec(turn).as_matrix()
    world, heads = whole @ world[0], scale * heads[0] @ whole.T
    tails = heads + scale * np.einsum("nij,nj->ni", world, rig.tails - rig.heads)
    lowest = tails @ whole[:, 2]
    if loose_tails:
        lengths = np.linalg.norm(tails - heads, axis=1, keepdims=True)
        away = random.standard_normal((rig.bones, 3))
        tails = heads + lengths * away / np.linalg.norm(away, axis=1, keepdims=True)
    rotations = Rotation.random(rig.bones, random_state=int(random.integers(10**6)))
    return write_npz(path, {
        "bone_names": np.array(rig.names), "roles": np.array(rig.roles), "parents": rig.parents.astype(np.int32),
        "rest_heads": heads, "rest_tails": tails, "rest_rotations": np.roll(rotations.as_quat(), 1, axis=1),
        "kind": np.array(rig.kind), "origin": whole[:, 2] * (lowest.min() if amount else 0.0),
    })


@pytest.fixture(scope="module")
def danced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("danced")
    rig = load_rig(armature_file(folder / "armature.npz"))
    motion = motion_of(joints_of(rig, *dance(rig, frames=16))).save(folder / "motion.npz")
    return rig, motion, fit(motion, folder / "armature.npz", folder)


def fit(motion: Path, armature: Path, folder: Path) -> dict[str, np.ndarray]:
    with np.load(fit_motion(motion, armature, folder / "fit.npz", lambda fraction, message: None)["fit"]) as data:
        return {key: data[key] for key in data.files}


def turned(found: dict[str, np.ndarray], rig: Rig) -> Rotation:
    """Turns of the bones away from rest, all frames and bones in a row."""
    rest = np.tile(rig.rotations, (len(found["rotations"]), 1))
    posed = found["rotations"].reshape(-1, 4)
    return Rotation.from_quat(np.roll(posed, -1, axis=1)) * Rotation.from_quat(np.roll(rest, -1, axis=1)).inv()


def miss(found: dict[str, np.ndarray], plain: dict[str, np.ndarray], scale: float) -> dict[str, float]:
    """Role -> largest distance of a joint from where the plain rig has it, in metres of the plain rig, but for a common shift in height."""
    offsets = found["fitted_positions"] / scale - plain["fitted_positions"]
    shift = np.median(offsets[..., 2])
    offsets[..., 2] -= shift
    return {str(role): float(np.linalg.norm(offsets[:, number], axis=-1).max()) for number, role in enumerate(plain["target_roles"])}


@few
@given(seed=st.integers(0, 10**6), amount=st.floats(0, 1), scale=st.floats(0.01, 100))
def test_any_rest_pose_gives_the_same_world_joints(tmp_path_factory, danced, seed: int, amount: float, scale: float):
    rig, motion, plain = danced
    folder = tmp_path_factory.mktemp("posed")
    random = np.random.default_rng(seed)
    armature = posed_file(folder / "other.npz", rig, random, amount, scale, tuple(random.uniform(-2, 2, 3)))
    missed = miss(fit(motion, armature, folder), plain, scale)
    assert max(missed.values()) < 0.03, missed
    assert np.mean(list(missed.values())) < 0.015, missed


@pytest.fixture(scope="module")
def pranced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pranced")
    rig = load_rig(quadruped.armature_file(folder / "armature.npz"))
    motion = quadruped.motion_of(quadruped.joints_of(rig, *quadruped.prance(rig, frames=12))).save(folder / "motion.npz")
    return rig, motion, fit(motion, folder / "armature.npz", folder)


@settings(few, max_examples=4)
@given(seed=st.integers(0, 10**6), amount=st.sampled_from((0.0, 0.5, 1.0)), scale=st.floats(0.01, 100))
def test_an_animals_rest_pose_gives_the_same_world_joints(tmp_path_factory, pranced, seed: int, amount: float, scale: float):
    rig, motion, plain = pranced
    folder = tmp_path_factory.mktemp("posed")
    random = np.random.default_rng(seed)
    armature = posed_file(folder / "other.npz", rig, random, amount, scale, tuple(random.uniform(-2, 2, 3)))
    found = fit(motion, armature, folder)
    missed = miss(found, plain, scale)
    assert max(missed.values()) < (0.002 if amount < 0.01 else 0.16), missed
    assert np.mean(list(missed.values())) < (0.001 if amount < 0.01 else 0.06), missed


@few
@given(seed=st.integers(0, 10**6))
def test_tails_that_point_anywhere_change_nothing(tmp_path_factory, danced, seed: int):
    rig, motion, plain = danced
    folder = tmp_path_factory.mktemp("loose")
    other = posed_file(folder / "other.npz", rig, np.random.default_rng(seed), 0.0, loose_tails=True)
    found = fit(motion, other, folder)
    missed = miss(found, plain, 1.0)
    assert max(missed.values()) < 0.005, missed
    apart = (turned(found, load_rig(other)).inv() * turned(plain, rig)).magnitude().reshape(-1, rig.bones).max(axis=0)
    for role, angle in zip(rig.roles, np.degrees(apart), strict=True):
        assert angle < (45 if role.split(".")[0] in ("foot", "toe", "head", "neck") else 6), role


@pytest.mark.parametrize("direction", [(0, -1, 0), (1, 0, 0), (0, 0, -1), (0, 0, 1)])
def test_straight_arms_at_rest_have_a_way_to_bend(tmp_path: Path, direction: tuple):
    """Held out to the front, to the side, hanging and raised; direction in the body's own axes."""
    rig = load_rig(armature_file(tmp_path / "armature.npz"))
    heads, axes = rig.heads.copy(), np.array(body_axes(rig))
    for side, sign in (("L", 1), ("R", -1)):
        upper, lower, hand = (rig.index[f"{part}.{side}"] for part in ("upper_arm", "forearm", "hand"))
        along = direction * np.array([sign, 1, 1]) @ axes
        heads[lower], heads[hand] = heads[upper] + 0.3 * along, heads[upper] + 0.55 * along
    for hinge in hinges(replace(rig, heads=heads)):
        for unit in (hinge.bend, hinge.axis):
            assert np.linalg.norm(unit) == pytest.approx(1)
        if rig.roles[hinge.bone].startswith("forearm"):
            assert hinge.bend @ -axes[1] > 0.9 or hinge.bend @ axes[2] > 0.9
