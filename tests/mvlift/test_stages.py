from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.__main__ import main
from backend.diffusion.schedule import Schedule
from backend.errors import Cancelled, KineliftError
from backend.motion.bones import bone_lengths
from backend.motion.motion2d import Motion2DSet
from backend.mvlift.lift import lift
from backend.mvlift.model import LINE, load_lift_model
from backend.mvlift.network import LiftDenoiser, LiftNetworkSettings
from backend.mvlift.optimise import FAST, PAPER, Optimiser
from backend.mvlift.settings import LiftSettings
from backend.mvlift.stages import PackTrainer
from backend.mvlift.synthesise import chunks, load_motions, synthesise
from backend.mvlift.training import STEPS, TAU, LineTrainer, MultiviewTrainer, feature_weights, hide, middle_elevation, mirrored
from backend.mvlift.views import off_line, ring, see
from backend.packs.catalogue import read_pack
from backend.training.domain import Domain
from backend.training.project import clear_distance, film, project
from backend.training.train import StartingPoint, Trainer, TrainingSettings
from rigs import load_skeleton
from tests.mvlift.lifting import SKELETON, make_pack, walk
from tests.mvlift.lifting import film as film_footage
from tests.tiny_pack import make_tiny_pack
from tests.training.clips import TOML, write_clips, write_domain

LIFT = TOML.replace('centring = "root-horizontal"', 'centring = "first-frame"').replace("distance = 7.0", "distance = [3.0, 6.0]").replace(
    "default = 2.0", "default = 1.5").replace("max = 3.0", "max = 1.5").replace(
    "[detector]", "[lift]\nviews = 4\nheight = 1.75\nstanding_height = 0.08\n[detector]")
SETTINGS = TrainingSettings(steps=20, batch=6, learning_rate=3e-3, warmup=5, min_frames=20)
SIZES = ["--width", "16", "--feedforward", "16", "--layers", "1", "--heads", "2", "--head-width", "8", "--skip", "--dropout", "0"]
NETWORK = LiftNetworkSettings(18, 54, 16, 16, 1, 2, 8, 0.0, skip=True)
WIDER = LiftNetworkSettings(18, 54, 48, 96, 2, 2, 24, 0.0, skip=True)
LEARNING = replace(SETTINGS, steps=300, batch=8, learning_rate=5e-3, velocity_weight=0.0, clean_weight=1.0)  # as much as seconds allow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Domain, Motion2DSet, Path]:
    """A domain for lifting walks, and twelve 2D motions of it, with their folder."""
    folder = tmp_path_factory.mktemp("walks")
    domain = Domain.load(str(write_domain(folder, LIFT)))
    write_clips(folder)
    motions = project(domain, domain.clips(folder, "train"), 12, 0, stitch=True)
    motions.save(folder / "2d" / "train.npz")
    return domain, motions, folder


@pytest.fixture(scope="module")
def line(data, tmp_path_factory: pytest.TempPathFactory) -> LineTrainer:
    """Stage 1 after a few hundred steps."""
    domain, motions, _ = data
    trainer = LineTrainer(motions, domain, WIDER, LEARNING,
                          tmp_path_factory.mktemp("pack") / "line", "cpu")
    trainer.losses = []
    for _ in range(300):
        trainer.losses.append(trainer.train_step())
        trainer.state.step += 1
    trainer.save()
    return trainer


def test_a_camera_stands_still_while_the_walker_goes(data):
    """Cameras of a lift domain keep their distance, and are far enough to have the whole walk before them."""
    domain, motions, folder = data
    assert motions.distances.shape == (12,)
    assert (motions.distances >= 3.0).all()
    assert np.ptp(motions.distances) > 0.5
    again = Motion2DSet.load(folder / "2d" / "train.npz")
    assert np.allclose(again.distances, motions.distances, rtol=1e-6)
    clip = domain.clips(folder, "train")[0]
    flat, seen = film(clip.keypoints[:45], clip.seen, domain, np.random.default_rng(3), 4.0)
    root = domain.skeleton.joints.index("Hip")
    path = flat[:, root][seen[:, root] > 0]
    assert np.linalg.norm(path[0]) < 0.03
    assert np.linalg.norm(path[-1]) > 0.1
    far = clip.keypoints + np.linspace(0, 20, len(clip.keypoints))[:, None, None] * [0, -1, 0]
    assert clear_distance(far, far[0, root], [3.0, 6.0], np.random.default_rng(0)) > 20
    horse = np.zeros((2, 5, 3)) + np.linspace(0, 2.5, 5)[:, None] * [0, -1, 0]  # the camera looks at its tail
    assert clear_distance(horse, horse[0, 0], [2.0, 2.0], np.random.default_rng(0)) >= 3.5


