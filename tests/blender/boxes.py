"""Runs inside Blender: a box that both hands carry, throw and catch is shown and keyed with its size and rotation, in a take and beside a target,
and comes back from FBX.

Arguments: the backend's Python, a motion file of `walk_with_box` at 30 fps, a folder to write to.
"""

import os
import subprocess
import sys
from pathlib import Path

import addon_utils
import bpy
import numpy as np
from mathutils import Quaternion

if "kinelift" not in sys.modules:  # a whole Blender; the wheels' runner has done it
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
    from in_wheel import add_checkout

    add_checkout()

from kinelift.addon.export.checks import check
from kinelift.addon.export.formats import export
from kinelift.addon.export.subjects import armature_subject, take_subject
from kinelift.addon.retarget import steps
from kinelift.addon.retarget.keys import keying
from kinelift.addon.scene import compat, takes
from kinelift.addon.scene.armatures import describe, write_armature_file
from kinelift.addon.scene.curves import Thinning
from kinelift.addon.scene.resampling import resample, resample_rotations
from kinelift.addon.scene.rotations import matrices
from kinelift.backend.motion.motion3d import Motion3D
from tests.blender.coming_back import bring_back

CHECKOUT = Path(__file__).resolve().parents[2]
python, motion_file, folder = map(Path, sys.argv[-3:])


def empty_scene(fps):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.fps, scene.frame_start, scene.frame_end = fps, 5, 5 + 2 * fps - 1
    return scene


def evaluated(item):
    return item.evaluated_get(bpy.context.evaluated_depsgraph_get())


def track_of(item, frames):
    """World matrices [T,4,4]."""
    track = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame), subframe=float(frame) % 1)
        track.append(np.array(evaluated(item).matrix_world))
    return np.array(track)


def degrees_between(one, other):
    """[T] degrees between rotations [T,3,3]."""
    sines = np.linalg.norm(one - other, axis=(-2, -1)) / np.sqrt(8)
    return np.degrees(2 * np.arcsin(np.clip(sines, 0, 1)))


def unscaled(track):
    sizes = np.linalg.norm(track[:, :3, :3], axis=1)
    return track[:, :3, :3] / sizes[:, None], sizes


def goes_where(item, frames, places, turns, size, metres=1e-3, degrees=0.1):
    """A box is shown as one of that size, where and turned as it should be; says how far it is off."""
    track = track_of(item, frames)
    found, sizes = unscaled(track)
    off, turned = np.linalg.norm(track[:, :3, 3] - places, axis=1).max(), degrees_between(found, matrices(turns)).max()
    assert item.empty_display_type == "CUBE" and np.abs(2 * item.empty_display_size * sizes - size).max() < 1e-4, sizes[0]
    assert tuple(item.scale) == (1, 1, 1), "the scale is the user's"
    assert off < metres and turned < degrees, (item.name, off, turned)
    return f"{1000 * off:.4f} mm, {turned:.4f} degrees"


def rotation_curves(item):
    return [curve for curve in compat.curves_of(item) if curve.data_path.startswith("rotation")]


def has_no_sign_jumps(item, except_at=()):
    values = np.array([[point.co[1] for point in curve.keyframe_points] for curve in rotation_curves(item)]).T
    assert values.shape[1] == 4 and item.rotation_mode == "QUATERNION"
    near = np.sum(values[1:] * values[:-1], axis=1)
    assert np.delete(near, except_at).min() > 0.9, near


def test_a_take_shows_its_box():
    for fps in (30, 24):
        scene, motion = empty_scene(fps), Motion3D.load(motion_file)
        take = takes.add_take(scene, motion_file, title="Carry")
        ball, box = (take.collection.objects[f"Carry {name}"] for name in ("Ball", "Box"))
        places, turns = resample(motion.object_positions, 30, fps), resample_rotations(motion.object_rotations, 30, fps)
        frames = range(5, 5 + len(places))
        print("take at", fps, goes_where(box, frames, places[:, 1], turns[:, 1], motion.object_sizes[1]))
        has_no_sign_jumps(box)
        swept = track_of(box, np.arange(5, 4 + len(places), 0.25))
        assert degrees_between(*(unscaled(part)[0] for part in (swept[1:], swept[:-1]))).max() < 10, "it flips between frames"
        assert ball.empty_display_type == "SPHERE" and not rotation_curves(ball) and tuple(ball.delta_scale) == (1, 1, 1)


def cube_fills(scene, box, size):
    """A cube of 2 m that is parented to the box without inverse is as large as it is."""
    child = bpy.data.objects.new("Crate", None)
    scene.collection.objects.link(child)
    child.parent = box
    assert np.abs(2 * unscaled(track_of(child, [20]))[1] - size).max() < 1e-4


def test_a_box_comes_back_from_fbx():
    for name in ("FBX", "FBX_UNITY", "FBX_UNREAL"):
        scene = empty_scene(30)
        take = takes.add_take(scene, motion_file, title="Carry")
        comes_back(scene, take_subject(scene, 0), take.collection.objects["Carry Box"], name)


