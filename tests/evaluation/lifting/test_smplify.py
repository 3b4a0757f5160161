"""The baseline that fits a body to one view: its prior, its start, and that it finds walks it knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.evaluation.lifting.results import camera_axes, from_camera, measure, rays_of
from backend.evaluation.lifting.scenes import CLEAR, DETECTED, Scene
from backend.evaluation.lifting.smplify import fit
from backend.mvlift.body_fit import FitSettings, start, steadiest, with_objects
from backend.mvlift.pose_prior import PosePrior, body_axes
from backend.mvlift.windows import hips_of
from backend.training.domain import Domain
from tests.evaluation.lifting.world import SKELETON, in_camera
from tests.properties import patient

JOINTS, HIPS = len(SKELETON.joints), hips_of(SKELETON)
QUICK = FitSettings(place_iterations=40, iterations=80)


@pytest.fixture(scope="module")
def prior(world: Path, domain: Domain) -> PosePrior:
    return PosePrior.learn([clip.keypoints for clip in domain.clips(world, "train")], SKELETON)


@patient
@given(st.integers(0, 2**31))
def test_the_steadiest_way_is_the_cheapest(seed: int):
    rng = np.random.default_rng(seed)
    costs, changes = rng.random((4, 3)), rng.random((3, 3))
    ways = np.array(np.meshgrid(*[range(3)] * 4, indexing="ij")).reshape(4, -1).T

    def price(way: np.ndarray) -> float:
        return float(costs[np.arange(4), way].sum() + changes[way[:-1], way[1:]].sum())

    assert price(steadiest(costs, changes)) == pytest.approx(min(price(way) for way in ways))


def test_bones_of_every_pose_have_their_lengths(prior: PosePrior):
    poses = prior.pose(3 * torch.randn(20, len(prior.basis), generator=torch.Generator().manual_seed(0)))
    for parent, child in SKELETON.bones:
        if child not in SKELETON.elastic_joints:
            lengths = (poses[:, child] - poses[:, parent]).norm(dim=-1)
            assert torch.allclose(lengths, prior.lengths[child].expand(20), atol=1e-5)
    assert torch.allclose(prior.pose(torch.zeros(len(prior.basis)))[HIPS].mean(0), torch.zeros(3), atol=0.02)


def test_the_body_has_axes(scenes: list[Scene], prior: PosePrior):
    axes = body_axes(scenes[0].points[:, :JOINTS], SKELETON)
    assert np.allclose(axes @ np.swapaxes(axes, -1, -2), np.eye(3), atol=1e-9)
    assert np.linalg.det(axes).min() > 0.99
    assert axes[:, 1, 2].min() > 0.9  # a walker is upright
    upright = prior.upright()
    assert np.allclose(upright @ upright.T, np.eye(3), atol=1e-9)
    nose = prior.mean[SKELETON.joints.index("Nose")].numpy() @ upright.T
    assert nose[2] > 0.4
    assert nose[1] < 0  # faces -Y


def test_the_start_faces_the_right_way_at_the_right_depth(scenes: list[Scene], prior: PosePrior):
    for scene in scenes:
        rays, sure = (part[:, :JOINTS] for part in rays_of(scene, CLEAR))
        turns, places = start(prior, rays, sure, camera_axes(scene), flipped=False)
        true = camera_axes(scene) @ np.swapaxes(body_axes(scene.points[:, :JOINTS], SKELETON), 1, 2)
        angles = np.degrees(np.arccos(((np.trace(np.swapaxes(true, 1, 2) @ turns, axis1=1, axis2=2)) - 1).clip(-2, 2) / 2))
        assert np.median(angles) < 40
        hips = in_camera(scene)[:, HIPS].mean(1)
        assert np.median(np.abs(places[:, 2] / hips[:, 2] - 1)) < 0.15


def test_it_fits_walks_it_knows(scenes: list[Scene], prior: PosePrior):
    """Also with noise and hidden points, and better than where it starts."""
    for condition, most in ((CLEAR, 60), (DETECTED, 90)):
        errors = [measure(scene, from_camera(with_objects(body, *rays_of(scene, condition), SKELETON), scene), SKELETON)
                  for scene, body in zip(scenes, fit(scenes, condition, prior, QUICK))]
        first = [measure(scene, from_camera(with_objects(body, *rays_of(scene, condition), SKELETON), scene), SKELETON)
                 for scene, body in zip(scenes, fit(scenes, condition, prior, replace(QUICK, place_iterations=1, iterations=1)))]
        assert max(error["aligned"] for error in errors) < most
        assert np.mean([error["picture"] for error in errors]) < 0.8 * np.mean([error["picture"] for error in first])


def test_a_body_keeps_its_sides(scenes: list[Scene], prior: PosePrior):
    """Nothing is mirrored on the way to the camera: left stays left of a body that faces and stands as the fitted one does."""
    for body, scene in zip(fit(scenes, CLEAR, prior, replace(QUICK, place_iterations=1, iterations=1)), scenes):
        axes = body_axes(from_camera(body, scene).points, SKELETON)
        nose = SKELETON.joints.index("Nose")
        seen = from_camera(body, scene).points
        front = (seen[:, nose] - seen[:, SKELETON.joints.index("Neck")])[:, None] @ axes[:, 2, :, None]
        assert front.min() > 0