def test_domains_may_be_based_on_others(tmp_path: Path):
    human, lifted = Domain.load("human"), Domain.load("lift-human")
    assert [source["name"] for source in lifted.settings["sources"]] == [source["name"] for source in human.settings["sources"]]
    assert lifted.settings["joints"]["cmu"]["LeftHip"] == human.settings["joints"]["cmu"]["LeftHip"]
    assert "Neck" in lifted.settings["joints"]["cmu-fbx"]
    assert "Neck" not in human.settings["joints"]["cmu"]
    (tmp_path / "a.toml").write_text(f'based_on = "{tmp_path / "b.toml"}"')
    (tmp_path / "b.toml").write_text(f'based_on = "{tmp_path / "a.toml"}"')
    with pytest.raises(KineliftError, match="based on"):
        Domain.load(str(tmp_path / "a.toml"))


def test_every_skeleton_of_the_lift_packs_is_whole():
    skeleton = load_skeleton("openpose18")
    assert len(skeleton.keypoints) == 18
    assert skeleton.mirror_order != list(range(18))
    assert len(load_skeleton("openpose18-object5").keypoints) == 23


def test_only_domains_for_lifting_are_lifted(data, tmp_path: Path, capsys):
    _, _, folder = data
    plain = write_domain(tmp_path)
    arguments = ["--data", str(folder / "2d"), "--to", str(tmp_path / "pack")]
    assert main(["train-lift", "--domain", str(plain), *arguments]) == 1
    assert "not for lifting" in capsys.readouterr().err
    assert main(["train", "--domain", str(folder / "walks.toml"), *arguments]) == 1
    assert "train-lift" in capsys.readouterr().err
    assert main(["train-lift", "--domain", str(folder / "walks.toml"), "--windows", "0", *arguments]) == 1
    assert "0 windows" in capsys.readouterr().err


def test_a_run_starts_from_the_line_network_of_a_pack(data, line: LineTrainer, tmp_path: Path):
    domain, motions, _ = data
    make_pack(tmp_path / "old")
    shutil.copytree(line.folder, tmp_path / "old" / "line")
    started = LineTrainer(motions, domain, WIDER, LEARNING, tmp_path / "new", "cpu", str(tmp_path / "old"))
    for key, value in started.denoiser.state_dict().items():
        assert torch.equal(value, line.average[key].half().float()), key
    assert torch.allclose(started.std, line.std, atol=1e-3)
    assert started.card()["training"]["before"][0]["pack"] == "old"


def test_what_no_run_can_start_from_is_named(data, line: LineTrainer, tmp_path: Path):
    domain, motions, _ = data
    make_pack(tmp_path / "alone")

    def start(pack: Path, network: LiftNetworkSettings = WIDER) -> None:
        LineTrainer(motions, domain, network, LEARNING, tmp_path / "new", "cpu", str(pack))

    with pytest.raises(KineliftError, match="'tiny' is of the kind 'mas'"):
        start(make_tiny_pack(tmp_path))
    with pytest.raises(KineliftError, match="'alone' is without its network of stage 1"):
        start(tmp_path / "alone")
    shutil.copytree(line.folder, tmp_path / "alone" / "line")
    with pytest.raises(KineliftError, match=r"another network \(width 48, here 16, feedforward 96, here 16, layers 2, here 1, "):
        start(tmp_path / "alone", NETWORK)