def comes_back(scene, subject, box, name):
    cube_fills(scene, box, np.array(box.delta_scale) * 2)
    assert not any(finding.breaks for finding in check(scene, subject, name, True))
    frames = range(subject.frames[0], subject.frames[1] + 1)
    wanted = track_of(box, frames)
    path = folder / f"{subject.clip}_{name}.fbx"
    export(path, scene, subject, name)
    _, new, start = bring_back(path, frames[0])
    item = next(item for item in new if item.type == "EMPTY" and item.name.startswith(box.name))
    found = track_of(item, np.array(frames) - frames[0] + start)
    turned, sizes = unscaled(found)
    off, angle = np.linalg.norm(found - wanted, axis=1)[:, 3].max(), degrees_between(turned, unscaled(wanted)[0]).max()
    print(path.stem, f"{1000 * off:.4f} mm, {angle:.4f} degrees")
    assert off < 1e-3 and angle < 0.1 and np.ptp(sizes) < 1e-3, (name, off, angle, sizes[0])


def made_rig(scene):
    """Rigify's metarig with other proportions than the motion's, turned, scaled and away from the origin."""
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_basic_human_metarig_add()
    rig = bpy.context.object
    rig.name = "Rig"
    rig.location, rig.rotation_euler, rig.scale = (0.5, -1.0, 0.1), (0, 0, 0.7), (0.8, 0.8, 0.8)
    bpy.context.view_layer.update()
    return rig


def fit_of(rig):
    path = folder / "fit.npz"
    if not path.exists():
        own = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH")}
        armature_file = write_armature_file(folder / "armature.npz", describe(rig))
        subprocess.run([str(python), "-m", "backend", "fit", str(motion_file), str(armature_file), "--to", str(path)], cwd=CHECKOUT, check=True, env=own)
    return path


def key(scene, rig, **settings):
    description = describe(rig)
    path = fit_of(rig)
    steps.key_fit(path, steps.Target(rig.name, description.mapping, description.notes, folder / "armature.npz", keying(**settings)), "Carry", scene)
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def test_hands_carry_the_box():
    scene = empty_scene(30)
    rig = made_rig(scene)
    fit = key(scene, rig)
    box, ball = bpy.data.objects["Rig Box"], bpy.data.objects["Rig Ball"]
    holders, frames = fit["object_holders"][:, 1], np.arange(5, 5 + len(fit["object_holders"]))
    assert set(holders) == {"", "hand.L", "hand.R"}, set(holders)
    assert np.allclose(fit["object_sizes"][1], float(fit["scale"]) * Motion3D.load(motion_file).object_sizes[1])
    wanted = fit["object_positions"][:, 1], fit["object_rotations"][:, 1], fit["object_sizes"][1]
    print("held", goes_where(box, frames, *wanted))
    switches = np.flatnonzero(holders[1:] != holders[:-1])
    has_no_sign_jumps(box, switches)
    assert {constraint.name for constraint in box.constraints} == {"Kinelift hand.L", "Kinelift hand.R"} and not len(ball.constraints)
    between_the_frames(box, frames, switches)
    hangs_on_the_arm(rig, box, frames, holders)

    key(scene, rig, thinning=Thinning(0.5, 0.002))
    print("thinned", goes_where(box, frames, *wanted, 0.01, 2.0))
    key(scene, rig, holds=False)
    print("free", goes_where(box, frames, *wanted))
    assert not len(box.constraints)
    key(scene, rig)
    for name in ("FBX", "FBX_UNREAL"):
        comes_back(scene, armature_subject(rig), box, name)


def between_the_frames(box, frames, switches):
    """Neither its place nor its turn jumps where a hand lets go or takes it: it waits at most for the next whole frame."""
    for switch in switches:
        whole = track_of(box, frames[switch:switch + 2])
        parts = track_of(box, frames[switch] + np.array([0.25, 0.5, 0.75]))
        step = np.linalg.norm(whole[1, :3, 3] - whole[0, :3, 3])
        angle = degrees_between(*(unscaled(whole[at:at + 1])[0] for at in (0, 1)))[0]
        assert step < 0.1 and angle < 40, (switch, step, angle)  # what a thrown box does in a frame
        assert np.linalg.norm(parts[:, :3, 3] - whole[0, :3, 3], axis=1).max() < 2 * step + 0.01
        assert degrees_between(unscaled(parts)[0], unscaled(whole[:1])[0]).max() < 2 * angle + 5


def hangs_on_the_arm(rig, box, frames, holders):
    """The animator turns an arm: the box that its hand holds goes and turns along, the flying one doesn't."""
    for holder, bone in (("hand.L", "upper_arm.L"), ("", "upper_arm.L"), ("hand.R", "upper_arm.R")):
        frame = frames[np.flatnonzero(holders == holder)[3]]
        before = track_of(box, [frame])
        arm, hand = rig.pose.bones[bone], bone.replace("upper_arm", "hand")
        was = np.array((rig.matrix_world @ evaluated(rig).pose.bones[hand].matrix).normalized())
        arm.rotation_quaternion = arm.rotation_quaternion @ Quaternion((1, 0, 0), 0.4)
        bpy.context.view_layer.update()
        now = np.array((rig.matrix_world @ evaluated(rig).pose.bones[hand].matrix).normalized())
        found = np.array(evaluated(box).matrix_world)
        goal = now @ np.linalg.inv(was) @ before[0] if holder else before[0]
        assert np.abs(found - goal).max() < 1e-4, (holder, found, goal)
        assert degrees_between(now[None, :3, :3], was[None, :3, :3])[0] > 5


takes.register()
for test in (test_a_take_shows_its_box, test_a_box_comes_back_from_fbx, test_hands_carry_the_box):
    test()
print("boxes are carried")
