"""Runs inside Blender: a walk plays on the rig generated from Rigify's full human; its face and fingers stay as they were posed.

Arguments: the backend's Python, a motion file at 30 fps, a folder to write to.
"""

import subprocess
import sys
from pathlib import Path

import addon_utils
import bpy
import numpy as np

from kinelift.addon.scene import compat
from kinelift.addon.scene.armatures import describe, write_armature_file
from kinelift.addon.scene.fit_files import read_fit
from kinelift.addon.scene.keying import Manner, apply_fit

CHECKOUT = Path(__file__).resolve().parents[2]
JOINT_BONES = {"hip": "thigh", "knee": "shin", "ankle": "foot", "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand"}
FINGERS = ("f_index", "f_middle", "f_ring", "f_pinky", "thumb", "palm")
POSED = ("f_index.01.L", "thumb.02.R", "jaw_master")
CHANNELS = ("location", "rotation_quaternion", "rotation_euler", "rotation_axis_angle", "scale")

python, motion, folder = map(Path, sys.argv[1:])


def generated_rig():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("rigify", default_set=True)
    bpy.context.scene.render.fps = 30
    bpy.ops.object.armature_human_metarig_add()
    bpy.ops.pose.rigify_generate()
    return bpy.context.object


def fit_of(description):
    armature_file = write_armature_file(folder / "armature.npz", description)
    subprocess.run([str(python), "-m", "backend", "fit", str(motion), str(armature_file), "--to", str(folder / "fit.npz")],
                   cwd=CHECKOUT, check=True)
    return folder / "fit.npz"


def matrices():
    """[4,4] of every bone as it is posed now, in armature space."""
    bpy.context.view_layer.update()
    bones = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    return {bone.name: np.array(bone.matrix) for bone in bones}


def untouched(description):
    """All that keys of a fit must leave alone: channels and properties of the bones outside the preset."""
    switches = {(switch.bone, switch.property) for switch in description.mapping.switches}
    state = {}
    for bone in rig.pose.bones:
        if bone.name not in description.bone_names:
            state[bone.name] = [tuple(getattr(bone, channel)) for channel in CHANNELS]
        state.update({(bone.name, key): value for key, value in bone.items()
                      if isinstance(value, (int, float)) and (bone.name, key) not in switches})
    return state


def carried_parts():
    """(deforming bone of a finger or of the face, the deforming bone of the hand or the head it is on)."""
    head = rig.data.bones["DEF-spine.006"]
    for bone in rig.data.bones:
        if not bone.use_deform:
            continue
        if bone.name.removeprefix("DEF-").startswith(FINGERS):
            yield bone.name, f"DEF-hand{bone.name[-2:]}"
        elif {"ORG-face", head.name} & {parent.name for parent in bone.parent_recursive}:
            yield bone.name, head.name


rig = generated_rig()
for name in POSED:
    rig.pose.bones[name].rotation_mode = "XYZ"
    rig.pose.bones[name].rotation_euler = (0.3, 0.1, 0.0)
description = describe(rig)
assert "FK controls" in description.mapping.title
fit_file = fit_of(description)
before, state = matrices(), untouched(description)
carried = dict(carried_parts())
assert len([name for name in carried if name.endswith("L") and carried[name] == "DEF-hand.L"]) == 19
assert len([name for name in carried if carried[name] == "DEF-spine.006"]) > 50

apply_fit(rig, read_fit(fit_file), "Walk")
assert untouched(description) == state
keyed = {curve.data_path.split('"')[1] for curve in compat.curves_of(rig)}
assert keyed == {*description.bone_names, *(switch.bone for switch in description.mapping.switches)}, keyed

with np.load(fit_file, allow_pickle=False) as fit:
    wanted = {str(role): fit["fitted_positions"][:, number] for number, role in enumerate(fit["target_roles"])}


def check():
    """Joints where the fit has them, face and fingers as they were on head and hands; how far the former are off, in metres, and the latter."""
    furthest, largest_drift = 0.0, 0.0
    for frame in range(0, 60, 7):
        bpy.context.scene.frame_set(1 + frame)
        now = matrices()
        for role, track in wanted.items():
            joint, _, side = role.partition(".")
            if joint in JOINT_BONES:
                place = now[f"DEF-{JOINT_BONES[joint]}.{side}"][:3, 3]
                furthest = max(furthest, np.linalg.norm(place - track[frame]))
        for name, carrier in carried.items():
            drift = np.linalg.inv(now[carrier]) @ now[name] - np.linalg.inv(before[carrier]) @ before[name]
            largest_drift = max(largest_drift, np.abs(drift).max())
    print(f"{1000 * furthest:.4f} mm from the fit, face and fingers drift by {largest_drift:.2e}")
    assert largest_drift < 1e-3
    return furthest, now


furthest, now = check()
moved = np.linalg.norm(now["DEF-hand.L"][:3, 3] - before["DEF-hand.L"][:3, 3])
assert furthest < 1e-4 * np.ptp(description.heads[:, 2])
assert moved > 0.3
apply_fit(rig, read_fit(fit_file), "Walk", manner=Manner(ik=frozenset({"leg", "arm"})))
assert check()[0] < 1e-3
print("the full human walks")
