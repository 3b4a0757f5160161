"""Stick figures of motions, judged by their pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.__main__ import main
from backend.motion.motion3d import Motion3D
from backend.motion.preview import LEFT, OBJECT, RIGHT, SHADOW, Stage, animation, contact_sheet
from rigs import load_skeleton

SKELETON = load_skeleton("nba16-ball")
SIZE = (120, 120)


def standing(seconds: float = 1.0, ball: tuple[float, float, float] | None = None) -> Motion3D:
    """Somebody 1.8 m tall who faces -Y, with a ball or without."""
    frames = round(seconds * 30)
    heights = {"hip": 0.95, "knee": 0.5, "ankle": 0.1, "shoulder": 1.45, "elbow": 1.2, "wrist": 1.0, "neck": 1.5, "pelvis": 0.95}
    pose = np.zeros((len(SKELETON.joints), 3))
    for number, name in enumerate(SKELETON.joints):
        part, _, side = SKELETON.roles.get(name, "head").partition(".")
        pose[number] = [{"L": 0.2, "R": -0.2}.get(side, 0.0), 0, heights.get(part, 1.7)]
    objects = np.tile(np.array(ball), (frames, 1, 1)) if ball else None
    return Motion3D(np.tile(pose, (frames, 1, 1)), list(SKELETON.joints), list(SKELETON.parents), 30.0, SKELETON.name,
                    ["Ball"] if ball else [], objects)


def where(image: Image.Image, colour: tuple[int, int, int], tolerance: int = 24) -> np.ndarray:
    """Pixels [N,2] (x, y) of about a colour."""
    near = np.abs(np.asarray(image.convert("RGB")).astype(int) - colour).max(-1) <= tolerance
    return np.argwhere(near)[:, ::-1]


def test_who_faces_the_camera_has_left_on_the_right_of_the_picture():
    picture = Stage(standing(), 0.0, 0.1, SIZE).draw(0)
    left, right = where(picture, LEFT), where(picture, RIGHT)
    assert left[:, 0].mean() > right[:, 0].mean() + 10
    assert abs(left[:, 0].mean() + right[:, 0].mean() - SIZE[0]) < 4
    assert 0.6 * SIZE[1] < np.ptp(left[:, 1]) + np.ptp(where(picture, (88, 92, 100))[:, 1])


def test_the_camera_goes_around_and_follows():
    behind = Stage(standing(), np.pi, 0.1, SIZE).draw(0)
    assert where(behind, LEFT)[:, 0].mean() < where(behind, RIGHT)[:, 0].mean() - 10
    gone = standing(4.0)
    gone.positions = gone.positions + np.linspace(0, 20, gone.frames)[:, None, None] * [1, 0, 0]
    assert abs(where(Stage(gone, 0.0, 0.1, SIZE).draw(60), LEFT)[:, 0].mean() - where(Stage(standing(), 0.0, 0.1, SIZE).draw(0), LEFT)[:, 0].mean()) < 6


def test_an_object_hides_and_is_hidden_and_throws_a_shadow():
    before, behind, above = ((where(Stage(standing(ball=spot), 0.0, 0.1, SIZE).draw(0), colour)) for spot, colour in (
        ((0.2, -0.5, 0.7), OBJECT), ((0.2, 0.5, 0.7), OBJECT), ((0.6, 0.0, 1.6), SHADOW)))
    assert len(before) > len(behind) > 20
    assert len(above) > len(where(Stage(standing(), 0.0, 0.1, SIZE).draw(0), SHADOW)) + 20
    assert np.median(above[:, 1]) > 0.8 * SIZE[1]


def test_a_sheet_has_a_row_a_motion_and_an_animation_the_time_of_the_longest():
    motions = [standing(1.0), standing(2.0, (0.5, -0.5, 1.0))]
    sheet = contact_sheet(motions, 5, 0.6, 0.2, SIZE)
    assert sheet.size == (5 * SIZE[0], 2 * SIZE[1])
    film = Image.open(io.BytesIO(animation(motions, 0.6, 0.2, SIZE)))
    assert film.size == (2 * SIZE[0], SIZE[1])
    assert len(where(film, OBJECT)) > 20
    moving = standing(2.0)
    moving.positions = moving.positions + np.sin(np.arange(60) / 5)[:, None, None] * [0, 0, 0.2]
    film = Image.open(io.BytesIO(animation([moving], 0.6, 0.2, SIZE)))
    assert (film.n_frames, film.info["duration"]) == (20, 100)


def test_the_command(tmp_path: Path, capsys):
    motion = standing().save(tmp_path / "one.npz")
    for name in ("sheet.png", "film.gif"):
        assert main(["preview", str(motion), "--to", str(tmp_path / name), "--size", "60", "80", "--columns", "3"]) == 0
    assert Image.open(tmp_path / "sheet.png").size == (180, 80)
    assert Image.open(tmp_path / "film.gif").size == (60, 80)


@pytest.mark.parametrize(("more", "said"), [(["--to", "a.mp4"], "End the name in .png or .gif"), (["--to", "a.png", "--columns", "0"], "no room"),
                                            (["--to", "a.gif", "--size", "3", "3"], "no room")])
def test_what_can_not_be_drawn_is_said(more: list[str], said: str, tmp_path: Path, capsys):
    assert main(["preview", str(tmp_path / "none.npz"), *more]) == 1
    assert said in capsys.readouterr().err
