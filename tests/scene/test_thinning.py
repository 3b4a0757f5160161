from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from kinelift.addon.scene.thinning import apart, between, keys_that_matter, slopes, turned_too_far
from tests.properties import patient


def curve(seed: int, frames: int, columns: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None]
    waves = random.uniform(0.02, 0.3, (3, columns)), random.uniform(0, 6, (3, columns)), random.uniform(0, 1, (3, columns))
    return sum(size * np.sin(speed * time + phase) for speed, phase, size in zip(*waves, strict=True))


def rebuilt(values: np.ndarray, tangents: np.ndarray | None, keys: np.ndarray) -> np.ndarray:
    result = values.copy()
    for start, end in pairwise(keys):
        result[start + 1:end] = between(values, tangents, start, end)
    return result


@patient
@given(seed=st.integers(0, 10**6), frames=st.integers(1, 120), limit=st.floats(1e-4, 0.5), smooth=st.booleans())
def test_all_frames_stay_within_the_tolerance_and_no_key_is_spare(seed: int, frames: int, limit: float, smooth: bool):
    values = curve(seed, frames)
    tangents = slopes(values) if smooth else None
    error = apart(limit)
    keys = keys_that_matter(values, tangents, error)
    assert keys[0] == 0 and keys[-1] == frames - 1 and (np.diff(keys) > 0).all()
    assert np.linalg.norm(rebuilt(values, tangents, keys) - values, axis=1).max() <= limit * (1 + 1e-9)
    for number in range(1, len(keys) - 1):
        start, end = keys[number - 1], keys[number + 1]
        assert error(values[start + 1:end], between(values, tangents, start, end)).max() > 1


def test_straight_and_cubic_curves_need_their_ends_only():
    time = np.linspace(0, 1, 50)[:, None]
    assert list(keys_that_matter(3 * time + 1, None, apart(1e-6))) == [0, 49]
    assert len(keys_that_matter(time**3, None, apart(1e-3))) > 5
    bent = time**3 - time
    assert list(keys_that_matter(bent, np.array([[-1.0], [2.0]])[[0] + 49 * [1]] / 49, apart(1e-6))) == [0, 49]


def test_pieces_are_kept_apart():
    values = np.concatenate([np.linspace(0, 1, 20), np.linspace(5, 7, 20)])[:, None]
    tangents = slopes(values, [20])
    assert np.allclose(tangents[:20], 1 / 19) and np.allclose(tangents[20:], 2 / 19)
    assert list(keys_that_matter(values, tangents, apart(1e-6), [20])) == [0, 19, 20, 39]


@pytest.mark.parametrize("property", ["rotation_quaternion", "rotation_euler", "rotation_axis_angle"])
def test_a_turn_is_never_further_off_than_told(property: str):
    random = np.random.default_rng(3)
    first = Rotation.from_rotvec(random.normal(size=(200, 3)))
    second = Rotation.from_rotvec(0.1 * random.normal(size=(200, 3))) * first
    angles = np.degrees((first * second.inv()).magnitude())

    def form(turn: Rotation) -> np.ndarray:
        if property == "rotation_quaternion":
            return np.roll(turn.as_quat(), 1, axis=1)
        if property == "rotation_euler":
            return turn.as_euler("xyz")
        vectors = turn.as_rotvec()
        size = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.concatenate([size, vectors / size], axis=1)

    told = turned_too_far(property, 2.0)(form(first), form(second))
    assert (told >= angles / 2.0 - 1e-6).all()
    if property == "rotation_quaternion":
        assert np.allclose(told, angles / 2.0, atol=1e-5)
        assert np.allclose(turned_too_far(property, 2.0)(form(first), -form(first)), 0, atol=1e-5)
