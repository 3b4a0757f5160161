from __future__ import annotations

import numpy as np
import pytest

from backend.fitting.objects import holders, holds, place_objects
from backend.fitting.source import read_body
from backend.motion.motion3d import Motion3D
from tests.motions import BOX, walk_with_ball, walk_with_box, walk_with_throw, write_motion

FPS = 30


@pytest.fixture(scope="module")
def throw(tmp_path_factory):
    path = write_motion(tmp_path_factory.mktemp("throw") / "throw.npz", walk_with_throw())
    motion = Motion3D.load(path)
    return read_body(motion, str(path), 0.09, "auto"), motion.object_positions.astype(float)


def held_by(body, *objects):
    return holders(holds(body, *objects), FPS)


def runs(values: np.ndarray) -> list[str]:
    return [str(value) for number, value in enumerate(values) if not number or values[number - 1] != value]


def test_a_ball_goes_from_hand_to_hand(throw):
    body, ball = throw
    held = held_by(body, ball)[:, 0]
    assert runs(held) == ["hand.R", "", "hand.L"]
    assert abs(int((held == "hand.R").sum()) - 20) <= 3 and abs(int((held == "").sum()) - 18) <= 6


def test_touches_and_short_gaps_are_none(throw):
    body, ball = throw
    away = ball.copy()
    away[5:7] += [0, 0, 3.0]  # a gap of two frames in a hold
    away[28:30] = body["wrist.L"][28:30, None]  # a touch of two frames in the flight
    assert runs(held_by(body, away)[:, 0]) == ["hand.R", "", "hand.L"]


def test_what_is_far_from_both_hands_is_never_held(throw):
    body, ball = throw
    assert not held_by(body, ball + [0, 0, 5.0]).any()
    assert held_by(body, ball[:, :0]).shape == (len(ball), 0)


def test_a_dribble_is_held_at_its_top_only(tmp_path):
    path = write_motion(tmp_path / "dribble.npz", walk_with_ball())
    motion = Motion3D.load(path)
    held = held_by(read_body(motion, str(path), 0.09, "auto"), motion.object_positions.astype(float))[:, 0]
    heights = motion.object_positions[:, 0, 2]
    assert set(held) == {"", "hand.R"} and heights[held == ""].max() < heights[held == "hand.R"].max()
    assert heights[held == ""].mean() < heights[held == "hand.R"].mean()


@pytest.fixture(scope="module")
def carried(tmp_path_factory):
    path = write_motion(tmp_path_factory.mktemp("box") / "box.npz", walk_with_box())
    motion = Motion3D.load(path)
    return read_body(motion, str(path), 0.09, "auto"), motion.object_positions, motion.object_rotations, motion.object_sizes


def test_a_box_is_held_by_its_sides(carried):
    body, places, turns, sizes = carried
    assert runs(held_by(body, places, turns, sizes)[:, 1]) == ["hand.L", "", "hand.R"]
    assert not held_by(body, places, turns, sizes)[:, 0].any(), "the ball is beside"
    long = np.array([(0, 0, 0), (1.4, *BOX[1:])])
    ends = places + np.array([0.7, 0, 0])  # the left hand is half a metre away from its middle, and inside of a long one
    assert not held_by(body, ends, np.zeros_like(turns) + [1, 0, 0, 0], sizes * 0)[:, 1].any()
    assert set(held_by(body, ends, np.zeros_like(turns) + [1, 0, 0, 0], long)[:10, 1]) == {"hand.L"}
    across = np.zeros_like(turns) + [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]  # turned away from the hands
    assert not held_by(body, ends, across, long)[:10, 1].any()


def test_a_box_between_two_hands_stays_between_them(carried):
    body, places, turns, sizes = carried
    scale, wrists = 0.8, {side: 0.8 * body[f"wrist.{side}"] for side in "LR"}
    wrists = {"L": wrists["L"] + [0.1, 0.2, 0.06], "R": wrists["R"] + [-0.3, 0.1, 0.1]}  # wider, and elsewhere
    certainty = holds(body, places, turns, sizes)
    placed = place_objects(body, places, certainty, wrists, scale)
    still = slice(0, 15)
    assert np.abs(certainty["L"][still, 1] - 1).max() == np.abs(certainty["R"][still, 1] - 1).max() == 0
    own = scale * (places[:, 1] - (body["wrist.L"] + body["wrist.R"]) / 2)
    assert np.abs(placed[still, 1] - (wrists["L"] + wrists["R"])[still] / 2 - own[still]).max() < 1e-3
    steps = np.abs(np.diff(placed[:, 1] - scale * places[:, 1], axis=0))
    assert steps.max() < 0.06, "the path jumps where a hand lets go"
    assert np.allclose(placed[:, 0], scale * places[:, 0])
