from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rigs import Bones, Detection, Preset, detect, load_preset
from rigs.detection import DOUBTFUL, hangs_together
from rigs.presets import HUMAN_ROLES, NEEDED_ROLES
from tests.rigs import bodies

few = settings(deadline=None, max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""A crowded skeleton takes a good part of a second, and its seed says enough when it fails."""

PARTS = {role.split(".")[0] for role in HUMAN_ROLES}
RIGIFY = {"pelvis": "spine", "head": "spine.006", "clavicle": "shoulder"}
STYLES = {
    "Left Up Leg": {"clavicle": "{s} Shoulder", "upper_arm": "{s} Arm", "forearm": "{s} Fore Arm", "hand": "{s} Hand", "thigh": "{s} Up Leg",
                    "shin": "{s} Leg", "foot": "{s} Foot", "toe": "{s} Toe Base", "pelvis": "Hips", "spine": "Spine {n}", "neck": "Neck {n}",
                    "head": "Head"},
    "l_thigh_JNT": {"clavicle": "{s}_clav_JNT", "upper_arm": "{s}_uparm_JNT", "forearm": "{s}_elbow_JNT", "hand": "{s}_wrist_JNT",
                    "thigh": "{s}_hip_JNT", "shin": "{s}_knee_JNT", "foot": "{s}_ankle_JNT", "toe": "{s}_ball_JNT", "pelvis": "c_pelvis_JNT",
                    "spine": "c_back{n}_JNT", "neck": "c_neck{n}_JNT", "head": "c_head_JNT"},
    "CHAR:FEMUR.R": {"clavicle": "CHAR:COLLAR.{s}", "upper_arm": "CHAR:HUMERUS.{s}", "forearm": "CHAR:RADIUS.{s}", "hand": "CHAR:HAND.{s}",
                     "thigh": "CHAR:FEMUR.{s}", "shin": "CHAR:TIBIA.{s}", "foot": "CHAR:FOOT.{s}", "toe": "CHAR:TOES.{s}",
                     "pelvis": "CHAR:HIPS", "spine": "CHAR:CHEST.{n}", "neck": "CHAR:NECK.{n}", "head": "CHAR:HEAD"},
    "lArm": {"clavicle": "{s}Collar", "upper_arm": "{s}UpperArm", "forearm": "{s}LowerArm", "hand": "{s}Hand", "thigh": "{s}UpperLeg",
             "shin": "{s}LowerLeg", "foot": "{s}Foot", "toe": "{s}Toe", "pelvis": "pelvis", "spine": "torso{n}", "neck": "neck{n}", "head": "skull"},
}
SIDES = {"Left Up Leg": ("Left", "Right"), "l_thigh_JNT": "lr", "CHAR:FEMUR.R": "LR", "lArm": "lr"}


def styled(body: bodies.Skeleton, style: str) -> dict[str, str]:
    """Key -> name in a style of naming; what plays no part is called by its key."""
    names = {}
    for key in body.parents:
        part, _, rest = key.partition(".")
        if key in roles_of(body):
            side = SIDES[style]["LR".index(rest)] if rest in ("L", "R") else ""
            names[key] = STYLES[style][part].format(s=side, n=rest)
        else:
            names[key] = key
    return names


def roles_of(body: bodies.Skeleton) -> set[str]:
    return {key for key in body.parents if key.split(".")[0] in PARTS}


def wrong(found: Detection, names: dict[str, str], body: bodies.Skeleton) -> dict[str, tuple[str | None, str | None]]:
    """Role -> (found, right) wherever the two differ."""
    right = {key: names[key] for key in roles_of(body)}
    bones = found.mapping.bones
    return {role: (bones.get(role), right.get(role)) for role in {*right, *bones} if bones.get(role) != right.get(role)}


@st.composite
def characters(draw) -> tuple[bodies.Skeleton, random.Random]:
    body = bodies.human(draw(st.integers(1, 7)), draw(st.integers(0, 3)), draw(st.booleans()), draw(st.booleans()))
    for extra in bodies.EXTRAS:
        if draw(st.booleans()):
            extra(body)
    return body, random.Random(draw(st.integers(0, 10**6)))


turns = st.tuples(*[st.floats(-2, 2)] * 3)


@few
@given(character=characters(), posture=st.floats(0, 1), scale=st.floats(0.01, 100), turn=turns)
def test_a_human_of_any_naming_posture_and_orientation_is_found(character, posture: float, scale: float, turn):
    body, chance = character
    bodies.posed(body, chance, posture)
    bones, names = bodies.bones_of(body, chance, scale=scale, turn=turn)
    found = detect(bones)
    assert not wrong(found, names, body)
    assert not found.mapping.missing


@few
@given(character=characters(), legs=st.floats(0.65, 1.3), arms=st.floats(0.75, 1.3), trunk=st.floats(0.75, 1.3))
def test_with_odd_proportions_a_mistake_is_doubted(character, legs: float, arms: float, trunk: float):
    body, chance = character
    bodies.with_proportions(body, legs, arms, trunk)
    bones, names = bodies.bones_of(body, chance)
    found = detect(bones)
    mistaken = {role for role in wrong(found, names, body) if role in NEEDED_ROLES}
    assert not mistaken or found.doubts


def test_short_legs_and_split_limbs_are_found():
    body = bodies.with_split_limbs(bodies.with_twists(bodies.human()))
    bodies.with_proportions(body, 0.8, 1.0, 1.0)
    bones, names = bodies.bones_of(body, random.Random(1))
    assert not wrong(detect(bones), names, body)


@few
@given(character=characters(), posture=st.floats(0, 1), style=st.sampled_from(sorted(STYLES)), turn=turns, loose=st.booleans())
def test_names_of_any_style_are_understood(character, posture: float, style: str, turn, loose: bool):
    body, chance = character
    bodies.posed(body, chance, posture)
    bones, names = bodies.bones_of(body, chance, styled(body, style), turn=turn, loose_tails=loose)
    found = detect(bones)
    assert not wrong(found, names, body)
    assert all(certainty >= DOUBTFUL for role, certainty in found.certainty.items() if role in NEEDED_ROLES)


def test_the_order_of_the_bones_does_not_matter():
    body = bodies.with_cloth(bodies.with_fingers(bodies.human()))
    names = {key: f"b{number}" for number, key in enumerate(body.parents)}
    results = {tuple(sorted(detect(bodies.bones_of(body, random.Random(seed), names)[0]).mapping.roles.items())) for seed in range(5)}
    assert len(results) == 1


def test_left_and_right_without_feet_are_doubted():
    """A toeless, straight figure whose bones' tails say nothing may face either way."""
    body = bodies.human(toes=False)
    for ends in (body.heads, body.tails):
        for key in ends:
            ends[key] = ends[key] * [1, 0, 1]
    bones, _ = bodies.bones_of(body, random.Random(0), loose_tails=True)
    assert "left and right" in " ".join(doubt.message for doubt in detect(bones).doubts)


@pytest.mark.parametrize("without", ["forearm.L", "thigh.R", "hand.R"])
def test_a_body_that_lacks_a_part_is_said_to_lack_it(without: str):
    body = bodies.human()
    for key in body.below(without):
        del body.parents[key], body.heads[key], body.tails[key]
    bones, _ = bodies.bones_of(body, random.Random(0), styled(body, "lArm"))
    found = detect(bones)
    assert without in found.mapping.missing
    assert without in {doubt.role for doubt in found.doubts if not doubt.bone}


@pytest.mark.parametrize("bones", [
    Bones([], [], [], []), Bones(["a"], [-1], [(0, 0, 0)], [(0, 0, 1)]),
    Bones([f"b{n}" for n in range(30)], [n - 1 for n in range(30)], [(0, 0, n) for n in range(30)], [(0, 0, n + 1) for n in range(30)]),
    Bones([f"b{n}" for n in range(20)], [-1] * 20, [(0, 0, 0)] * 20, [(0, 0, 1)] * 20),
])
def test_what_is_no_body_lacks_its_hips_and_says_so(bones: Bones):
    found = detect(bones)
    assert "pelvis" in found.mapping.missing
    assert "pelvis" in {doubt.role for doubt in found.doubts}


def test_an_animal_on_four_legs_is_doubted_as_a_human():
    body = bodies.Skeleton()
    body.add("hips", "", [0, 0.5, 1.0], [0, 0.3, 1.0])
    chest = body.chain("hips", ["a", "b", "c"], [[0, 0.3, 1.0], [0, 0.1, 1.0], [0, -0.1, 1.0], [0, -0.4, 1.0]])
    body.chain(chest, ["d", "e"], [[0, -0.4, 1.0], [0, -0.6, 1.3], [0, -0.8, 1.3]])
    for sign in (1, -1):
        for carrier, name, y in (("hips", "hind", 0.5), (chest, "fore", -0.4)):
            points = [[sign * 0.15, y + dy, z] for dy, z in ((0, 0.95), (0.1, 0.5), (0.0, 0.1), (-0.1, 0.02), (-0.15, 0.0))]
            body.chain(carrier, [f"{name}{n}{sign}" for n in range(4)], points)
    bones, _ = bodies.bones_of(body, random.Random(0))
    found = detect(bones)
    assert found.mapping.missing or "four legs" in " ".join(doubt.message for doubt in found.doubts)


def with_names_of(preset: Preset, body: bodies.Skeleton, prefix: str = "") -> Bones:
    names = {key: prefix + {role: bone for bone, role in preset.roles.items()}.get(key, key) for key in body.parents}
    return bodies.bones_of(body, random.Random(0), names)[0]


@pytest.mark.parametrize(("name", "title", "spine", "neck", "prefix"), [
    ("mixamo", "Mixamo", 3, 1, "mixamorig:"), ("human-ik", "HumanIK", 4, 2, "Character1_"), ("unreal", "Unreal", 5, 2, ""),
    ("rigify-human-metarig", "Rigify", 3, 2, ""), ("smplx", "SMPL-X", 3, 1, ""), ("rokoko", "Rokoko", 4, 1, ""),
    ("3ds-max-biped", "Biped", 2, 1, "Bip001 "), ("makehuman", "MakeHuman", 5, 3, ""), ("vroid", "VRoid", 3, 1, ""),
])
def test_a_preset_goes_before_names_and_shape(name: str, title: str, spine: int, neck: int, prefix: str):
    found = detect(with_names_of(load_preset(name), bodies.human(spine, neck), prefix))
    assert title in found.mapping.title
    assert found.doubts == ()
    assert set(found.certainty.values()) == {1.0}


def test_the_preset_that_expects_least_is_taken_for_names_that_several_share():
    assert detect(with_names_of(load_preset("mixamo"), bodies.human())).mapping.title == "Mixamo"


def test_a_preset_whose_bones_hang_together_otherwise_is_not_taken():
    """A metarig with one more spine bone: the names go on, and the neck's belong to the spine."""
    body = bodies.human(4, 2)
    names = {f"spine.{n}": f"spine.00{n + 1}" for n in range(4)} | {"neck.0": "spine.005", "neck.1": "spine.006", "head": "spine.007"}
    names = {key: names.get(key, RIGIFY.get(key, RIGIFY.get(key.split(".")[0], key.split(".")[0]) + "." + key.split(".")[-1])) for key in body.parents}
    bones, _ = bodies.bones_of(body, random.Random(0), names)
    metarig = load_preset("rigify-human-metarig").on(bones.names)
    assert metarig is not None and not hangs_together(bones, metarig)
    found = detect(bones)
    assert found.mapping.bones["spine.3"] == "spine.004"
    assert found.mapping.bones["neck.0"] == "spine.005"
    assert found.mapping.bones["head"] == "spine.007"


@pytest.mark.parametrize(("elbow", "title"), [(0.65, "Quaternius hoofed animal"), (0.17, None), (1.0, "Quaternius fox or dog")])
def test_rigs_that_share_names_are_told_apart_by_their_forearm(elbow: float, title: str | None):
    """The joint in the middle of the front limb is a carpus in one and an elbow in the other."""
    preset = load_preset("quaternius-hoofed")
    names = [*preset.roles, "Unmapped"]
    heights = {"FrontUpperLeg": 1.3, "FrontLowerLeg": elbow, "IKFrontLeg": 0.2, "FF": 0.08}
    heads = [(0.0, float(number), heights.get(name.split(".")[0], 2.0)) if name.split(".")[0] not in heights else (0.0, 0.0, heights[name.split(".")[0]])
             for number, name in enumerate(names)]
    parents = [names.index("Back") if name in ("Torso", "BackLeg.L", "BackLeg.R", "FrontShoulder.L", "FrontShoulder.R") else -1 for name in names]
    for chain in (("Torso", "Torso2", "Torso3", "Neck1", "Neck2", "Neck3", "Head"), *((f"BackLeg.{s}", f"BackUpperLeg.{s}", f"BackLowerLeg.{s}") for s in "LR"),
                  *((f"FrontShoulder.{s}", f"FrontUpperLeg.{s}", f"FrontLowerLeg.{s}") for s in "LR")):
        for carrier, carried in pairwise(chain):
            parents[names.index(carried)] = names.index(carrier)
    bones = Bones(names, parents, heads, [(x, y + 0.1, z) for x, y, z in heads])
    found = detect(bones).mapping
    assert (found.title == title) if title else not found.title.startswith("Quaternius")


def test_a_preset_of_the_user_goes_first():
    body = bodies.human()
    bones, names = bodies.bones_of(body, random.Random(3))
    without_neck = {names[key]: key for key in roles_of(body) if key != "neck.0"}
    found = detect(bones, [Preset("mine", "Mine", "human", without_neck)])
    assert found.mapping.title == "Mine"
    assert found.mapping.roles == without_neck
    mixamo = with_names_of(load_preset("mixamo"), body)
    assert detect(mixamo, [Preset("mine", "Mine", "human", load_preset("mixamo").roles)]).mapping.title == "Mine"
