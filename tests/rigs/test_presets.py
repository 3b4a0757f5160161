from __future__ import annotations

from pathlib import Path

import pytest

from rigs import detect, load_preset, preset_names
from rigs.presets import NEEDED, NEEDED_ROLES, ROLES, read_preset

OPTIONAL = {"human": set(), "quadruped": {"scapula", "upper_arm", "thigh", "front_hoof", "hind_hoof", "tail"}}
"""Parts that a shipped preset may lack because its armature does."""


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_name_every_part_of_a_body(name: str):
    preset = load_preset(name)
    parts = {role.split(".")[0] for role in preset.roles.values()}
    assert preset.title
    assert set(NEEDED[preset.kind]) <= set(preset.roles.values())
    assert parts | OPTIONAL[preset.kind] == {role.split(".")[0] for role in ROLES[preset.kind]}
    sides = {side: {role[:-2] for role in preset.roles.values() if role.endswith(side)} for side in (".L", ".R")}
    assert sides[".L"] == sides[".R"]


def test_detect_finds_the_preset_by_bone_names():
    metarig, generated = load_preset("rigify-human-metarig"), load_preset("rigify-human")
    assert detect([*metarig.roles, "heel.02.L", "pelvis.L"]) == metarig
    assert detect([*generated.roles, "root", "DEF-spine"]) == generated
    assert detect([*metarig.roles][1:]) is None
    assert detect([]) is None


def test_chains_are_numbered_from_the_pelvis():
    roles = load_preset("rigify-human-metarig").roles
    assert [roles[f"spine.00{number}"] for number in (1, 2, 3)] == ["spine.0", "spine.1", "spine.2"]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="rigify-human"):
        load_preset("centaur")


BONES = "\n".join(f'"{role}" = "{role}"' for role in NEEDED_ROLES)


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
    (f'title = "A"\nkind = "human"\n[bones]\n{BONES}\n[[switches]]\nbone = "x"', "number 1 is incomplete"),
])
def test_a_wrong_file_is_named_with_the_spot(tmp_path: Path, text: str, said: str):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said) as caught:
        read_preset(path)
    assert "mine.toml" in str(caught.value)
