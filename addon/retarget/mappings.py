"""The mapping of an armature: chosen, detected, kept in a table, corrected there, saved as a preset of the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace as replace_fields
from pathlib import Path

import bpy

from ...backend.errors import KineliftError, write_error
from ...rigs import Detection, Doubt, Mapping, Preset, detect, load_preset, preset_names, read_preset, write_preset
from ...rigs.controls import limbs_of, limbs_text
from ...rigs.detection import DOUBTFUL, PRESET
from ...rigs.presets import CHAIN_ROLES, NEEDED, ROLES, Switch, numbered
from ..runtime.location import user_folder
from ..scene.armatures import bones_of

LONGEST_CHAIN = 7
"""Bones of a list role that the table has room for, at the least."""


def own_presets() -> tuple[dict[str, Preset], list[str]]:
    """Presets in the user's folder by name, and what is wrong with files there that can't be read."""
    presets, problems = {}, []
    for path in sorted(user_folder("rigs").glob("*.toml")):
        try:
            presets[path.stem] = read_preset(path)
        except ValueError as error:
            problems.append(str(error))
    return presets, problems


def detect_mapping(armature: bpy.types.Object, preset_name: str | None) -> Detection:
    """What is found for a preset's name, or by detection without one. Raises KineliftError when the preset doesn't fit."""
    bones = bones_of(armature)
    own, problems = own_presets()
    if preset_name is None:
        found = detect(bones, own.values())
        return Detection(found.mapping, found.certainty, (*found.doubts, *(Doubt("", "", problem) for problem in problems)))
    if preset_name not in own and preset_name not in preset_names():
        raise KineliftError(f"there is no rig preset {preset_name!r}", f"Choose one of: {', '.join([*own, *preset_names()])}",
                            armature.name, "unknown-preset")
    preset = own[preset_name] if preset_name in own else load_preset(preset_name)
    mapping = preset.on(bones.names)
    if mapping is None:
        missing = [bone for bone in preset.roles if bone not in bones.names]
        raise KineliftError(f"the preset {preset.title} needs bones that are not there, such as {', '.join(missing[:5])}",
                            "Choose Automatic, or the preset that belongs to this armature", armature.name, "wrong-preset")
    return Detection(mapping, dict.fromkeys(mapping.bones, PRESET), ())


def table_of(armature: bpy.types.Object) -> bpy.types.PropertyGroup | None:
    """The table of an armature object, or None without one. A library override has it in a scene: Blender 5 saves nothing on the override."""
    if armature.override_library is None:
        return armature.kinelift_rig
    return next((rig for scene in bpy.data.scenes for rig in scene.kinelift_rigs if rig.owner == armature), None)


def _new_table(armature: bpy.types.Object) -> bpy.types.PropertyGroup:
    """The table of an armature object, which is made where it needs one; those in the scene whose armature has gone go too."""
    table = table_of(armature)
    if table is not None:
        return table
    tables = bpy.context.scene.kinelift_rigs
    for number in reversed(range(len(tables))):
        if tables[number].owner is None or not tables[number].owner.users_scene:
            tables.remove(number)
    table = tables.add()
    table.owner = armature
    return table


def store(armature: bpy.types.Object, found: Detection, preset_name: str | None) -> None:
    """Writes what was found to the armature's table, a row for each role, bones or not."""
    rig = _new_table(armature)
    rig.kind, rig.title, rig.preset = found.mapping.kind, found.mapping.title, preset_name or ""
    rig.parts.clear()
    for role in table_roles(found.mapping):
        part = rig.parts.add()
        part.name = role
        part.bone = found.mapping.bones.get(role, "")  # first: setting it takes the doubt away
        part.certainty = found.certainty.get(role, 0.0)
        part.doubt = next((doubt.message for doubt in found.doubts if doubt.role == role), "")
    rig.doubts.clear()
    for doubt in found.doubts:
        if not doubt.role:
            rig.doubts.add().name = doubt.message
    rig.switches.clear()
    for switch in found.mapping.switches:
        entry = rig.switches.add()
        entry.name, entry.property, entry.value = switch.bone, switch.property, switch.value
    rig.limbs = limbs_text(found.mapping.ik)