@pytest.mark.parametrize("trainer", [LineTrainer, PackTrainer])
def test_networks_start_from_those_of_other_keypoints(trainer: type[Trainer]):
    """What is given of a keypoint goes with it."""
    torch.manual_seed(0)
    few, many = (LiftDenoiser(replace(NETWORK, keypoints=3, conditions=9), Schedule(STEPS, TAU)).eval() for _ in range(2))
    start = StartingPoint("old", {}, ("Hip", "Knee", "Ball"), few.state_dict(), torch.zeros(3, 2), torch.ones(3, 2))
    start.give_to(many, ("Ball", "Box", "Hip"), trainer.keypoint_features)
    steps = torch.tensor([[40]])
    told = [torch.randn(1, 1, 6, 3, size) for size in trainer.keypoint_features]  # x_t, then what is given
    for part in told:
        part[..., 1, :] = 0
    known = [torch.stack([part[..., 2, :], torch.zeros_like(part[..., 0, :]), part[..., 0, :]], -2) for part in told]
    found, expected = (network(x, steps, torch.cat([part.flatten(3) for part in given], -1)) for network, (x, *given) in ((many, told), (few, known)))
    assert torch.allclose(found[..., [2, 0], :], expected[..., [0, 2], :], atol=1e-6)


def test_windows_are_framed_and_mirrored(line: LineTrainer):
    batch = line.batch(np.random.default_rng(0))
    assert batch.pictures.isfinite().all()
    roots = line.body.root(batch.pictures[:, 0])
    assert roots.abs().max() < 0.35  # noise and missed hips
    assert roots.abs().median() < 1e-4
    points = np.random.default_rng(0).normal(size=(40, 3, 18, 2))
    order = line.domain.skeleton.mirror_order
    flipped, _ = mirrored(points, np.ones(points.shape[:3], bool), order, np.random.default_rng(1))
    changed = (flipped != points).any((1, 2, 3))
    assert 8 < changed.sum() < 32
    assert np.array_equal(flipped[changed], points[changed][:, :, order] * [-1, 1])


def test_epipoles_are_of_cameras_or_anywhere(line: LineTrainer):
    epipoles = line.virtual_epipoles(torch.full((400,), 5.0), np.random.default_rng(0))
    anywhere = epipoles[:, 2] == 1
    assert 120 < anywhere.sum() < 280
    flat = epipoles[~anywhere, :2] / epipoles[~anywhere, 2:]
    assert (flat[:, 1].abs() < 0.35 * flat[:, 0].abs() + 3).all()  # cameras of a ring are near the horizon


def test_what_is_hidden_varies():
    hidden = hide((200, 60, 17), 30.0, np.random.default_rng(0))
    assert 0.3 < hidden.any((1, 2)).mean() < 0.7
    assert 0.01 < hidden.mean() < 0.3


def test_a_missed_root_takes_what_is_told_from_it():
    from backend.mvlift.windows import Body

    body, seen = Body.of(SKELETON), torch.ones(2, 18)
    seen[0, int(body.centre.argmax())] = 0
    weights = feature_weights(seen, body)
    assert not weights[0].any()
    assert weights[1].all()
    assert torch.equal(feature_weights(seen, body, official=True), seen)


def test_the_line_network_learns_to_obey(line: LineTrainer):
    """The loss falls, and a view that is told its lines comes nearer to them than one that is told others."""
    assert np.mean(line.losses[-30:]) < 0.8 * np.mean(line.losses[:30])
    model, rng = load_lift_model(str(line.folder), "cpu", LINE), np.random.default_rng(5)
    batch = line.batch(rng)
    from backend.mvlift.views import lines_through

    lines = lines_through(batch.pictures, line.virtual_epipoles(batch.distance, rng)[:, None, None])
    x0 = model.features.normalise(batch.pictures)
    t = torch.full((len(x0), 1), 900)
    noised = model.schedule.add_noise(x0, t[:, 0], torch.randn(x0.shape, generator=torch.Generator().manual_seed(0)))
    off = []
    for told in (lines, lines.flip(0)):
        made = model.denoiser(noised.unsqueeze(1), t, model.features.given_lines(told, False).unsqueeze(1), batch.lengths)[:, 0]
        off.append(off_line(model.features.denormalise(made), lines).abs().mean())
    assert off[0] < 0.8 * off[1]


def windows_of(line: LineTrainer, count: int = 2) -> dict:
    batch = line.batch(np.random.default_rng(9))
    first = torch.full((count,), middle_elevation(line.domain))
    return {"pictures": batch.pictures[:count], "seen": (batch.seen[:count] > 0).float(), "lengths": batch.lengths[:count],
            "distance": batch.distance[:count], "first": first, "seeds": list(range(count))}


