"""A body fitted to one view: the prior of poses, the start, the fit, and the lift that takes turns between the fit and the network."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import KineliftError
from backend.evaluation.lifting.networks import rows_counted
from backend.mas.sampler import Noise
from backend.motion.bones import bone_lengths
from backend.mvlift.alternate import AlternateSettings, alternate, first_fit, from_hips, redraw
from backend.mvlift.body_fit import FitSettings, fit_bodies, with_objects
from backend.mvlift.lift import lift
from backend.mvlift.look import FOCALS, fitting_focal
from backend.mvlift.model import LiftModel, load_lift_model
from backend.mvlift.pose_prior import PRIOR, PosePrior, body_axes
from backend.mvlift.settings import LiftSettings
from backend.mvlift.subjects import subjects
from backend.mvlift.track import Track
from backend.mvlift.windows import hips_of, up_of
from tests.mvlift.lifting import FOCAL, IMAGE, SKELETON, Oracle, camera, film, make_pack, seen_by, walk

JOINTS, HIPS = len(SKELETON.joints), hips_of(SKELETON)
PITCH = 0.12
QUICK = AlternateSettings(calls=4, iterations=40, fit=FitSettings(place_iterations=60, iterations=150), bfloat16=False)


@pytest.fixture(scope="module")
def prior() -> PosePrior:
    return PosePrior.learn([walk(6.0, away) for away in (0.0, 0.6, 2.0)], SKELETON)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prior: PosePrior) -> Path:
    folder = make_pack(tmp_path_factory.mktemp("pack") / "tiny")
    prior.save(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> LiftModel:
    return load_lift_model(str(folder), "cpu")


def track_of(model: LiftModel, motion: np.ndarray, hidden: tuple[slice, list[int]] | None = None) -> Track:
    rays = torch.from_numpy((camera().project(motion) - np.array(IMAGE) / 2) / FOCAL * [1, -1]).float()
    trust = torch.ones(rays.shape[:2])
    if hidden is not None:
        trust[hidden] = 0
        rays[hidden] = rays[hidden[0].start, hidden[1]]
    return Track(model, rays, trust, up_of(PITCH))


def knowing(model: LiftModel, motion: np.ndarray, hidden: tuple[slice, list[int]] | None = None) -> Track:
    """A track whose network is never wrong about it."""
    oracle = Oracle(model, [seen_by(camera(), motion)])
    track = track_of(LiftModel(model.name, model.card, oracle, model.features, model.body, model.schedule, model.skeleton, model.prior), motion, hidden)
    oracle.tracks.append(track)
    return track


def off(found: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of joints from the hips, in metres, bodies as large as each other."""
    found, true = (part[:, :JOINTS] - part[:, HIPS].mean(1, keepdims=True) for part in (found, true))
    return float(np.linalg.norm(found * np.abs(true).mean() / np.abs(found).mean() - true, axis=-1).mean())


def test_a_prior_comes_back_from_its_file_and_knows_no_side(prior: PosePrior, model: LiftModel):
    assert all(torch.equal(getattr(prior, name), getattr(model.prior, name)) for name in ("mean", "basis", "lengths", "up"))
    order = SKELETON.mirror_order[:JOINTS]
    assert torch.allclose(prior.mean[order] * torch.tensor([-1.0, 1, 1]), prior.mean, atol=1e-5)
    assert torch.allclose(prior.lengths[order], prior.lengths)
    assert prior.size == pytest.approx(float(bone_lengths(walk()[:, :JOINTS], list(SKELETON.parents)).mean(0)[
        [child - 1 for child in prior.rigid]].sum()), rel=0.01)


@pytest.mark.parametrize("spoil", [lambda prior, path: path.write_bytes(b"no tensors"),
                                   lambda prior, path: replace(prior, mean=prior.mean[:3]).save(path.parent),
                                   lambda prior, path: replace(prior, lengths=prior.lengths * math.nan).save(path.parent)])
