"""Generate by operator: takes come, play what the motion file says, and leave what was there as it was."""

import bpy
import numpy as np

from tests.blender.inside import arguments, empty_scene, extension, heads, places, set_generate

Motion3D = extension("backend.motion.motion3d").Motion3D
scene = empty_scene()
scene.render.fps = 30
scene.frame_start = 11
cube = bpy.data.objects.new("Mine", None)
scene.collection.objects.link(cube)
bpy.context.view_layer.objects.active = cube
cube.select_set(True)
set_generate(pack="tiny", seconds=2.0, seed=5, variants=2)

assert bpy.ops.kinelift.generate() == {"FINISHED"}
assert [take.name for take in scene.kinelift_takes] == ["tiny 5", "tiny 6"]
first = scene.kinelift_takes[0]
assert not first.collection.hide_viewport and scene.kinelift_takes[1].collection.hide_viewport
assert (scene.frame_start, scene.frame_preview_start, scene.frame_preview_end) == (11, 11, 70)
assert bpy.context.view_layer.objects.active == cube and cube.select_get() and not first.stick.select_get()

motion = Motion3D.load(first.motion_file)
frames = range(11, 71)
track = heads(first.stick, frames)
for joint, name in enumerate(motion.joint_names):
    bone = name + " tip" if name + " tip" in track else motion.joint_names[motion.parents.index(joint)]
    assert np.abs(track[bone] - motion.positions[:, joint]).max() < 1e-4, name
ball = next(item for item in first.collection.objects if item.type == "EMPTY")
assert np.abs(places(ball, frames) - motion.object_positions[:, 0]).max() < 1e-4
assert np.ptp(track["RWrist tip"], axis=0).max() > 0.01, "nothing moves"

kept = {action.name: action.name for action in bpy.data.actions}
set_generate(seed=5, variants=1)
assert bpy.ops.kinelift.generate() == {"FINISHED"}
assert [take.name for take in scene.kinelift_takes] == ["tiny 5", "tiny 6", "tiny 5 (2)"]
again = scene.kinelift_takes[2]
assert np.allclose(heads(again.stick, frames)["RWrist tip"], track["RWrist tip"], atol=1e-5), "the same seed gave another motion"
scene.kinelift_takes[0].collection.hide_viewport = False
assert np.array_equal(heads(scene.kinelift_takes[0].stick, frames)["RWrist tip"], track["RWrist tip"]), "an earlier take changed"

assert bpy.ops.kinelift.play_take(index=1) == {"FINISHED"}
assert [take.collection.hide_viewport for take in scene.kinelift_takes] == [True, False, True]
crate = bpy.data.objects.new("Crate", bpy.data.meshes.new("Crate"))
again.collection.objects.link(crate)
mine, theirs = crate.name, [item.name for item in again.collection.objects if item != crate]
assert bpy.ops.kinelift.remove_take(index=2) == {"FINISHED"}
assert mine in scene.objects and not any(name in bpy.data.objects for name in theirs), "an object of the user's goes with the take"
assert kept.keys() == {action.name for action in bpy.data.actions}

scene.render.fps = 24
set_generate(seed=7)
assert bpy.ops.kinelift.generate() == {"FINISHED"}
slower = scene.kinelift_takes[2]
motion = Motion3D.load(slower.motion_file)
at_a_second = heads(slower.stick, [11 + 24])["RWrist tip"][0]
assert np.abs(at_a_second - motion.positions[30, motion.joint_names.index("RWrist")]).max() < 1e-4, "the motion does not keep its time"
person = extension("rigs").load_skeleton("coco17")
walk = np.random.default_rng(0).normal(0, 0.3, (5, len(person.joints), 3)).cumsum(0)
stick = extension("addon.scene.stick").make_stick("COCO", Motion3D(walk, list(person.joints), list(person.parents), 24.0, person.name), 1, scene.collection)
track, left, right = heads(stick, range(1, 6)), *(walk[:, person.joints.index(name)] for name in ("LeftShoulder", "RightShoulder"))
assert np.abs(track["Nose"] - (left + right) / 2).max() < 1e-4, "the head hangs on a shoulder"
assert max(np.abs(track["LeftElbow"] - left).max(), np.abs(track["LeftEye"] - walk[:, person.joints.index("Nose")]).max()) < 1e-4
bpy.ops.wm.save_as_mainfile(filepath=arguments()[0])
