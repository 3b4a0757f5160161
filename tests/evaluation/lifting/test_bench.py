from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.__main__ import main
from backend.evaluation.lifting import bench
from backend.evaluation.lifting.bench import Cost, cost_table
from backend.mvlift.network import LiftNetworkSettings


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "OFFICIAL_TRIANGULATION", 5)
    monkeypatch.setattr(bench, "OFFICIAL_FIT", 3)


def test_bench_counts_and_writes(world: Path, tmp_path: Path, quick: None, capsys):
    page, data = tmp_path / "bench.md", tmp_path / "bench.json"
    assert main(["bench", "lift", "--pack", str(world / "pack"), "--seconds", "1", "--timed-steps", "2", "--calls", "3", "--device", "cpu",
                 "--write", str(page), "--json", str(data)]) == 0
    written = json.loads(data.read_text())
    official, unknown, known, fewer = written["lifting"]
    assert (official["calls"], official["rows"], official["adam"]) == (1000, 4000, 8)
    assert [one["extrapolated"] for one in written["lifting"] + written["drawing"]] == [True, False, False, False, True, True]
    assert (unknown["rows"], known["rows"], fewer["rows"]) == (4 * 6, 4 * 6, 4 * 3)
    assert (known["calls"], known["adam"], fewer["adam"]) == (6, 60 + 200 + 6 * 60, 60 + 200 + 3 * 60)
    assert [(one["rows"], one["adam"]) for one in written["drawing"]] == [(25_000, 5000), (2500, 480)]
    assert all(one["seconds"] > 0 and one["cpu_seconds"] > 0 for one in written["lifting"] + written["drawing"])
    text, out = page.read_text(), capsys.readouterr().out
    for said in ("**extrapolated**", "2 steps of the network were timed", "4,000", "python -m backend bench lift", "25,000", "joints alone"):
        assert said in text
    assert "~ is extrapolated from a few steps" in out


def test_without_a_pack_networks_are_untrained(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch, world: Path):
    small = {"width": 16, "feedforward": 16, "layers": 1, "heads": 2, "head_width": 8}
    monkeypatch.setattr(bench, "LiftNetworkSettings", lambda keypoints, conditions, **more: LiftNetworkSettings(keypoints, conditions, **small, **more))
    page = tmp_path / "bench.md"
    assert main(["bench", "lift", "--domain", str(world / "walks.toml"), "--timed-steps", "1", "--calls", "--device", "cpu", "--write", str(page)]) == 0
    assert "random weights" in page.read_text()
    assert "| lift, 14 calls a view " in page.read_text()


def test_a_tilde_marks_what_was_extrapolated():
    rows = cost_table([Cost("program", 1000, 4000, 1500, 100.0, 90.0, extrapolated=True), Cost("ours", 14, 56, 0, 2.0, 1.5)]).splitlines()
    assert [cell.strip() for cell in rows[2].split("|")[1:-1]] == ["program", "1,000", "4,000", "1,500", "~100.00", "~90.00", "1.0", "~1.0"]
    assert [cell.strip() for cell in rows[3].split("|")[1:-1]] == ["ours", "14", "56", "0", "2.00", "1.50", "71.4", "~50.0"]


@pytest.mark.parametrize("more", [["--seconds", "0"], ["--timed-steps", "0"]])
def test_there_must_be_something_to_time(more: list[str], capsys):
    assert main(["bench", "lift", *more]) == 1
    assert "nothing to time" in capsys.readouterr().err
