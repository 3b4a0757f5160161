"""Which bones an export keeps, and what they hang on then."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from ..scene.stick import CARRIER


def wanted_bones(armature: bpy.types.Object, only_deform: bool) -> list[bpy.types.Bone]:
    """The bones that an export keeps, parents first; all where none deforms."""
    deforming = [bone for bone in armature.data.bones if bone.use_deform] if only_deform else []
    return deforming or list(armature.data.bones)


def carriers(armature: bpy.types.Object, kept: list[bpy.types.Bone]) -> dict[str, str]:
    """For each kept bone the kept one that it hangs on, by name, "" for a root: the nearest above it; the one the joint of a take's stick
    figure belongs to; on a rig of Rigify's the deforming bone of the part above."""
    names, found = {bone.name for bone in kept}, {}

    def hangs_on(name: str, other: str) -> bool:
        while name and name != other:
            name = found.get(name, "")
        return bool(name)

    def candidates(bone: bpy.types.Bone) -> Iterator[str]:
        above = bone.parent
        if CARRIER in bone:
            yield bone[CARRIER]
        while above is not None:
            yield above.name
            if above.name.startswith("ORG-"):
                yield f"DEF-{above.name[4:]}"
            above = above.parent

    for bone in kept:
        found[bone.name] = next((name for name in candidates(bone) if name in names and name != bone.name and not hangs_on(name, bone.name)), "")
    return found


def outwards(bones: list[bpy.types.Bone], above: dict[str, str]) -> list[bpy.types.Bone]:
    """Bones with those first that carry others."""
    def depth(name: str) -> int:
        return 1 + depth(above[name]) if above[name] else 0

    return sorted(bones, key=lambda bone: depth(bone.name))
