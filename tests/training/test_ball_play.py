from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.training.ball_play import GRAVITY, HIGHEST, RADIUS, play_ball
from rigs import load_skeleton
from tests.properties import patient

SKELETON = load_skeleton("coco17-ball")
FPS = 20.0


def dancer(frames: int, spread: float = 0.0) -> np.ndarray:
    """A standing body [T,17,3] whose arms circle; with `spread` = 1 they lie out to the sides instead."""
    places = {"hip": (0.1, 0, 0.9), "knee": (0.1, 0, 0.5), "ankle": (0.1, 0, 0.1), "shoulder": (0.18, 0, 1.4), "eye": (0.03, -0.1, 1.62),
              "ear": (0.07, 0, 1.6)}
    t = np.arange(frames) / FPS
    body = np.zeros((frames, len(SKELETON.joints), 3))
    for index, name in enumerate(SKELETON.joints):
        role, _, side = SKELETON.roles[name].partition(".")
        sign = {"L": 1, "R": -1, "": 0}[side]
        if role == "nose":
            body[:, index] = (0, -0.12, 1.58)
        elif role in places:
            body[:, index] = np.array(places[role]) * [sign, 1, 1]
        else:
            angle = (1 - spread) * (1.2 * np.sin(2.5 * t + sign))
            forward = np.stack([sign * (0.5 + spread) + 0 * t, -np.cos(angle) * (1 - spread), np.sin(angle)], 1)
            forward /= np.linalg.norm(forward, axis=1, keepdims=True)
            body[:, index] = np.array([0.18 * sign, 0, 1.4]) + forward * (0.3 if role == "elbow" else 0.56)
    return body


def in_a_hand(ball: np.ndarray, body: np.ndarray) -> np.ndarray:
    wrists = [SKELETON.joints.index(name) for name in ("LeftWrist", "RightWrist")]
    return np.linalg.norm(ball[:, None] - body[:, wrists], axis=-1).min(1) < RADIUS + 0.1


@patient
@given(st.integers(0, 10_000))
def test_the_ball_falls_freely_wherever_nothing_touches_it(seed: int):
    body = dancer(200)
    ball = play_ball(body, SKELETON, FPS, np.random.default_rng(seed))
    assert ball.shape == (200, 3)
    assert ball[:, 2].min() >= RADIUS - 1e-6
    assert ball[:, 2].max() < HIGHEST
    held = in_a_hand(ball, body)
    acceleration = np.diff(ball, 2, axis=0) * FPS**2
    flying = ~held[:-2] & ~held[1:-1] & ~held[2:]
    bouncing = np.minimum(np.minimum(ball[:-2, 2], ball[1:-1, 2]), ball[2:, 2]) < RADIUS + 0.35
    free = acceleration[flying & ~bouncing]
    assert np.allclose(free, GRAVITY, atol=1e-6)
    assert np.allclose(acceleration[flying & bouncing][:, :2], 0, atol=1e-6)  # a bounce does not turn the ball aside


def test_it_is_thrown_bounced_and_caught():
    heights, shares = [], []
    for seed in range(10):
        body = dancer(400)
        ball = play_ball(body, SKELETON, FPS, np.random.default_rng(seed))
        heights.append((ball[:, 2].min(), ball[:, 2].max()))
        shares.append(in_a_hand(ball, body).mean())
    assert min(low for low, _ in heights) < RADIUS + 0.1, "never bounced"
    assert 0.3 < np.mean(shares) < 0.95


def test_it_rolls_along_arms_that_lie_flat():
    body = dancer(200, spread=1.0)
    middles = []
    for seed in range(10):
        ball = play_ball(body, SKELETON, FPS, np.random.default_rng(seed))
        middles.append(((np.abs(ball[:, 0]) < 0.15) & (np.abs(ball[:, 2] - 1.4 - RADIUS) < 0.03)).any())
    assert any(middles)


def test_the_way_of_the_ball_repeats_and_follows_the_body():
    body = dancer(100)
    one, same = (play_ball(body, SKELETON, FPS, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one, same)
    moved = play_ball(body + [5, -2, 0], SKELETON, FPS, np.random.default_rng(3))
    assert np.allclose(moved, one + [5, -2, 0], atol=1e-6)


def test_an_arm_that_swings_past_the_vertical_carries_the_ball_around():
    """The hand goes from hanging to pointing up; the ball never jumps."""
    body = dancer(60)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 60)
    for side, sign in (("Left", 1), ("Right", -1)):
        direction = np.stack([0 * angle + 0.01 * sign, -np.cos(angle), np.sin(angle)], 1)
        for joint, reach in (("Elbow", 0.3), ("Wrist", 0.56)):
            body[:, SKELETON.joints.index(side + joint)] = np.array([0.18 * sign, 0, 1.4]) + direction * reach
    ball = play_ball(body, SKELETON, FPS, np.random.default_rng(0))
    held = in_a_hand(ball, body)
    steps = np.linalg.norm(np.diff(ball, axis=0), axis=1)[held[1:] & held[:-1]]
    assert steps.max() < 0.15


def test_short_clips_and_skeletons_without_arms():
    assert play_ball(dancer(1), SKELETON, FPS, np.random.default_rng(0)).shape == (1, 3)
    assert play_ball(dancer(4), SKELETON, FPS, np.random.default_rng(0)).shape == (4, 3)
    horse = load_skeleton("ap10k")
    with pytest.raises(ValueError, match="nothing can hold a ball"):
        play_ball(np.zeros((5, len(horse.joints), 3)), horse, FPS, np.random.default_rng(0))
