"""The commands `evaluate mas` and `bench mas` from end to end, on the tiny pack and motions made by code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.__main__ import main
from backend.evaluation import elepose, evaluate, feature_vae
from backend.evaluation.bench import candidates, chosen
from backend.evaluation.feature_vae import FILE, EvaluatorSettings, FeatureVae, save_evaluator
from backend.evaluation.subjects import SIDES, TABLE_3, batches, draw, film, generate, subjects
from backend.evaluation.tables import markdown_table, with_interval
from backend.motion.motion2d import Motion2DSet
from backend.packs.model import load_model
from backend.training.project import project
from tests.tiny_pack import make_tiny_pack
from tests.training.clips import walks, write_clips


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny pack and its evaluator, 2D motions of walks, their domain and their clips."""
    folder = tmp_path_factory.mktemp("world")
    pack = make_tiny_pack(folder)
    torch.manual_seed(0)
    save_evaluator(FeatureVae(EvaluatorSettings(18, width=8, feedforward=8, layers=1, heads=2, patch=4)), pack)
    domain = walks(folder)
    write_clips(folder, seconds=1.0)
    for split, count in (("train", 12), ("test", 6)):
        motions = project(domain, domain.clips(folder, split), count, 0, stitch=False)
        motions.confidences[0, :, motions.keypoints.shape[2] - 2] = 0  # the first motion has no ball
        motions.save(folder / "2d" / f"{split}.npz")
    return folder


def run(world: Path, *more: str) -> int:
    return main(["evaluate", "mas", "--pack", str(world / "tiny"), "--data", str(world / "2d"), "--device", "cpu", "--samples", "4",
                 "--dreamfusion-iterations", "3", *more])


def test_the_table_the_page_and_the_card(world: Path, capsys):
    page, scores = world / "page.md", world / "scores.json"
    done = run(world, "--rows", "recorded", *TABLE_3, "--iterations", "2", "--domain", str(world / "walks.toml"), "--clips", str(world),
               "--write", str(page), "--json", str(scores), "--update-card")
    assert done == 0
    written = json.loads(scores.read_text())
    assert list(written["rows"]) == ["recorded", *TABLE_3]
    assert list(written["plausibility"]) == ["recorded", "fast", "paper", "two-views", "no-3d-noise", "dreamfusion"]
    assert [name for name, row in written["rows"].items() if "side" not in row] == ["recorded", "model"]
    assert written["compared"] == {"train": [11, 12], "test": [5, 6]}
    assert written["plausibility"]["recorded"]["bone_variation"] < 1  # the walks at other paces are stretched a little
    assert 0.05 < written["standing"] < 0.12
    for row in written["rows"].values():
        for split in ("train", "test"):
            assert all(np.isfinite(row["all"][split][metric]).all() for metric in ("fid", "diversity", "precision", "recall"))
            assert 0 <= row["all"][split]["precision"][0] <= 1
    assert json.loads((world / "tiny" / "card.json").read_text())["scores"] == written
    text, out = page.read_text(), capsys.readouterr().out
    for title in ("two views, 120 degrees apart", "no 3D noise", "DreamFusion adaptation", "recorded training motions", "bone length variation"):
        assert title in text
        assert title in out
    assert "A row is 4 motions" in text
    assert f"python -m backend evaluate mas --pack {world / 'tiny'}" in text
    assert "(1 of 12 training motions, 1 of 6 test motions)" in text
    assert "MAS (the default) by the 2D model" in text


def test_rows_can_be_chosen_and_generated_anew(world: Path, capsys):
    assert run(world, "--rows", "model", "fast", "--iterations", "2", "--fresh", "--float32", "--json", str(world / "few.json")) == 0
    written = json.loads((world / "few.json").read_text())
    assert list(written["rows"]) == ["model", "fast"]
    assert "recorded" not in written["plausibility"]
    assert (written["fresh"], written["bfloat16"]) == (True, False)


def test_the_papers_other_ablations_from_all_sides(world: Path):
    others = [name for name in subjects() if name not in TABLE_3]
    assert run(world, "--rows", *others, "--iterations", "1", "--json", str(world / "others.json")) == 0
    written = json.loads((world / "others.json").read_text())
    assert list(written["rows"]) == list(written["plausibility"]) == others
    for side in SIDES:
        assert len({row[side]["test"]["fid"][0] for row in written["rows"].values()}) == len(others)
    assert all(len({row[side]["test"]["fid"][0] for side in SIDES}) == len(SIDES) for row in written["rows"].values())


def test_scores_repeat(world: Path):
    for name in ("a", "b"):
        assert run(world, "--rows", "recorded", "fast", "--iterations", "1", "--json", str(world / f"{name}.json")) == 0
    assert json.loads((world / "a.json").read_text()) == json.loads((world / "b.json").read_text())


