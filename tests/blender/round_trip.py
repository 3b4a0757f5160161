"""What comes back from an FBX file is where it was: every bone's head and every object at every frame."""

import sys

import bpy
import numpy as np

from tests.blender.inside import arguments, extension, heads, places

blend, fbx, armature_name, object_name = arguments()
fbx_settings = extension("addon.scene.fbx").IMPORT_SETTINGS
bpy.ops.wm.open_mainfile(filepath=blend)
armature, item = bpy.data.objects[armature_name], bpy.data.objects[object_name]
for collection in bpy.data.collections:
    collection.hide_viewport = False
action = armature.animation_data.action
frames = range(int(action.frame_range[0]), int(action.frame_range[1]) + 1)
joints, track = heads(armature, frames), places(item, frames)

before = set(bpy.data.objects)
bpy.ops.import_scene.fbx(filepath=fbx, **fbx_settings)
new = [item for item in bpy.data.objects if item not in before]
returned = next(item for item in new if item.type == "ARMATURE")
returned_object = next(item for item in new if item.type == "EMPTY" and item.animation_data)
returned_joints = heads(returned, frames)

assert len(frames) > 20 and np.ptp(np.concatenate(list(joints.values())), axis=0).max() > 0.1
compared = joints.keys() & returned_joints.keys()
assert len(compared) >= 15, compared
errors = {name: np.linalg.norm(joints[name] - returned_joints[name], axis=1).max() for name in compared}
worst = max(errors, key=errors.get)
object_error = np.linalg.norm(track - places(returned_object, frames), axis=1).max()
print(f"{len(compared)} bones, {len(frames)} frames: worst {errors[worst] * 1000:.4f} mm at {worst}, "
      f"object {object_error * 1000:.4f} mm", file=sys.stderr)
assert errors[worst] < 1e-3 and object_error < 1e-3