@pytest.mark.parametrize("changes", [{}, {"agree": False}, {"calls": 0, "iterations": 30}])
def test_views_are_drawn_that_agree(line: LineTrainer, changes: dict):
    settings = replace(FAST, **{"calls": 4, "iterations": 12, "bfloat16": False, **changes})
    drawn, distances = Optimiser(line.as_model(), settings=settings, **windows_of(line)).run()
    assert drawn.shape[:2] == (2, 6)
    assert torch.equal(drawn[:, 0], windows_of(line)["pictures"])
    assert distances[-1] < max(distances[0], 0.02)
    again, _ = Optimiser(line.as_model(), settings=settings, **windows_of(line)).run()
    assert torch.equal(drawn, again)


def test_the_first_sample_is_near_what_many_steps_reach(line: LineTrainer):
    """Beginning with nothing, ten times the steps don't bring the views nearer to each other."""
    model, windows = line.as_model(), windows_of(line)
    warm, cold = replace(FAST, calls=6, iterations=10, bfloat16=False), replace(PAPER, iterations=160, bfloat16=False)
    assert cold.rows == 10 * warm.rows
    reached = [Optimiser(model, settings=settings, **windows).run()[1][-1] for settings in (warm, cold)]
    assert reached[0] < reached[1]
    assert PAPER.rows >= 10 * FAST.rows


