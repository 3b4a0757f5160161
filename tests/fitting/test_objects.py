from __future__ import annotations

import numpy as np
import pytest

from backend.fitting.objects import holders
from backend.fitting.source import read_body
from backend.motion.motion3d import Motion3D
from tests.motions import walk_with_ball, walk_with_throw, write_motion

FPS = 30


@pytest.fixture(scope="module")
def throw(tmp_path_factory):
    path = write_motion(tmp_path_factory.mktemp("throw") / "throw.npz", walk_with_throw())
    motion = Motion3D.load(path)
    return read_body(motion, str(path), 0.09, "auto"), motion.object_positions.astype(float)


def runs(values: np.ndarray) -> list[str]:
    return [str(value) for number, value in enumerate(values) if not number or values[number - 1] != value]


def test_a_ball_goes_from_hand_to_hand(throw):
    body, ball = throw
    held = holders(body, ball)[:, 0]
    assert runs(held) == ["hand.R", "", "hand.L"]
    assert abs(int((held == "hand.R").sum()) - 20) <= 3 and abs(int((held == "").sum()) - 18) <= 6


def test_touches_and_short_gaps_are_none(throw):
    body, ball = throw
    away = ball.copy()
    away[5:7] += [0, 0, 3.0]  # a gap of two frames in a hold
    away[28:30] = body["wrist.L"][28:30, None]  # a touch of two frames in the flight
    assert runs(holders(body, away)[:, 0]) == ["hand.R", "", "hand.L"]


def test_what_is_far_from_both_hands_is_never_held(throw):
    body, ball = throw
    assert not holders(body, ball + [0, 0, 5.0]).any()
    assert holders(body, ball[:, :0]).shape == (len(ball), 0)


def test_a_dribble_is_held_at_its_top_only(tmp_path):
    path = write_motion(tmp_path / "dribble.npz", walk_with_ball())
    motion = Motion3D.load(path)
    held = holders(read_body(motion, str(path), 0.09, "auto"), motion.object_positions.astype(float))[:, 0]
    heights = motion.object_positions[:, 0, 2]
    assert set(held) == {"", "hand.R"} and heights[held == ""].max() < heights[held == "hand.R"].max()
    assert heights[held == ""].mean() < heights[held == "hand.R"].mean()
