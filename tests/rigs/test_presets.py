from __future__ import annotations

from pathlib import Path

import pytest

from rigs import detect, load_preset, preset_names
from rigs.presets import HUMAN_ROLES, NEEDED_ROLES, read_preset


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_name_every_part_of_a_human(name: str):
    preset = load_preset(name)
    assert preset.title
    assert set(NEEDED_ROLES) <= set(preset.roles.values())
    assert {role.split(".")[0] for role in preset.roles.values()} == {role.split(".")[0] for role in HUMAN_ROLES}


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
