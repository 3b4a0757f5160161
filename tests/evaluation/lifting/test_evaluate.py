"""`evaluate lift` from end to end, on a pack with random weights and walks made by code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.__main__ import main
from backend.evaluation import elepose
from backend.evaluation.feature_vae import EvaluatorSettings, FeatureVae, save_evaluator
from backend.evaluation.lifting import evaluate, frames, rows
from backend.evaluation.lifting.frames import turned_to_root
from backend.evaluation.lifting.page import goals
from backend.evaluation.lifting.results import Lifted
from backend.evaluation.lifting.rows import OURS, ROWS, USUAL
from backend.evaluation.lifting.scenes import CLEAR, Scene
from backend.motion.motion2d import Motion2DSet
from backend.mvlift.body_fit import FitSettings
from backend.mvlift.training import usual_body
from backend.mvlift.windows import up_of
from backend.poses.poses2d import Poses2D
from backend.training.domain import Domain
from tests.evaluation.lifting.test_others import write_motionbert
from tests.evaluation.lifting.world import SKELETON


@pytest.fixture
def trained(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small evaluator; baselines are quick."""
    torch.manual_seed(0)
    save_evaluator(FeatureVae(EvaluatorSettings(18, width=8, feedforward=8, layers=1, heads=2, patch=4)), tmp_path)

    def quick(motions, model, settings, seed, report):
        return elepose.train_elepose(motions, model, replace(settings, width=8, flow_width=8, flow_steps=2, steps=2, batch=8), seed, report)

    monkeypatch.setattr(frames, "train_elepose", quick)
    monkeypatch.setattr(rows, "FitSettings", lambda: FitSettings(3, 3))
    return tmp_path


def run(world: Path, *more: str) -> int:
    return main(["evaluate", "lift", "--domain", str(world / "walks.toml"), "--data", str(world), "--scenes", "2", "--device", "cpu", "--calls", "2",
                 "--sample-calls", "4", "--iterations", "3", "--paper-iterations", "7", "--distil-iterations", "2", *more])


def test_the_tables_and_the_page(world: Path, trained: Path, capsys):
    page, scores = trained / "page.md", trained / "scores.json"
    mine = write_motionbert([], trained / "bert" / "clear")
    assert run(world, "--export", str(trained / "inputs")) == 0
    assert Poses2D.load(trained / "inputs" / "detected" / "0001.npz").skeleton == SKELETON.name
    domain = Domain.load(str(world / "walks.toml"))
    write_motionbert(evaluate.make_scenes(domain, world, 2, 0), mine)
    common = ["--pack", str(world / "pack"), "--flat", str(world / "2d"), "--evaluator", str(trained), "--write", str(page), "--json", str(scores)]
    assert run(world, *common, "--conditions", "clear", "--motionbert", f"bert={trained / 'bert'}", "--update-card") == 0
    written = json.loads(scores.read_text())
    assert list(written["rows"]) == [*USUAL, "bert"]
    assert not any("missing" in row for row in written["rows"].values())
    for name, row in written["rows"].items():
        values = row["clear"]
        assert all(np.isfinite(values[key]) for key in ("joint", "aligned", "picture", "centred_picture"))
        assert (values["root"] is None) == (name in ("elepose", "bert"))
        assert (values["fid"] is None) == (name == "bert")
        assert (values["off_lines"] is not None) == (values["apart"] is not None) == name.startswith("stage-")
        assert (values["rows"] or 0) == {
            "ours": 4 * 2, "ours-unknown-camera": 4 * 2, "sampled": 4 * 2, "stage-1": 5 * 50, "stage-2-sample": 5 * 4, "stage-2": 5 * 7,
            "stage-2-no-epipolar": 5 * 7, "sds-3d": 5 * 2, "sds-3d-no-epipolar": 5 * 2, "mas": 5 * 99,
            "smplify": 0, "smplify-pack": 0, "elepose": 0, "bert": 0}[name]
    assert written["rows"]["bert"]["clear"]["joint"] < 1
    text, out = page.read_text(), capsys.readouterr().out
    for said in ("Table 1, seen clearly", "Table 2, seen clearly", "Table 3, seen clearly", "SMPLify-2D", "What a window costs", "T_root^O",
                 "off the lines", "views apart"):
        assert said in text
        assert said in out
    for said in ("python -m backend evaluate lift --domain", "Ours by SMPLify-2D", "The order of the paper's Table 3", "no shape"):
        assert said in text
    assert json.loads((world / "pack" / "card.json").read_text())["scores"] == written


