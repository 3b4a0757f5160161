"""The extension as an animator meets it: in a window, with the mouse."""

import os
import shutil
from pathlib import Path

import pytest

from tests.blender.window import Window
from tests.tiny_pack import make_tiny_pack

PICTURE = os.environ.get("KINELIFT_PANEL_PICTURE")
"""A file to keep the picture of the panel in, for the documentation."""


@pytest.fixture
def window(blender_program, extension_zip, backend_python, xvfb, tmp_path):
    make_tiny_pack(tmp_path / "packs")
    blender_program.env.update(KINELIFT_PYTHON=str(backend_python), KINELIFT_PACKS=str(tmp_path / "packs"))
    blender_program.install(extension_zip)
    window = Window(blender_program, xvfb, tmp_path, pack="tiny", seconds=6, variants=4, mode="paper")
    yield window
    window.close()


def test_a_click_on_generate_makes_a_take_that_plays(window, tmp_path):
    window.open_tab("Kinelift")
    x, y = window.find_button("bpy.ops.kinelift.generate")
    window.display.click(x, y)
    window.wait(lambda state: state["job"] and state["job"]["fraction"] > 0.05, 300, "the bar")
    window.display.screenshot(tmp_path / "bar.png")
    done = window.wait(lambda state: not state["job"], 300, "the end of the job")
    assert len(done["takes"]) == 4
    window.wait(lambda state: state["playing"] and state["frame"] > 1, 30, "the playback")
    window.settled()
    window.display.screenshot(tmp_path / "panel.png")
    assert Path(tmp_path / "panel.png").stat().st_size > 20_000
    if PICTURE:
        shutil.copyfile(tmp_path / "bar.png", Path(PICTURE).with_suffix(".bar.png"))
        shutil.copyfile(tmp_path / "panel.png", PICTURE)
