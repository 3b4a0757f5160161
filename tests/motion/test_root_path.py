from __future__ import annotations

import numpy as np
import pytest

from backend.motion.contacts import skating
from backend.motion.root_path import TRAVEL_SECONDS, root_path, travel_points
from tests.motions import JOINTS, walk_with_ball

FEET = [JOINTS.index("RAnkle"), JOINTS.index("LAnkle")]
FPS = 30.0


def walker(seconds: float = 4.0, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A walk in the world, the same with its root over the origin, and the travel point seen from the root [T,2]."""
    world = walk_with_ball(seconds, FPS)["positions"].astype(np.float64)
    root = world[:, 0] * [1, 1, 0]
    centred = world - root[:, None]
    travel = (travel_points(world[:, 0], FPS) - root)[:, :2]
    rng = np.random.default_rng(0)
    return world, centred + rng.normal(0, noise, centred.shape), travel + rng.normal(0, noise, travel.shape)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_a_walker_gets_its_path_back_and_its_feet_stay_planted(learned: bool, noise: float):
    world, centred, travel = walker(noise=noise)
    path = root_path(centred, FEET, FPS, travel if learned else None)
    found = centred + path[:, None]
    truth = world[:, 0] - world[0, 0]
    assert np.linalg.norm(path[-1, :2] - truth[-1, :2]) < 0.08 * np.linalg.norm(truth[-1, :2])
    assert skating(centred, FEET, FPS) > 0.5
    assert skating(found, FEET, FPS) < (0.1 if noise == 0 else 0.25)


def test_the_path_starts_at_the_origin_and_stays_level():
    _, centred, travel = walker(1.0)
    path = root_path(centred, FEET, FPS, travel)
    assert (path[0] == 0).all()
    assert (path[:, 2] == 0).all()


def test_a_standing_figure_stays():
    centred = np.repeat(walker(1.0)[1][:1], 60, axis=0)
    for travel in (None, np.zeros((60, 2))):
        assert np.abs(root_path(centred, FEET, FPS, travel)).max() < 1e-6


def test_a_flight_goes_on_as_it_was_learned():
    """Feet in the air say nothing; the travel point does."""
    frames = 30
    positions = np.zeros((frames, 16, 3))
    positions[:, FEET, 2] = 0.1
    positions[8:22, FEET, 2] = 0.6
    velocity = np.array([1.5, 0.0])
    positions[:, FEET, 0] -= velocity[0] * np.arange(frames)[:, None] / FPS
    travel = np.tile(-velocity * TRAVEL_SECONDS, (frames, 1))
    path = root_path(positions, FEET, FPS, travel)
    assert path[-1, 0] == pytest.approx(velocity[0] * (frames - 1) / FPS, rel=0.02)


def test_without_any_contact_or_travel_there_is_no_path():
    positions = np.zeros((10, 16, 3))
    positions[:, FEET, 2] = np.linspace(0, 3, 10)[:, None] ** 2
    assert not root_path(positions[:1], FEET, FPS).any()
    assert np.isfinite(root_path(positions, FEET, FPS)).all()


def test_the_travel_point_trails_the_root():
    time = np.arange(60) / FPS
    roots = np.stack([2 * time, -time, np.full(60, 0.9)], 1)
    behind = roots - travel_points(roots, FPS)
    assert np.allclose(behind[:, :2], np.array([2, -1]) * TRAVEL_SECONDS)
    assert np.allclose(travel_points(roots, FPS)[:, 2], 0)
    assert travel_points(roots[:1], FPS).shape == (1, 3)
