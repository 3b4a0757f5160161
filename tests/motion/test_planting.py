from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.evaluation.plausibility import jerk
from backend.motion.bones import bone_lengths, hold_bone_lengths
from backend.motion.cameras import project_perspective, view_axes
from backend.motion.contacts import find_contacts, skating, spells
from backend.motion.planting import LOCKED, bend_limb, limbs, plant, seen_standing_height
from rigs import load_skeleton, skeleton_names
from tests.motions import ANKLE_HEIGHT, JOINTS, SHIN, THIGH, walk_with_ball
from tests.properties import patient

FPS = 30.0
PLAYER = load_skeleton("nba16-ball")
FEET = [JOINTS.index("RAnkle"), JOINTS.index("LAnkle")]
LEGS = [[JOINTS.index(side + joint) for joint in ("Hip", "Knee", "Ankle")] for side in "RL"]


def walk(seconds: float = 4.0) -> np.ndarray:
    return walk_with_ball(seconds, FPS)["positions"].astype(np.float64)


def with_ankles(body: np.ndarray, ankles: np.ndarray) -> np.ndarray:
    """The body [T,16,3] with its ankles at [T,2,3] and knees that bend to the front, which is -Y."""
    body = body.copy()
    for side, leg in enumerate(LEGS):
        hip = body[:, leg[0]]
        line = ankles[:, side] - hip
        length = np.linalg.norm(line, axis=-1, keepdims=True)
        assert (length < THIGH + SHIN).all()
        line /= length
        along = (THIGH**2 - SHIN**2 + length**2) / (2 * length)
        front = np.array([0, -1.0, 0]) - line * (line @ [0, -1.0, 0])[:, None]
        body[:, leg[1]] = hip + line * along + front / np.linalg.norm(front, axis=-1, keepdims=True) * np.sqrt(THIGH**2 - along**2)
        body[:, leg[2]] = ankles[:, side]
    return body


def stand(frames: int, hip_height: float = 0.85) -> np.ndarray:
    """A player [T,16,3] who stands still with bent knees."""
    body = np.repeat(walk(0.1)[:1], frames, axis=0)
    body[..., :2] -= body[:, :1, :2]
    body[..., 2] += hip_height - body[0, 0, 2]
    hips = body[:, [leg[0] for leg in LEGS]]
    return with_ankles(body, hips * [1, 1, 0] + [0, -0.03, ANKLE_HEIGHT])


@pytest.mark.parametrize("small", [0.9, 0.2])
def test_what_is_small_is_planted_as_a_person(small: float):
    """A cat that walks as a person does, only smaller and sooner, is planted alike; a person larger than usual is not planted as a smaller one."""
    body = sloppy(walk() * 0.75 / (THIGH + SHIN), 1)
    for standing in (None, ANKLE_HEIGHT):
        planted, shift = plant(body, PLAYER, FPS, standing)
        less, shorter = plant(small * body, PLAYER, FPS / np.sqrt(small), None if standing is None else small * standing)
        assert np.abs(planted - body).max() > 0.02
        assert np.allclose(less, small * planted, atol=1e-9)
        assert np.allclose(shorter, small * shift, atol=1e-9)
    assert not np.allclose(plant(1.5 * body, PLAYER, FPS)[0], 1.5 * plant(body, PLAYER, FPS)[0], atol=1e-3)


def jump(height: float = 0.4) -> np.ndarray:
    """A crouch, a flight of `height` metres and a landing [T,16,3]."""
    gravity = 9.81
    flight = 2 * np.sqrt(2 * height / gravity)
    time = np.arange(round((2 + flight) * FPS)) / FPS
    air = np.clip(time - 1, 0, flight)
    rise = air * (flight - air) * gravity / 2
    body = stand(len(time))
    crouch = 0.15 * np.exp(-(((time - 0.75) / 0.15) ** 2)) + 0.15 * np.exp(-(((time - 1.25 - flight) / 0.15) ** 2))
    ankles = body[:, FEET] + rise[:, None, None] * [0, 0, 1]
    return with_ankles(body + (rise - crouch)[:, None, None] * [0, 0, 1], ankles)


