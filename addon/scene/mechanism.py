"""The part of a rig that leads controls, as a small armature of its own.

Helper bones with constraints may turn a control along with others. Where that brings it has to be asked of Blender for every frame, and to
evaluate a whole control rig takes long. Most of it only passes on what is known: here are the bones in between alone, on those whose place is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import bpy
import numpy as np

from .posing import numbers_of, read, read_places
from .probing import SAME_PLACE, SAME_TURN
from .removal import remove_object
from .rotations import quaternions

TARGETS = (("target", "subtarget"), ("pole_target", "pole_subtarget"), ("space_object", "space_subtarget"))
"""Properties of constraints that name an object, and a bone of it."""

OF_BONES = ("use_inherit_rotation", "inherit_scale", "use_local_location", "use_relative_parent")
OF_POSE = ("rotation_mode", "location", "rotation_quaternion", "rotation_axis_angle", "rotation_euler", "scale", "ik_stretch", "use_ik_rotation_control",
           "ik_rotation_weight", "use_ik_linear_control", "ik_linear_weight",
           *(f"{name}_{axis}" for axis in "xyz" for name in ("lock_ik", "ik_stiffness", "use_ik_limit", "ik_min", "ik_max")))
"""What decides how a bone follows its channels, its parent and its constraints, beside these."""


class OtherMeansError(Exception):
    """Something else moves the bones than other bones of the armature."""


@dataclass
class Mechanism:
    """inputs: bone that goes along with one whose place is known -> that one, and [4,4] how it is seen from it; inner: the bones in between,
    with the ones led."""

    inputs: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict)
    inner: set[str] = field(default_factory=set)


def lead(armature: bpy.types.Object, led: list[str], known: Mapping[str, np.ndarray], probes: np.ndarray) -> np.ndarray | None:
    """Where a rig brings the bones `led` [T,N,4,4] while its known ones go along their tracks [T,4,4], in armature space; None where more than
    bones of the armature takes part. The probes are as in `find_mechanism`."""
    try:
        mechanism = find_mechanism(armature, led, known, probes)
    except OtherMeansError:
        return None
    with built(armature, mechanism) as small:
        return play(small, mechanism, known, led)


def find_mechanism(armature: bpy.types.Object, led: Collection[str], known: Collection[str], probes: np.ndarray) -> Mechanism:
    """What leads the bones `led`, down to bones that go along with a known one in all `probes` [P,B,4,4], poses of all bones of the armature, the
    first with nothing posed. The armature is as the last of them. Raises OtherMeansError where more than bones of the armature takes part."""
    posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    if armature.pose.ik_solver != "LEGACY":
        raise OtherMeansError
    number = dict(zip(armature.pose.bones.keys(), range(probes.shape[1]), strict=True))
    known = list(known)
    seen_by = np.linalg.inv(probes[:, [number[name] for name in known]])
    size = max(float(np.ptp(probes[0, :, :3, 3], axis=0).max()), 1e-6)
    chains = _chains(armature, posed)
    found = Mechanism()

    def need(name: str) -> None:
        if name in found.inner or name in found.inputs:
            return
        seen = seen_by @ probes[:, number[name], None]
        drift = np.abs(seen - seen[:1]).max(axis=0)
        worst = np.maximum(drift[:, :3, :3].max(axis=(-1, -2)) / SAME_TURN, drift[:, :3, 3].max(axis=-1) / (size * SAME_PLACE))
        best = int(worst.argmin())
        if worst[best] < 1:
            found.inputs[name] = known[best], seen[0, best]
        else:
            need_inner(name)

    def need_inner(name: str) -> None:
        if name in found.inner:
            return
        if name in known:
            raise OtherMeansError
        found.inner.add(name)
        found.inputs.pop(name, None)
        bone = armature.pose.bones[name]
        if bone.parent is not None:
            need(bone.parent.name)
        for constraint, _ in _active(bone, posed[name]):
            for target in _targets(constraint, armature):
                need(target)
        for chain in chains:
            if name in chain:
                for other in chain:
                    need_inner(other)

    for name in led:
        need_inner(name)
    return found


@contextmanager
def built(armature: bpy.types.Object, mechanism: Mechanism) -> Iterator[bpy.types.Object]:
    """Inside, the mechanism is an armature in a scene of its own, which nothing else is in; afterwards both are gone."""
    posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    scene = bpy.data.scenes.new("Kinelift")
    small = bpy.data.objects.new("Kinelift", bpy.data.armatures.new("Kinelift"))
    try:
        scene.collection.objects.link(small)
        small.matrix_world = armature.matrix_world
        _make_bones(small, armature, mechanism, scene)
        for name in mechanism.inner:
            source, made = armature.pose.bones[name], small.pose.bones[name]
            for property in OF_BONES:
                setattr(made.bone, property, getattr(source.bone, property))
            for property in OF_POSE:
                setattr(made, property, getattr(source, property))
            for constraint, evaluated in _active(source, posed[name]):
                _copy_constraint(made, constraint, evaluated, armature)
        for name in mechanism.inputs:
            small.pose.bones[name].rotation_mode = "QUATERNION"
        yield small
    finally:
        remove_object(small)
        bpy.data.scenes.remove(scene)


def play(small: bpy.types.Object, mechanism: Mechanism, tracks: Mapping[str, np.ndarray], led: list[str]) -> np.ndarray:
    """Where the bones `led` are, [T,N,4,4], while the known ones go along `tracks` [T,4,4], in armature space."""
    layer, bones = small.users_scene[0].view_layers[0], small.pose.bones
    locations, turns = (read(bones, name, size) for name, size in (("location", 3), ("rotation_quaternion", 4)))
    frames = len(next(iter(tracks.values())))
    locations, turns = np.tile(locations, (frames, 1, 1)), np.tile(turns, (frames, 1, 1))
    for name, (carrier, offset) in mechanism.inputs.items():
        basis = np.linalg.inv(np.array(bones[name].bone.matrix_local, float)) @ tracks[carrier] @ offset
        number, = numbers_of(small, [name])
        locations[:, number], turns[:, number] = basis[:, :3, 3], quaternions(basis[:, :3, :3])
    result, numbers = np.empty((frames, len(led), 4, 4)), numbers_of(small, led)
    for frame in range(frames):
        bones.foreach_set("location", locations[frame].ravel())
        bones.foreach_set("rotation_quaternion", turns[frame].ravel())
        small.update_tag()
        layer.update()
        result[frame] = read_places(small, layer.depsgraph)[numbers]
    return result


def _make_bones(small: bpy.types.Object, armature: bpy.types.Object, mechanism: Mechanism, scene: bpy.types.Scene) -> None:
    names = mechanism.inner | mechanism.inputs.keys()
    bones = sorted((armature.data.bones[name] for name in names), key=lambda bone: len(bone.parent_recursive))
    layer = scene.view_layers[0]
    layer.objects.active = small
    with bpy.context.temp_override(scene=scene, view_layer=layer, active_object=small, object=small):
        bpy.ops.object.mode_set(mode="EDIT")
        for bone in bones:
            made = small.data.edit_bones.new(bone.name)
            made.tail = (0.0, bone.length, 0.0)
            made.matrix = bone.matrix_local
            if bone.name in mechanism.inner and bone.parent is not None:
                made.parent, made.use_connect = small.data.edit_bones[bone.parent.name], bone.use_connect
        bpy.ops.object.mode_set(mode="OBJECT")


def _copy_constraint(bone: bpy.types.PoseBone, constraint: bpy.types.Constraint, evaluated: bpy.types.Constraint, armature: bpy.types.Object) -> None:
    """Gives a bone of another armature the same constraint, as drivers have it now."""
    made = bone.constraints.copy(constraint)
    made.mute, made.influence = False, evaluated.influence
    for holder in _holders(made):
        for name, _ in TARGETS:
            if getattr(holder, name, None) == armature:
                setattr(holder, name, bone.id_data)


def _chains(armature: bpy.types.Object, posed: bpy.types.bpy_prop_collection) -> list[list[str]]:
    """The bones that take part in each inverse kinematics. Raises OtherMeansError where they follow a curve."""
    found = []
    for bone in armature.pose.bones:
        for constraint, _ in _active(bone, posed[bone.name]):
            if constraint.type == "SPLINE_IK":
                raise OtherMeansError
            if constraint.type == "IK":
                line = [bone, *bone.parent_recursive][0 if constraint.use_tail else 1:]
                found.append([bone.name, *(other.name for other in line[:constraint.chain_count or None] if other != bone)])
    return found


def _active(bone: bpy.types.PoseBone, evaluated: bpy.types.PoseBone) -> list[tuple[bpy.types.Constraint, bpy.types.Constraint]]:
    """The constraints of a bone that do something as drivers have them now, each with the evaluated one."""
    return [(constraint, now) for constraint, now in zip(bone.constraints, evaluated.constraints, strict=True)
            if now.is_valid and not now.mute and now.influence > 0]


def _targets(constraint: bpy.types.Constraint, armature: bpy.types.Object) -> list[str]:
    """The bones that a constraint looks at. Raises OtherMeansError for other objects."""
    found = []
    for holder in _holders(constraint):
        for name, bone in TARGETS:
            target = getattr(holder, name, None)
            if target not in (None, armature):
                raise OtherMeansError
            if target is not None and getattr(holder, bone):
                found.append(getattr(holder, bone))
    return found


def _holders(constraint: bpy.types.Constraint) -> list[bpy.types.bpy_struct]:
    """What has a constraint's targets: itself, or a list of its own."""
    return list(constraint.targets) if constraint.type == "ARMATURE" else [constraint]
