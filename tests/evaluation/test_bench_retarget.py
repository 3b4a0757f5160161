"""The command `bench retarget` from end to end, on a walk and a rig made by code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.__main__ import main
from backend.evaluation.bench_retarget import DOMAINS
from backend.evaluation.clicks import HEADING
from backend.training.domain import Domain
from tests.fitting.human import armature_file
from tests.motions import JOINTS, walk_with_ball, write_motion

DOMAIN = """
title = "Walks"
skeleton = "nba16"
fps = 30
centring = "first-frame"
seconds = { default = 2.0, min = 0.5, max = 8.0 }
camera = { distance = 5.0, elevation = [0.1, 0.3], scale = 1.0 }
detector = { noise = 0.0, miss = 0.0 }

[[sources]]
name = "Walks made by code"
files = "*.npz"
joints = "own"
share = 1.0
licence = "none"
credit = "nobody"

[joints.own]
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    arrays = walk_with_ball(1.0)
    in_place = arrays["positions"] - arrays["positions"][:, :1] * np.array([0, 1, 0], np.float32)
    sway = 0.05 * np.sin(2 * np.pi * np.arange(30) / 30)[:, None, None] * np.array([1, 0, 0], np.float32)
    for name, positions, speed, split in (("walk", arrays["positions"], 0.0, "test"), ("treadmill", in_place, 1.2, "test"),
                                          ("sway", arrays["positions"] + sway, 0.0, "test"), ("other", in_place, 0.0, "train")):
        write_motion(folder / f"data/{name}.npz", {key: arrays[key] for key in ("joint_names", "parents", "fps")}
                     | {"positions": positions, "split": np.array(split), "ground_speed": np.float64(speed)})
    (folder / "rigs").mkdir()
    armature_file(folder / "rigs/small.npz", scale=0.5)
    armature_file(folder / "rigs/other.npz")
    (folder / "walks.toml").write_text(DOMAIN + "\n".join(f'{name} = ["{name}"]' for name in JOINTS) + "\n")
    return folder


def test_the_command_measures_and_writes(world: Path, capsys):
    page, data = world / "page.md", world / "page.json"
    page.write_text(f"# Of before\n\n{HEADING}\n\nkept\n")
    done = main(["bench", "retarget", "--rigs", str(world / "rigs"), "--data", str(world / "data"), "--domains", str(world / "walks.toml"), "--only", "small",
                 "--write", str(page), "--json", str(data)])
    assert done == 0, capsys.readouterr().err
    measured = {one["clip"].split("/")[-1]: one for one in json.loads(data.read_text())}
    assert set(measured) == {"walk", "treadmill", "sway"}, "the test split alone"
    walk, treadmill = measured["walk"], measured["treadmill"]
    assert (walk["rig"], walk["frames"], walk["flips"], walk["source_flips"], walk["wrong_way"]) == ("small", 30, 0, 0, 0)
    assert walk["joint_error"] < 0.5 and walk["end_error"] < 20
    assert walk["skate"] < 1 and walk["source_skate"] < 1 and walk["seconds"] > 0
    assert treadmill["source_skate"] < 3, "a walk in place travels at the speed that its feet claim"
    assert 0.5 < walk["jerk"] / walk["source_jerk"] < 1.5
    assert "3 of walks" in page.read_text() and "Of before" not in page.read_text()
    assert page.read_text().endswith(f"|\n\n{HEADING}\n\nkept\n"), "what Blender measured stays"


def test_the_motions_of_a_mode_differ(world: Path, capsys):
    results = []
    for mode in ("auto", "never"):
        data = world / f"{mode}.json"
        assert main(["bench", "retarget", "--rigs", str(world / "rigs"), "--data", str(world / "data"), "--domains", str(world / "walks.toml"),
                     "--only", "small", "--most", "1", "--contacts", mode, "--json", str(data)]) == 0
        results += json.loads(data.read_text())
    assert len(results) == 2
    assert results[0]["clip"] == results[1]["clip"] == "walks/data/sway"
    assert results[0]["skate"] < 0.2 * results[1]["skate"]


def test_without_data_the_shipped_packs_make_the_motions(world: Path, capsys):
    page, data = world / "new.md", world / "new.json"
    assert main(["bench", "retarget", "--rigs", str(world / "rigs"), "--only", "other", "--most", "1", "--write", str(page), "--json", str(data)]) == 0
    (measured,) = json.loads(data.read_text())
    assert measured["clip"] == "new basketball/basketball_6s_seed1" and measured["frames"] == 180 and measured["joint_error"] < 1
    assert page.read_text().count("New motions of the shipped packs") == 1 and "1 of new basketball" in page.read_text()


def test_domains_without_data_are_refused(world: Path, capsys):
    assert main(["bench", "retarget", "--rigs", str(world / "rigs"), "--domains", str(world / "walks.toml")]) == 1
    assert "--data" in capsys.readouterr().err


def test_an_empty_folder_is_refused(world: Path, capsys):
    assert main(["bench", "retarget", "--rigs", str(world / "data/nothing"), "--data", str(world / "data")]) == 1
    assert "--rigs" in capsys.readouterr().err


def test_the_shipped_domains_are_read():
    for name in DOMAINS:
        assert Domain.load(name).skeleton.roles
