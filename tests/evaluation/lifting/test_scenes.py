from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.evaluation.lifting.scenes import CLEAR, DETECTED, NOISE, SHOWN_DISTANCE, Scene, export, make_scenes
from backend.mvlift.windows import hips_of
from backend.poses.poses2d import Poses2D
from backend.training.domain import Domain
from tests.training.clips import write_clips


def test_a_scene_is_a_window_of_a_test_clip_before_a_camera(scenes: list[Scene], domain: Domain):
    hips = hips_of(domain.skeleton)
    for scene in scenes:
        assert scene.name.endswith("walks/walk_3")
        assert scene.points.shape == (30, 18, 3)
        assert scene.there.all()
        root, eye = scene.points[0, hips].mean(0), scene.camera.R.T @ -scene.camera.t
        assert np.allclose(root[:2], 0, atol=1e-9)
        assert 0.7 < root[2] < 1.0
        assert np.percentile(scene.points[:, [3, 6], 2], 10) == pytest.approx(0.08, abs=0.03)
        distance = np.linalg.norm(root - eye)
        assert 3.0 <= distance <= 5.0
        assert 0 <= scene.pitch <= 0.25
        assert eye[2] - root[2] == pytest.approx(distance * math.sin(scene.pitch))
        assert eye[0] == pytest.approx(0, abs=1e-9)
        assert scene.focal == pytest.approx(1000 * distance / SHOWN_DISTANCE)
        assert np.allclose(scene.camera.project(root), [960, 540])
        assert np.allclose(scene.pixels, scene.camera.project(scene.points))
    assert not np.allclose(scenes[0].points[-1], scenes[1].points[-1])


def test_a_detector_adds_noise_and_hides_points(world: Path, domain: Domain):
    scenes = make_scenes(domain, world, 12, 3)
    off = np.concatenate([(scene.spotted - scene.pixels).ravel() for scene in scenes])
    assert off.std() == pytest.approx(NOISE, rel=0.1)
    shares = [float(1 - scene.confidences.mean()) for scene in scenes]
    assert 0.01 < np.mean(shares) < 0.4
    assert all(scene.confidences.any(1).all() for scene in scenes)
    clear = scenes[0].poses(domain.skeleton, 30.0, CLEAR)
    assert (clear.confidences == 1).all()
    assert np.array_equal(clear.keypoints[0], scenes[0].pixels[:, :17])
    seen = scenes[0].poses(domain.skeleton, 30.0, DETECTED)
    assert np.array_equal(seen.confidences[0], scenes[0].confidences[:, :17])
    assert not seen.keypoints[seen.confidences == 0].any()


def test_a_seed_means_the_same_scenes(world: Path, domain: Domain, scenes: list[Scene]):
    again, others = make_scenes(domain, world, 2, 0), make_scenes(domain, world, 2, 1)
    for one, other in zip(scenes, again):
        assert one.name == other.name
        assert all(np.array_equal(getattr(one, key), getattr(other, key)) for key in ("points", "pixels", "spotted", "confidences"))
    assert not np.array_equal(scenes[0].points, others[0].points)
    more = make_scenes(domain, world, 3, 0)
    assert np.array_equal(more[1].spotted, scenes[1].spotted)


def test_a_clip_without_the_object_does_not_show_it(domain: Domain, tmp_path: Path):
    write_clips(tmp_path, object_names=None, object_positions=None)
    scene = make_scenes(domain, tmp_path, 2, 0)[0]
    ball = domain.skeleton.keypoints.index("Ball")
    assert not scene.there[ball]
    assert not scene.seen(CLEAR)[1][:, ball].any()
    assert not scene.seen(DETECTED)[1][:, ball].any()


def test_clips_that_are_too_short_are_said(domain: Domain, tmp_path: Path):
    with pytest.raises(KineliftError, match="no test clips last"):
        make_scenes(domain, write_clips(tmp_path, seconds=0.4), 2, 0)


def test_scenes_are_exported_for_other_tools(scenes: list[Scene], domain: Domain, tmp_path: Path):
    paths = export(scenes, domain.skeleton, 30.0, DETECTED, tmp_path)
    assert [path.name for path in paths] == ["0000.npz", "0001.npz"]
    poses = Poses2D.load(paths[1])
    assert poses.focal == pytest.approx(scenes[1].focal)
    assert np.allclose(poses.confidences[0], scenes[1].confidences[:, :17])