def test_a_spoilt_prior_is_named(tmp_path: Path, prior: PosePrior, spoil):
    folder = make_pack(tmp_path / "tiny")
    spoil(prior, folder / PRIOR)
    with pytest.raises(KineliftError) as error:
        load_lift_model(str(folder), "cpu")
    assert PRIOR in error.value.place
    assert error.value.code == "bad-pack"


def test_the_first_fit_shows_what_was_filmed_by_bones_that_keep_their_lengths(model: LiftModel, prior: PosePrior):
    motion = walk(2.0)
    track = track_of(model, motion)
    fit = first_fit(track, prior, up_of(PITCH), QUICK.fit, lambda fraction: None)
    body = fit.bodies()[0].double().numpy()
    rays = track.rays[:, :JOINTS].double().numpy()
    assert np.linalg.norm(body[..., :2] / body[..., 2:] - rays, axis=-1).mean() < 0.01
    lengths = bone_lengths(body, list(SKELETON.parents))
    assert lengths[:, [child - 1 for child in prior.rigid]].std(0).max() < 1e-5
    order = SKELETON.mirror_order[:JOINTS]
    for child in prior.rigid:  # left and right alike, though not as usual: the walker is another one
        assert lengths[0, child - 1] == pytest.approx(lengths[0, order[child] - 1], rel=1e-4)
    assert np.abs(lengths[0, [child - 1 for child in prior.rigid]] / prior.lengths[prior.rigid].numpy() - 1).max() > 1e-3
    true = seen_by(camera(), motion)
    facing = [body_axes(points[:, :JOINTS] * [1, 1, -1], SKELETON)[:, 2] for points in (body, true)]
    assert np.median((facing[0] * facing[1]).sum(-1)) > 0.8
    assert off(body, true) < 0.08


def test_feet_that_stand_tell_how_far_away_the_body_is(model: LiftModel, prior: PosePrior):
    """A camera that looks down from high up, and a body that seems smaller than it is for a while: what stands on the floor is not farther away."""
    motion = walk(3.0)
    by = camera(0.6, 4.0, 0.5, 3.8)
    rays = torch.from_numpy((by.project(motion) - np.array(IMAGE) / 2) / FOCAL * [1, -1]).float()
    true = seen_by(by, motion)
    hips = rays[:, HIPS].mean(1, keepdim=True)
    smaller = 1 - 0.08 * torch.exp(-(((torch.arange(90) - 45) / 15) ** 2))[:, None, None]
    feet = [SKELETON.joints.index(name) for name in SKELETON.feet]
    seen = hips + (rays - hips) * smaller
    seen[:, feet] = rays[:, feet]
    track = Track(model, seen, torch.ones(rays.shape[:2]), up_of(0.6))

    def wander(floor: float) -> float:
        fit = first_fit(track, prior, up_of(0.6), replace(QUICK.fit, floor=floor), lambda fraction: None)
        depth = fit.bodies()[0][:, HIPS].mean(1)[:, 2].double().numpy() / true[:, HIPS].mean(1)[:, 2]
        return float(depth.std() / depth.mean())

    assert wander(FitSettings.floor) < 0.75 * wander(0.0)


def test_the_floor_is_found_and_jumps_are_left_alone(model: LiftModel, prior: PosePrior):
    motion = walk(3.0)
    motion[40:50, :JOINTS, 2] += 0.35
    fit = first_fit(track_of(model, motion), prior, up_of(PITCH), FitSettings(60, 300), lambda fraction: None)
    feet = [SKELETON.joints.index(name) for name in SKELETON.feet]
    heights = (fit.bodies()[0].double() @ up_of(PITCH).double())[:, feet].amin(-1).numpy()
    true = (seen_by(camera(), motion) @ up_of(PITCH).double().numpy())[:, feet].min(-1)
    assert heights[41:49].mean() - np.median(heights) > 0.7 * (true[41:49].mean() - np.median(true))
    (floor,) = fit.floors()
    assert floor.height == pytest.approx(np.median(true), abs=0.1)
    assert torch.allclose(floor.up, up_of(PITCH), atol=0.05)