def sloppy(body: np.ndarray, seed: int, sinks: float = 0.03, slides: float = 0.15, wobbles: float = 0.006) -> np.ndarray:
    """The body as a sampler might have made it: up to so many metres it sinks and floats, metres a second it slides, and metres
    each foot wobbles."""
    rng = np.random.default_rng(seed)
    time = np.arange(len(body))[:, None] / FPS

    def swing(lowest: float, highest: float, *shape: int) -> np.ndarray:
        return np.sin(2 * np.pi * (time.reshape(-1, *[1] * len(shape)) * rng.uniform(lowest, highest, shape) + rng.uniform(0, 1, shape)))

    slide = np.cumsum(slides * swing(0, 0.5, 1) * np.concatenate([swing(0.3, 0.3, 1), swing(0.3, 0.3, 1)], 1), axis=0) / FPS
    body = body + np.concatenate([slide, sinks * swing(0, 0.5, 1)], 1)[:, None]
    body[:, FEET] += wobbles * swing(0.5, 2, 2, 3)
    return hold_bone_lengths(body, list(PLAYER.parents))


def drifts(planted: np.ndarray, contacts: np.ndarray) -> list[float]:
    """For each contact how far its foot gets from its first place, metres."""
    return [float(np.linalg.norm(planted[start:end, foot] - planted[start, foot], axis=-1).max())
            for column, foot in enumerate(FEET) for start, end in spells(contacts[:, column])]


def knees_ahead(body: np.ndarray) -> np.ndarray:
    """How far each knee [T,2] is in front of the line from hip to ankle, metres, for a player who faces -Y."""
    ahead = []
    for leg in LEGS:
        hip, knee, ankle = body[:, leg].swapaxes(0, 1)
        share = ((knee - hip) * (ankle - hip)).sum(-1, keepdims=True) / ((ankle - hip) ** 2).sum(-1, keepdims=True)
        ahead.append(-(knee - hip - share * (ankle - hip))[:, 1])
    return np.stack(ahead, 1)


def stretched(body: np.ndarray) -> np.ndarray:
    """How much of its length each leg [T,2] takes from hip to ankle."""
    return np.stack([np.linalg.norm(body[:, leg[2]] - body[:, leg[0]], axis=-1)
                     / np.linalg.norm(np.diff(body[:, leg], axis=1), axis=-1).sum(-1) for leg in LEGS], 1)


@pytest.mark.parametrize("standing", [None, ANKLE_HEIGHT])
@pytest.mark.parametrize("make", [walk, lambda: stand(60), jump])
def test_a_perfect_motion_stays_as_it_is(make, standing: float | None):
    body = make()
    planted, shift = plant(body, PLAYER, FPS, standing)
    assert np.abs(planted - body).max() < 1e-3
    assert np.abs(shift).max() < 1e-3


@patient
@given(st.integers(0, 10_000), st.floats(0, 0.05), st.floats(0, 0.3), st.floats(0, 0.01))
def test_sliding_and_sinking_are_taken_out_of_a_walk(seed: int, sinks: float, slides: float, wobbles: float):
    perfect = walk()
    body = sloppy(perfect, seed, sinks, slides, wobbles)
    planted, _ = plant(body, PLAYER, FPS, ANKLE_HEIGHT)
    stance = np.linalg.norm(np.gradient(perfect[:, FEET], axis=0), axis=-1) * FPS < 0.01
    contacts = find_contacts(planted[:, FEET], FPS)
    assert (contacts & stance).sum() > 0.85 * stance.sum()
    assert max(drifts(planted, contacts & stance)) < 0.01
    assert np.abs(planted[:, FEET, 2][contacts & stance] - ANKLE_HEIGHT).max() < 0.005
    assert planted[:, FEET, 2].min() > ANKLE_HEIGHT - 0.005
    assert np.allclose(bone_lengths(planted, list(PLAYER.parents)), bone_lengths(body, list(PLAYER.parents)), atol=1e-9)
    assert jerk(planted, FPS) < 1.1 * max(jerk(body, FPS), jerk(perfect, FPS))
    assert knees_ahead(planted).min() > 0
    assert (stretched(planted) <= np.maximum(LOCKED, stretched(body)) + 1e-6).all()


@patient
@given(st.integers(0, 10_000), st.floats(0.2, 0.5))
def test_a_jump_keeps_its_flight(seed: int, height: float):
    perfect = jump(height)
    body = sloppy(perfect, seed, wobbles=0.003)
    planted, _ = plant(body, PLAYER, FPS, ANKLE_HEIGHT)
    apex = perfect[:, 0, 2].argmax()
    assert planted[apex, FEET, 2].min() - ANKLE_HEIGHT == pytest.approx(perfect[apex, FEET, 2].min() - ANKLE_HEIGHT, abs=0.04)
    flying = perfect[:, FEET, 2].min(1) > ANKLE_HEIGHT + 0.1
    assert not find_contacts(planted[:, FEET], FPS)[flying].any()
    assert planted[:, FEET, 2].min() > ANKLE_HEIGHT - 0.005