def test_right_views_need_no_change_of_lines(line: LineTrainer):
    """Pictures of one 3D motion cost nothing."""
    windows = windows_of(line)
    points = torch.randn(2, windows["pictures"].shape[1], 18, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    pictures = see(points, ring(6, windows["first"], middle_elevation(line.domain)), windows["distance"])
    exact = Optimiser(line.as_model(), settings=FAST, **{**windows, "pictures": pictures[:, 0]})
    assert exact.consistency(exact.model.features.normalise(pictures[:, 1:])) < 1e-3 * pictures.shape[1] * pictures[0, 0].numel()
    assert exact.consistency(exact.model.features.normalise(pictures[:, 1:] + 0.1 * torch.randn(pictures[:, 1:].shape))) > 50
    other = see(points.flip(1), exact.axes, windows["distance"])  # views that agree with each other, and not with the one that filmed
    assert exact.consistency(exact.model.features.normalise(other[:, 1:])) > 50


def test_multi_view_windows_are_what_cameras_see(line: LineTrainer, tmp_path: Path):
    motion = walk(1.5).astype(np.float32)
    model = load_lift_model(str(line.folder), "cpu", LINE)
    trainer = MultiviewTrainer(np.stack([motion] * 3), np.full(3, 45), model, line.domain, replace(WIDER, views=4, cross="own"),
                               replace(LEARNING, steps=60), tmp_path, "cpu")
    rng = np.random.default_rng(0)
    points, lengths, there = trainer.crop(rng)
    assert there.all()
    assert trainer.body.root(points[:, 0]).abs().max() < 1e-5
    pictures, distance = trainer.film(points, rng)
    assert pictures.shape[:2] == (8, 4)
    assert (distance > 2).all()
    assert trainer.body.root(pictures[:, :, 0]).abs().max() < 0.02
    given, seen = trainer.filmed(pictures[:, 0].numpy(), there.numpy(), rng)
    assert (~seen).any()
    assert np.abs(given - pictures[:, 0].numpy())[seen].mean() < 0.02
    losses = []
    for _ in range(60):
        losses.append(trainer.train_step())
        trainer.state.step += 1
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    assert lengths.max() <= 45


def test_the_four_stages_make_a_pack_that_lifts(data, tmp_path: Path, capsys):
    _, _, folder = data
    pack = tmp_path / "pack"

    def train(stage: str, *more: str) -> list[str]:
        arguments = ["train-lift", "--domain", str(folder / "walks.toml"), "--data", str(folder / "2d"), "--to", str(pack), "--stage", stage, "--device", "cpu"]
        return [*arguments, "--steps", "20", "--batch", "8", "--windows", "12", "--calls", "3", "--iterations", "4", *SIZES, *more]

    for stage, said in (("optimise", "Run the stage 'line' first"), ("synthesise", "Run the stage 'line' first")):
        assert main(train(stage)) == 1
        assert said in capsys.readouterr().err
    assert main(train("line")) == 0
    assert main(train("synthesise")) == 1
    assert "Run the stage 'optimise' first" in capsys.readouterr().err
    assert main(train("optimise")) == 0
    assert "windows 0 to 12 of 12" in capsys.readouterr().out
    before = [path.stat().st_mtime_ns for path in chunks(pack)]
    assert main(train("optimise")) == 0  # nothing is left to do
    assert [path.stat().st_mtime_ns for path in chunks(pack)] == before
    assert main(train("synthesise")) == 0
    positions, lengths, _ = load_motions(pack)
    assert len(positions) == len(lengths) == 11
    spans = bone_lengths(positions[0, : lengths[0], :16].astype(np.float64), list(SKELETON.parents))
    assert spans.std(0)[[child - 1 for child in range(1, 16) if child not in SKELETON.elastic_joints]].max() < 1e-3
    assert main(train("multiview")) == 0
    assert main(train("multiview", "--steps", "40")) == 0
    for file in ("line/loss.png", "line/card.json", "windows/off_line.png", "motions.png", "loss.png"):
        assert (pack / file).stat().st_size > 200, file
    assert json.loads((pack / "windows" / "off_line.json").read_text())["rows_a_window"] == 35
    assert read_pack(pack).problem == ""
    model = load_lift_model(str(pack), "cpu")
    assert model.card["training"]["steps"] == 40
    assert model.card["data"][0]["licence"] == "CC0"
    assert 2 < model.card["body"]["bones"] < 10
    motion = lift(film_footage(walk(2.0)), model, LiftSettings("pack", "walk", calls=3, look_calls=2))[0]
    assert motion.frames == 60
    assert main(train("all")) == 0


def test_an_interrupted_stage_goes_on(data, line: LineTrainer, tmp_path: Path):
    from backend.mvlift.stages import WindowSettings, optimise_windows

    domain, motions, _ = data
    model = line.as_model()
    quick = replace(FAST, calls=2, iterations=2, bfloat16=False)

    def stop(fraction: float, message: str) -> None:
        if "windows 8" in message:
            raise Cancelled

    with pytest.raises(Cancelled):
        optimise_windows(motions, domain, model, WindowSettings(12, 4), quick, tmp_path / "a", stop)
    assert len(chunks(tmp_path / "a")) == 2
    optimise_windows(motions, domain, model, WindowSettings(12, 4), quick, tmp_path / "a", lambda fraction, message: None)
    optimise_windows(motions, domain, model, WindowSettings(12, 4), quick, tmp_path / "b", lambda fraction, message: None)
    for one, other in zip(chunks(tmp_path / "a"), chunks(tmp_path / "b"), strict=True):
        assert np.array_equal(np.load(one)["pictures"], np.load(other)["pictures"])


def test_damaged_files_of_a_stage_are_named(data, line: LineTrainer, tmp_path: Path):
    domain, _, _ = data
    (tmp_path / "windows").mkdir()
    (tmp_path / "windows" / "000000.npz").write_bytes(b"nothing")
    with pytest.raises(KineliftError, match="file of stage 2") as caught:
        synthesise(domain, line.as_model(), tmp_path, lambda fraction, message: None)
    assert caught.value.place.endswith("000000.npz")


def test_attention_is_held_after_every_step(data, tmp_path: Path):
    domain, motions, _ = data
    trained = LineTrainer(motions, domain, NETWORK, SETTINGS, tmp_path, "cpu")
    query = trained.denoiser.layers[0].attention.query.weight
    began = float(query.detach().norm())
    with torch.no_grad():
        query.mul_(100)
    trained.train_step()
    assert float(query.detach().norm()) < 3 * began


def test_a_resumed_stage_is_the_unbroken_one(data, line: LineTrainer, tmp_path: Path):
    domain, _, _ = data
    model = load_lift_model(str(line.folder), "cpu", LINE)
    motions = np.stack([walk(1.5).astype(np.float32)] * 2)

    def trainer(name: str) -> PackTrainer:
        return PackTrainer(motions, np.full(2, 45), model, domain, replace(NETWORK, views=4, cross="own"), SETTINGS, tmp_path / name, "cpu", source={})

    def go(trained: PackTrainer, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            losses.append(trained.train_step())
            trained.state.step += 1
        return losses

    unbroken = go(trainer("a"), 6)
    first = trainer("b")
    losses = go(first, 3)
    first.save()
    assert losses + go(trainer("b"), 3) == unbroken
    assert math.isfinite(losses[0])
