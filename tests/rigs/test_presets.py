from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigs import Mapping, load_preset, preset_names, write_preset
from rigs.controls import IkLimb, limbs_of, limbs_text
from rigs.presets import CHAIN_ROLES, HUMAN_ROLES, NEEDED, NEEDED_ROLES, ROLES, Switch, above, read_preset
from tests.properties import patient

OPTIONAL = {"human": {"toe"}, "quadruped": {"scapula", "upper_arm", "thigh", "front_hoof", "hind_hoof", "tail"}}
"""Parts that a shipped preset may lack because its armature does."""


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_name_every_part_of_a_body(name: str):
    preset = load_preset(name)
    parts = {role.split(".")[0] for role in preset.roles.values()}
    assert preset.title
    assert set(NEEDED[preset.kind]) <= set(preset.roles.values())
    assert parts | OPTIONAL[preset.kind] == {role.split(".")[0] for role in ROLES[preset.kind]} | OPTIONAL[preset.kind]
    sides = {side: {role[:-2] for role in preset.roles.values() if role.endswith(side)} for side in (".L", ".R")}
    assert sides[".L"] == sides[".R"]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_fits_its_own_bones_and_not_where_one_is_missing(name: str):
    preset = load_preset(name)
    example = {"3ds-max-biped": "Bip01 "}.get(name, "")
    names = [example + bone for bone in preset.roles]
    mapping = preset.on([*names, "another"])
    assert mapping is not None
    assert set(mapping.roles) == set(names)
    assert not mapping.missing
    hand = next(bone for bone, role in preset.roles.items() if role == "hand.L") if preset.kind == "human" else next(iter(preset.roles))
    assert preset.on(set(names) - {example + hand}) is None


@pytest.mark.parametrize("prefix", ["", "mixamorig:", "mixamorig12:", "mixamorig_"])
def test_one_preset_stands_for_all_prefixes(prefix: str):
    preset = load_preset("mixamo")
    mapping = preset.on(prefix + bone for bone in preset.roles)
    assert mapping is not None
    assert mapping.bones["hand.L"] == prefix + "LeftHand"
    assert preset.on(("mixamorig:" if number else "") + bone for number, bone in enumerate(preset.roles)) is None


def test_bones_that_only_some_versions_have_may_be_missing():
    preset = load_preset("unreal")
    there = [bone for bone in preset.roles if bone not in ("spine_04", "spine_05", "neck_02", "ball_l", "ball_r")]
    mapping = preset.on(there)
    assert mapping is not None
    assert [mapping.bones[f"spine.{number}"] for number in range(3)] == ["spine_01", "spine_02", "spine_03"]
    assert "spine.3" not in mapping.bones


def test_chains_are_numbered_from_the_pelvis():
    roles = load_preset("rigify-human-metarig").roles
    assert [roles[f"spine.00{number}"] for number in (1, 2, 3)] == ["spine.0", "spine.1", "spine.2"]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="rigify-human"):
        load_preset("centaur")


BONES = "\n".join(f'"{role}" = "{role}"' for role in NEEDED_ROLES)

IK = f'title = "A"\nkind = "human"\n[bones]\n{BONES}\n[[ik]]\n' + """limb = "{limb}"
chain = ["thigh.L", "shin.L", "{foot}"]
control = {control}
pole = "p"
follows = "f"
"""