def test_the_standing_height_lifts_a_sunken_player_and_what_is_with_him():
    planted, shift = plant(stand(40) - [0, 0, 0.05], PLAYER, FPS, ANKLE_HEIGHT)
    assert np.allclose(planted[:, FEET, 2], ANKLE_HEIGHT, atol=1e-3)
    assert np.allclose(shift, [0, 0, 0.05], atol=2e-3)


def test_without_a_standing_height_the_clip_keeps_its_own():
    planted, shift = plant(stand(40) - [0, 0, 0.05], PLAYER, FPS)
    assert np.allclose(planted[:, FEET, 2], ANKLE_HEIGHT - 0.05, atol=1e-3)
    assert np.abs(shift).max() < 1e-3


def test_a_sinking_body_is_raised_smoothly():
    body = stand(90)
    body[..., 2] -= 0.1 * np.exp(-(((np.arange(90) - 45) / 12) ** 2))[:, None]
    planted, shift = plant(body, PLAYER, FPS, ANKLE_HEIGHT)
    assert planted[:, FEET, 2].min() > ANKLE_HEIGHT - 1e-6
    assert shift[45, 2] > 0.07
    assert np.abs(np.diff(planted[:, 0, 2], 2)).max() * FPS**2 < 2


def test_a_lifted_foot_stays_lifted():
    body = stand(60)
    ankles = body[:, FEET].copy()
    ankles[:, 0] += [0, -0.1, 0.2]
    body = with_ankles(body, ankles)
    planted, _ = plant(body, PLAYER, FPS, ANKLE_HEIGHT)
    assert np.abs(planted - body).max() < 1e-3


def test_feet_in_the_air_are_no_contact_however_still():
    """A handstand in the second half."""
    body = stand(120)
    body[60:] = [0, 0, 1.9] + body[60:] * [1, -1, -1]
    planted, _ = plant(body, PLAYER, FPS, ANKLE_HEIGHT)
    assert np.abs(planted[75:] - body[75:]).max() < 0.01


def test_a_leg_that_is_too_short_lowers_the_body_and_does_not_lock_its_knee():
    body = stand(80, hip_height=0.91)
    lifted = np.zeros((80, 2, 3))
    lifted[30:50, :, 2] = 0.03 * np.hanning(20)[:, None]  # tiptoes for a moment, hips as high as before
    low = with_ankles(body, body[:, FEET] + lifted)
    low[30:50, :, 2] += 0.03 * np.hanning(20)[:, None]
    planted, shift = plant(low, PLAYER, FPS, ANKLE_HEIGHT)
    assert np.allclose(planted[:, FEET, 2], ANKLE_HEIGHT, atol=1e-6)
    assert (stretched(planted) <= np.maximum(LOCKED, stretched(low)) + 1e-6).all()
    assert shift[40, 2] < -0.01


def test_a_knee_that_bends_backward_for_a_moment_is_bent_forward():
    """Raising a foot bends the knee further; on the wrong side it would be a bird's."""
    body = stand(60, hip_height=0.93)
    leg, bird = LEGS[0], slice(25, 35)
    hip, ankle = body[bird, leg[0]], body[bird, leg[2]]
    knee = body[bird, leg[1]]
    share = ((knee - hip) * (ankle - hip)).sum(-1, keepdims=True) / ((ankle - hip) ** 2).sum(-1, keepdims=True)
    body[bird, leg[1]] = 2 * (hip + share * (ankle - hip)) - knee
    body[..., 2] -= 0.03 * np.exp(-(((np.arange(60) - 30) / 3) ** 2))[:, None]
    planted, _ = plant(body, PLAYER, FPS, ANKLE_HEIGHT)
    assert knees_ahead(planted).min() > 0


