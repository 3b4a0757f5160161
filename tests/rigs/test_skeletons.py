from __future__ import annotations

import pytest

from rigs import load_skeleton, skeleton_names


@pytest.mark.parametrize("name", skeleton_names())
def test_shipped_skeletons_are_sound(name: str):
    skeleton = load_skeleton(name)
    assert skeleton.title
    assert len(set(skeleton.keypoints)) == len(skeleton.keypoints)
    assert skeleton.parents[skeleton.joints.index(skeleton.root)] == -1
    order = skeleton.mirror_order
    assert [order[index] for index in order] == list(range(len(order)))


def test_the_middle_of_the_body():
    assert load_skeleton("openpose18").middle == ("LeftHip", "RightHip")
    assert load_skeleton("openpose18").means == {"Neck": ("LeftShoulder", "RightShoulder")}
    assert load_skeleton("ap10k").middle == ("Tail",)


@pytest.mark.parametrize(("name", "base"), [("ap10k-travel", "ap10k"), ("coco17-travel", "coco17"), ("coco17", "coco17-ball")])
def test_a_skeleton_is_the_one_it_is_based_on_apart_from_what_it_says(name: str, base: str):
    skeleton, other = load_skeleton(name), load_skeleton(base)
    assert (skeleton.joints, skeleton.parents, skeleton.roles, skeleton.feet) == (other.joints, other.parents, other.roles, other.feet)
    assert skeleton.title != other.title
    assert skeleton.objects == ()
    assert skeleton.travel == ("Travel" if "travel" in name else "")