def test_nobody_stays_in_the_air(model: LiftModel, prior: PosePrior):
    """A body that seems larger than it is for two seconds: as if it hovered before a camera that looks down on it from high up."""
    motion = walk(3.0)
    above = camera(pitch=0.6, distance=5.0, high=4.5)
    near = np.ones(len(motion))
    near[30:] = 1.8
    seen = seen_by(above, motion)
    middle = seen[:, HIPS].mean(1, keepdims=True)
    shown = middle + (seen - middle) * near[:, None, None]
    track = Track(model, torch.from_numpy(shown[..., :2] / shown[..., 2:]).float(), torch.ones(shown.shape[:2]), up_of(0.6))
    fit = first_fit(track, prior, up_of(0.6), FitSettings(60, 300), lambda fraction: None)
    (floor,) = fit.floors()
    feet = [SKELETON.joints.index(name) for name in SKELETON.feet]
    heights = (fit.bodies()[0] @ floor.up)[:, feet].amin(-1) - floor.height
    assert float(heights[30:].unfold(0, 31, 1).amin(-1).max()) < 0.1


def test_one_row_of_a_fit_goes_on_alone(model: LiftModel, prior: PosePrior):
    fit = first_fit(track_of(model, walk(1.0)), prior, up_of(PITCH), QUICK.fit, lambda fraction: None)
    alone = fit.row(0)
    alone.run(5)
    assert not torch.equal(alone.bodies(), fit.bodies())
    assert alone.bodies().shape == fit.bodies().shape == (1, 30, JOINTS, 3)


def test_views_that_are_right_mend_the_fit(model: LiftModel, prior: PosePrior):
    """Taking turns with a network that knows is better than the fit alone, also where an arm can't be seen for a second."""
    motion = walk(3.0)
    true = seen_by(camera(), motion)
    hidden = (slice(20, 50), [SKELETON.joints.index(name) for name in ("LElbow", "LWrist")])
    track = knowing(model, motion, hidden)
    assert len(track.starts) > 2
    fit = first_fit(track, prior, up_of(PITCH), QUICK.fit, lambda fraction: None)
    for _ in range(QUICK.calls):  # as many steps, and nothing drawn
        fit.run(QUICK.iterations)
    alone = fit.bodies()[0].double().numpy()
    found = alternate(track, prior, up_of(PITCH), 0, QUICK).points.double().numpy()
    assert off(found, true) < min(0.03, 0.75 * off(alone, true))
    assert off(found[hidden[0]], true[hidden[0]]) < min(0.05, 0.75 * off(alone[hidden[0]], true[hidden[0]]))
    ball = SKELETON.keypoints.index("Ball")
    size = np.linalg.norm(true[:, HIPS].mean(1), axis=-1).mean() / np.linalg.norm(found[:, HIPS].mean(1), axis=-1).mean()
    assert np.linalg.norm(found[:, ball] * size - true[:, ball], axis=-1).mean() < 0.15


def test_what_is_drawn_does_not_depend_on_how_far_away_a_motion_is_taken_to_be(model: LiftModel, prior: PosePrior):
    motion = walk(1.5)
    track, true = knowing(model, motion), torch.from_numpy(seen_by(camera(), motion)).float()
    for size in (0.8, 1.0, 1.7):
        track.take_scale(true * size)
        first = model.body.root(track.from_camera((true * size)[track.index])[:, 0])
        forward = (track.axes[:, 0, 2] * first).sum(-1)
        assert forward.abs().max() < 1e-3  # every window's subject stands at its origin
    near, far = (redraw(track, true * size, 600, Noise([3]), False)[0] for size in (1.0, 1.7))
    assert torch.allclose(from_hips(near, prior), from_hips(far, prior), atol=2e-3)


def test_a_seed_is_a_motion_and_progress_ends_where_it_should(model: LiftModel, prior: PosePrior):
    motion, told = walk(1.0), []
    quick = replace(QUICK, calls=2, iterations=5, fit=FitSettings(place_iterations=5, iterations=5))

    def lifted(seed: int) -> torch.Tensor:
        return alternate(track_of(model, motion), prior, up_of(PITCH), seed, quick, lambda fraction, message: told.append(fraction)).points

    assert torch.equal(lifted(1), lifted(1))
    assert not torch.equal(lifted(1), lifted(2))
    assert min(told) >= 0 and max(told) < 1