def test_a_body_that_was_seen_where_it_is_stays_there():
    """Feet that slide along X and float would take the body along; where it is held the legs give way instead, and along Y the body still goes
    with its feet."""
    body = stand(60) + np.linspace(0, 0.12, 60)[:, None, None] * [1, 1, 0] + 0.02 * np.sin(np.arange(60) / 10)[:, None, None] * [0, 0, 1]
    free, taken = plant(body, PLAYER, FPS, ANKLE_HEIGHT)
    planted, shift = plant(body, PLAYER, FPS, ANKLE_HEIGHT, (10.0, 0.0, 10.0))
    assert np.ptp(taken[:, 0]) > 0.08
    assert np.ptp(shift[:, 0]) < 0.03
    assert np.allclose(shift[:, 1], taken[:, 1], atol=1e-6)
    assert np.ptp(taken[:, 2]) > 0.03
    assert np.ptp(shift[:, 2]) < 0.01
    for motion in (free, planted):
        assert np.abs(np.diff(motion[10:50, FEET], axis=0)).max() < 2e-4
        assert np.abs(motion[10:50, FEET, 2] - ANKLE_HEIGHT).max() < 2e-3


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 8])
def test_short_clips(frames: int):
    body = walk()[:frames] - [0, 0, 0.02]
    planted, shift = plant(body, PLAYER, FPS, ANKLE_HEIGHT)
    assert planted.shape == body.shape
    assert shift.shape == (frames, 3)
    assert np.isfinite(planted).all()
    assert planted[:, FEET, 2].min() > ANKLE_HEIGHT - 1e-6


@pytest.mark.parametrize("fps", [5.0, 24.0, 120.0])
def test_other_frame_rates(fps: float):
    body = walk_with_ball(3.0, fps)["positions"].astype(np.float64)
    planted, _ = plant(body - [0, 0, 0.03], PLAYER, fps, ANKLE_HEIGHT)
    assert planted[:, FEET, 2].min() > ANKLE_HEIGHT - 1e-6
    assert skating(planted, FEET, fps) < skating(body, FEET, fps) + 0.02


def test_a_clip_without_contact_stays_as_it_is():
    body = walk() + [0, 0, 1.0] + np.linspace(0, 10, 120)[:, None, None] * [0, 1, 0]
    planted, shift = plant(body, PLAYER, FPS, ANKLE_HEIGHT)
    assert np.abs(planted - body).max() < 1e-6
    assert np.abs(shift).max() < 1e-6


def test_toes_go_along_with_their_foot():
    joints, mirror = (*PLAYER.joints, "RToe", "LToe"), (*PLAYER.mirror, ("RToe", "LToe"))
    toes = replace(PLAYER, joints=joints, parents=(*PLAYER.parents, *FEET), mirror=mirror)
    body = sloppy(walk(), 3)
    body = np.concatenate([body, body[:, FEET] + [0, -0.15, -0.05]], 1)
    planted, _ = plant(body, toes, FPS, ANKLE_HEIGHT)
    assert np.allclose(planted[:, -2:] - planted[:, FEET], [0, -0.15, -0.05])


def horse(frames: int) -> np.ndarray:
    """A standing horse [T,17,3], elbows bent backward, stifles forward; it faces -Y."""
    places = {"Tail": (0, 0.7, 1.3), "Neck": (0, -0.5, 1.3), "Nose": (0, -1.1, 1.6), "LeftEye": (0.1, -1, 1.7), "RightEye": (-0.1, -1, 1.7)}
    for side, x in (("Left", 0.2), ("Right", -0.2)):
        places |= {f"{side}Shoulder": (x, -0.5, 1.1), f"{side}Elbow": (x, -0.4, 0.8), f"{side}FrontHoof": (x, -0.5, 0.05),
                   f"{side}Hip": (x, 0.6, 1.1), f"{side}Knee": (x, 0.45, 0.8), f"{side}BackHoof": (x, 0.65, 0.05)}
    return np.repeat(np.array([[places[joint] for joint in load_skeleton("ap10k").joints]], float), frames, axis=0)


@patient
@given(st.integers(0, 10_000))
def test_a_horse_is_planted_on_four_hooves(seed: int):
    skeleton = load_skeleton("ap10k")
    hooves = [skeleton.joints.index(name) for name in skeleton.feet]
    rng = np.random.default_rng(seed)
    body, time = horse(90), np.arange(90)[:, None, None] / FPS
    body[:, hooves] += 0.01 * np.sin(2 * np.pi * (time * rng.uniform(0.2, 1, (4, 3)) + rng.uniform(0, 1, (4, 3))))
    body = hold_bone_lengths(body, list(skeleton.parents))
    planted, _ = plant(body, skeleton, FPS, 0.05)
    assert np.ptp(planted[:, hooves], axis=0).max() < 1e-6
    assert np.allclose(planted[:, hooves, 2], 0.05)
    assert np.allclose(bone_lengths(planted, list(skeleton.parents)), bone_lengths(body, list(skeleton.parents)), atol=1e-9)
    elbows, knees = ([skeleton.joints.index(side + joint) for side in ("Left", "Right")] for joint in ("Elbow", "Knee"))
    assert (planted[:, elbows, 1] > planted[:, hooves[:2], 1]).all()
    assert (planted[:, knees, 1] < planted[:, hooves[2:], 1]).all()


