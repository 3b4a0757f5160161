"""What the user has locked: such channels are left as they are, and told."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Euler, Quaternion

from ...rigs import Mapping
from .posing import LIMITS

AXES = "XYZ"


def limitations(armature: bpy.types.Object, mapping: Mapping) -> tuple[str, ...]:
    """Sentences without a full stop on what can't be keyed on the mapped bones, or may look otherwise than keyed."""
    notes = []
    for name, role in mapping.roles.items():
        bone = armature.pose.bones[name]
        rotation = locked_axes(bone)
        if rotation:
            notes.append(f"The rotation of {name!r} is locked in {', '.join(rotation)} and stays as it is there")
        location = [axis for axis, is_locked in zip(AXES, bone.lock_location, strict=True) if is_locked]
        if role == "pelvis" and location:
            notes.append(f"The location of {name!r} is locked in {', '.join(location)}: the character does not travel there")
        limits = [constraint.name for constraint in bone.constraints if constraint.type in LIMITS and not constraint.mute]
        if limits:
            notes.append(f"{name!r} has limits of its own ({', '.join(limits)}), which may hold it back")
    return tuple(notes)


def locked_axes(bone: bpy.types.PoseBone) -> list[str]:
    """Names of the locked parts of a bone's rotation."""
    axes = [axis for axis, is_locked in zip(AXES, bone.lock_rotation, strict=True) if is_locked]
    return (["W"] if bone.lock_rotation_w else []) + axes if _by_component(bone) else axes


def free_components(bone: bpy.types.PoseBone) -> list[int]:
    """Numbers of the channels of a bone's rotation that may be keyed, in its own rotation mode."""
    if all(bone.lock_rotation):
        return []
    if _by_component(bone):
        return [number for number, is_locked in enumerate((bone.lock_rotation_w, *bone.lock_rotation)) if not is_locked]
    if bone.rotation_mode in ("QUATERNION", "AXIS_ANGLE"):
        return [0, 1, 2, 3]
    return [number for number, is_locked in enumerate(bone.lock_rotation) if not is_locked]


def held(bone: bpy.types.PoseBone, turns: np.ndarray) -> np.ndarray:
    """The bone's turns [T,4] with what is locked as it is now. Where axes of a quaternion are locked, Blender takes them for
    those of an Euler rotation, and so does this."""
    if not any((*bone.lock_rotation, bone.lock_rotation_w and _by_component(bone))):
        return turns
    now = bone.matrix_basis.to_quaternion()
    if all(bone.lock_rotation):
        return np.tile(np.array(now), (len(turns), 1))
    if _by_component(bone):
        free = free_components(bone)
        result = np.tile(np.array(now), (len(turns), 1))
        result[:, free] = turns[:, free]
        return result / np.maximum(np.linalg.norm(result, axis=-1, keepdims=True), 1e-9)
    order = bone.rotation_mode if len(bone.rotation_mode) == 3 else "XYZ"
    kept = bone.rotation_euler if len(bone.rotation_mode) == 3 else now.to_euler(order)
    result, last = np.empty_like(turns), None
    for frame, turn in enumerate(turns):
        last = Quaternion(turn).to_euler(order) if last is None else Quaternion(turn).to_euler(order, last)
        angles = [fixed if is_locked else angle for angle, fixed, is_locked in zip(last, kept, bone.lock_rotation, strict=True)]
        result[frame] = Euler(angles, order).to_quaternion()
    return result


def _by_component(bone: bpy.types.PoseBone) -> bool:
    return bone.rotation_mode in ("QUATERNION", "AXIS_ANGLE") and bone.lock_rotations_4d
