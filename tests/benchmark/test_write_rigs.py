from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs.places import DEMO_WHEEL


@pytest.mark.parametrize("bpy_python", [DEMO_WHEEL], indirect=True)
def test_every_human_preset_has_a_rig_to_measure_on(bpy_python, tmp_path: Path):
    assert "all presets have a rig" in bpy_python.run(Path(__file__).parent / "named_rigs.py", tmp_path).stdout
