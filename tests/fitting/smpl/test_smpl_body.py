from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backend.fitting.smpl.body import BODY, TO_WORLD, BodyModel
from backend.fitting.smpl.import_smpl import import_body
from tests.fitting.smpl.bodies import COUNTS, write_official
from tests.properties import patient


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BodyModel]:
    folder = tmp_path_factory.mktemp("bodies")
    return {kind: import_body(write_official(kind, folder / f"{kind}_male")) for kind in COUNTS}


@settings(deadline=None, max_examples=10)
@given(kind=st.sampled_from(list(COUNTS)), seed=st.integers(0, 10**6), size=st.floats(0, 3))
def test_joints_are_where_a_chain_of_matrices_puts_them(models: dict[str, BodyModel], kind: str, seed: int, size: float):
    """Each joint by itself, from the root outwards by 4x4 matrices, as equation 4 of the paper writes it."""
    model, rng = models[kind], np.random.default_rng(seed)
    betas, poses, trans = rng.normal(size=model.shapes), size * rng.normal(size=(3, len(model.joints), 3)), rng.normal(size=(3, 3))
    rest = np.array([[model.joints[j, c] + sum(model.joint_shapes[j, c, b] * betas[b] for b in range(model.shapes)) for c in range(3)]
                     for j in range(len(model.joints))])
    placed = model.posed(betas, poses, trans)
    for frame in range(3):
        for joint in range(len(rest)):
            chain, one = [], joint
            while one >= 0:
                chain, one = [one, *chain], model.parents[one]
            whole = np.eye(4)
            for one in chain:
                step = np.eye(4)
                step[:3, :3] = Rotation.from_rotvec(poses[frame, one]).as_matrix()
                step[:3, 3] = rest[one] - (rest[model.parents[one]] if one else 0)
                whole = whole @ step
            np.testing.assert_allclose(placed[frame, joint], whole[:3, 3] + trans[frame], atol=1e-9)


@patient
@given(seed=st.integers(0, 10**6))
def test_bones_keep_their_lengths_in_every_pose(models: dict[str, BodyModel], seed: int):
    model, rng = models["smplx"], np.random.default_rng(seed)
    betas = rng.normal(size=model.shapes)
    placed = model.posed(betas, rng.normal(size=(2, len(model.joints), 3)), rng.normal(size=(2, 3)))
    rest, parents = model.shaped(betas), model.parents[1:]
    np.testing.assert_allclose(np.linalg.norm(placed[:, 1:] - placed[:, parents], axis=-1), [np.linalg.norm(rest[1:] - rest[parents], axis=-1)] * 2)


def test_the_armature_stands_upright_and_faces_minus_y(models: dict[str, BodyModel]):
    model = models["smplx"]
    rig = model.rig(np.zeros(model.shapes))
    at = {name: rig.heads[number] for number, name in enumerate(rig.names)}
    np.testing.assert_allclose(rig.heads, model.joints[: len(BODY)] @ TO_WORLD.T)
    assert at["head"][2] > at["pelvis"][2] > at["left_ankle"][2] > rig.origin[2]
    assert at["left_hip"][0] > 0 > at["right_hip"][0] and at["left_foot"][1] < at["left_ankle"][1]
    assert rig.roles[BODY.index("left_elbow")] == "forearm.L" and rig.roles[BODY.index("spine3")] == "spine.2"
