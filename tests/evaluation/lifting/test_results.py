"""From a lifted motion to numbers: a perfect one has no error, a changed one the error of the change."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.evaluation.lifting.results import Lifted, compare, from_camera, measure, other_views, rays_of
from backend.evaluation.lifting.scenes import CLEAR, Scene
from backend.mvlift.windows import BOX_IMAGE, hips_of
from tests.evaluation.lifting.world import SKELETON, in_camera

JOINTS = len(SKELETON.joints)
HIPS = hips_of(SKELETON)


@pytest.fixture
def scene(scenes: list[Scene]) -> Scene:
    return scenes[0]


def turn(angle: float, axis: int = 2) -> np.ndarray:
    return Rotation.from_rotvec(angle * np.eye(3)[axis]).as_matrix()


def test_a_perfect_lifter_has_no_error(scene: Scene):
    for lifted in (Lifted(scene.points, scene.pixels), from_camera(in_camera(scene), scene)):
        measured = measure(scene, lifted, SKELETON)
        assert math.isnan(measured.pop("object"))  # a ball has no shape
        assert measured.keys() >= {"off_lines", "apart"}  # of views that were drawn, which these were not
        assert max(measured[name] for name in measured.keys() - {"off_lines", "apart"}) < 1e-6
    assert np.allclose(from_camera(in_camera(scene), scene).points - scene.points, -(scene.camera.R.T @ -scene.camera.t), atol=1e-9)


def test_size_yaw_and_place_are_free(scene: Scene):
    """As wrong as a video leaves it: bigger, elsewhere and turned about the vertical."""
    moved = 1.7 * scene.points @ turn(0.8).T + [3, -2, 1]
    measured = measure(scene, Lifted(moved, scene.pixels), SKELETON)
    assert max(value for name, value in measured.items() if name not in ("object", "off_lines", "apart")) < 1e-5
    turned = compare(scene, Lifted(moved, scene.pixels), SKELETON).turned
    assert np.allclose(turned - turned[0, 0], scene.points - scene.points[0, 0], atol=1e-9)


def test_a_tilt_is_an_error_of_an_upright_lifter_alone(scene: Scene):
    tilted = scene.points @ turn(0.3, 0).T
    assert measure(scene, Lifted(tilted, scene.pixels), SKELETON)["joint"] > 40
    measured = measure(scene, Lifted(tilted, scene.pixels, upright=False), SKELETON)
    assert measured["joint"] < 1e-6
    assert measured["root"] < 1e-6


def test_known_changes_give_known_numbers(scene: Scene):
    drift = scene.points + np.linspace(0, 0.3, len(scene.points))[:, None, None] * [0, 1, 0]
    measured = measure(scene, Lifted(drift, scene.pixels + np.linspace(0, 40, len(scene.points))[:, None, None] * [1, 0]), SKELETON)
    assert measured["root"] == pytest.approx(150, rel=1e-6)
    assert measured["root_official"] == pytest.approx(50, rel=1e-6)
    assert measured["global"] == pytest.approx(150, rel=1e-6)
    assert measured["joint"] < 1e-6
    assert measured["picture"] == pytest.approx(20, rel=1e-6)
    assert measured["centred_picture"] < 1e-6
    ball = scene.points.copy()
    ball[:, JOINTS] += [0, 0, 0.05]
    assert measure(scene, Lifted(ball, scene.pixels), SKELETON)["object_root"] == pytest.approx(50, rel=1e-6)


def test_what_a_lifter_does_not_say_is_no_number(scene: Scene):
    points = scene.points.copy()
    points[:, 9] = points[:, JOINTS:] = np.nan
    measured = measure(scene, Lifted(points, scene.pixels, rooted=False), SKELETON)
    assert {name for name, value in measured.items() if math.isnan(value)} == {"root", "root_official", "global", "object_root", "object",
                                                                                         "off_lines", "apart"}
    assert measured["joint"] < 1e-6
    hidden = replace(scene, there=np.arange(18) != JOINTS)
    assert math.isnan(measure(hidden, Lifted(scene.points, scene.pixels), SKELETON)["object_root"])


def test_rays_are_over_depth(scene: Scene):
    rays, sure = rays_of(scene, CLEAR)
    seen = in_camera(scene)
    assert np.allclose(rays, seen[..., :2] / seen[..., 2:])
    assert (sure == 1).all()
    assert np.allclose(rays[0, HIPS].mean(0), 0, atol=0.01)
    assert scene.camera.image_size == BOX_IMAGE


def test_other_views_stand_around_the_subject(scene: Scene):
    """A point that is straight before the filming camera is at a side of the next one's picture, and nearer or farther in the opposite one."""
    eye = scene.camera.R.T @ -scene.camera.t
    root = scene.points[0, HIPS].mean(0)
    points = np.tile(root, (1, 18, 1))
    points[0, 0] = root + [0, 0.5, 0]
    seen = other_views(scene, points, HIPS)
    distance = np.linalg.norm(root - eye)
    assert seen.shape == (3, 1, 18, 2)
    assert np.allclose(seen[:, 0, 1], 0, atol=1e-9)
    assert abs(seen[0, 0, 0, 0]) == pytest.approx(0.5 / distance, rel=1e-6)
    assert seen[2, 0, 0, 0] == pytest.approx(-seen[0, 0, 0, 0])
    assert seen[1, 0, 0, 0] == pytest.approx(0, abs=1e-9)
