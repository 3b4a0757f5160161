from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import backend.mvlift.lift as lifting
import backend.mvlift.look as looking
from backend.__main__ import main
from backend.errors import Cancelled, KineliftError
from backend.motion.bones import bone_lengths
from backend.motion.motion3d import Motion3D
from backend.mvlift.lift import lift, lift_file
from backend.mvlift.model import LiftModel
from backend.mvlift.settings import LiftSettings
from backend.mvlift.subjects import on_skeleton, resample, subjects
from backend.mvlift.track import Drawn, Floor, Track
from backend.mvlift.windows import up_of
from backend.mvlift.world import found_floors, on_one_floor, stature, to_world
from backend.poses.poses2d import Poses2D
from rigs import load_skeleton
from tests.mvlift.lifting import FOCAL, IMAGE, SKELETON, STANDING, Oracle, camera, film, load, make_pack, seen_by, walk

RIGID = [child - 1 for child in range(1, 16) if child not in SKELETON.elastic_joints]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pack(tmp_path_factory.mktemp("pack") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> LiftModel:
    return load(folder)


def quick(**changes) -> LiftSettings:
    return LiftSettings(**{"pack": "tiny", "poses": "walk.npz", "calls": 3, "look_calls": 2, "device": "cpu", **changes})


def with_oracle(model: LiftModel, monkeypatch: pytest.MonkeyPatch, *motions: np.ndarray, filmed_by=None) -> LiftModel:
    """The pack with a network that is never wrong about these motions of the world, in the order of their tracks."""
    by = filmed_by or camera()
    oracle = Oracle(model, [seen_by(by, motion) for motion in motions])

    class Known(Track):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            oracle.tracks.append(self)

    for module in (lifting, looking):
        monkeypatch.setattr(module, "Track", Known)
    return LiftModel(model.name, model.card, oracle, model.features, model.body, model.schedule, model.skeleton)


def test_a_walk_comes_back_to_where_it_was(model: LiftModel, monkeypatch):
    """With a network that knows: size, path, floor and camera of the poses, from its pixels alone."""
    motion = walk(3.0)
    known = with_oracle(model, monkeypatch, motion)
    lifted = lift(film(motion), known, quick(pitch=math.degrees(0.12), plant=False))[0]
    size = stature(known, motion) / model.card["body"]["bones"]
    assert size == pytest.approx(1.0, abs=1e-3)
    origin = motion[0, [1, 4]].mean(0) * [1, 1, 0]
    off = np.linalg.norm(lifted.positions - (motion[:, :16] - origin), axis=-1)
    assert off.max() < 0.05  # smoothing, and a floor that is found by its feet
    assert off.mean() < 0.015
    assert np.allclose(lifted.object_positions[:, 0], motion[:, 16] - origin, atol=0.045)  # smoothing rounds its bounces
    assert np.linalg.norm(lifted.camera.R.T @ -lifted.camera.t - (np.array([0.5, -4.0, 1.6]) - origin)) < 0.04
    assert lifted.camera.image_size == IMAGE
    pixels = lifted.camera.project(lifted.positions)
    assert np.linalg.norm(pixels - film(motion).keypoints[0, :, :16], axis=-1).mean() < 3
    assert lifted.provenance["pixels_off"] < 3
    assert bone_lengths(lifted.positions, lifted.parents).std(0)[RIGID].max() < 1e-6


def test_the_pitch_is_found_and_the_floor_is_level(model: LiftModel, monkeypatch):
    motion = walk(3.0)
    lifted = lift(film(motion), with_oracle(model, monkeypatch, motion), quick())[0]
    down = math.asin(-lifted.camera.R[2, 2])
    assert down == pytest.approx(0.12, abs=0.015)
    feet = lifted.positions[:, [3, 6], 2]
    assert np.percentile(feet, 20) == pytest.approx(0.08, abs=0.02)
    assert abs(np.percentile(feet[:30], 20) - np.percentile(feet[-30:], 20)) < 0.02


def test_the_height_scales_the_world(model: LiftModel, monkeypatch):
    motion = walk(1.0)
    tall, small = (lift(film(motion), with_oracle(model, monkeypatch, motion), quick(pitch=6.9, height=height, plant=False))[0] for height in (1.75, 0.875))
    assert np.allclose(tall.positions, 2 * small.positions, atol=5e-3)
    assert np.allclose(tall.camera.t, 2 * small.camera.t, atol=2e-2)


def test_tracks_share_one_world_and_one_camera(model: LiftModel, monkeypatch):
    first = walk(2.0)
    second = first * [-1, 1, 1] + [1.2, 1.0, 0]
    second = second[:, SKELETON.mirror_order]
    lifted = lift(film(first, second), with_oracle(model, monkeypatch, first, second), quick(plant=False))
    assert len(lifted) == 2
    assert np.array_equal(lifted[0].camera.t, lifted[1].camera.t)
    between = (lifted[1].positions - lifted[0].positions).mean((0, 1))
    assert np.allclose(between, (second - first)[:, :16].mean((0, 1)), atol=0.1)
    feet = [np.percentile(one.positions[:, [3, 6], 2], 15) for one in lifted]
    assert abs(feet[0] - feet[1]) < 0.03


@pytest.mark.parametrize(("size", "high", "told"), [(1.0, 1.2, True), (1.0, 0.25, False), (0.2, 0.25, True), (0.2, 0.04, False)])
def test_a_camera_must_be_high_above_its_subjects_to_tell_sizes(size: float, high: float, told: bool, model: LiftModel):
    """A camera 25 centimetres above the floor is low for people and high for cats."""
    motions = [size * walk() + [0, 4 * size, -high * share] for share in (1.0, 1.1)]
    made, floor = on_one_floor(motions, np.array([-high, -1.1 * high]), model.skeleton)
    assert floor == pytest.approx(-1.05 * high, abs=0.01 * size)
    floors = [motion[:, [3, 6], 2].min() for motion in made]
    assert (abs(floors[0] - floors[1]) < 0.02 * high) == told


def test_a_floor_that_was_found_with_the_motion_is_the_worlds(model: LiftModel):
    """A body in the air, whose feet tell nothing, before a camera that looks down more than it was said to; and one on the ground beside it."""
    jump, tilt = walk() + [0, 4, 0.7 - 1.6], 0.05
    turn = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
    seen = np.diag([1.0, -1.0, 1.0]) @ camera(pitch=0.3).R  # right, up, forward
    axes = seen @ turn  # of the camera in a world that is taken to be level
    floor = Floor(torch.from_numpy(seen[:, 2].copy()), 2 * (0.08 - 1.6))
    results = [Drawn(torch.from_numpy(motion @ seen.T), torch.zeros(1), floor=floor) for motion in (jump, jump + [1.5, 0, -0.7])]
    found, heights = found_floors([motion @ turn for motion in (jump, jump + [1.5, 0, -0.7])], results, [0.5, 0.5], axes, model)
    assert np.allclose(found @ turn.T, np.eye(3), atol=1e-6)
    assert np.allclose(heights, 0.08 - 1.6)
    known_by_feet, _ = found_floors([jump @ turn], [replace(results[0], floor=None)], [0.5], axes, model)
    assert not np.allclose(known_by_feet @ turn.T, np.eye(3), atol=1e-2)


def test_planted_feet_leave_the_body_where_the_camera_saw_it(model: LiftModel):
    """A walk that sways towards the camera and up: feet are put on the floor, and the hips stay in their place in the picture."""
    motion = walk(2.0)
    motion += 0.08 * np.sin(np.arange(len(motion)) / 10)[:, None, None] * [0, 1, 0.5]
    poses, axes = film(motion), up_of(0.12)
    result = Drawn(torch.from_numpy(seen_by(camera(), motion)), torch.eye(3, dtype=torch.float64).expand(*motion.shape, 3),
                   floor=Floor(axes, STANDING - 1.6))
    (lifted,) = to_world(model, subjects(poses, model), [result], axes, FOCAL, poses, quick())
    hips = [SKELETON.joints.index(name) for name in ("LHip", "RHip")]
    apart = lifted.camera.project(lifted.positions[:, hips].astype(np.float64)) - poses.keypoints[0][:, hips]
    assert np.linalg.norm(apart, axis=-1).mean() < 3


def test_a_track_begins_where_it_is_seen(model: LiftModel):
    motion = walk(2.0)
    poses = film(motion)
    poses.confidences[:, :10] = poses.confidences[:, 50:] = 0
    lifted = lift(poses, model, quick())[0]
    assert (lifted.frames, lifted.provenance["first_frame"]) == (40, 10)


def test_a_minute_has_no_seam(model: LiftModel, monkeypatch):
    """Each of the windows of a minute is wrong about what nobody filmed in a way of its own, by centimetres, about somebody who stands with a ball:
    nothing jumps where one window takes the other's place."""
    motion = np.repeat(walk(1 / 30), 1800, axis=0)
    usual = replace(model, card={**model.card, "seconds": {"default": 4.0, "max": 3600.0}})
    known = with_oracle(usual, monkeypatch, motion)
    right = known.denoiser.forward
    wrong = 0.25 * torch.randn(40, 3, 1, motion.shape[1], 2, generator=torch.Generator().manual_seed(0))

    def mistaken(x, steps, given, lengths):
        views = right(x, steps, given, lengths)
        return torch.cat([views[:, :1], views[:, 1:] + wrong[: len(views)]], 1)

    known.denoiser.forward = mistaken
    lifted = lift(film(motion), known, quick(pitch=math.degrees(0.12), plant=False))[0]
    assert lifted.frames == 1800
    starts = known.denoiser.tracks[-1].starts
    assert len(starts) >= 15
    for made in (lifted.positions, lifted.object_positions):
        places = np.array([made[start + 45 : start + 75].mean(0) for start in starts])
        assert np.linalg.norm(np.diff(places, axis=0), axis=-1).max() > 0.05  # metres by which neighbours disagree
        assert np.linalg.norm(np.diff(made, axis=0), axis=-1).max() < 0.02  # metres a frame


def test_seeds_are_reproducible(model: LiftModel):
    motion = walk(1.0)
    first, again, other = (lift(film(motion), model, quick(pitch=6.9, seed=seed))[0].positions for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_an_unknown_focal_length_is_estimated(model: LiftModel, monkeypatch):
    poses = film(walk(1.0))
    poses.focal = 0.0
    lifted = lift(poses, model, quick())[0]
    assert lifted.camera.K[0, 0] in [share * 1280 for share in looking.TRIED_FOCALS]
    assert lift(poses, model, quick(focal=900.0))[0].camera.K[0, 0] == 900


def test_another_frame_rate_is_resampled(model: LiftModel):
    poses = film(walk(1.0))
    poses.fps = 15.0
    lifted = lift(poses, model, quick(pitch=6.9))[0]
    assert (lifted.frames, lifted.fps) == (59, 30.0)
    points, sure = np.arange(8.0).reshape(4, 1, 2), np.array([[1.0], [1.0], [0.0], [1.0]])
    moved, seen = resample(points, sure, 30.0, 60.0)
    assert np.allclose(moved[:, 0, 0], [0, 1, 2, 3, 4, 5, 6])
    assert seen[:, 0].tolist() == [1, 1, 1, 0, 0, 0, 1]
    assert resample(points, sure, 30.0, 10.0)[0][:, 0, 0].tolist() == [0, 6]


def test_the_command_writes_a_motion_file_with_its_camera(folder: Path, tmp_path: Path, capsys):
    poses = film(walk(1.0)).save(tmp_path / "walk.npz")
    arguments = ["lift", "--pack", str(folder), "--poses", str(poses), "--calls", "3", "--look-calls", "2", "--to", str(tmp_path / "out"), "--device", "cpu"]
    assert main(arguments) == 0
    motion = Motion3D.load(capsys.readouterr().out.strip())
    assert motion.camera.image_size == IMAGE
    assert np.allclose(motion.camera.R @ motion.camera.R.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(motion.camera.R) == pytest.approx(1)
    assert (motion.provenance["pack"], motion.provenance["poses"], motion.object_names) == ("tiny", "walk.npz", ["Ball"])
    assert main([*arguments[:2], "nowhere", *arguments[3:]]) == 1
    assert "there is no pack 'nowhere'" in capsys.readouterr().err


def test_joints_of_one_name_and_another_meaning_are_refused(model: LiftModel):
    """A horse's LeftElbow is not a cat's."""
    horse, cat = load_skeleton("ap10k"), load_skeleton("ap10k-paws")
    poses = Poses2D(np.ones((1, 5, 17, 2)), np.ones((1, 5, 17)), list(horse.joints), "ap10k", 30.0, IMAGE, 0.0, ["1"], "horse.npz")
    assert on_skeleton(poses, horse)[1].all()
    with pytest.raises(KineliftError, match="'ap10k', whose LeftElbow is another joint"):
        on_skeleton(poses, cat)


@pytest.mark.parametrize(("seen", "said"), [(np.zeros((1, 30, 17)), "no joint of the skeleton 'nba16-ball' was seen"),
                                            (np.eye(30)[:, :17][None] * (np.arange(30) < 1)[:, None], "seen in 1 frames")])
def test_poses_that_cannot_be_lifted_are_named(seen: np.ndarray, said: str, folder: Path, tmp_path: Path):
    poses = film(walk(1.0))
    poses.confidences = seen
    with pytest.raises(KineliftError, match=said) as caught:
        lift_file(quick(pack=str(folder), poses=str(poses.save(tmp_path / "walk.npz"))), tmp_path)
    assert "walk.npz" in caught.value.place
    assert caught.value.remedy


def test_a_joint_in_each_frame_is_enough(folder: Path, tmp_path: Path):
    poses = film(walk(1.0))
    poses.confidences = np.eye(30)[:, :17][None] + np.eye(30, 17, -17)[None]
    assert lift_file(quick(pack=str(folder), poses=str(poses.save(tmp_path / "walk.npz"))), tmp_path)


@pytest.mark.parametrize("changes", [{"height": -1.0}, {"height": 20.0}, {"focal": math.nan}, {"pitch": 89.0}, {"seed": -1}, {"calls": 1},
                                     {"look_calls": 1000}])
def test_settings_that_mean_nothing_are_named(changes: dict, model: LiftModel):
    with pytest.raises(KineliftError) as caught:
        lift(film(walk(1.0)), model, quick(**changes))
    assert caught.value.code == "bad-setting"


def test_a_cancelled_job_leaves_no_file(folder: Path, tmp_path: Path):
    poses = film(walk(1.0)).save(tmp_path / "walk.npz")

    def report(fraction: float, message: str) -> None:
        if fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        lift_file(replace(quick(), pack=str(folder), poses=str(poses)), tmp_path / "out", report)
    assert not (tmp_path / "out").exists()


def test_packs_of_another_kind_are_refused(folder: Path, tiny_folder: Path, tmp_path: Path):
    from backend.packs.model import load_model

    with pytest.raises(KineliftError, match="kind 'mas'"):
        load(tiny_folder)
    with pytest.raises(KineliftError, match="does not generate"):
        load_model(str(folder), "cpu")
