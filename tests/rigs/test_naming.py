from __future__ import annotations

import pytest

from rigs.naming import hints


@pytest.mark.parametrize(("name", "side", "part"), [
    ("LeftUpLeg", "L", "thigh"), ("mixamorig:RightForeArm", "R", "forearm"), ("thigh.L", "L", "thigh"), ("thigh_r.001", "R", "thigh"),
    ("lShldr", "L", "upper_arm"), ("rfemur", "R", "thigh"), ("LTIBIA", "L", "shin"), ("upperarm01.R", "R", "upper_arm"), ("calf_l", "L", "shin"),
    ("Bip01 L Toe0", "L", "toe"), ("J_Bip_R_LowerLeg", "R", "shin"), ("CC_Base_L_Clavicle", "L", "clavicle"), ("ThighL", "L", "thigh"),
    ("DEF-hand.R", "R", "hand"), ("left_ankle", "L", "foot"), ("ankleRight", "R", "foot"), ("arm|Shin_Lft", "L", "shin"),
    ("Spine2", "", "spine"), ("spine_03", "", "spine"), ("UPPERCHEST", "", "spine"), ("b_c_neck_01", "", "neck"), ("Head", "", "head"),
    ("Hips", "", "pelvis"), ("c_pelvis_jnt", "", "pelvis"), ("abdomenUpper", "", "spine"),
])
def test_side_and_part_of_a_name(name: str, side: str, part: str):
    hint, = hints([name])
    assert (hint.side, hint.parts[0], hint.other) == (side, part, False)


@pytest.mark.parametrize("name", ["LeftHandThumb1", "thigh_twist_01_l", "ik_foot_r", "HeadTop_End", "knee_pole.L", "hair.003", "skirt_l_02",
                                  "breast.R", "toe_end.L", "heel.02.R", "LeafLeftArmRoll1", "Eye_R"])
def test_helpers_fingers_and_cloth_play_no_part(name: str):
    hint, = hints([name])
    assert hint.other and not hint.parts


@pytest.mark.parametrize("name", ["", "Bone.007", "a3f0", "x", "長い", "left", "R"])
def test_a_name_that_says_nothing(name: str):
    hint, = hints([name])
    assert not hint.parts and not hint.other


@pytest.mark.parametrize(("name", "parts"), [("LeftArm", ("upper_arm", "forearm")), ("l_leg", ("thigh", "shin")), ("shoulder.R", ("clavicle", "upper_arm")),
                                             ("left_foot", ("foot", "toe"))])
def test_a_word_with_several_meanings_keeps_them(name: str, parts: tuple[str, ...]):
    hint, = hints([name])
    assert hint.parts == parts


def test_words_that_most_names_share_say_nothing():
    names = [f"Hand_Puppet_{part}" for part in ("Hips", "Spine", "Head", "L_Thigh", "R_Thigh", "L_Calf")]
    assert [hint.parts[0] for hint in hints(names)] == ["pelvis", "spine", "head", "thigh", "thigh", "shin"]