def test_the_ways_of_stage_2_are_compared(world: Path, trained: Path):
    """Ours, its first sample alone and the paper's way, on the same windows with the same seeds."""
    names = ["stage-2", "stage-2-sample", "stage-2-paper"]
    assert run(world, "--pack", str(world / "pack"), "--rows", *names, "--conditions", "clear", "--json", str(trained / "ways.json")) == 0
    written = json.loads((trained / "ways.json").read_text())
    values = {name: row["clear"] for name, row in written["rows"].items()}
    assert {name: row["rows"] for name, row in values.items()} == {"stage-2": 5 * (4 + 3), "stage-2-sample": 5 * 4, "stage-2-paper": 5 * 7}
    assert len({row["joint"] for row in values.values()}) == 3
    assert all(np.isfinite([row[key] for key in ("joint", "root", "object_root", "off_lines", "apart", "window_seconds")]).all() for row in values.values())
    assert (written["stage_2"], written["paper_iterations"]) == ({"calls": 4, "iterations": 3}, 7)


def test_few_steps_from_noise_are_compared_with_the_papers(world: Path, trained: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows, "PAPER_CALLS", 5)
    assert run(world, "--pack", str(world / "pack"), "--rows", "sampled", "sampled-paper", "--conditions", "clear", "--json", str(trained / "few.json")) == 0
    values = {name: row["clear"] for name, row in json.loads((trained / "few.json").read_text())["rows"].items()}
    assert {name: row["rows"] for name, row in values.items()} == {"sampled": 4 * 2, "sampled-paper": 4 * 5}
    assert values["sampled"]["joint"] != values["sampled-paper"]["joint"]


def test_rows_that_lack_something_say_so(world: Path, trained: Path, capsys):
    page = trained / "page.md"
    assert run(world, "--rows", "ours", "stage-1", "smplify", "elepose", "--conditions", "detected", "--write", str(page)) == 0
    out, text = capsys.readouterr().out, page.read_text()
    assert "left out: MVLift, ours: it needs a pack that lifts. Give --pack" in out
    assert "left out: ElePose: it learns from the domain's 2D motions. Give --flat" in out
    assert "done: SMPLify-2D" in out
    assert "* MVLift, ours: it needs a pack that lifts. Give --pack." in text
    assert "FID was not measured" in text
    assert "with a detector's noise" in text


def test_a_pack_without_its_line_network_says_so(world: Path, trained: Path, tmp_path: Path, capsys):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("card.json", "weights.safetensors"):
        (bare / name).write_bytes((world / "pack" / name).read_bytes())
    assert run(world, "--pack", str(bare), "--rows", "ours", "mas", "--conditions", "clear") == 0
    out = capsys.readouterr().out
    assert "done: MVLift, ours" in out
    assert "left out: MAS, given the view: it needs the line-conditioned network, the pack's folder 'line'" in out


def test_scores_repeat(world: Path, trained: Path):
    for name in ("a", "b"):
        assert run(world, "--pack", str(world / "pack"), "--rows", "ours", "stage-1", "--json", str(trained / f"{name}.json")) == 0
    first, second = (json.loads((trained / f"{name}.json").read_text())["rows"] for name in ("a", "b"))
    for row in (*first.values(), *second.values()):
        for condition in ("clear", "detected"):
            assert row[condition].pop("window_seconds") > 0
    assert first == second
    assert first["ours"]["clear"]["joint"] != first["ours"]["detected"]["joint"]


def test_a_perfect_lifter_has_no_fid(world: Path, trained: Path, domain: Domain, scenes: list[Scene]):
    motions = Motion2DSet.load(world / "2d" / "train.npz")
    views = evaluate.OtherViews.learn(domain, motions, usual_body(motions, SKELETON), trained, scenes, 0)
    assert views.true.shape == (6, 8)
    perfect = views.score([Lifted(2 * scene.points + 1, scene.pixels) for scene in scenes])
    flat = views.score([Lifted(scene.points * [1, 0.2, 1], scene.pixels) for scene in scenes])
    assert abs(perfect) < 0.05 * flat
    assert np.isnan(views.score([Lifted(np.where(np.arange(18)[:, None] == 3, np.nan, scene.points), scene.pixels) for scene in scenes]))


