"""What every shipped pack that lifts promises: footage of a motion that another shipped pack generates comes back as that motion."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.evaluation.lifting.metrics import aligned_joint_error, root_centred
from backend.mas.generate import to_motion
from backend.mas.sampler import MODES, sample
from backend.motion.bones import bone_lengths
from backend.motion.motion3d import Camera, Motion3D
from backend.mvlift.lift import lift
from backend.mvlift.model import LiftModel, load_lift_model
from backend.mvlift.settings import LiftSettings
from backend.mvlift.synthesise import on_skeleton
from backend.mvlift.windows import hips_of
from backend.packs.catalogue import SHIPPED, list_packs
from backend.packs.model import load_model
from backend.poses.poses2d import Poses2D
from tests.packs.test_shipped import check_card

SHIPPED_PACKS = [pack for pack in list_packs() if pack.folder.parent == SHIPPED]
LIFTING = [pack.name for pack in SHIPPED_PACKS if pack.kind == "mvlift"]
PITCH, IMAGE = 0.15, (1920, 1080)


@pytest.fixture(scope="module", params=LIFTING)
def model(request: pytest.FixtureRequest) -> LiftModel:
    return load_lift_model(request.param, "cpu")


@pytest.fixture(scope="module")
def motion(model: LiftModel) -> np.ndarray:
    """[T,J,3] metres, on the pack's joints, of the first pack that generates its subject."""
    for pack in SHIPPED_PACKS:
        if pack.kind != "mas" or pack.card["fps"] != model.fps:
            continue
        mas = load_model(pack.name, "cpu")
        generated = to_motion(sample(mas, round(5 * model.fps), [31], MODES["fast"])[0].double().numpy(), mas, False, {})
        try:
            return on_skeleton(generated, mas.skeleton, model.skeleton, pack.name)[:, : len(model.skeleton.joints)].astype(np.float64)
        except KineliftError:
            continue
    pytest.fail(f"no shipped pack generates what {model.name} lifts")


@pytest.fixture(scope="module")
def camera(model: LiftModel, motion: np.ndarray) -> Camera:
    """A camera that looks along +Y and down at the motion, from so far that all of it is in the picture."""
    rotation = np.array([[1.0, 0, 0], [0, -math.sin(PITCH), -math.cos(PITCH)], [0, math.cos(PITCH), -math.sin(PITCH)]])
    middle = motion.reshape(-1, 3).mean(0)
    distance = 3 * float(np.ptp(motion.reshape(-1, 3), axis=0).max())
    return Camera(np.array([[2600.0, 0, IMAGE[0] / 2], [0, 2600.0, IMAGE[1] / 2], [0, 0, 1.0]]), rotation, -rotation @ (middle - distance * rotation[2]), IMAGE)


def film(motion: np.ndarray, model: LiftModel, camera: Camera) -> Poses2D:
    """What the camera sees of a motion [T,J,3]; objects are not there."""
    names = model.skeleton.joints + model.skeleton.objects
    keypoints, sure = np.zeros((1, len(motion), len(names), 2)), np.zeros((1, len(motion), len(names)))
    keypoints[0, :, : motion.shape[1]], sure[0, :, : motion.shape[1]] = camera.project(motion), 1
    return Poses2D(keypoints, sure, list(names), model.skeleton.name, model.fps, IMAGE, 2600.0, ["1"], "generated.npz")


@pytest.fixture(scope="module")
def lifted(model: LiftModel, motion: np.ndarray, camera: Camera) -> Motion3D:
    return lift(film(motion, model, camera), model, LiftSettings(model.name, "generated.npz", device="cpu"))[0]


def test_a_pack_says_what_it_is_and_whose_data_it_learned_from(model: LiftModel):
    check_card(model.card)
    assert model.card["body"]["height"] > 0 and model.card["body"]["bones"] > 0


def test_footage_comes_back_as_the_motion(model: LiftModel, motion: np.ndarray, camera: Camera, lifted: Motion3D):
    hips, height = hips_of(model.skeleton), float(np.percentile(np.ptp(motion[..., 2], axis=1), 90))
    found = lifted.positions[:, : motion.shape[1]].astype(np.float64)
    assert found.shape == motion.shape and np.isfinite(found).all()
    flat = motion * [1, 0, 1]  # what a lifter without any sense of depth would say
    assert aligned_joint_error(found, motion, hips) < min(0.9 * aligned_joint_error(flat, motion, hips), 50 * height)  # millimetres
    pixels = np.linalg.norm(lifted.camera.project(found) - camera.project(motion), axis=-1)
    assert pixels.mean() < 0.03 * np.ptp(camera.project(motion)[..., 1], axis=1).max()
    assert abs(np.percentile(found[..., 2].min(1), 50)) < 0.15 * height  # it stands on the floor
    lengths = bone_lengths(found, [-1 if joint in model.skeleton.elastic_joints else parent for joint, parent in enumerate(model.skeleton.parents)])
    assert (lengths.std(0) / lengths.mean(0)).max() < 0.005
    assert np.abs(root_centred(found, hips)).max() < 2 * height


def test_a_seed_means_one_motion(model: LiftModel, motion: np.ndarray, camera: Camera):
    poses = film(motion[:20], model, camera)
    quick = LiftSettings(model.name, "generated.npz", calls=3, look_calls=2, seed=7, device="cpu")
    first, again, other = (lift(poses, model, settings)[0].positions for settings in (quick, quick, replace(quick, seed=8)))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
