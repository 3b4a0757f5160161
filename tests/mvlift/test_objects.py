"""Objects through all stages: a person with a ball or a box, in a domain whose clips are made by code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.__main__ import main
from backend.evaluation.lifting import rows
from backend.evaluation.lifting.networks import Windows, draw_views
from backend.evaluation.lifting.results import measure
from backend.evaluation.lifting.rows import ROWS, Lifters, RowSettings
from backend.evaluation.lifting.scenes import CLEAR, Scene, make_scenes
from backend.evaluation.progress import print_progress
from backend.motion.motion2d import Motion2DSet
from backend.motion.motion3d import Camera, Motion3D
from backend.motion.rigid_fit import keypoints_of, things_of
from backend.mvlift.lift import lift
from backend.mvlift.look import misfit
from backend.mvlift.model import LINE, LiftModel, load_lift_model
from backend.mvlift.optimise import FAST
from backend.mvlift.settings import LiftSettings
from backend.mvlift.stages import load_motions
from backend.mvlift.subjects import rays_of, subjects
from backend.mvlift.track import Drawn, Floor, Track
from backend.mvlift.windows import absent
from backend.mvlift.world import to_world
from backend.poses.poses2d import Poses2D
from backend.training.domain import Domain
from backend.training.project import bodies
from rigs import load_skeleton
from tests.evaluation.lifting.world import LineOracle
from tests.motions import walk_with_ball, write_motion

SKELETON = load_skeleton("openpose18-ball-box")
BALL, BOX = SKELETON.things["Ball"], SKELETON.things["Box"]
SIDED = "\n".join(f'{long}{part} = ["{short}{part}"]' for long, short in (("Left", "L"), ("Right", "R"))
                  for part in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"))
TOML = f"""
based_on = "lift-person-object"
[seconds]
default = 1.5
min = 1.0
max = 1.5
[[sources]]
name = "walks with a computed box"
files = "walks/*.npz"
joints = "walk"
box = true
share = 0.6
licence = "CC0"
credit = "made by code"
[[sources]]
name = "dribbling walks"
files = "walks/*.npz"
joints = "walk"
share = 0.4
licence = "CC0"
credit = "made by code"
[joints.walk]
{SIDED}
Neck = ["LShoulder", "RShoulder"]
Nose = ["Nose"]
LeftEye = ["Nose", "Head"]
RightEye = ["Nose", "Head", "Neck"]
LeftEar = ["Head", "LShoulder"]
RightEar = ["Head", "RShoulder"]
Ball = {{ object = "Ball" }}
"""
QUICK = replace(FAST, calls=3, iterations=0)
SIZES = ["--width", "16", "--feedforward", "16", "--layers", "1", "--heads", "2", "--head-width", "8", "--skip", "--dropout", "0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A domain file, its clips, their 2D motions, and a tiny pack that went through the four stages."""
    folder = tmp_path_factory.mktemp("objects")
    (folder / "handling.toml").write_text(TOML)
    for number, pace in enumerate((1.0, 0.9, 1.1)):
        arrays = walk_with_ball(4.0)
        for key in ("positions", "object_positions"):
            arrays[key] = arrays[key] * np.float32([1, pace, 1])
        write_motion(folder / "walks" / f"walk_{number}.npz", arrays | {"split": np.array("test" if number == 2 else "train"), "quality": np.array("clean")})
    domain = ["--domain", str(folder / "handling.toml")]
    assert main(["project", *domain, "--data", str(folder), "--to", str(folder / "2d"), "--motions", "14", "--test-motions", "2"]) == 0
    assert main(["train-lift", *domain, "--data", str(folder / "2d"), "--to", str(folder / "pack"), "--stage", "all", "--device", "cpu", "--steps", "12",
                 "--batch", "8", "--windows", "10", "--calls", "3", "--iterations", "3", *SIZES]) == 0
    return folder


@pytest.fixture(scope="module")
def line(folder: Path) -> LiftModel:
    return load_lift_model(str(folder / "pack" / "line"), "cpu", LINE)


def one_of(folder: Path, with_box: bool) -> np.ndarray:
    """A motion [T,24,3] of the domain."""
    domain = Domain.load(str(folder / "handling.toml"))
    for body, there, _ in bodies(domain, domain.clips(folder, "test"), np.random.default_rng(3), stitch=False):
        if there[BOX[0]] == with_box:
            return body
    raise AssertionError


def filmed(motion: np.ndarray, hidden: list[int]) -> Poses2D:
    """What a camera on a tripod sees of a motion, but for the keypoints that are hidden."""
    middle = motion[..., :2].mean((0, 1))
    camera = Camera(np.array([[1100.0, 0, 640], [0, 1100, 360], [0, 0, 1]]), np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
                    np.array([-middle[0], 1.0, 6 - middle[1]]), (1280, 720))
    seen = np.ones((1, *motion.shape[:2]))
    seen[:, :, hidden] = 0
    return Poses2D(camera.project(motion)[None] * (seen[..., None] > 0), seen, list(SKELETON.keypoints), SKELETON.name, 30.0, (1280, 720), 1100.0,
                   ["1"], "b.npz")


