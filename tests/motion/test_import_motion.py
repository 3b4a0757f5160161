from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backend.__main__ import main
from backend.errors import KineliftError
from backend.fitting.source import read_body
from backend.motion.bvh import Bvh, read_bvh
from backend.motion.import_motion import ImportSettings, read_motions
from backend.motion.motion3d import Motion3D
from backend.packs.import_mas import DATASETS
from tests.motion.bvh_files import bones, names_of, write_bvh
from tests.motions import walk_with_ball, write_motion
from tests.poses.failures import failure
from tests.properties import patient

HUMAN_ROLES = {"pelvis", "neck", "head_top", *(f"{joint}.{side}" for side in "LR" for joint in (
    "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe"))}
SMALL = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Leg
  {
    OFFSET 0 -10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -5 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 100 0 0 0 0 0 0 0
1 100 0 90 0 0 0 0 45
"""


def one(path: Path, **settings) -> Motion3D:
    return read_motions(ImportSettings(str(path), **settings))[0].motion


def by_role(motion: Motion3D) -> dict[str, np.ndarray]:
    return {role: motion.positions[:, motion.joint_names.index(name)] for name, role in motion.roles.items()}


@pytest.mark.parametrize(("preset", "prefix"), [("cmu-motionbuilder", ""), ("mixamo", "mixamorig:"), ("rokoko", ""), ("human-ik", "Bob_"), ("unreal", ""),
                                                ("smpl", ""), ("cmu-asf", "")])
def test_a_body_is_recognised_whatever_its_joints_are_called(preset: str, prefix: str, tmp_path: Path):
    motion = one(write_bvh(tmp_path / "a.bvh", names_of(preset, prefix)))
    assert set(motion.roles.values()) >= HUMAN_ROLES
    joints = by_role(motion)
    assert joints["wrist.L"][0, 0] > 0.5 and joints["wrist.R"][0, 0] < -0.5
    assert (joints["toe.L"][0] - joints["ankle.L"][0])[1] < -0.05, "it faces -Y"
    assert motion.fps == 30


def test_a_body_is_recognised_by_its_shape(tmp_path: Path):
    names = {role: f"b{number:02}" for number, (role, _, _) in enumerate(bones())}
    motion = one(write_bvh(tmp_path / "a.bvh", names))
    assert {motion.roles[names[f"{part}.L"]] for part in ("thigh", "shin", "foot", "hand")} == {"hip.L", "knee.L", "ankle.L", "wrist.L"}


@pytest.mark.parametrize("z_up", [False, True])
@pytest.mark.parametrize("unit", [1.0, 0.01, 0.0254, 0.0254 / 0.45, 0.001])
def test_units_and_the_axis_that_points_up_are_seen(unit: float, z_up: bool, tmp_path: Path):
    expected = one(write_bvh(tmp_path / "metres.bvh", names_of("mixamo"), 1.0)).positions
    imported = read_motions(ImportSettings(str(write_bvh(tmp_path / "a.bvh", names_of("mixamo"), unit, z_up=z_up))))[0]
    if z_up:  # other axes of the joints, so that only the rest of the body is comparable
        expected, found = expected[:1, :1, 2], imported.motion.positions[:1, :1, 2]
    else:
        found = imported.motion.positions
    assert np.abs(found - expected).max() < 1e-3
    assert any("legs of 0.83 m" in note for note in imported.notes)
    assert any(f"{'Z' if z_up else 'Y'} is up" in note for note in imported.notes)


def test_scale_axis_rate_and_preset_are_the_users_to_say(tmp_path: Path):
    path = write_bvh(tmp_path / "a.bvh", names_of("mixamo"), 0.01)
    guessed, said = one(path), one(path, scale=0.02, up="z", fps=50.0, preset="mixamo")
    assert np.allclose(said.positions[..., 2], -2 * guessed.positions[..., 1])
    assert said.fps == 50
    with pytest.raises(KineliftError, match="names joints that are not in the file"):
        one(path, preset="unreal")


def test_a_motion_that_is_recognised_can_be_fitted(tmp_path: Path):
    body = read_body(one(write_bvh(tmp_path / "a.bvh", names_of("rokoko"))), "a.bvh", 0.1, "auto")
    assert abs(body.leg - 0.83) < 0.01


def test_what_is_not_recognised_is_said(tmp_path: Path):
    path = tmp_path / "a.bvh"
    path.write_text(SMALL)
    imported = read_motions(ImportSettings(str(path)))[0]
    assert any("can't be put on an armature" in note for note in imported.notes)
    assert imported.motion.joint_names == ["Hips", "Leg", "Leg end"]
    assert imported.motion.fps == 25


def test_turns_follow_one_another_in_the_order_of_the_channels(tmp_path: Path):
    path = tmp_path / "a.bvh"
    path.write_text(SMALL)
    places = read_bvh(path).positions()
    assert np.allclose(places[1], [[1, 100, 0], [11, 100, 0], [16, 100, 0]], atol=1e-9)


@patient
@given(st.data())
def test_forward_kinematics_of_any_order_of_channels(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    order = data.draw(st.permutations("XYZ"))
    angles = np.array(data.draw(st.lists(st.floats(-360, 360), min_size=6, max_size=6)))
    text = SMALL.replace("Zrotation Xrotation Yrotation", " ".join(f"{axis}rotation" for axis in order))
    path = tmp_path_factory.mktemp("order") / "a.bvh"
    path.write_text(text.replace("Frames: 2", "Frames: 1").rsplit("0 100 0", 1)[0] + "1 2 3 " + " ".join(f"{angle:.9f}" for angle in angles) + "\n")
    root = Rotation.from_euler("".join(order), angles[:3], degrees=True)
    leg = root * Rotation.from_euler("".join(order), angles[3:], degrees=True)
    knee = np.array([1, 2, 3]) + root.apply([0, -10, 0])
    assert np.allclose(read_bvh(path).positions()[0], [[1, 2, 3], knee, knee + leg.apply([0, -5, 0])], atol=1e-6)


@pytest.mark.parametrize(("change", "line", "message"), [
    (("Frames: 2", "Frames: 0"), 17, "no frames"),
    (("Frames: 2", "Frames: 3"), 17, "3 frames are announced, and 2 follow"),
    (("Frames: 2", "Frames: two"), 17, "'Frames:'"),
    (("Frame Time: 0.04", "Time: 0.04"), 18, "'Frame Time:'"),
    (("1 100 0 90 0 0 0 0 45", "1 100 0 90 0 0 0 0"), 20, "9 numbers, not 8"),
    (("1 100 0 90", "1 nan 0 90"), 20, "no place"),
    (("1 100 0 90", "1 x 0 90"), 20, "not a number"),
    (("CHANNELS 3 Zrotation", "CHANNELS 4 Zrotation"), 9, "announces 4 and names 3"),
    (("CHANNELS 3 Zrotation", "CHANNELS 3 Wrotation"), 9, "no channel"),
    (("    OFFSET 0 -10 0\n", ""), 6, "no OFFSET"),
    (("OFFSET 0 -10 0", "OFFSET 0 -10"), 8, "3 numbers, not 2"),
    (("HIERARCHY", "HIERARCHIE"), 1, "HIERARCHY"),
    (("\n}\nMOTION", "\nMOTION"), 15, "not closed"),
    (("MOTION", "MOTIONS"), 21, "MOTION"),
    (("  JOINT Leg", "  ROOT Leg"), 6, "ROOT"),
])
def test_broken_files_are_refused_with_their_line(change: tuple[str, str], line: int, message: str, tmp_path: Path):
    assert change[0] in SMALL
    path = tmp_path / "a.bvh"
    path.write_text(SMALL.replace(*change, 1))
    with pytest.raises(KineliftError, match=message) as caught:
        read_bvh(path)
    assert caught.value.place == f"{path}, line {line}"
    assert caught.value.remedy and caught.value.code == "bad-bvh"


def test_a_frame_time_that_means_nothing_needs_a_rate(tmp_path: Path):
    path = write_bvh(tmp_path / "a.bvh", names_of("mixamo"), frame_time="0.0")
    with pytest.raises(KineliftError, match="--fps"):
        one(path)
    assert one(path, fps=24.0).fps == 24


@pytest.mark.parametrize(("written", "fps"), [("0.0333333", 30), ("0.033333", 30), ("0.00833333", 120), ("0.041667", 24), ("0.0416667", 24), ("0.1", 10),
                                              ("0.03336667", 30000 / 1001)])
def test_a_rounded_frame_time_is_a_common_rate(written: str, fps: float):
    assert Bvh([], np.zeros((1, 0)), float(written)).fps == pytest.approx(fps, rel=1e-9)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_equal_names_and_other_line_ends(newline: str, tmp_path: Path):
    names = names_of("mixamo") | {"toe.L": "Toe", "toe.R": "Toe"}
    motion = one(write_bvh(tmp_path / "a.bvh", names, newline=newline))
    assert {"Toe", "Toe.001"} <= set(motion.joint_names)


LINES = SMALL.splitlines()
WORDS = st.sampled_from(["{", "}", "", "ROOT a", "JOINT", "End Site", "OFFSET 1 2 3", "CHANNELS 0", "CHANNELS 1 Xposition", "MOTION", "Frames: 1", "1e308 " * 9,
                         "Frame Time: 1e-30", "Frame Time: -1", "9" * 400, "\0", "é", "{ }", "Frames: 999999999", "inf " * 9, "HIERARCHY", "1 " * 9])


@patient
@given(st.lists(st.tuples(st.integers(0, len(LINES)), st.sampled_from(["insert", "change", "drop"]), WORDS), max_size=6), st.binary(max_size=20))
def test_no_file_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, changes: list, junk: bytes):
    lines = list(LINES)
    for place, action, word in changes:
        place = min(place, len(lines) - 1)
        if action == "insert" or not lines:
            lines.insert(place, word)
        elif action == "change":
            lines[place] = word
        else:
            del lines[place]
    path = tmp_path_factory.mktemp("fuzz") / "a.bvh"
    path.write_bytes("\n".join(lines).encode() + junk)

    def use():
        for imported in read_motions(ImportSettings(str(path))):
            assert np.isfinite(imported.motion.positions).all() and imported.motion.fps > 0
            imported.motion.save(path.with_suffix(".npz"))

    error = failure(use)
    assert error is None or (error.message and error.remedy and str(path) in error.place)


def results(data: str, path: Path, lengths=(20, 12), **changes) -> Path:
    rng = np.random.default_rng(1)
    table = {"motions": rng.normal(size=(2, 20, len(DATASETS[data].keypoints), 3)).astype(np.float32),
             "model_kwargs": {"y": {"lengths": np.array(lengths), "text": None, "uncond": True}}} | changes
    np.save(path, table, allow_pickle=True)
    return path


@pytest.mark.parametrize("data", list(DATASETS))
def test_results_of_the_mas_program(data: str, tmp_path: Path):
    path = results(data, tmp_path / "results.npy")
    imported = read_motions(ImportSettings(str(path)))
    assert [one.motion.frames for one in imported] == [20, 12]
    raw, motion = np.load(path, allow_pickle=True).item()["motions"][1], imported[1].motion
    facts = DATASETS[data]
    for joint in (0, 7):
        theirs = raw[:12, facts.keypoints.index(motion.joint_names[joint])]
        assert np.allclose(motion.positions[:, joint, 0], theirs[:, 0], atol=1e-6) and np.allclose(motion.positions[:, joint, 1], theirs[:, 2], atol=1e-6)
        assert np.allclose(np.diff(motion.positions[:, joint, 2]), np.diff(theirs[:, 1]), atol=1e-6)
    assert (motion.fps, motion.skeleton) == (facts.fps, facts.skeleton)
    assert len(motion.object_names) == (data == "gymnastics")


class Trap:
    def __reduce__(self):
        return os.system, ("touch trapped",)


@pytest.mark.parametrize(("changes", "message"), [
    ({"motions": Trap()}, "would need code"), ({"motions": [1]}, "no array"), ({"motions": np.zeros((2, 5, 2, 20))}, "2D samples|shape"),
    ({"motions": np.zeros((2, 20, 5, 3))}, "5 keypoints"), ({"model_kwargs": {}}, "lengths"), ({"motions": np.full((2, 20, 16, 3), np.nan)}, "not numbers"),
    ({"model_kwargs": {"y": {"lengths": np.array([0, 5])}}}, "from 1 to 20")])
def test_results_that_are_none_are_refused(changes: dict, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    path = results("nba", tmp_path / "results.npy", **changes)
    with pytest.raises(KineliftError, match=message) as caught:
        read_motions(ImportSettings(str(path)))
    assert str(path) in caught.value.place and caught.value.remedy
    assert not (tmp_path / "trapped").exists()


@patient
@given(st.data())
def test_damaged_results_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    path = results("nba", tmp_path_factory.mktemp("damaged") / "results.npy")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, 600))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2, 100, 20, 0]))])
    error = failure(lambda: read_motions(ImportSettings(str(path))))
    assert error is None or error.remedy


def test_a_plain_pickle_is_no_npy_file(tmp_path: Path):
    (tmp_path / "a.npy").write_bytes(pickle.dumps({"motions": 1}))
    with pytest.raises(KineliftError, match=r"\.npy"):
        read_motions(ImportSettings(str(tmp_path / "a.npy")))


@pytest.mark.parametrize(("name", "settings", "said"), [
    ("ours.npz", {"scale": 0.01}, "--scale"), ("ours.npz", {"up": "y", "fps": 24.0}, "--up, --fps"), ("results.npy", {"up": "z"}, "--up"),
    ("results.npy", {"preset": "mixamo"}, "--preset"), ("small.bvh", {"data": "nba"}, "--data")])
def test_what_a_kind_of_file_leaves_no_choice_of_is_refused(name: str, settings: dict, said: str, tmp_path: Path):
    write_motion(tmp_path / "ours.npz", walk_with_ball())
    results("nba", tmp_path / "results.npy")
    (tmp_path / "small.bvh").write_text(SMALL)
    with pytest.raises(KineliftError) as caught:
        read_motions(ImportSettings(str(tmp_path / name), **settings))
    assert said in caught.value.remedy and caught.value.place == str(tmp_path / name)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture):
    path = write_bvh(tmp_path / "a.bvh", names_of("mixamo"))
    assert main(["import-motion", str(path), "--to", str(tmp_path / "motion.npz")]) == 0
    out = capsys.readouterr().out
    assert "centimetres" in out and "Mixamo" in out
    assert Motion3D.load(tmp_path / "motion.npz").roles
    assert main(["import-motion", str(results("nba", tmp_path / "results.npy")), "--to", str(tmp_path / "mas.npz")]) == 0
    assert (tmp_path / "mas_0.npz").is_file() and (tmp_path / "mas_1.npz").is_file()
    ours = write_motion(tmp_path / "walk.npz", walk_with_ball())
    assert main(["import-motion", str(ours), "--to", str(tmp_path / "ours.npz")]) == 0
    assert main(["import-motion", str(tmp_path / "none.bvh"), "--to", str(tmp_path / "x.npz")]) == 1
    assert main(["import-motion", str(tmp_path / "none.fbx"), "--to", str(tmp_path / "x.npz")]) == 1