@pytest.mark.parametrize(("text", "said"), [
    ("title = ", "not a TOML file"),
    ('title = "A"\n[bones]\npelvis = "hips"', "'kind'"),
    ('title = "A"\nkind = "human"\n[bones]\npelvis = "hips"', r"lacks upper_arm\.L"),
    ('title = "A"\nkind = "quadruped"\n[bones]\npelvis = "hips"', r"lacks forearm\.L, metacarpus\.L"),
    ('title = "A"\nkind = "centaur"\n[bones]\npelvis = "hips"', "'kind' is 'centaur'.*human, quadruped"),
    (f'title = "A"\nkind = "human"\n[bones]\n{BONES}\nwing = "w"', "unknown role 'wing'"),
    (f'title = "A"\nkind = "human"\n[bones]\n{BONES}\nspine = "w"', "'spine' must be a list"),
    (f'title = "A"\nkind = "human"\n[bones]\n{BONES}\nhead = ["w"]', "'head' must be one"),
    (f'title = "A"\nkind = "human"\n[bones]\n{BONES}\nhead = ""', "holds ''"),
    (f'title = "A"\nkind = "human"\n[bones]\n{BONES}\nhead = "pelvis"', "to 'pelvis' and 'head'"),
    (f'title = "A"\nkind = "human"\nswitches = 3\n[bones]\n{BONES}', "not a list"),
    (f'title = "A"\nkind = "human"\nprefix = "("\n[bones]\n{BONES}', "not a regular expression"),
    (f'title = "A"\nkind = "human"\nprefix = 3\n[bones]\n{BONES}', "not a regular expression"),
    (f'title = "A"\nkind = "human"\nforearm = [0.7, 0.4]\n[bones]\n{BONES}', "'forearm' is .*least and the largest share"),
    (f'title = "A"\nkind = "human"\nforearm = 0.5\n[bones]\n{BONES}', "'forearm' is 0.5"),
    (f'title = "A"\nkind = "human"\n[bones]\n{BONES}\n[[switches]]\nbone = "x"', "number 1 is incomplete"),
    (f'title = "A"\nkind = "human"\nik = 3\n[bones]\n{BONES}', "'ik' is not a list"),
    (f'title = "A"\nkind = "human"\n[bones]\n{BONES}\n[[ik]]\nlimb = "leg.L"', r"\[\[ik\]\] number 1 is incomplete"),
    (IK.format(limb="wing.L", foot="foot.L", control='"c"'), "must be another one of"),
    (IK.format(limb="leg.L", foot="toe.L", control='"c"'), r"names toe\.L, which no bone plays"),
    (IK.format(limb="leg.L", foot="foot.L", control="7"), "something else than names"),
    (IK.format(limb="leg.L", foot="foot.L", control='"c"') + 'holds = "toe.L"', r"names toe\.L, which no bone plays"),
    (IK.format(limb="leg.L", foot="foot.L", control='"c"') + 'led = ["heel"]', "'led' that 'turned' lacks"),
])
def test_a_wrong_file_is_named_with_the_spot(tmp_path: Path, text: str, said: str):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said) as caught:
        read_preset(path)
    assert "mine.toml" in str(caught.value)


def test_the_part_of_a_limb_that_comes_before_another():
    roles = ["pelvis", "upper_arm.L", "hand.L", "thigh.R", "front_hoof.R", "metacarpus.R"]
    assert above("hand.L", roles, "human") == "upper_arm.L", "the forearm is not there"
    assert above("upper_arm.L", roles, "human") is None
    assert above("foot.R", roles, "human") == "thigh.R"
    assert above("front_hoof.R", roles, "quadruped") == "metacarpus.R"
    assert above("head", roles, "human") is None


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path):
    path = tmp_path / "mine.toml"
    with pytest.raises(ValueError, match="can't be read"):
        read_preset(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a TOML file"):
        read_preset(path)


text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@patient
@given(names=st.lists(text, min_size=30, max_size=30, unique=True), spine=st.integers(0, 7), neck=st.integers(0, 3), title=text,
       value=st.floats(-1e6, 1e6))
def test_a_saved_mapping_comes_back_whatever_the_bones_are_called(tmp_path_factory, names: list[str], spine: int, neck: int, title: str, value: float):
    single = [role for role in HUMAN_ROLES if role not in CHAIN_ROLES]
    roles = [*single, *(f"spine.{number}" for number in range(spine)), *(f"neck.{number}" for number in range(neck))]
    limb = IkLimb("leg.L", ("thigh.L", "shin.L", "foot.L"), names[1], names[2], title, {"toe.L": names[3]}, (names[4],),
                  (Switch(names[5], title, value),), "hand.L", (names[3],))
    mapping = Mapping("human", dict(zip(names, roles)), (Switch(names[0], title, value),), title, (limb,))
    path = tmp_path_factory.mktemp("presets") / "mine.toml"
    write_preset(path, mapping)
    preset = read_preset(path)
    assert (preset.roles, preset.switches, preset.title, preset.kind) == (mapping.roles, mapping.switches, title, "human")
    assert preset.on(names).roles == mapping.roles and preset.on(names).ik == mapping.ik
    assert limbs_of(limbs_text(mapping.ik), roles, "rig") == mapping.ik
    assert limbs_of(limbs_text(mapping.ik), set(roles) - {"shin.L"}, "rig") == () == limbs_of(limbs_text(mapping.ik), set(roles) - {"hand.L"}, "rig")