def test_elepose_sees_the_frames_and_shows_them_again(world: Path, trained: Path, domain: Domain, scenes: list[Scene]):
    """Every frame has the root in its middle, and however wrong the depth, the camera sees what it saw."""
    motions = Motion2DSet.load(world / "2d" / "train.npz")
    lifter = frames.FrameLifter(domain, motions, usual_body(motions, SKELETON), trained, 0, lambda *_: None)
    for scene, lifted in zip(scenes, lifter.lift(scenes, CLEAR, lambda *_: None)):
        assert np.abs(lifted.pixels - scene.pixels).max() < 0.5
        assert not lifted.rooted
    rays = torch.from_numpy(evaluate.other_views(scenes[0], scenes[0].points, [1, 4])).float()
    pictures, turns, zoom = turned_to_root(rays, torch.ones(rays.shape[:3], dtype=torch.bool), up_of(0.1), lifter.body, SKELETON)
    assert pictures[:, :, 0].abs().max() < 1e-4
    assert torch.allclose(turns @ turns.transpose(-1, -2), torch.eye(3).expand_as(turns), atol=1e-4)
    assert (zoom > 0).all()


def test_goals_are_ratios():
    values = {"root": 70.0, "joint": 50.0, "aligned": 40.0, "picture": 8.0}
    other = {"root": 100.0, "joint": 100.0, "aligned": 100.0, "picture": 20.0}
    scores = {"objects": False, "rows": {OURS: {"title": "ours", "ablation": True, "clear": values},
                                         "smplify": {"title": "s", "ablation": False, "clear": other},
                                         "stage-1": {"title": "1", "ablation": True, "clear": {"joint": 90.0}},
                                         "stage-2": {"title": "2", "ablation": True, "clear": {"joint": 60.0}}}}
    said = goals(scores)
    assert "MPJPE 0.50 (the aim: under 0.5), PA-MPJPE 0.40 (the aim: under 0.45), T_root 0.70 (the aim: under 0.7), J2D 0.40" in said[0]
    assert "holds seen clearly" in said[1]
    scores["rows"]["stage-2"]["clear"]["joint"] = 95.0
    assert "does not hold" in goals(scores)[1]


@pytest.mark.parametrize(("more", "said"), [
    (["--scenes", "1"], "nothing to compare"),
    (["--paper-iterations", "0"], "nothing to compare"),
    (["--sample-calls", "0"], "nothing to compare"),
    (["--motionbert", "folder"], "names no row and folder"),
    (["--wham", "ours=folder"], "already a row 'ours'"),
    (["--motionbert", "a=x", "--wham", "a=y"], "already a row 'a'"),
    (["--update-card"], "no card"),
    (["--domain", "human"], "not for lifting"),
    (["--data", "nowhere"], "no test clip"),
    (["--pack", "nowhere", "--rows", "ours"], "there is no pack"),
    (["--flat", "nowhere"], "no such file"),
])
def test_what_can_not_be_evaluated_is_said(more: list[str], said: str, world: Path, capsys):
    assert run(world, *more) == 1
    assert said in capsys.readouterr().err


def test_a_pack_of_another_skeleton_is_refused(world: Path, tmp_path: Path, capsys):
    card = json.loads((world / "pack" / "card.json").read_text())
    for folder in (tmp_path / "slow", tmp_path / "slow" / "line"):
        folder.mkdir()
        (folder / "weights.safetensors").write_bytes((world / "pack" / "weights.safetensors").read_bytes())
        (folder / "card.json").write_text(json.dumps(card | {"fps": 20}))
    assert run(world, "--pack", str(tmp_path / "slow"), "--rows", "ours") == 1
    assert "20 fps" in capsys.readouterr().err


def test_every_row_is_named():
    assert set(USUAL) < set(ROWS)
    assert all(row.title and row.needs for row in ROWS.values())
