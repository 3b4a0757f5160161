from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import KineliftError
from backend.training.domain import Domain
from tests.motions import JOINTS
from tests.training.clips import TOML, walks, write_clips, write_domain


@pytest.mark.parametrize(("name", "skeleton"), [("basketball", "nba16-ball"), ("horse", "ap10k-travel"), ("human", "coco17-travel"),
                                                ("gymnastics", "coco17-ball-travel")])
def test_the_shipped_domains_are_sound(name: str, skeleton: str):
    domain = Domain.load(name)
    assert domain.skeleton.name == skeleton
    assert domain.skeleton.travel
    assert domain.settings["description"]
    assert sum(source["share"] for source in domain.settings["sources"]) == pytest.approx(1)
    assert all(source["licence"] and source["credit"] for source in domain.settings["sources"])


@pytest.mark.parametrize(("name", "skeleton"), [("lift-human", "openpose18"), ("lift-horse", "ap10k"), ("lift-cat", "ap10k-paws"),
                                                ("lift-person-object", "openpose18-ball-box")])
def test_the_shipped_domains_for_lifting_are_sound(name: str, skeleton: str):
    domain = Domain.load(name)
    assert (domain.skeleton.name, domain.settings["centring"]) == (skeleton, "first-frame")
    assert {"views", "height", "standing_height"} <= domain.settings["lift"].keys()
    assert sum(source["share"] for source in domain.settings["sources"]) == pytest.approx(1)
    assert all(source["licence"] and source["credit"] for source in domain.settings["sources"])
    made = "animated, not captured" if skeleton.startswith("ap10k") else "computation" if domain.skeleton.objects else ""
    assert made in domain.settings["description"].lower()


@pytest.mark.parametrize(("old", "new", "said", "spot"), [
    ('title = "Walks"', "", "'title' is missing", ""),
    ('title = "Walks"', "title = 3", "'title' is 3", "title"),
    ("fps = 30", 'fps = "30"', "'fps' is '30'", "fps"),
    ("fps = 30", "fps = -30", "'fps' is -30", "fps"),
    ('"nba16-ball"', '"centaur"', "no skeleton 'centaur'", "skeleton"),
    ('"nba16-ball"', '"coco17.toml"', "'coco17' has the name of a shipped one", "skeleton"),
    ('"nba16-ball"', '"octopus.toml"', "not a readable skeleton", "skeleton"),
    ('centring = "root-horizontal"', 'centring = "nose"', "'centring' is 'nose'", "centring"),
    ("max = 3.0", "", r"'max' of \[seconds\] is missing", "[seconds]"),
    ("distance = 7.0", "distance = 0", r"'distance' of \[camera\] is 0", "distance"),
    ("elevation = [0.15, 0.25]", "elevation = [0.25, 0.15]", r"'elevation' of \[camera\]", "elevation"),
    ("elevation = [0.15, 0.25]", "elevation = [8.5, 14.0]", r"'elevation' of \[camera\]", "elevation"),
    ("miss = 0.01", "miss = 1.5", r"'miss' of \[detector\] is 1.5", "miss"),
    ("lost_object = 3.0", "", "'lost_object' of", "[detector]"),
    ("share = 1.0", "", "'share' of source 1 is missing", "[[sources]]"),
    ("share = 1.0", 'share = "all"', "'share' of source 1 is 'all'", "share"),
    ('licence = "CC0"', "", "'licence' of source 1 is missing", "[[sources]]"),
    ('joints = "walk"', 'joints = "run"', "joint table 'run'", 'joints = "run"'),
    ('RKnee = ["RKnee"]', "", r"\[joints.walk\] lacks RKnee", "[joints.walk]"),
    ('RKnee = ["RKnee"]', 'RKnee = { joint = "RKnee", offset = [1, 2] }', r"'RKnee' of \[joints.walk\]", "RKnee"),
    ("[joints.walk]", '[joints.walk]\nlike = "run"', "is like 'run'", "like"),
    ("[joints.walk]", '[joints.walk]\nlike = "walk"', "is like 'walk'", "like"),
    ("share = 1.0", 'share = 1.0\nwiden = "more"', "widened by 'more'", "widen"),
    ("share = 1.0", 'share = 1.0\nsplit = "all"', "'split' of source 1 is 'all'", "split"),
    ('skeleton = "nba16-ball"', 'skeleton = "nba16"', r"asks for a ball, and the skeleton 'nba16' has none", "ball"),
    ("stitch = true", "box = true", r"asks for a box, and the skeleton 'nba16-ball' has none", "box"),
    ("stitch = true", "box = 1", "'box' of source 1 is 1", "box"),
    ("[joints.walk]", "[widening.more]\nfaster = 2\n[joints.walk]", "entry 'faster'", "faster"),
])
def test_mistakes_in_a_domain_are_named_with_their_line(old: str, new: str, said: str, spot: str, tmp_path: Path):
    text = TOML.replace("stitch = true", "stitch = true\nball = true").replace(old, new)
    path = write_domain(tmp_path, text)
    with pytest.raises(KineliftError, match=said) as caught:
        Domain.load(str(path))
    line = next((number for number, written in enumerate(text.splitlines(), 1) if spot and written.startswith(spot)), 0)
    assert caught.value.place == (f"{path}, line {line}" if spot else str(path))
    assert caught.value.remedy


