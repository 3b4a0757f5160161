"""What `build.py footage` does outside of Blender: a pack is found by its folder, and a picture is made as small as it may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.packs.catalogue import SHIPPED, list_packs
from tests.programs.footage import found_by_name
from tests.programs.pictures import shrink
from tests.programs.steps import SetupError


def test_a_pack_given_by_its_folder_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mine = tmp_path / "interim"
    mine.symlink_to(SHIPPED / "horse")
    for _ in range(2):  # the second time the link is there
        name, variables = found_by_name(str(mine), tmp_path / "build")
        assert name == "horse"
    monkeypatch.setenv("KINELIFT_PACKS", variables["KINELIFT_PACKS"])
    found = next(pack for pack in list_packs() if pack.name == name)
    assert found.folder.parent == tmp_path / "build/packs" and found.folder.resolve() == (SHIPPED / "horse").resolve() and not found.problem
    assert found_by_name("horse", tmp_path) == ("horse", {})


def test_a_broken_pack_is_refused(tmp_path: Path):
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(SetupError, match="lacks"):
        found_by_name(str(tmp_path), tmp_path / "build")


def test_a_picture_that_stays_too_large_is_refused(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    shrink(tmp_path / "noise.png", tmp_path / "small.png", 20_000)
    assert (tmp_path / "small.png").stat().st_size <= 20_000
    with pytest.raises(SetupError, match="larger than 1000"):
        shrink(tmp_path / "noise.png", tmp_path / "small.png", 1000)
