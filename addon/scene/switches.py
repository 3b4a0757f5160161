"""Properties of a control rig's bones that a motion needs set, such as those between FK and IK."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from ...rigs.presets import Switch
from .paths import set_value_at


def present(armature: bpy.types.Object, switches: Sequence[Switch]) -> list[Switch]:
    """The switches this armature has; a rig generated without a feature lacks its property."""
    bones = armature.pose.bones
    return [switch for switch in switches if switch.bone in bones and (switch.property in bones[switch.bone] or _is_of_blender(switch))]


def path_of(armature: bpy.types.Object, switch: Switch) -> str:
    """The data path of a switch, from the armature object."""
    bone = armature.pose.bones[switch.bone]
    if _is_of_blender(switch):
        return bone.path_from_id(switch.property)
    return f'{bone.path_from_id()}["{bpy.utils.escape_identifier(switch.property)}"]'


def set_switches(armature: bpy.types.Object, switches: Sequence[Switch]) -> None:
    """Gives the properties their values and keeps their types."""
    for switch in present(armature, switches):
        set_value_at(armature, path_of(armature, switch), switch.value)
    armature.update_tag()


def _is_of_blender(switch: Switch) -> bool:
    """Whether it is a property that Blender gives all bones of a pose, such as ik_stretch."""
    return switch.property in bpy.types.PoseBone.bl_rna.properties