def test_objects_are_where_they_are_seen_and_as_far_as_the_hand():
    true = seen_by(camera(), walk(2.0))
    points = with_objects(true[:, :JOINTS], true[..., :2] / true[..., 2:], np.ones(true.shape[:2]), SKELETON)
    assert points.shape == true.shape
    assert np.array_equal(points[:, :JOINTS], true[:, :JOINTS])
    ball = points[:, JOINTS]
    assert np.allclose(ball[:, :2] / ball[:, 2:], true[:, JOINTS, :2] / true[:, JOINTS, 2:])
    assert np.abs(ball[:, 2] - true[:, JOINTS, 2]).max() < 1.0


def test_a_pack_with_a_prior_lifts_in_a_few_calls(model: LiftModel):
    """Even a network that knows nothing leaves a body in place that shows what was filmed."""
    settings = LiftSettings("tiny", "walk.npz", pitch=math.degrees(PITCH), plant=False, device="cpu")
    assert settings.calls_of(model) == AlternateSettings.calls < settings.calls_of(replace(model, prior=None))
    lifted = lift(film(walk(2.0)), model, settings)[0]
    assert np.isfinite(lifted.positions).all()
    assert bone_lengths(lifted.positions, lifted.parents).std(0)[[child - 1 for child in model.prior.rigid]].max() < 1e-5
    assert lifted.provenance["pixels_off"] < 40


def test_motions_that_are_fitted_together_are_fitted_as_if_alone(model: LiftModel, prior: PosePrior):
    tracks = [track_of(model, walk(seconds)) for seconds in (2.0, 1.0)]
    motions = [tuple(part[:, :JOINTS].double().numpy() for part in (track.rays, track.seen)) for track in tracks]
    together, rows = fit_bodies(prior, motions, [up_of(PITCH)] * 2, FitSettings(20, 30))
    for number, motion in enumerate(motions):
        alone, (best,) = fit_bodies(prior, [motion], [up_of(PITCH)], FitSettings(20, 30))
        assert rows[number] - number == 2 * best
        assert torch.allclose(together.bodies()[rows[number], : len(motion[0])], alone.bodies()[best], atol=1e-3)


@pytest.mark.parametrize("share", [0.7, 2.0])
def test_who_walks_away_tells_the_focal_length(model: LiftModel, prior: PosePrior, share: float):
    """A long lens from far away shows them as large as a short one from nearby, but less of their way; who stays shows nothing of it."""
    side = max(IMAGE)
    away, still = walk(4.0, 1.4), walk(4.0, 0.6)
    still[..., :2] -= still[:, HIPS, :2].mean(1, keepdims=True) - still[:1, HIPS, :2].mean(1, keepdims=True)
    told = []
    for motion in (away, still):
        found = subjects(replace(film(motion, by=camera(distance=3.5 * share, focal=share * side)), focal=0.0), model)
        told.append(fitting_focal(model, prior, found, IMAGE, None, lambda fraction: None) / side)
    assert abs(math.log(told[0] / share)) < 0.6 * abs(math.log(share))  # the usual one is 1 off
    assert 0.7 <= told[1] <= 1.4


def test_an_unknown_camera_looks_down_as_usual(model: LiftModel):
    """No calls of the network are spent on guessing it; a pitch or a focal length that is given is taken."""
    poses = replace(film(walk(1.0)), focal=0.0)
    settings = LiftSettings("tiny", "walk.npz", device="cpu", plant=False, calls=2)
    with rows_counted(model) as counted:
        lifted = lift(poses, model, settings)[0]
    assert counted == [2 * 4 * len(track_of(model, walk(1.0)).starts)]
    assert lifted.camera.K[0, 0] in np.array(FOCALS) * IMAGE[0]
    told = lift(poses, model, replace(settings, pitch=20.0, focal=900.0))[0]
    assert told.camera.K[0, 0] == 900
    assert math.degrees(math.asin(-told.camera.R[2, 2])) == pytest.approx(20, abs=6)  # feet may level it
