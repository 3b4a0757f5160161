"""What would go wrong with an export, told before it is done."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import bpy

from ..scene.resampling import scene_fps
from ..scene.takes import find_take
from .bones import carriers, wanted_bones
from .formats import FORMATS, is_there
from .subjects import Subject

EVEN = 1e-3
LONGEST = 63
"""Bytes of a name that Blender 4 keeps when it reads a file; other programs cut names too."""

SAME_NAME = {"FBX_UNREAL": lambda name: re.sub(r"[\s.:]", "_", name).lower(), "USD": lambda name: re.sub(r"\W", "_", name)}
"""Format -> what its program makes of a name; two bones must not become one."""

NEEDS_ONE_ROOT = ("FBX_UNITY", "FBX_UNREAL", "BVH")


@dataclass(frozen=True)
class Finding:
    """breaks: the file would be wrong; else only something to know. text: a sentence without a full stop."""

    breaks: bool
    text: str


def check(scene: bpy.types.Scene, subject: Subject, format_name: str, only_deform: bool) -> list[Finding]:
    """The findings, those that break something first. The scene is only looked at."""
    found = [*_of_armature(subject, only_deform), *_of_bones(subject, format_name, only_deform), *_of_meshes(subject, only_deform), *_of_names(subject),
             *_of_time(scene, subject)]
    if not is_there(format_name):
        found.append(Finding(True, f"This Blender has no exporter for {FORMATS[format_name].title}: enable its add-on, or choose another format"))
    return sorted(found, key=lambda finding: not finding.breaks)


def _of_armature(subject: Subject, only_deform: bool) -> Iterator[Finding]:
    armature = subject.armature
    sizes = armature.matrix_world.to_3x3()
    lengths = [column.length for column in sizes.col]
    if armature.data.pose_position == "REST":
        yield Finding(True, f"{armature.name} is shown in its rest position, so nothing would move: switch it to Pose Position")
    if max(lengths) - min(lengths) > EVEN * max(lengths):
        yield Finding(True, f"{armature.name} is scaled differently along its axes, which bends its bones: apply its scale")
    elif sizes.determinant() < 0:
        yield Finding(True, f"{armature.name} is mirrored by a negative scale: apply its scale")
    elif abs(lengths[0] - 1) > EVEN:
        yield Finding(False, f"The scale {lengths[0]:.4g} of {armature.name} is applied in the file")
    if only_deform and not any(bone.use_deform for bone in armature.data.bones):
        yield Finding(False, f"No bone of {armature.name} deforms: all are written")


def _of_bones(subject: Subject, format_name: str, only_deform: bool) -> Iterator[Finding]:
    armature = subject.armature
    kept = wanted_bones(armature, only_deform)
    above = carriers(armature, kept)
    roots = [name for name, carrier in above.items() if not carrier]
    if len(roots) > 1 and format_name in NEEDS_ONE_ROOT:
        yield Finding(False, f"{len(roots)} bones have no parent ({_some(roots)}): "
                             + ("a root without motion is put above them" if format_name == "BVH" else "the armature object becomes their root"))
    constrained = [bone.name for bone in kept if any(not constraint.mute for constraint in armature.pose.bones[bone.name].constraints)]
    if constrained:
        yield Finding(False, f"The constraints of {len(constrained)} bones are baked to keys, frame by frame")
    if format_name in SAME_NAME:
        counts = Counter(SAME_NAME[format_name](bone.name) for bone in kept)
        equal = [bone.name for bone in kept if counts[SAME_NAME[format_name](bone.name)] > 1]
        if equal:
            yield Finding(True, f"{_some(equal)} have one name in {FORMATS[format_name].title}: rename them")
    spaced = [bone.name for bone in kept if re.search(r"\s", bone.name)]
    if format_name == "BVH" and spaced:
        yield Finding(False, f"Some programs stop reading at a space in a name: {_some(spaced)}")


def _of_meshes(subject: Subject, only_deform: bool) -> Iterator[Finding]:
    armature = subject.armature
    kept = {bone.name for bone in wanted_bones(armature, only_deform)}
    for mesh in (item for item in subject.objects if item.type == "MESH"):
        lost = [group.name for group in mesh.vertex_groups if group.name in armature.data.bones and group.name not in kept]
        if lost:
            yield Finding(True, f"{mesh.name} has weights of bones that are left out ({_some(lost)}): let them deform, or export all bones")
        others = {modifier.object.name for modifier in mesh.modifiers if modifier.type == "ARMATURE" and modifier.object not in (None, armature)}
        if others:
            yield Finding(True, f"{mesh.name} is also deformed by {_some(sorted(others))}, which is not in the file: export one armature at a time")


def _of_names(subject: Subject) -> Iterator[Finding]:
    long = [name for name in (subject.clip, *(item.name for item in subject.objects)) if len(name.encode()) > LONGEST]
    if long:
        yield Finding(False, f"Names of more than {LONGEST} bytes are cut by other programs: {_some(long)}")


def _of_time(scene: bpy.types.Scene, subject: Subject) -> Iterator[Finding]:
    take = find_take(scene, subject.clip)
    if take is not None and take.fps > 0 and abs(take.fps - scene_fps(scene)) > 0.01:
        yield Finding(False, f"The scene has {scene_fps(scene):g} frames a second and the motion {take.fps:g}: in-between frames are blends")
    if subject.frames[0] == subject.frames[1]:
        yield Finding(False, "The motion has one frame only")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
