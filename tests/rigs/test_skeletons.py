from __future__ import annotations

from pathlib import Path

import pytest

from rigs import drawn_from, load_skeleton, read_skeleton, skeleton_names

OCTOPUS = """
title = "Octopus"
joints = ["Mantle", "LeftArm", "RightArm"]
parents = [-1, 0, 0]
objects = []
root = "Mantle"
feet = ["LeftArm", "RightArm"]
mirror = [["LeftArm", "RightArm"]]
[roles]
LeftArm = "wrist.L"
RightArm = "wrist.R"
"""


@pytest.mark.parametrize("name", skeleton_names())
def test_shipped_skeletons_are_sound(name: str):
    skeleton = load_skeleton(name)
    assert skeleton.title
    assert len(set(skeleton.keypoints)) == len(skeleton.keypoints)
    assert skeleton.parents[skeleton.joints.index(skeleton.root)] == -1
    order = skeleton.mirror_order
    assert [order[index] for index in order] == list(range(len(order)))


def test_joints_that_are_means_of_others():
    assert load_skeleton("openpose18").means == {"Neck": ("LeftShoulder", "RightShoulder")}
    assert load_skeleton("ap10k").means == {}


@pytest.mark.parametrize(("name", "base"), [("ap10k-travel", "ap10k"), ("coco17-travel", "coco17"), ("coco17", "coco17-ball")])
def test_a_skeleton_is_the_one_it_is_based_on_apart_from_what_it_says(name: str, base: str):
    skeleton, other = load_skeleton(name), load_skeleton(base)
    assert (skeleton.joints, skeleton.parents, skeleton.roles, skeleton.feet) == (other.joints, other.parents, other.roles, other.feet)
    assert skeleton.title != other.title
    assert skeleton.objects == ()
    assert skeleton.travel == ("Travel" if "travel" in name else "")


def test_a_head_is_drawn_from_between_the_shoulders_where_there_is_no_neck():
    person = load_skeleton("coco17")
    drawn = dict(zip(person.joints, drawn_from(person.parents, [person.roles.get(name, "") for name in person.joints]), strict=True))
    shoulders = (person.joints.index("LeftShoulder"), person.joints.index("RightShoulder"))
    assert drawn["Nose"] == shoulders
    assert {name: between for name, between in drawn.items() if name != "Nose"} == {
        name: (parent,) if parent >= 0 else () for name, parent in zip(person.joints, person.parents, strict=True) if name != "Nose"}
    player = load_skeleton("nba16")
    assert drawn_from(player.parents, [player.roles.get(name, "") for name in player.joints]) == [(parent,) if parent >= 0 else () for parent in player.parents]


def test_animals_with_paws_show_elbows_where_those_with_hooves_show_carpi():
    paws, hooves = load_skeleton("ap10k-paws"), load_skeleton("ap10k")
    assert (paws.joints, paws.parents, paws.feet) == (hooves.joints, hooves.parents, hooves.feet)
    assert {name: role.replace("elbow", "carpus") for name, role in paws.roles.items()} == hooves.roles
    assert paws.roles["LeftElbow"] == "elbow.L"


def test_a_users_skeleton_is_read_from_anywhere(tmp_path: Path):
    (tmp_path / "octopus.toml").write_text(OCTOPUS)
    skeleton = read_skeleton(tmp_path / "octopus.toml")
    assert (skeleton.name, skeleton.keypoints, skeleton.mirror_order) == ("octopus", ("Mantle", "LeftArm", "RightArm"), [0, 2, 1])
    (tmp_path / "dog.toml").write_text('based_on = "ap10k"\ntitle = "Dog"\n')
    assert read_skeleton(tmp_path / "dog.toml").joints == load_skeleton("ap10k").joints


@pytest.mark.parametrize(("old", "new", "said"), [
    ("title =", "title", "not a readable skeleton"),
    ('title = "Octopus"', "", "'title' is missing"),
    ("parents = [-1, 0, 0]", "parents = 3", "'parents' is 3"),
    ("parents = [-1, 0, 0]", "parents = [-1, 0]", "2 entries for 3 joints"),
    ("parents = [-1, 0, 0]", "parents = [-1, 2, 0]", "'LeftArm' comes before its parent"),
    ("parents = [-1, 0, 0]", 'parents = [-1, "Mantle", 0]', "'LeftArm' comes before its parent"),
    ('root = "Mantle"', 'root = "Head"', "'Head' is not in 'joints'"),
    ('mirror = [["LeftArm", "RightArm"]]', 'mirror = ["LeftArm"]', "'mirror' is"),
    ('objects = []', 'objects = [["a"]]', "'objects' is"),
    ('objects = []', 'objects = ["Mantle"]', "have one name"),
    ('objects = []', 'objects = []\nelastic = 3', "'elastic' is 3"),
    ('objects = []', 'objects = []\ntravel = {a = 1}', "'travel' is"),
    ('objects = []', 'objects = []\nmeans = [1]', "'means' is"),
    ('LeftArm = "wrist.L"', "LeftArm = 3", "'roles' is"),
    ('title = "Octopus"', 'title = "Octopus"\nbased_on = "squid"', "'based_on' is 'squid'"),
    ('mirror = [["LeftArm", "RightArm"]]', 'mirror = [["LeftArm", "Leg"]]', "'Leg' of 'mirror' is neither"),
    ("[roles]", "[rigid.Shell]\nTop = [0, 0, 1]\n[roles]", r"'Top' of .rigid.Shell. is not in 'objects'"),
    ("[roles]", "[rigid]\nShell = 3\n[roles]", "'rigid' is"),
    ("[roles]", "[rigid.Shell]\nTop = [0, 1]\n[roles]", "'rigid' is"),
    ("objects = []", 'objects = ["A", "B", "C", "D"]\nrigid.Shell = {A = [0, 0, 0], B = [1, 0, 0], C = [0, 1, 0], D = [1, 1, 0]}',
     "width, depth and height"),
    ("objects = []", 'objects = ["A", "B", "C", "D"]\nrigid.A = {A = [0, 0, 0], B = [1, 0, 0], C = [0, 1, 0], D = [1, 1, 1]}', "an object and a rigid thing"),
])
def test_mistakes_in_a_skeleton_are_named(old: str, new: str, said: str, tmp_path: Path):
    path = tmp_path / "octopus.toml"
    path.write_text(OCTOPUS.replace(old, new))
    with pytest.raises(ValueError, match=said) as caught:
        read_skeleton(path)
    assert str(path) in str(caught.value)


def test_a_missing_skeleton_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="not a readable skeleton"):
        read_skeleton(tmp_path / "none.toml")
