from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.diffusion.schedule import Schedule
from tests.properties import patient

SCHEDULE = Schedule()


def test_levels_are_those_of_the_papers_program():
    betas = {0: 0.00126216, 1: 0.00223263, 50: 0.0620975, 97: 0.802309, 98: 0.937470, 99: 0.999}
    levels = {0: 0.998738, 50: 0.228737, 97: 9.432e-7, 98: 5.898e-8, 99: 5.898e-11}
    assert {t: pytest.approx(SCHEDULE.betas[t], rel=1e-5) for t in betas} == betas
    assert {t: pytest.approx(SCHEDULE.abar[t], rel=1e-3) for t in levels} == levels
    assert (SCHEDULE.betas == 0.999).sum() == 1


@patient
@given(st.integers(1, 99))
def test_an_ancestral_step_is_the_posterior(t: int):
    """The closed form of Ho et al. 2020, eq. 7."""
    beta, now, before = SCHEDULE.betas[t], SCHEDULE.abar[t], SCHEDULE.abar[t - 1]
    of_x0, of_x, deviation = SCHEDULE.step(t, t - 1, eta=1.0)
    assert of_x0 == pytest.approx(beta * math.sqrt(before) / (1 - now), rel=1e-6)
    assert of_x == pytest.approx((1 - before) * math.sqrt(1 - beta) / (1 - now), rel=1e-6)
    assert deviation**2 == pytest.approx(beta * (1 - before) / (1 - now), rel=1e-6)


@patient
@given(st.integers(1, 99), st.data(), st.floats(0, 1))
def test_a_step_of_any_stride_keeps_signal_and_noise_levels(t: int, data, eta: float):
    """Whatever eta, x_s has the signal and the noise of its level."""
    s = data.draw(st.integers(0, t - 1))
    of_x0, of_x, deviation = SCHEDULE.step(t, s, eta)
    assert of_x0 + of_x * math.sqrt(SCHEDULE.abar[t]) == pytest.approx(math.sqrt(SCHEDULE.abar[s]), abs=1e-9)
    assert of_x**2 * (1 - SCHEDULE.abar[t]) + deviation**2 == pytest.approx(1 - SCHEDULE.abar[s], abs=1e-9)
    assert deviation == 0 or eta > 0


def test_the_full_schedule_never_evaluates_the_last_step():
    assert SCHEDULE.strided(99) == SCHEDULE.strided(99, 0.5) == list(range(99, 0, -1))
    assert SCHEDULE.strided(1) == [99]


@patient
@given(st.integers(2, 99), st.floats(0.3, 3))
def test_fewer_calls_span_the_same_range(calls: int, spacing: float):
    steps = SCHEDULE.strided(calls, spacing)
    assert (len(steps), steps[0], steps[-1]) == (calls, 99, 1)
    assert (np.diff(steps) < 0).all()


def test_spacing_below_one_looks_closer_where_there_is_much_noise():
    even, skewed = SCHEDULE.strided(20), SCHEDULE.strided(20, 0.6)
    assert sum(t > 50 for t in skewed) > sum(t > 50 for t in even)


def test_the_second_order_comes_closer_to_the_exact_way():
    """For data ~ N(0, 0.3^2) the best x0 and the way from noise to data are known exactly."""
    variance = 0.3**2

    def best_x0(x: float, t: int) -> float:
        abar = SCHEDULE.abar[t]
        return math.sqrt(abar) * variance / (abar * variance + 1 - abar) * x

    def end(order: int, calls: int) -> float:
        steps, x, previous = SCHEDULE.strided(calls), 1.0, 0.0
        for index in range(calls - 1):
            x0 = best_x0(x, steps[index])
            ahead = x0 + SCHEDULE.extrapolation(steps[index - 1], *steps[index : index + 2]) * (x0 - previous) if order == 2 and index else x0
            of_x0, of_x, _ = SCHEDULE.step(steps[index], steps[index + 1], eta=0.0)
            x, previous = of_x0 * ahead + of_x * x, x0
        return x

    first, last = SCHEDULE.abar[99], SCHEDULE.abar[1]
    exact = math.sqrt((last * variance + 1 - last) / (first * variance + 1 - first))
    for calls in (10, 20, 40):
        assert abs(end(2, calls) - exact) < 0.4 * abs(end(1, calls) - exact)


def test_noise_is_added_per_batch_member():
    x0, noise = torch.ones(2, 3), torch.full((2, 3), 2.0)
    noised = SCHEDULE.add_noise(x0, torch.tensor([0, 99]), noise)
    for row, t in enumerate((0, 99)):
        signal, spread = SCHEDULE.signal_and_noise(t)
        assert noised[row] == pytest.approx(torch.full((3,), signal + 2 * spread))