def test_what_is_not_there_is_never_seen_and_goes_with_the_body(folder: Path):
    motions = Motion2DSet.load(folder / "2d" / "train.npz")
    seen = motions.confidences.max(1) > 0
    assert (seen[:, BALL[0]] != seen[:, BOX[0]]).all()  # one or the other
    assert 3 < seen[:, BOX].all(1).sum() < 13
    for with_box in (True, False):
        body = one_of(folder, with_box)
        gone = body[:, BALL if with_box else BOX]
        assert np.allclose(gone, body[:, :18].mean(1, keepdims=True), atol=1e-6)
    hidden = absent(torch.from_numpy(motions.confidences), SKELETON)
    assert torch.equal(hidden[:, BOX[0]], torch.from_numpy(~seen[:, BOX[0]]))
    motions.confidences[:, :, 4] = 0
    assert not absent(torch.from_numpy(motions.confidences), SKELETON)[:, 4].any()  # a joint is always there


def test_stage_3_keeps_boxes_in_shape_and_leaves_out_what_is_not_there(folder: Path):
    positions, lengths, _ = load_motions(folder / "pack")
    there = np.isfinite(positions).all((1, 3))
    assert (there[:, BALL[0]] != there[:, BOX[0]]).all()
    assert there[:, :18].all()
    assert there[:, BOX].any() and there[:, BALL].any()
    for motion, length, known in zip(positions, lengths, there):
        if known[BOX[0]]:
            box = motion[:length, BOX]
            apart = np.linalg.norm(box[:, :, None] - box[:, None], axis=-1)
            assert apart.std(0).max() < 1e-3
    card = json.loads((folder / "pack" / "card.json").read_text())
    assert card["skeleton"] == "openpose18-ball-box"
    assert "computation" in card["description"]


def test_a_lifted_person_carries_a_box_that_turns(folder: Path, tmp_path: Path):
    motion = one_of(folder, with_box=True)
    model = load_lift_model(str(folder / "pack"), "cpu")
    lifted = lift(filmed(motion, BALL), model, LiftSettings("pack", "b", calls=3, look_calls=2, pitch=0.0))[0]
    assert lifted.object_names == ["Box"]
    assert lifted.object_positions.shape == (lifted.frames, 1, 3)
    assert np.allclose(np.linalg.norm(lifted.object_rotations, axis=-1), 1)
    assert (lifted.object_sizes > 0).all()
    again = Motion3D.load(lifted.save(tmp_path / "lifted.npz"))
    assert np.allclose(again.object_rotations, lifted.object_rotations, atol=1e-6)
    assert np.allclose(again.object_sizes, lifted.object_sizes)
    pixels = lifted.camera.project(lifted.object_positions[:, 0])
    assert np.median(np.linalg.norm(pixels - filmed(motion, BALL).keypoints[0, :, BOX[0]], axis=-1)) < 60


def test_a_box_that_was_found_stands_as_it_was_found(folder: Path):
    """The camera's axes right, up, forward are left-handed; a box seen in them is a mirror image, which no turn makes stand."""
    motion = one_of(folder, with_box=True)
    model, poses = load_lift_model(str(folder / "pack"), "cpu"), filmed(motion, BALL)
    camera = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    place = np.array([-motion[..., 0].mean(), -1.0, 6 - motion[..., 1].mean()])
    seen = torch.from_numpy(motion @ camera.T + place)
    seen[:, BOX, 2] += 0.1 * torch.randn(len(seen), len(BOX), dtype=seen.dtype, generator=torch.Generator().manual_seed(0))
    firm = torch.diag(torch.tensor([1.0, 1.0, 0.02], dtype=seen.dtype)).expand(*seen.shape, 3)  # how far away things are, pictures hardly tell
    drawn = Drawn(seen, firm, floor=Floor(torch.tensor([0.0, 1, 0]), float(place[1])))
    settings = LiftSettings("pack", "b", pitch=0.0, plant=False)
    lifted = to_world(model, subjects(poses, model), [drawn], torch.tensor([0.0, 1, 0]), 1100.0, poses, settings)[0]
    found, true = keypoints_of(lifted, SKELETON)[:, BOX], motion[:, BOX]
    size = np.linalg.norm(found[:, 1] - found[:, 4], axis=-1).mean() / np.linalg.norm(true[:, 1] - true[:, 4], axis=-1).mean()
    inside = slice(5, -5)  # both ends are smoothed
    off = (found - found.mean(1, keepdims=True)) / size - (true - true.mean(1, keepdims=True))
    assert np.abs(off[inside]).max() < 0.02


