"""Feet on the floor: each mode on a walk that slides and floats, for a human and a horse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import KineliftError
from backend.fitting.contacts import MODES, find_floor, kept_angles, lowering, planted
from backend.fitting.fit import fit_motion
from backend.fitting.kinematics import load_rig
from backend.fitting.quadruped.rest import read_rest
from backend.motion.motion3d import Motion3D
from tests.fitting import human, quadruped
from tests.fitting.test_fit import fit, fitted_joints
from tests.motions import walk_with_ball
from tests.properties import patient

FPS = 30.0
SIDES = ("ankle.L", "ankle.R")


def walk(slide: float = 0.0, float_: float = 0.0, seconds: float = 3.0) -> Motion3D:
    """A walk whose standing feet slide by `slide` metres a second with the whole body, and float by `float_` metres now and then."""
    arrays = walk_with_ball(seconds, FPS)
    positions = arrays["positions"].astype(float)
    time = np.arange(len(positions)) / FPS
    positions[..., 0] += (slide / (2 * np.pi) * np.sin(2 * np.pi * time))[:, None]
    positions[..., 2] += float_ * np.sin(np.pi * time / seconds)[:, None] ** 2
    names = [str(name) for name in arrays["joint_names"]]
    return Motion3D(positions, names, arrays["parents"].tolist(), FPS, str(arrays["skeleton"]))


def ankles(result: dict[str, np.ndarray]) -> np.ndarray:
    found = fitted_joints(result)
    return np.stack([found[side] for side in SIDES], axis=1)


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modes")
    armature, _ = human.human(folder)
    return {mode: fit(walk(0.3, 0.03), armature, folder, mode) for mode in MODES}


def test_auto_keeps_standing_feet_and_says_how_they_slide(fits):
    assert fits["auto"]["source_skate"] > 0.15
    assert fits["auto"]["skate"] < 0.02
    assert fits["never"]["skate"] == pytest.approx(fits["never"]["source_skate"], rel=0.05)
    assert fits["grounding"]["skate"] > 0.1, "heights alone"


def test_grounding_and_auto_bring_standing_feet_to_the_floor(fits):
    standing = [np.percentile(ankles(fits[mode])[..., 2], 30) - np.percentile(ankles(fits[mode])[..., 2], 1) for mode in ("auto", "grounding", "never")]
    assert standing[0] < 0.004 and standing[1] < 0.004 and standing[2] > 0.008


def test_a_lifted_foot_is_never_pulled_down(fits):
    free, kept = ankles(fits["never"])[..., 2], ankles(fits["auto"])[..., 2]
    lifted = free > free.min() + 0.09
    assert lifted.any()
    assert (kept - free)[lifted].min() > -0.012


def test_nothing_pops_where_contacts_begin_and_end(fits):
    """The fastest change of a foot's speed is hardly more than the walk's own."""
    def fastest(result):
        return np.linalg.norm(np.diff(ankles(result), n=2, axis=0), axis=-1).max()

    for mode, most in (("auto", 1.25), ("grounding", 1.25), ("always", 1.7)):  # a foot that is kept until it is high has to catch up
        assert fastest(fits[mode]) < most * fastest(fits["never"]), mode


def test_always_keeps_a_slow_slide_that_auto_leaves(tmp_path: Path):
    """A figure that glides on both feet, too fast for a contact."""
    armature, rig = human.human(tmp_path)
    joints = human.joints_of(rig, *human.pose(rig, {}, np.repeat(rig.heads[:1], 40, axis=0)))
    glide = np.stack([0.9 * np.arange(40) / FPS, np.zeros(40), np.zeros(40)], axis=-1)
    motion = human.motion_of({role: at + glide for role, at in joints.items()})
    slid = {mode: np.linalg.norm(np.diff(ankles(fit(motion, armature, tmp_path, mode)), axis=0), axis=-1) for mode in ("auto", "always")}
    assert np.median(slid["auto"]) == pytest.approx(0.03, rel=0.05)
    assert (slid["always"] < 0.003).mean() > 0.25


def test_feet_high_in_the_air_are_not_kept():
    """Upside down, or hanging: still, but not on the floor."""
    feet = np.zeros((60, 2, 3))
    feet[:, :, 2] = 1.5
    feet[:, 0, 0] = 0.01 * np.sin(np.arange(60))
    for mode in ("auto", "always", "grounding"):
        floor = find_floor(feet, np.zeros(2), FPS, 1.0, mode)
        assert not floor.kept.any() and not floor.grounded.any()
        np.testing.assert_allclose(planted(feet, floor, np.zeros(2), FPS, 1.0, mode), feet)


@settings(patient, max_examples=10)
@given(seed=st.integers(0, 10**6), size=st.floats(0.2, 5))
def test_planting_is_the_same_at_every_size_and_never_below_the_floor(seed: int, size: float):
    random = np.random.default_rng(seed)
    feet = np.cumsum(0.01 * random.standard_normal((80, 2, 3)), axis=0)
    feet[..., 2] = np.abs(feet[..., 2])
    for mode in MODES:
        results = []
        for scale in (1.0, size):
            floor = find_floor(scale * feet, np.full(2, 0.01 * scale), FPS, 1 / scale, mode)
            results.append(planted(scale * feet, floor, np.full(2, 0.01 * scale), FPS, 1 / scale, mode) / scale)
            if mode != "never":
                assert results[-1][..., 2].min() > 0.01 - 1e-9
            for foot in range(2):
                kept = results[-1][floor.kept[:, foot], foot]
                assert not len(kept) or mode == "always" or np.ptp(kept[:, 2]) < 0.08
        np.testing.assert_allclose(results[1], results[0], atol=1e-6)


def test_the_body_goes_down_smoothly_and_as_far_as_needed():
    tops, feet = np.tile([0.0, 0.0, 0.9], (60, 1, 1)), np.zeros((60, 1, 3))
    feet[25:35, 0, 1] = 0.3
    down = lowering(tops, feet, np.full((60, 1), 0.9), np.ones((60, 1)), FPS, 1.0)
    needed = 0.9 - np.sqrt(0.9**2 - 0.3**2)
    assert (down[25:35] > needed - 1e-9).all() and down.max() < needed + 1e-6
    assert np.abs(np.diff(down, n=2)).max() < 0.006
    assert abs(down[0]) < 1e-9 and abs(down[-1]) < 1e-9


def test_angles_are_kept_while_a_foot_is():
    angles = 3.0 + 0.02 * np.arange(60)
    kept = np.zeros(60, bool)
    kept[20:35] = True
    found = kept_angles(np.arctan2(np.sin(angles), np.cos(angles)), kept, FPS)
    assert np.ptp(found[20:35]) < 1e-9
    assert np.abs(np.diff(found)).max() < 0.06
    np.testing.assert_allclose(np.cos(found[:8]), np.cos(angles[:8]), atol=1e-6)


def test_knees_do_not_stretch_on_longer_strides(tmp_path: Path):
    """Feet that stand apart on a rig with wider hips and shorter thighs: the pelvis goes down instead."""
    armature, rig = human.human(tmp_path, scale=1.2)
    result = fit(walk(), armature, tmp_path)
    found = fitted_joints(result)
    for side in "LR":
        leg = np.linalg.norm(found[f"hip.{side}"] - found[f"ankle.{side}"], axis=-1)
        whole = sum(np.linalg.norm(rig.heads[rig.index[f"{a}.{side}"]] - rig.heads[rig.index[f"{b}.{side}"]]) for a, b in (("thigh", "shin"), ("shin", "foot")))
        assert leg.max() < 0.9985 * whole
    assert result["skate"] < 0.01


@settings(max_examples=2, deadline=None)
@given(slide=st.floats(0.1, 0.3))
def test_hooves_in_each_mode(tmp_path_factory, slide: float):
    folder = tmp_path_factory.mktemp("hooves")
    armature, rig = quadruped.horse(folder)
    joints, _ = quadruped.walk(rig, frames=45)
    sway = (slide / (2 * np.pi) * np.sin(2 * np.pi * np.arange(45) / FPS))[:, None] * np.array([1.0, 0, 0])
    motion = quadruped.motion_of({role: at + sway for role, at in joints.items()})
    skates = {mode: fit(motion, armature, folder, mode) for mode in ("auto", "never")}
    assert skates["auto"]["skate"] < 0.15 * skates["auto"]["source_skate"]
    assert skates["never"]["skate"] > 0.5 * skates["never"]["source_skate"]
    rest = read_rest(load_rig(armature))
    lowest = min(fitted_joints(skates["auto"])[f"{pair}_foot.{side}"][:, 2].min() for pair in ("front", "back") for side in "LR")
    assert lowest > min(rest.height("front"), rest.height("hind")) - 0.01


def test_an_unknown_mode_is_refused(tmp_path: Path):
    armature, _ = human.human(tmp_path)
    with pytest.raises(KineliftError, match=r"no way 'sticky'.*auto, always, never, grounding"):
        fit_motion(walk().save(tmp_path / "motion.npz"), armature, tmp_path / "fit.npz", lambda fraction, message: None, "sticky")