@pytest.mark.parametrize("kind", ["ball", "box"])
def test_who_has_no_arms_plays_with_nothing(kind: str, tmp_path: Path):
    corners = {f"Box{number}": [number & 1, number >> 1 & 1, number >> 2] for number in range(5)} if kind == "box" else {}
    rigid = "".join(f"{name} = {place}\n" for name, place in corners.items())
    table = f"[rigid.Box]\n{rigid}" if rigid else ""
    (tmp_path / "dog.toml").write_text(f'based_on = "ap10k"\ntitle = "Dog"\nobjects = {list(corners) or ["Ball"]}\n{table}')
    path = write_domain(tmp_path, TOML.replace("stitch = true", f"{kind} = true").replace('"nba16-ball"', '"dog.toml"'))
    with pytest.raises(KineliftError, match=f"asks for a {kind}, and the skeleton 'dog' has no") as caught:
        Domain.load(str(path))
    assert f"{path}, line" in caught.value.place and caught.value.remedy


@pytest.mark.parametrize(("rule", "turned"), [
    ('{ joint = "RKnee", offset = [0.1, 0.0, 0.0] }', "RKnee"),
    ('{ joint = "RKnee", offset = [0.1, 0.0, 0.0], turned_by = "RHip" }', "RHip"),
])
def test_an_offset_turns_with_a_joint(rule: str, turned: str, tmp_path: Path):
    turns = np.zeros((120, len(JOINTS), 4))
    turns[..., 0] = 1
    turns[:, JOINTS.index(turned)] = [math.sqrt(0.5), 0, 0, math.sqrt(0.5)]  # a quarter around Z
    rest = np.tile([1.0, 0, 0, 0], (len(JOINTS), 1))
    write_clips(tmp_path, rotations=turns, rest_rotations=rest)
    plain = Domain.load(str(write_domain(tmp_path / "plain"))).clips(tmp_path, "train")[0]
    moved = Domain.load(str(write_domain(tmp_path / "moved", TOML.replace('RKnee = ["RKnee"]', f"RKnee = {rule}")))).clips(tmp_path, "train")[0]
    knee = list(JOINTS).index("RKnee")
    assert np.allclose(moved.keypoints[:, knee] - plain.keypoints[:, knee], [0, 0.1, 0], atol=1e-5)
    assert np.allclose(np.delete(moved.keypoints, knee, 1), np.delete(plain.keypoints, knee, 1))


def test_the_joint_that_turns_an_offset_must_be_there(tmp_path: Path):
    write_clips(tmp_path)
    rule = 'RKnee = { joint = "RKnee", offset = [0.1, 0.0, 0.0], turned_by = "tail" }'
    with pytest.raises(KineliftError, match="joint 'tail' of"):
        Domain.load(str(write_domain(tmp_path, TOML.replace('RKnee = ["RKnee"]', rule)))).clips(tmp_path, "train")


def test_the_second_source_has_a_line_of_its_own(tmp_path: Path):
    second = '[[sources]]\nname = "more"\nfiles = "*.npz"\njoints = "walk"\nshare = "all"\nlicence = "CC0"\ncredit = "me"\n'
    text = TOML.replace("[joints.walk]", second + "[joints.walk]")
    path, line = write_domain(tmp_path, text), text.splitlines().index('share = "all"') + 1
    with pytest.raises(KineliftError, match="'share' of source 2 is 'all'") as caught:
        Domain.load(str(path))
    assert caught.value.place == f"{path}, line {line}"


def test_what_is_no_toml_is_named_with_its_line(tmp_path: Path):
    path = write_domain(tmp_path, TOML.replace("fps = 30", "fps 30"))
    with pytest.raises(KineliftError, match=r"not valid TOML .*line 4"):
        Domain.load(str(path))


def test_a_domain_of_2d_data_needs_no_clips_and_no_detector(tmp_path: Path):
    text = TOML.split("[detector]")[0] + '[[sources]]\nname = "my footage"\nlicence = "mine"\ncredit = "me"\n'
    domain = Domain.load(str(write_domain(tmp_path, text)))
    with pytest.raises(KineliftError, match="names no 3D clips"):
        domain.clips(tmp_path, "train")
    mixed = text + '[[sources]]\nname = "clips"\nlicence = "mine"\ncredit = "me"\nfiles = "*.npz"\njoints = "walk"\nshare = 1\n'
    with pytest.raises(KineliftError, match="is missing"):
        Domain.load(str(write_domain(tmp_path, mixed)))