def table_roles(mapping: Mapping) -> list[str]:
    """The rows of the table: every role of the kind, a list role as often as it may be filled."""
    rows = []
    for role in ROLES[mapping.kind]:
        if role in CHAIN_ROLES:
            found = sum(taken.split(".")[0] == role for taken in mapping.bones)
            rows += [f"{role}.{number}" for number in range(max(LONGEST_CHAIN, found + 1))]
        else:
            rows.append(role)
    return rows


def stored_mapping(armature: bpy.types.Object) -> Mapping | None:
    """What the table of an armature object says, or None without one. Raises KineliftError when a bone is in it twice."""
    rig = table_of(armature)
    if rig is None or not len(rig.parts):
        return None
    roles: dict[str, str] = {}
    for part in rig.parts:
        if part.bone in roles:
            raise KineliftError(f"bone {part.bone!r} plays {roles[part.bone]} and {part.name}", "Give it one part in the Retarget panel",
                                armature.name, "bone-twice")
        if part.bone:
            roles[part.bone] = part.name
    switches = tuple(Switch(entry.name, entry.property, entry.value) for entry in rig.switches)
    try:
        return Mapping(rig.kind, numbered(roles), switches, rig.title, limbs_of(rig.limbs, roles.values(), armature.name))
    except ValueError as error:
        raise KineliftError(str(error).rstrip("."), "Detect the bones again", armature.name, "bad-limbs") from None


def mapping_of(armature: bpy.types.Object, preset_name: str | None) -> Mapping:
    """The mapping to retarget with: the table, while it was made for this choice of preset; else what is detected, which is stored."""
    stored = stored_mapping(armature)
    if stored is not None and table_of(armature).preset == (preset_name or ""):
        return stored
    found = detect_mapping(armature, preset_name)
    store(armature, found, preset_name)
    return found.mapping


def remark(armature: bpy.types.Object, notes: Iterable[str]) -> None:
    """Keeps with the armature's table what can't be keyed there, for the panel to show."""
    remarks = _new_table(armature).notes
    remarks.clear()
    for note in notes:
        remarks.add().name = note


def doubt_of(part: bpy.types.PropertyGroup, kind: str) -> str:
    """Why a row of the table wants the user's eye; empty when it doesn't."""
    if not part.bone:
        return "no bone plays this part" if part.name in NEEDED[kind] else ""
    return part.doubt or ("another bone may play this part as well" if part.certainty < DOUBTFUL else "")


def shown_rows(rig: bpy.types.PropertyGroup) -> list[bool]:
    """For each row whether the table shows it: of a list role the bones and one more to fill."""
    shown, free = [], set()
    for part in rig.parts:
        chain = part.name.split(".")[0]
        shown.append(bool(part.bone) or chain not in CHAIN_ROLES or chain not in free)
        if not part.bone:
            free.add(chain)
    return shown


def save_preset(armature: bpy.types.Object, title: str, replace: bool) -> Path:
    """Writes the table as a preset file into the user's folder and returns its path. Raises KineliftError."""
    mapping = stored_mapping(armature)
    if mapping is None or mapping.missing:
        lacking = ", ".join(mapping.missing) if mapping is not None else "all parts"
        raise KineliftError(f"the mapping lacks {lacking}", "Give these parts their bones first", armature.name, "unknown-rig")
    name = bpy.path.clean_name(title.strip()).lower()
    if not name.strip("_"):
        raise KineliftError("the preset has no name", "Write a name with letters or digits", code="no-name")
    path = user_folder("rigs") / f"{name}.toml"
    if path.exists() and not replace:
        raise KineliftError("there is a preset of this name", "Choose another name, or replace it", str(path), "preset-exists")
    try:
        write_preset(path, replace_fields(mapping, title=title.strip()))
    except OSError as error:
        raise write_error(error, path, "the preset could not be written") from error
    return path
