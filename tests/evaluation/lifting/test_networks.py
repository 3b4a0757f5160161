"""The rows that draw views: with a network that knows the answer all of them find the motion."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import backend.mvlift.lift as lifting
import backend.mvlift.look as looking
from backend.evaluation.lifting.networks import DistilSettings, Windows, distil, draw_views, in_batches, mas_given, rows_counted
from backend.evaluation.lifting.results import measure
from backend.evaluation.lifting.rows import ALONE, ROWS, Lifters, RowSettings
from backend.evaluation.lifting.scenes import CLEAR, DETECTED, Scene
from backend.evaluation.progress import print_progress
from backend.mvlift.model import LINE, LiftModel
from backend.mvlift.optimise import FAST, OptimiseSettings
from backend.mvlift.track import Track
from backend.training.domain import Domain
from tests.evaluation.lifting.world import SKELETON, LineOracle, in_camera
from tests.mvlift.lifting import Oracle, load

WAYS = {
    "stage 1": lambda windows, model, seeds: draw_views(windows, model, seeds, replace(ALONE, calls=3), print_progress),
    "stage 2": lambda windows, model, seeds: draw_views(windows, model, seeds, replace(FAST, calls=3, iterations=5), print_progress),
    "sds": lambda windows, model, seeds: distil(windows, model, seeds, DistilSettings(250), True, print_progress),
    "sds, no lines": lambda windows, model, seeds: distil(windows, model, seeds, DistilSettings(250), False, print_progress),
    "mas": lambda windows, model, seeds: mas_given(windows, model, seeds, OptimiseSettings(calls=4), print_progress),
}


@pytest.fixture(scope="module")
def line(world: Path) -> LiftModel:
    return load(world / "pack" / "line", LINE)


@pytest.mark.parametrize("way", WAYS)
def test_a_network_that_knows_finds_the_motion(way: str, scenes: list[Scene], line: LiftModel):
    oracle = LineOracle(line, scenes, CLEAR)
    known = LiftModel(line.name, line.card, oracle, line.features, line.body, line.schedule, line.skeleton)
    made: Callable = WAYS[way]
    lifted = made(Windows(scenes, CLEAR, known), known, [0, 1])
    loose = 80 if way.startswith("sds") else 15  # steps of Adam against a solution; the walks' bones are stretched by some millimetres
    for scene, one in zip(scenes, lifted):
        measured = measure(scene, one, SKELETON)
        assert measured["aligned"] < loose
        assert measured["joint"] < loose
        assert measured["root"] < 2 * loose
        assert measured["picture"] < loose
        assert measured["object_root"] < 3 * loose
    assert oracle.calls > 2


def test_the_network_is_told_lines_or_not(scenes: list[Scene], line: LiftModel, monkeypatch: pytest.MonkeyPatch):
    told = []

    def note(_network, given) -> None:
        told.append(bool(given[2].any()))

    hook = line.denoiser.register_forward_pre_hook(note)
    windows = Windows(scenes, CLEAR, line)
    for made in (lambda: distil(windows, line, [0, 1], DistilSettings(1), True, print_progress),
                 lambda: distil(windows, line, [0, 1], DistilSettings(1), False, print_progress),
                 lambda: mas_given(windows, line, [0, 1], OptimiseSettings(calls=1), print_progress),
                 lambda: draw_views(windows, line, [0, 1], replace(ALONE, calls=1), print_progress)):
        made()
    hook.remove()
    assert told == [True, False, False, True]


def test_rows_are_counted(scenes: list[Scene], line: LiftModel):
    with rows_counted(line, None) as counted:
        in_batches(scenes, DETECTED, line, 0, print_progress, lambda windows, seeds, report: draw_views(windows, line, seeds, replace(ALONE, calls=3), report))
    assert counted == [3 * 5 * 2]
    with rows_counted(line) as counted:
        pass
    assert counted == [0]


def test_scenes_of_other_lengths_do_not_change_each_other(scenes: list[Scene], line: LiftModel):
    short = replace(scenes[0], **{key: getattr(scenes[0], key)[:20] for key in ("points", "pixels", "spotted", "confidences")})
    settings = replace(ALONE, calls=2)
    alone = draw_views(Windows([short], CLEAR, line), line, [0], settings, print_progress)[0]
    both = draw_views(Windows([short, scenes[1]], CLEAR, line), line, [0, 1], settings, print_progress)
    assert [len(one.points) for one in both] == [20, 30]
    assert both[0].points.shape == alone.points.shape
    assert np.isfinite(both[0].points).all()


def test_our_lift_with_a_network_that_knows(scenes: list[Scene], domain: Domain, world: Path, monkeypatch: pytest.MonkeyPatch):
    """The whole path of the row: pixels to world, and the measures."""
    model = load(world / "pack")
    oracle = Oracle(model, [in_camera(scene) for scene in scenes])

    class Known(Track):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            oracle.tracks.append(self)

    for module in (lifting, looking):
        monkeypatch.setattr(module, "Track", Known)
    lifters = Lifters(domain, world, str(world / "pack"), "cpu", None, None, None, RowSettings(calls=3), print_progress)
    lifters.__dict__["model"] = LiftModel(model.name, model.card, oracle, model.features, model.body, model.schedule, model.skeleton)
    lifted, rows, seconds = lifters.run(ROWS["ours"], scenes, CLEAR)
    assert rows == 2 * 3 * 4
    assert seconds > 0
    for scene, one in zip(scenes, lifted):
        measured = measure(scene, one, SKELETON)
        assert measured["aligned"] < 20
        assert measured["root"] < 60
        assert measured["picture"] < 15
        assert measured["object_root"] < 80
        assert math.isnan(measured["object"])
