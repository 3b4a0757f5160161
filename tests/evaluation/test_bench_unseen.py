"""The command `bench unseen` from end to end, on a walk, a rig and a body made by code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.__main__ import main
from backend.evaluation.bench_unseen import HIDDEN, UNSURE, hide, noisy
from backend.fitting.smpl.import_smpl import import_body
from backend.motion.motion3d import Motion3D
from tests.evaluation.test_bench_retarget import DOMAIN
from tests.fitting.human import armature_file
from tests.fitting.smpl.bodies import write_official
from tests.motions import JOINTS, walk_with_ball, write_motion


def test_the_command_measures_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture):
    arrays = walk_with_ball(3.0)
    for name, positions in (("walk", arrays["positions"]), ("short", arrays["positions"][:80])):
        write_motion(tmp_path / f"data/{name}.npz", {key: arrays[key] for key in ("joint_names", "parents", "fps")}
                     | {"positions": positions, "split": np.array("test")})
    (tmp_path / "walks.toml").write_text(DOMAIN + "\n".join(f'{name} = ["{name}"]' for name in JOINTS) + "\n")
    model = import_body(write_official("smpl", tmp_path / "smpl_female")).save(tmp_path / "model.npz")
    page, data = tmp_path / "page.md", tmp_path / "page.json"
    command = ["bench", "unseen", "--data", str(tmp_path / "data"), "--domain", str(tmp_path / "walks.toml")]
    rig = armature_file(tmp_path / "tall.npz", raised_arms=0.6)
    done = main([*command, "--rigs", str(rig), "--models", str(model), "--write", str(page), "--json", str(data)])
    assert done == 0, capsys.readouterr().err
    measured = {(one["body"], one["hidden"]): one for one in json.loads(data.read_text())}
    assert {one["clip"] for one in measured.values()} == {"data/walk"}, "others are too short to hide a second"
    assert len(measured) == 2 * len(HIDDEN) + 1, "bodies show no nose"
    for (body, hidden), one in measured.items():
        assert min(one["without"], one["with_prior"]) > 0, hidden
        assert (one["even"] is None) == (body == "smpl, female")
        if "arm" in hidden:
            assert one["with_prior"] < 20 < 30 < one["without"], body
            assert one["odd_with"] < one["odd_without"]
    assert "python -m backend bench unseen" in page.read_text() and "| tall" in page.read_text()
    assert main(command) == 1
    assert "--rigs or --models" in capsys.readouterr().err


def test_what_is_hidden_says_nothing_and_what_is_noisy_is_unsure():
    arrays = walk_with_ball(1.0)
    motion = Motion3D(arrays["positions"].astype(float), list(JOINTS), arrays["parents"].tolist(), 30.0, "nba16-ball")
    hidden = hide(motion, ("wrist.L",), slice(10, 20))
    wrist = JOINTS.index("LWrist")
    assert not hidden.confidences[10:20, wrist].any() and not hidden.positions[10:20, wrist].any()
    assert hidden.confidences.sum() == motion.positions[..., 0].size - 10
    np.testing.assert_array_equal(hidden.positions[:10], motion.positions[:10])
    away = np.linalg.norm(noisy(motion, 0).positions - motion.positions, axis=-1)
    assert 0.03 < away.mean() < 0.05 and (noisy(motion, 0).confidences == UNSURE).all()