@given(st.text(max_size=200) | st.lists(st.sampled_from(TOML.splitlines()), max_size=40).map("\n".join))
def test_no_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8")
    with contextlib.suppress(KineliftError):
        Domain.load(str(path))


@pytest.mark.parametrize("name", ["atlantis", "missing.toml"])
def test_an_unknown_domain_lists_the_shipped_ones(name: str):
    with pytest.raises(KineliftError, match="basketball") as caught:
        Domain.load(name)
    assert caught.value.code == "missing-file"


def test_clips_are_read_on_the_domains_joints_and_rate(tmp_path: Path):
    domain = walks(tmp_path)
    write_clips(tmp_path)
    train, test = domain.clips(tmp_path, "train"), domain.clips(tmp_path, "test")
    assert [clip.name for clip in train] == ["walks/walk_0", "walks/walk_1", "walks/walk_2"]
    assert [clip.name for clip in test] == ["walks/walk_3"]
    assert train[0].keypoints.shape == (60, 17, 3)
    assert train[0].seen.all()


def test_a_clip_without_the_object_says_so(tmp_path: Path):
    domain = walks(tmp_path)
    write_clips(tmp_path, object_names=None, object_positions=None)
    clip = domain.clips(tmp_path, "train")[0]
    assert clip.seen.tolist() == [True] * 16 + [False]


def test_suspicious_frames_are_cut_out(tmp_path: Path):
    domain = walks(tmp_path)
    write_clips(tmp_path, quality=np.array("suspicious"), suspicious_frames=np.array([39, 40], np.int32))
    assert len(domain.clips(tmp_path, "train")[0].keypoints) == 40  # the 79 of 120 frames after the cut, at half the rate


def test_other_rates_are_resampled(tmp_path: Path):
    domain = walks(tmp_path)
    write_clips(tmp_path, fps=np.float64(50))
    assert len(domain.clips(tmp_path, "train")[0].keypoints) == 72


def test_no_clip_a_strange_joint_and_a_damaged_file_are_named(tmp_path: Path):
    domain = walks(tmp_path)
    with pytest.raises(KineliftError, match="no train clip"):
        domain.clips(tmp_path, "train")
    write_clips(tmp_path, joint_names=np.array(["x"] * 16))
    with pytest.raises(KineliftError, match="joint 'Hip'"):
        domain.clips(tmp_path, "train")
    (tmp_path / "walks" / "walk_0.npz").write_bytes(b"garbage")
    with pytest.raises(KineliftError, match="not a motion file") as caught:
        domain.clips(tmp_path, "train")
    assert caught.value.place.endswith("walk_0.npz")
    write_clips(tmp_path, fps=None)
    with pytest.raises(KineliftError, match="not a motion file"):
        domain.clips(tmp_path, "train")


def test_a_table_is_like_another_apart_from_what_it_says(tmp_path: Path):
    table = '[joints.swapped]\nlike = "walk"\nNose = ["Head"]\n'
    domain = Domain.load(str(write_domain(tmp_path, TOML.replace('joints = "walk"', 'joints = "swapped"') + table)))
    assert domain.settings["joints"]["swapped"]["Neck"] == ["Neck"]
    write_clips(tmp_path)
    clip = domain.clips(tmp_path, "train")[0]
    nose, head = (domain.skeleton.joints.index(name) for name in ("Nose", "Head"))
    assert np.array_equal(clip.keypoints[:, nose], clip.keypoints[:, head])


def test_a_source_may_list_patterns_and_say_its_split(tmp_path: Path):
    text = TOML.replace('files = "walks/*.npz"', 'files = ["walks/*_0.npz", "walks/*_[03].npz"]\nsplit = "train"')
    domain = Domain.load(str(write_domain(tmp_path, text)))
    write_clips(tmp_path)
    assert [clip.name for clip in domain.clips(tmp_path, "train")] == ["walks/walk_0", "walks/walk_3"]
    with pytest.raises(KineliftError, match="no test clip"):
        domain.clips(tmp_path, "test")


def test_a_clip_says_who_performs_and_how_it_repeats(tmp_path: Path):
    domain = walks(tmp_path)
    write_clips(tmp_path, performer=np.array("Anna"), loop_period=np.float32(1.0), ground_speed=np.float32(1.5))
    clip = domain.clips(tmp_path, "train")[0]
    assert (clip.performer, clip.period, clip.speed) == ("Anna", 1.0, 1.5)