def test_limbs_run_from_hip_or_shoulder_to_the_foot():
    for name in skeleton_names():
        skeleton = load_skeleton(name)
        for chain, foot in zip(limbs(skeleton), skeleton.feet, strict=True):
            assert skeleton.joints[chain[-1]] == foot
            assert skeleton.roles[skeleton.joints[chain[0]]].split(".")[0] in ("hip", "shoulder"), name
            assert [skeleton.parents[joint] for joint in chain[1:]] == chain[:-1]


@patient
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_a_limb_of_any_number_of_bones_reaches_its_target(seed: int, bones: int):
    rng = np.random.default_rng(seed)
    limb, middle = np.cumsum(rng.normal(0, 0.3, (6, bones + 1, 3)), axis=1), (bones + 1) // 2
    upper, lower = (np.linalg.norm(limb[:, a] - limb[:, b], axis=-1) for a, b in ((0, middle), (middle, -1)))
    nearest, farthest = np.abs(upper - lower) + 1e-3, LOCKED * (upper + lower) - 1e-3
    direction = rng.normal(size=(6, 3))
    distance = nearest + rng.uniform(0, 1, 6) * np.maximum(farthest - nearest, 0)
    target = limb[:, 0] + direction / np.linalg.norm(direction, axis=-1, keepdims=True) * distance[:, None]
    reached = bend_limb(limb, target, np.zeros((6, 3)))
    assert np.allclose(reached[:, -1], target, atol=1e-6)
    assert np.allclose(reached[:, 0], limb[:, 0])
    assert np.allclose(np.linalg.norm(np.diff(reached, axis=1), axis=-1), np.linalg.norm(np.diff(limb, axis=1), axis=-1), atol=1e-9)
    assert np.allclose(bend_limb(limb, limb[:, -1], np.zeros((6, 3))), limb, atol=1e-4)


def test_a_limb_out_of_reach_points_at_its_target_and_a_straight_one_can_be_bent():
    straight = np.array([[[0, 0, 1.0], [0, 0, 0.5], [0, 0, 0]]])
    far = bend_limb(straight, np.array([[0, 3.0, 1]]), np.zeros((1, 3)))
    assert np.allclose(far, [[[0, 0, 1], [0, 0.5, 1], [0, 1, 1]]], atol=1e-6)
    bent = bend_limb(straight, np.array([[0, 0, 0.2]]), np.array([[0, -1.0, 0]]))
    assert np.allclose(bent, [[[0, 0, 1], [0, -0.3, 0.6], [0, 0, 0.2]]], atol=1e-6)


def filmed(body: np.ndarray, clips: int, camera: dict, centre_height: float) -> np.ndarray:
    """2D motions [N,T,J,2] of the body [T,J,3] from random sides, its root over the origin."""
    rng = np.random.default_rng(0)
    centred = torch.from_numpy(body - body[:, :1] * [1, 1, 0] - [0, 0, centre_height])
    azimuths = torch.from_numpy(rng.uniform(-np.pi, np.pi, clips))
    axes = view_axes(azimuths, torch.from_numpy(rng.uniform(*camera["elevation"], clips)))
    flat = project_perspective(centred, axes[:, None, None], camera["distance"], camera["scale"]).numpy()
    return flat + rng.normal(0, 0.001 / camera["scale"], flat.shape)


def test_the_standing_height_is_learned_from_2d():
    camera = {"distance": 7.0, "elevation": [0.147, 0.245], "scale": 0.5}
    motions = filmed(np.concatenate([stand(40), jump(0.4), walk(2.0)]), 400, camera, 0.9)
    confidences = np.ones(motions.shape[:3])
    confidences[::2, 5:15, FEET[0]] = 0
    motions[::2, 5:15, FEET[0]] = 0
    assert seen_standing_height(motions, confidences, FEET, FPS, camera, 0.9) == pytest.approx(ANKLE_HEIGHT, abs=0.01)
    assert seen_standing_height(motions, np.zeros_like(confidences), FEET, FPS, camera, 0.9) is None
    assert seen_standing_height(motions[:, :3], confidences[:, :3], FEET, FPS, camera, 0.9) is None
