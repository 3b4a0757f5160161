"""What comes back from an exported file is where it was: every bone's head, and the object where one is named, at every frame."""

import sys
from pathlib import Path

import bpy
import numpy as np

from tests.blender.coming_back import bring_back, name_in
from tests.blender.inside import arguments, heads, places

blend, file, armature_name, *object_names = arguments()
bpy.ops.wm.open_mainfile(filepath=blend)
armature, items = bpy.data.objects[armature_name], [bpy.data.objects[name] for name in object_names]
for collection in bpy.data.collections:
    collection.hide_viewport = False
action = armature.animation_data.action
first, last = (int(frame) for frame in action.frame_range)
frames = range(first, last + 1)
joints, tracks = heads(armature, frames), [places(item, frames) for item in items]
joints = {name_in(Path(file), name): positions for name, positions in joints.items()}

returned, new, start = bring_back(Path(file), first)
there = range(start, start + len(frames))
returned_joints = heads(returned, there)

assert len(frames) > 20 and np.ptp(np.concatenate(list(joints.values())), axis=0).max() > 0.1
compared = joints.keys() & returned_joints.keys()
assert len(compared) >= 15, compared
errors = {name: np.linalg.norm(joints[name] - returned_joints[name], axis=1).max() for name in compared}
worst = max(errors, key=errors.get)
print(f"{file}: {len(compared)} bones, {len(frames)} frames: worst {errors[worst] * 1000:.4f} mm at {worst}", file=sys.stderr)
assert errors[worst] < 1e-3
for track in tracks if not file.endswith(".bvh") else ():
    returned_object = next(item for item in new if item.type == "EMPTY" and (item.animation_data or item.constraints))
    object_error = np.linalg.norm(track - places(returned_object, there), axis=1).max()
    print(f"object {object_error * 1000:.4f} mm", file=sys.stderr)
    assert object_error < 1e-3
