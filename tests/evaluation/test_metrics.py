from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.evaluation.metrics import all_metrics, coverage, diversity, frechet_distance, precision, recall, with_intervals
from tests.properties import patient


def gaussian(mean: np.ndarray, spread: np.ndarray, count: int = 20_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, len(mean))) * spread + mean


def test_fid_of_gaussians_has_a_closed_form():
    first_mean, second_mean = np.zeros(3), np.array([1.0, -2.0, 0.5])
    first_spread, second_spread = np.array([1.0, 2.0, 0.5]), np.array([0.7, 2.5, 1.5])
    expected = ((first_mean - second_mean) ** 2).sum() + ((first_spread - second_spread) ** 2).sum()
    found = frechet_distance(gaussian(first_mean, first_spread), gaussian(second_mean, second_spread, seed=1))
    assert found == pytest.approx(expected, rel=0.03)


def test_fid_of_correlated_gaussians():
    """Rotating both sets changes nothing."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    first, second = gaussian(np.zeros(4), np.array([1, 2, 3, 0.1])), gaussian(np.ones(4), np.array([2, 2, 1, 0.3]), seed=1)
    assert frechet_distance(first @ turn, second @ turn) == pytest.approx(frechet_distance(first, second), rel=1e-6)


def test_fid_of_a_set_with_itself_is_nothing_even_with_few_samples():
    few = gaussian(np.zeros(8), np.ones(8), count=5)
    assert abs(frechet_distance(few, few)) < 1e-3


@patient
@given(st.integers(0, 1000), st.integers(5, 40), st.integers(1, 6))
def test_identical_sets_cover_each_other(seed: int, count: int, size: int):
    features = np.random.default_rng(seed).normal(size=(count, size))
    assert precision(features, features) == recall(features, features) == 1.0


def test_coverage_reaches_to_the_third_neighbour():
    line = np.arange(10.0)[:, None]  # the third nearest fellow is 2 away inside the line, 3 at its ends
    assert coverage(np.array([[-2.9]]), line) == 1
    assert coverage(np.array([[-3.1]]), line) == 0
    assert coverage(np.array([[4.5], [50.0]]), line) == 0.5


def test_precision_and_recall_tell_narrow_from_wide():
    real = gaussian(np.zeros(2), np.ones(2), count=400)
    narrow, wide = gaussian(np.zeros(2), np.full(2, 0.1), 400, seed=1), gaussian(np.zeros(2), np.full(2, 6.0), 400, seed=1)
    assert precision(narrow, real) > 0.95 > 0.3 > recall(narrow, real)
    assert precision(wide, real) < 0.4


def slow_precision(generated: np.ndarray, real: np.ndarray, neighbours: int = 3) -> float:
    """The definition, in loops."""
    radii = [sorted(np.linalg.norm(real - one, axis=1))[neighbours] for one in real]
    return sum(any(np.linalg.norm(one - other) <= radius for other, radius in zip(real, radii, strict=True)) for one in generated) / len(generated)


def test_precision_is_its_definition():
    rng = np.random.default_rng(0)
    generated, real = rng.normal(size=(30, 3)), rng.normal(0.7, 1, size=(25, 3))
    assert precision(generated, real) == pytest.approx(slow_precision(generated, real))
    assert recall(generated, real) == pytest.approx(slow_precision(real, generated))


def test_diversity_is_the_mean_distance():
    features = gaussian(np.zeros(1), np.ones(1), count=100_000)
    found = np.mean([diversity(features, np.random.default_rng(seed)) for seed in range(200)])
    assert found == pytest.approx(2 / np.sqrt(np.pi), rel=0.02)  # mean distance of two standard normal numbers
    assert diversity(np.zeros((5, 3)), np.random.default_rng(0)) == 0


def test_intervals():
    found = with_intervals([{"fid": 1.0}, {"fid": 3.0}])
    assert found["fid"] == pytest.approx((2.0, 1.96 / np.sqrt(2)))
    assert with_intervals([{"fid": 1.0}])["fid"] == (1.0, 0.0)
    assert set(all_metrics(np.eye(6), np.eye(6), np.random.default_rng(0))) == {"fid", "diversity", "precision", "recall"}