def test_a_box_that_is_right_fits_what_was_filmed(folder: Path):
    """In the camera's axes as well, by which a first look judges."""
    motion = one_of(folder, with_box=True)
    model, poses = load_lift_model(str(folder / "pack"), "cpu"), filmed(motion, BALL)
    up = torch.tensor([0.0, 1, 0])
    track = Track(model, *rays_of(subjects(poses, model)[0], 1100.0, poses.image_size, model.device), up)
    seen = torch.from_numpy(motion @ np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]]) + [-motion[..., 0].mean(), -1.0, 6 - motion[..., 1].mean()]).float()
    track.take_scale(seen)
    normal = torch.eye(3).expand(*seen.shape, 3)
    assert misfit(track, Drawn(seen, normal)) < 0.01


def test_a_lifted_person_dribbles_and_a_lone_person_has_nothing(folder: Path):
    motion = one_of(folder, with_box=False)
    model = load_lift_model(str(folder / "pack"), "cpu")
    settings = LiftSettings("pack", "b", calls=3, look_calls=2, pitch=0.0)
    dribbled = lift(filmed(motion, BOX), model, settings)[0]
    assert (dribbled.object_names, dribbled.object_rotations) == (["Ball"], None)
    alone = lift(filmed(motion, [*BALL, *BOX]), model, settings)[0]
    assert (alone.object_names, alone.object_positions) == ([], None)


@pytest.fixture(scope="module")
def scenes(folder: Path) -> list[Scene]:
    return make_scenes(Domain.load(str(folder / "handling.toml")), folder, 4, 0)


def test_views_that_are_right_give_person_and_box(line: LiftModel, scenes: list[Scene]):
    """With a network that draws the views as they are, stage 2 has no error left, and says so for person and box."""
    assert {bool(scene.there[BOX[0]]) for scene in scenes} == {True, False}
    known = LiftModel(line.name, line.card, LineOracle(line, scenes, CLEAR), line.features, line.body, line.schedule, line.skeleton)
    for model, most in ((known, 20), (line, np.inf)):
        for scene, lifted in zip(scenes, draw_views(Windows(scenes, CLEAR, model), model, [0, 1, 2, 3], QUICK, print_progress)):
            measured = measure(scene, lifted, SKELETON)
            assert max(measured["joint"], measured["root"] / 2, measured["object_root"] / 2) < most  # bones are held, which moves the root
            assert np.isfinite(measured["object"]) == scene.there[BOX[0]]
            assert not measured["object"] > most
            assert (measured["off_lines"] < 1) == (measured["apart"] < 5) == (model is known)  # bones are taken to keep their lengths, left and right alike


def test_the_row_of_our_lift_has_all_points_of_a_box(folder: Path, scenes: list[Scene], monkeypatch: pytest.MonkeyPatch):
    """A lift that is right, whose box is a place, a turn and a size, has no error; one whose box is elsewhere has the error of its centre."""
    domain, aside = Domain.load(str(folder / "handling.toml")), np.zeros(3)

    def right(poses: Poses2D, model: LiftModel, settings: LiftSettings, report) -> list[Motion3D]:
        scene = next(scene for scene in scenes if scene.name == poses.source)
        motion = Motion3D(scene.points[:, :18], list(SKELETON.joints), list(SKELETON.parents), 30.0, SKELETON.name, camera=scene.camera,
                          **things_of(scene.points, scene.there, SKELETON))
        motion.object_positions = motion.object_positions + aside
        return [motion]

    monkeypatch.setattr(rows, "lift", right)
    lifters = Lifters(domain, folder, str(folder / "pack"), "cpu", None, None, None, RowSettings(), print_progress)
    for off in (0.0, 0.1):
        aside = np.array([0, 0, off])
        for scene, lifted in zip(scenes, lifters.run(ROWS["ours"], scenes, CLEAR)[0]):
            measured = measure(scene, lifted, SKELETON)
            assert measured["object_root"] == pytest.approx(1000 * off, abs=0.5)
            assert not measured["object"] > 0.5
            assert measured["joint"] < 1e-6
            shown = BOX if scene.there[BOX[0]] else BALL
            assert np.abs(lifted.points[:, shown] - scene.points[:, shown] - aside).max() < 1e-3
            assert np.isnan(lifted.points[:, [column for column in BALL + BOX if column not in shown]]).all()


def test_our_lift_and_stage_2_are_evaluated_with_objects(folder: Path):
    arguments = ["evaluate", "lift", "--pack", str(folder / "pack"), "--domain", str(folder / "handling.toml"), "--data", str(folder), "--scenes", "4",
                 "--calls", "2", "--sample-calls", "3", "--iterations", "2", "--rows", "ours", "stage-2", "--conditions", "clear", "--device", "cpu",
                 "--json", str(folder / "scores.json")]
    assert main(arguments) == 0
    for row in json.loads((folder / "scores.json").read_text())["rows"].values():
        assert all(np.isfinite(row["clear"][key]) for key in ("joint", "object_root", "object"))
