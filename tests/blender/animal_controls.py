"""Runs inside Blender: the walk of an animal is keyed on the IK controls of Rigify's generated horse and cat; what deforms the mesh goes where the
FK controls bring it, the animator can edit it, and the keys go again.

Arguments: the backend's Python, a motion file at 30 fps, a folder to write to.
"""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import addon_utils
import bpy
import numpy as np
from mathutils import Matrix

if "kinelift" not in sys.modules:  # a whole Blender; the wheels' runner has done it
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
    from in_wheel import add_checkout

    add_checkout()

from kinelift.addon.retarget.keys import CONTROLS
from kinelift.addon.scene import compat, layers, posing
from kinelift.addon.scene.armatures import describe, write_armature_file
from kinelift.addon.scene.clearing import clear_keys
from kinelift.addon.scene.curves import Thinning
from kinelift.addon.scene.fit_files import read_fit
from kinelift.addon.scene.keying import Manner, apply_fit
from kinelift.addon.scene.root_motion import HIPS, OBJECT

CHECKOUT = Path(__file__).resolve().parents[2]
STEP = 6
CLOSE = 1e-3

python, motion, folder = map(Path, sys.argv[-3:])


def made_rig(animal):
    """A fresh scene with the generated animal, turned and away from the origin."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("rigify", default_set=True)
    bpy.context.scene.render.fps = 30
    getattr(bpy.ops.object, f"armature_{animal}_metarig_add")()
    if "face" in bpy.context.object.data.bones:  # no motion touches the cat's, and generating it takes half a minute
        bpy.ops.object.mode_set(mode="EDIT")
        bones = bpy.context.object.data.edit_bones
        for bone in (*bones["face"].children_recursive, bones["face"]):
            bones.remove(bone)
        bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    rig.location, rig.rotation_euler = (0.5, -1.0, 0.1), (0.0, 0.0, 0.7)
    bpy.context.view_layer.update()
    armature_file = write_armature_file(folder / f"{animal}-armature.npz", describe(rig))
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH")}
    subprocess.run([str(python), "-m", "backend", "fit", str(motion), str(armature_file), "--to", str(fit_of(animal))], cwd=CHECKOUT, check=True, env=own)
    return rig


def fit_of(animal):
    return folder / f"{animal}-fit.npz"


def key(rig, animal, controls, root_motion=HIPS, start=1, **manner):
    apply_fit(rig, read_fit(fit_of(animal)), "Walk", frame_start=start, manner=Manner(CONTROLS[controls], **manner), root_motion=root_motion)


def evaluated(rig):
    return rig.evaluated_get(bpy.context.evaluated_depsgraph_get())


def place(rig, bone, end="head"):
    return np.array(rig.matrix_world @ getattr(evaluated(rig).pose.bones[bone], end))


def deformed(rig, animal, start=1):
    """[F,2B,3] both ends of what deforms the mesh, in the world."""
    with np.load(fit_of(animal), allow_pickle=False) as fit:
        frames = len(fit["root_positions"])
    names = [bone.name for bone in rig.pose.bones if bone.name.startswith("DEF-")]
    track = []
    for frame in range(0, frames, STEP):
        bpy.context.scene.frame_set(start + frame)
        posed = evaluated(rig)
        track.append([np.array(posed.matrix_world @ end) for name in names for end in (posed.pose.bones[name].head, posed.pose.bones[name].tail)])
    return np.array(track)


def farthest(found, wanted):
    return float(np.linalg.norm(found - wanted, axis=-1).max())


def keyed_bones(rig):
    return {curve.data_path.split('"')[1] for curve in compat.curves_of(rig) if '"' in curve.data_path}


def move(rig, control, offset):
    matrix = rig.pose.bones[control].matrix.copy()
    matrix.translation += rig.matrix_world.to_3x3().inverted() @ offset
    rig.pose.bones[control].matrix = matrix
    bpy.context.view_layer.update()


def is_edited(rig, height, feet, heels, poles, hocks, fetlocks, stifles):
    """The animator lifts a foot, turns a heel and moves a pole."""
    up = Matrix.Identity(3).col[2]
    for foot, fetlock in zip(feet, fetlocks, strict=True):
        bpy.context.scene.frame_set(1 + STEP)
        before = place(rig, fetlock, "tail")
        move(rig, foot, 0.04 * height * up)
        moved = place(rig, fetlock, "tail") - before
        assert abs(moved[2] - 0.04 * height) < CLOSE and np.abs(moved[:2]).max() < CLOSE, (foot, moved)
    for heel, hock, fetlock in zip(heels, hocks, fetlocks, strict=True):
        bpy.context.scene.frame_set(1 + STEP)
        before = place(rig, hock), place(rig, fetlock, "tail")
        rig.pose.bones[heel].matrix_basis = rig.pose.bones[heel].matrix_basis @ Matrix.Rotation(0.3, 4, "X")
        bpy.context.view_layer.update()
        assert np.linalg.norm(place(rig, hock) - before[0]) > 0.01 * height, (heel, place(rig, hock) - before[0])
        assert np.linalg.norm(place(rig, fetlock, "tail") - before[1]) < CLOSE, heel
    for pole, stifle, fetlock in zip(poles, stifles, fetlocks, strict=True):
        bpy.context.scene.frame_set(1 + STEP)
        before = place(rig, stifle), place(rig, fetlock, "tail")
        move(rig, pole, 0.5 * height * Matrix.Rotation(0.7, 3, "Z").col[0])
        assert np.linalg.norm(place(rig, stifle) - before[0]) > 0.01 * height, pole
        assert np.linalg.norm(place(rig, fetlock, "tail") - before[1]) < CLOSE, pole


@contextmanager
def counted():
    """Gives a list that grows by an entry whenever the rig is posed to see what follows."""
    poses, own = [], posing.Trial.pose

    def pose(trial, names, bases):
        poses.append(names)
        return own(trial, names, bases)

    posing.Trial.pose = pose
    try:
        yield poses
    finally:
        posing.Trial.pose = own


def is_led_otherwise(rig, animal, wanted, heel):
    """What leads a heel alone is asked where it brings that; where something else has a part in it, the rig is, in every frame."""
    helper = rig.pose.bones[heel].parent
    with counted() as poses:
        key(rig, animal, "IK_FEET")
    assert len(poses) < 20, len(poses)
    anchor = bpy.data.objects.new("Anchor", None)
    bpy.context.scene.collection.objects.link(anchor)
    anchor.rotation_euler = (1.0, 0.5, 0.2)
    beside = helper.constraints.new("COPY_ROTATION")
    beside.target, beside.influence = anchor, 0.2
    with counted() as poses:
        key(rig, animal, "IK_FEET")
    assert len(poses) > 30 and farthest(deformed(rig, animal), wanted) < CLOSE, len(poses)
    helper.constraints.remove(beside)

    helper.rotation_mode = "XYZ"
    driver = helper.driver_add("rotation_euler", 0).driver
    driver.type = "SUM"
    place = driver.variables.new()
    place.type = "TRANSFORMS"
    place.targets[0].id, place.targets[0].bone_target, place.targets[0].transform_type = rig, "torso", "LOC_Y"
    with counted() as poses:
        key(rig, animal, "IK_FEET")
    assert len(poses) > 30 and farthest(deformed(rig, animal), wanted) < CLOSE, len(poses)
    helper.driver_remove("rotation_euler", 0)
    helper.rotation_euler = (0.0, 0.0, 0.0)
    assert len(bpy.data.scenes) == 1 and not any(item.name.startswith("Kinelift") for item in (*bpy.data.objects, *bpy.data.armatures))


def plays(animal, height, feet, heels, pasterns, **edited):
    rig = made_rig(animal)
    before = {name: rig.pose.bones[name]["IK_FK"] for name in ("thigh_parent.L", "upper_arm_parent.R")}
    key(rig, animal, "FK")
    assert not {*feet, *heels} & keyed_bones(rig)
    wanted = deformed(rig, animal)
    key(rig, animal, "IK_FEET")
    found = farthest(deformed(rig, animal), wanted)
    print(f"{animal}, IK: {1000 * found:.3f} mm")
    assert found < CLOSE
    names, limbs = keyed_bones(rig), {f"{bone}.{side}" for bone in ("thigh_fk", "upper_arm_fk") for side in "LR"}
    assert {*feet, *heels, *pasterns, "thigh_ik_target.L", "upper_arm_ik_target.R"} <= names and not names & limbs
    assert all(rig.pose.bones[name]["IK_FK"] == 0 and rig.pose.bones[name]["pole_vector"] for name in before)
    is_edited(rig, height, feet, heels, ["thigh_ik_target.L", "upper_arm_ik_target.L"], **edited)
    is_led_otherwise(rig, animal, wanted, heels[1])

    key(rig, animal, "IK", layer=layers.BAKE, start=200)
    assert farthest(deformed(rig, animal, 200), wanted) < CLOSE
    key(rig, animal, "IK", root_motion=OBJECT, thinning=Thinning(0.5, 0.0013 * height))
    keys = [len(curve.keyframe_points) for curve in compat.curves_of(rig)]
    thinned = farthest(deformed(rig, animal), wanted)
    print(f"{animal}, thinned: {1000 * thinned:.1f} mm, {np.mean(keys):.0f} keys a curve")
    assert thinned < 0.04 * height  # an elbow that is almost straight goes aside by more than the foot does
    clear_keys(rig)
    assert not compat.curves_of(rig)
    assert before == {name: rig.pose.bones[name]["IK_FK"] for name in before}


plays("horse", 1.5, feet=("hind_foot_ik.L", "forefoot_ik.L"), heels=("hind_foot_heel_ik.L", "forefoot_heel_ik.L"), pasterns=("r_toe_ik.R", "f_toe_ik.R"),
      hocks=("DEF-hind_foot.L", "DEF-forefoot.L"), fetlocks=("DEF-r_toe.L", "DEF-f_toe.L"), stifles=("DEF-lower_leg.L", "DEF-forearm.L"))
plays("cat", 0.25, feet=("foot_ik.L", "hand_ik.L"), heels=("foot_heel_ik.L", "hand_heel_ik.L"), pasterns=(),
      hocks=("DEF-foot.L", "DEF-hand.L"), fetlocks=("DEF-foot.L.001", "DEF-hand.L.001"), stifles=("DEF-shin.L", "DEF-forearm.L"))
print("the animals' controls work")
