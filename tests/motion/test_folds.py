from __future__ import annotations

import numpy as np
import pytest

from backend.motion.folds import exchanged_frames, unfold
from rigs import load_skeleton

PLAYER = load_skeleton("nba16-ball")
FPS = 30.0
REST = {"pelvis": (0, 0, 0.9), "hip": (0.11, 0, 0.9), "knee": (0.11, -0.02, 0.5), "ankle": (0.11, 0.02, 0.1), "neck": (0, 0, 1.45),
        "nose": (0, -0.12, 1.6), "head_top": (0, 0, 1.75), "shoulder": (0.18, 0, 1.42), "elbow": (0.22, 0.05, 1.12), "wrist": (0.25, -0.1, 0.9)}


def turning(frames: int = 60, turns: float = 0.5) -> np.ndarray:
    """A player with a ball [T,J+1,3] who turns on the spot, the shoulders a little ahead of the hips."""
    points = np.zeros((frames, len(PLAYER.joints) + 1, 3))
    angle = 2 * np.pi * turns * np.linspace(0, 1, frames)
    for index, name in enumerate(PLAYER.joints):
        part, _, side = PLAYER.roles[name].partition(".")
        place = np.array(REST[part]) * [{"L": 1, "R": -1, "": 1}[side], 1, 1]
        yaw = angle + (0.3 if place[2] > 1 or part == "wrist" else 0)
        points[:, index, 0] = np.cos(yaw) * place[0] - np.sin(yaw) * place[1]
        points[:, index, 1] = np.sin(yaw) * place[0] + np.cos(yaw) * place[1]
        points[:, index, 2] = place[2]
    return points


def fold(points: np.ndarray, part: str, frames: slice, width: float) -> np.ndarray:
    """The pair and its limbs brought to a share of its width; below 0 the sides are changed."""
    folded = points.copy()
    roles = {role: PLAYER.joints.index(name) for name, role in PLAYER.roles.items()}
    limb = {"shoulder": ("shoulder", "elbow", "wrist"), "hip": ("hip", "knee", "ankle")}[part]
    across = points[frames, roles[f"{part}.L"]] - points[frames, roles[f"{part}.R"]]
    for joint in limb:
        folded[frames, roles[f"{joint}.L"]] += (width - 1) / 2 * across
        folded[frames, roles[f"{joint}.R"]] -= (width - 1) / 2 * across
    return folded


def test_a_motion_without_folds_is_left_alone():
    points = turning()
    assert np.array_equal(unfold(points, PLAYER, FPS), points)


@pytest.mark.parametrize("width", [0.1, -1.0])
@pytest.mark.parametrize("parts", [("shoulder",), ("hip",), ("shoulder", "hip")])
def test_a_fold_is_opened_again(width: float, parts: tuple[str, ...]):
    points = turning()
    folded = points
    for part in parts:
        folded = fold(folded, part, slice(25, 32), width)
    found = unfold(folded, PLAYER, FPS)
    if width < 0 and "hip" in parts:  # hips that have changed sides can't be told from shoulders that have; the two agree afterwards
        left, right = (PLAYER.joints.index(name) for name in ("LShoulder", "RShoulder"))
        hips = found[:, PLAYER.joints.index("LHip")] - found[:, PLAYER.joints.index("RHip")]
        assert ((found[:, left] - found[:, right]) * hips).sum(-1).min() > 0
    else:
        assert np.linalg.norm(found - points, axis=-1).max() < 0.05
    assert np.array_equal(found[:15], folded[:15])
    assert np.array_equal(found[:, -1], points[:, -1]), "the ball stays"


def test_frames_with_exchanged_sides_are_found():
    points = turning()
    swapped, order = points.copy(), PLAYER.mirror_order[: points.shape[1]]
    swapped[20:40] = points[20:40][:, order]
    assert not exchanged_frames(points, PLAYER, FPS).any()
    assert np.flatnonzero(exchanged_frames(swapped, PLAYER, FPS)).tolist() == list(range(20, 40))
    assert exchanged_frames(points[:, order], PLAYER, FPS).all()
    blink = points.copy()
    blink[20:23] = points[20:23][:, order]
    assert not exchanged_frames(blink, PLAYER, FPS).any(), "a fold, not a change of sides"


def test_an_animal_has_its_sides_beside_the_way_from_tail_to_neck():
    horse = load_skeleton("ap10k")
    places = {"tail_root": (0, 1, 1.3), "neck": (0, 0, 1.3), "nose": (0, -0.5, 1.6), "eye": (0.1, -0.3, 1.7), "shoulder": (0.2, 0, 1.2),
              "carpus": (0.2, 0, 0.7), "front_foot": (0.2, 0, 0), "hip": (0.2, 1, 1.2), "hock": (0.2, 1, 0.6), "back_foot": (0.2, 1, 0)}
    roles = [horse.roles[name].partition(".") for name in horse.joints]
    points = np.array([np.array(places[part]) * [{"L": 1, "R": -1, "": 1}[side], 1, 1] for part, _, side in roles])[None].repeat(30, 0)
    assert not exchanged_frames(points, horse, FPS).any()
    assert exchanged_frames(points[:, horse.mirror_order], horse, FPS).all()


def test_skeletons_of_animals_and_motions_of_folds_alone():
    horse = load_skeleton("ap10k")
    points = np.random.default_rng(0).normal(size=(20, len(horse.joints), 3))
    assert unfold(points, horse, FPS).shape == points.shape
    collapsed = np.zeros((10, len(PLAYER.joints), 3))
    assert np.array_equal(unfold(collapsed, PLAYER, FPS), collapsed)
    assert unfold(turning(1), PLAYER, FPS).shape == (1, 17, 3)