def test_an_evaluator_is_trained_where_there_is_none(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []

    def quick(motions, mean, std, settings, **others):
        asked.append((len(motions), settings))
        return FeatureVae(EvaluatorSettings(18, width=8, feedforward=8, layers=1, heads=2, patch=4)).eval()

    monkeypatch.setattr(feature_vae, "train_evaluator", quick)
    for _ in range(2):
        assert run(world, "--rows", "recorded", "--iterations", "1", "--evaluator", str(tmp_path)) == 0
    assert asked == [(12, EvaluatorSettings.small(18))]
    assert (tmp_path / FILE).is_file()


def test_lifters_are_compared_as_in_table_2(world: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """ElePose is trained once, into the evaluator's folder; another lifter's results lie in a folder."""
    trained = []

    def quick(motions, model, settings, seed, report):
        trained.append(len(motions))
        return elepose.train_elepose(motions, model, replace(settings, width=8, flow_width=8, flow_steps=2, steps=2, batch=8), seed, report)

    monkeypatch.setattr(evaluate, "train_elepose", quick)
    rng, folder = np.random.default_rng(0), world / "other"
    folder.mkdir()
    for number, frames in enumerate((20, 25, 30)):
        np.save(folder / f"{number}.npy", rng.standard_normal((frames, 18, 3)) * 0.2)
    rows, page = ["--rows", "fast", "elepose", "elepose-train", "--lifted", f"other={folder}"], world / "lifters.md"
    for _ in range(2):
        assert run(world, *rows, "--iterations", "2", "--write", str(page), "--json", str(world / "lifters.json")) == 0
    assert trained == [11]
    written = json.loads((world / "lifters.json").read_text())
    assert list(written["rows"]) == list(written["plausibility"]) == ["fast", "elepose", "elepose-train", "other"]
    assert written["lifted"] == {"other": 3}
    text = page.read_text()
    for said in ("ElePose, from test motions", "Table 2 of the MAS paper", "`other` is 3 motions", "45 to 135 degrees"):
        assert said in text
    (world / "tiny" / elepose.FILE).write_bytes(b"")
    assert run(world, "--rows", "elepose") == 1
    assert "not a readable ElePose" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_perfect_lifter_scores_as_the_motions_it_is_given(split: str, world: Path, monkeypatch: pytest.MonkeyPatch):
    model = load_model(str(world / "tiny"), "cpu")
    settings = evaluate.EvaluationSettings(samples=4, iterations=2)
    evaluation = evaluate.Evaluation(model, world / "2d", world / "tiny", settings, lambda *_: None)
    given = []

    def lift(motions: Motion2DSet) -> np.ndarray:
        given.append(motions)
        return np.concatenate([motions.keypoints, np.zeros_like(motions.keypoints[..., :1])], -1)

    monkeypatch.setattr(evaluate, "film", lambda motions, *_: motions[..., :2])
    scores = evaluation.score_lifter("perfect", lift, split, standing=0.0)
    assert [len(motions) for motions in given] == [4, 4]
    recorded = evaluation.sets[split].keypoints
    assert all(any(np.array_equal(one, other) for other in recorded) for motions in given for one in motions.keypoints)
    assert list(evaluation.plausibility) == ["perfect"]
    assert (scores["all"] == evaluation.ground_truth()["all"]) == (split == "train")


@pytest.mark.parametrize(("files", "said"), [
    ({}, "there are 0 lifted motions"),
    ({"a": np.zeros((5, 18, 3))}, "there are 1 lifted motions"),
    ({"a": np.zeros((5, 18, 3)), "b": np.zeros((5, 16, 3))}, "b.npy: the motion has shape [5, 16, 3]. Write it as [frames, 18, 3]"),
    ({"a": np.zeros((5, 18, 3)), "b": np.zeros((1, 18, 3))}, "at least 2 frames"),
    ({"a": np.full((5, 18, 3), np.nan), "b": np.zeros((5, 18, 3))}, "a.npy: there is no number at frame 0, Hip"),
    ({"a": np.array([{}], object), "b": np.zeros((5, 18, 3))}, "a.npy: this is not a readable array"),
    ({"a": np.array(["x"]), "b": np.zeros((5, 18, 3))}, "a.npy: this is not a readable array"),
])
def test_lifted_motions_that_can_not_be_read_are_named(files: dict[str, np.ndarray], said: str, world: Path, tmp_path: Path, capsys):
    for name, array in files.items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
    assert run(world, "--rows", "recorded", "--lifted", f"other={tmp_path}") == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("more", "said"), [
    (["--lifted", "folder"], "names no row and folder"),
    (["--lifted", "fast=folder"], "already a row 'fast'"),
    (["--lifted", "a=x", "a=y"], "already a row 'a'"),
    (["--samples", "1"], "nothing to compare"),
    (["--iterations", "0"], "nothing to compare"),
    (["--clips", "."], "need a domain"),
    (["--data", "nowhere"], "no such file"),
])
def test_what_can_not_be_evaluated_is_said(more: list[str], said: str, world: Path, capsys):
    assert run(world, *more) == 1
    assert said in capsys.readouterr().err


def test_another_skeleton_is_refused(world: Path, tmp_path: Path, capsys):
    motions = Motion2DSet.load(world / "2d" / "train.npz")
    motions.skeleton = "nba16"
    for split in ("train", "test"):
        motions.save(tmp_path / f"{split}.npz")
    assert run(world, "--data", str(tmp_path)) == 1
    assert "skeleton 'nba16'" in capsys.readouterr().err
    save_evaluator(FeatureVae(EvaluatorSettings(5, width=8, feedforward=8, layers=1, heads=2)), tmp_path)
    assert run(world, "--evaluator", str(tmp_path)) == 1
    assert "the evaluator knows 5 keypoints" in capsys.readouterr().err


def test_generated_motions_do_not_depend_on_their_order(world: Path):
    model = load_model(str(world / "tiny"), "cpu")
    subject, lengths = subjects(bfloat16=False)["fast"], np.array([20, 12, 20, 15])
    made = generate(subject, model, lengths, seed=5)
    assert made.shape == (4, 20, 18, 3)
    assert not made[1, 12:].any()
    alone = generate(subject, model, np.array([12]), seed=6)
    assert np.allclose(made[1, :12], alone[0], atol=1e-4)


def test_batches_hold_every_row_once_and_need_no_padding():
    lengths = np.random.default_rng(0).integers(10, 14, 100)
    found = list(batches(lengths, most=16))
    assert sorted(np.concatenate(found)) == list(range(100))
    assert all(len(rows) <= 16 and len(set(lengths[rows])) == 1 for rows in found)


def test_motions_are_drawn_without_replacement_where_there_are_enough():
    rng = np.random.default_rng(0)
    assert sorted(draw(8, 8, rng)) == list(range(8))
    assert len(draw(3, 10, rng)) == 10


def test_a_camera_films_from_a_random_side(world: Path):
    model = load_model(str(world / "tiny"), "cpu")
    motions = np.tile(np.array([1.0, 0, 0]), (500, 1, 18, 1))
    flat = film(motions, model, np.random.default_rng(0))[:, 0, 0, 0]
    assert flat.min() < -0.9
    assert flat.max() > 0.9
    assert abs(flat.mean()) < 0.15
    side = film(motions, model, np.random.default_rng(0), "side")[:, 0, 0, 0]
    assert np.allclose(side, 0, atol=1e-6)


def test_bench_measures_and_writes(world: Path, capsys):
    page, picture, data = world / "bench.md", world / "bench.png", world / "bench.json"
    done = main(["bench", "mas", "--pack", str(world / "tiny"), "--seconds", "0.4", "--device", "cpu", "--only", "fast", "10 calls, 3", "--fid", "4",
                 "--fid-sets", "2", "--fid-only", "fast", "--data", str(world / "2d"), "--write", str(page), "--plot", str(picture), "--json", str(data)])
    assert done == 0
    measured = json.loads(data.read_text())
    assert [one["name"] for one in measured] == ["reference", "fast", "10 calls, 3 views, first order",
                                                 "10 calls, 3 views, second order", "10 calls, 3 views, second order without noise"]
    assert measured[0]["rows"] == 99 * 7
    assert measured[0]["adam_iterations"] > 99
    assert [bool(one["fid"]) for one in measured] == [False, True, False, False, False]
    assert all(one["network_seconds"] + one["triangulation_seconds"] <= one["seconds"] for one in measured)
    assert "Adam steps" in page.read_text()
    assert picture.stat().st_size > 5000
    assert "times faster" in capsys.readouterr().out


def test_bench_settings(capsys):
    names = list(candidates())
    assert len(names) == len(set(names)) == 9 + 18
    assert chosen(names, ["fast"]) == ["fast"]
    assert chosen(names, ["fast,", "paper"]) == ["paper", "fast, float32", "fast, compiled", "fast, bones held", "fast, sides not kept"]
    assert chosen(names, None) == names
    assert chosen(names, ["10 calls"]) == [name for name in names if name.startswith("10 calls")]
    assert main(["bench", "mas", "--fid", "4"]) == 1
    assert "--data" in capsys.readouterr().err
    assert main(["bench", "mas", "--samples", "0"]) == 1


def test_bench_says_when_nothing_can_be_compiled(world: Path, capsys, monkeypatch):
    def no_compiler(*_args):
        raise torch._dynamo.exc.BackendCompilerFailed(lambda: None, RuntimeError("no C++ compiler"), None)

    monkeypatch.setattr(torch, "compile", lambda network: no_compiler)
    assert main(["bench", "mas", "--pack", str(world / "tiny"), "--seconds", "0.4", "--device", "cpu", "--only", "fast, compiled"]) == 1
    assert "Install a C++ compiler" in capsys.readouterr().err


def test_tables_are_aligned_markdown():
    assert markdown_table(["", "x"], [["long name", "1"], ["b", "22"]]).splitlines() == [
        "|           |  x |", "|-----------|---:|", "| long name |  1 |", "| b         | 22 |"]
    assert with_interval(1.234, 0.05) == "1.23 ± 0.05"
    assert with_interval(1.234, 0.0) == "1.23"
