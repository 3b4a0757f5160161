"""The mannequin is skinned to a metarig and to a generated rig, and the contact sheet is a picture with content."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.programs.environments import is_ready
from tests.programs.places import DEMO_WHEEL, wheel_folder
from tests.programs.run import BpyWheel

pytestmark = pytest.mark.blender
SCRIPTS = Path(__file__).parent


@pytest.fixture
def demo_wheel(tmp_path):
    if not is_ready(wheel_folder(DEMO_WHEEL)):
        pytest.fail(f"the bpy wheel of Blender {DEMO_WHEEL} is not installed; run `python build.py test`")
    return BpyWheel(DEMO_WHEEL, tmp_path / "blender-user")


def test_the_mannequin_follows_both_rigs(demo_wheel):
    demo_wheel.run(SCRIPTS / "mannequin_follows.py")


def test_bones_shown_as_solids_lie_along_them(demo_wheel):
    assert "solids lie along bones" in demo_wheel.run(SCRIPTS / "solid_bones.py").stdout


def test_what_is_over_footage_is_where_the_camera_sees_it(demo_wheel, tmp_path):
    assert "over the footage" in demo_wheel.run(SCRIPTS / "footage_parts.py", tmp_path).stdout


def test_a_contact_sheet_shows_every_frame(demo_wheel, tmp_path):
    sheet = tmp_path / "sheet.png"
    demo_wheel.run(SCRIPTS / "small_sheet.py", sheet)
    picture = Image.open(sheet).convert("RGB")
    assert picture.size == (5 * 40 + 4 * 6, 2 * 50 + 6)
    for number in range(7):
        row, column = divmod(number, 5)
        cell = picture.crop((column * 46, row * 56, column * 46 + 40, row * 56 + 50))
        darkest = min(low for low, _ in cell.getextrema())
        assert darkest < 150, f"nothing to see in picture {number}"
    assert picture.getpixel((4 * 46 + 20, 56 + 25)) == (255, 255, 255)
