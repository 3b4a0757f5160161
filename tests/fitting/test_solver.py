"""The solver's derivatives, against differences of its cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backend.fitting.kinematics import Rig
from backend.fitting.limits import hinges
from backend.fitting.solver import PosePull, Pulls, Stiffness, _Problem
from tests.fitting.human import human

FRAMES = 3
STEP = 1e-5


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> Rig:
    return human(tmp_path_factory.mktemp("rig"))[1]


def problem_of(rig: Rig, random: np.random.Generator, pulled: float = 1.0) -> _Problem:
    """A problem whose targets are anywhere, pulled to with a share of their usual weight."""
    def weights(count: int) -> np.ndarray:
        return pulled * random.uniform(1, 100, (FRAMES, count))

    bones = random.permutation(rig.bones)[:8]
    directions = Rotation.random(FRAMES * 3, random_state=int(random.integers(10**6))).as_matrix()[..., 0].reshape(FRAMES, 3, 3)
    pulls = Pulls(bones[:5], rig.tails[bones[:5]], rig.tails[bones[:5]] + random.normal(0, 0.3, (FRAMES, 5, 3)), weights(5),
                  bones[5:], directions[0], directions, weights(3))
    some = random.normal(size=(3 * rig.bones, 3 * rig.bones))
    pose = PosePull(Rotation.random(rig.bones, random_state=int(random.integers(10**6))).as_matrix(), some @ some.T / 100)
    stiffness = Stiffness(pose=pose, rest=random.uniform(0.1, 10, rig.bones), twist=random.uniform(0, 50, rig.bones), smooth=random.uniform(1, 10, rig.bones),
                          sideways=100.0, backwards=1000.0, slack=0.03)
    return _Problem(rig, pulls, hinges(rig), stiffness)


@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 10**6), bent=st.floats(0, 2.5))
def test_the_gradient_is_that_of_the_cost_however_far_bones_are_bent(rig: Rig, seed: int, bent: float):
    random = np.random.default_rng(seed)
    problem = problem_of(rig, random)
    axes = Rotation.random(FRAMES * rig.bones, random_state=seed).as_matrix()[..., 0]
    turns = Rotation.from_rotvec(bent * random.uniform(0.5, 1, (len(axes), 1)) * axes).as_matrix().reshape(FRAMES, rig.bones, 3, 3)
    # Neighbours half a turn apart have two shortest ways to each other, and the cost an edge there.
    turns = turns[:1] @ Rotation.from_rotvec(random.normal(0, 0.3, (FRAMES * rig.bones, 3))).as_matrix().reshape(turns.shape)
    turns[:, 0] = turns[:1, 0]
    root = random.normal(0, 1, (FRAMES, 3))
    _, gradient = problem.normal_equations(turns, root)
    way = random.normal(0, 1, gradient.shape)
    way /= np.linalg.norm(way)
    after, before = (problem.cost(*problem.moved(turns, root, sign * STEP * way)) for sign in (1, -1))
    assert 2 * np.sum(gradient * way) == pytest.approx((after - before) / (2 * STEP), rel=1e-4, abs=1e-4 * np.linalg.norm(gradient))
