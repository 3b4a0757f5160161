from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.programs.places import DEMO_WHEEL
from tests.tiny_pack import make_tiny_pack

HERE = Path(__file__).parent


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
@pytest.mark.parametrize("bpy_python", [DEMO_WHEEL], indirect=True)
def test_a_full_disk_loses_nothing(bpy_python, extension_zip, backend_python, repository, tmp_path: Path):
    make_tiny_pack(tmp_path / "packs")
    bpy_python.env.update(KINELIFT_PYTHON=str(backend_python), KINELIFT_PACKS=str(tmp_path / "packs"), PYTHONPATH=str(repository))
    (tmp_path / "out").mkdir()
    assert "nothing lost" in bpy_python.run(HERE / "full_disk.py", "--", tmp_path / "out", extension_zip).stdout
