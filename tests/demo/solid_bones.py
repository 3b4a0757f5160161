"""Runs in the bpy wheel: the solids that show an armature's bones lie along them, also when they are posed; a source is as its file says."""

from itertools import pairwise

import bpy
import numpy as np
from mathutils import Quaternion

from kinelift.addon.demo.side_by_side import Source, Thing, add_stick, bones_as_mesh, points_of

bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
bpy.context.scene.collection.objects.link(rig)
bpy.context.view_layer.objects.active = rig
bpy.ops.object.mode_set(mode="EDIT")
places = [(0, 0, 1), (0.1, 0, 0.6), (0.1, 0.3, 0.2), (0.2, 0.1, 0)]
for number, (head, tail) in enumerate(pairwise(places)):
    bone = rig.data.edit_bones.new(f"{number}")
    bone.head, bone.tail, bone.roll = head, tail, 0.7 * number
    bone.parent = rig.data.edit_bones.get(f"{number - 1}")
    bone.use_deform = number != 1
bpy.ops.object.mode_set(mode="OBJECT")
body = bones_as_mesh(rig)
rig.pose.bones["1"].rotation_quaternion = Quaternion((1, 0, 0), 1.0)
bpy.context.view_layer.update()
points = points_of([body]).reshape(2, 3, 4, 3)
for solid, name in zip(points, ("0", "2"), strict=True):
    bone = rig.pose.bones[name]
    for ring, end in ((0, bone.head), (2, bone.tail)):
        assert np.abs(solid[ring].mean(0) - np.array(end)).max() < 1e-5, (name, ring)
    away = np.linalg.norm(solid[1] - solid[1].mean(0), axis=1)
    assert np.ptp(away) < 1e-5 and 0.01 < away[0] < 0.3 * bone.length, away

turned = Quaternion((0, 0, 1), 0.5)
things = [Thing("Ball", np.full((2, 3), 5.0), None, None), Thing("Box", np.full((2, 3), 6.0), np.tile(turned, (2, 1)), np.array([0.4, 0.5, 0.6]))]
source = Source(np.arange(12.0).reshape(2, 2, 3), [-1, 0], ["L", ""], things)
made = add_stick(source, 7, 0.1)
assert len(made) == 5, "two joints, a rod, a ball and a box"
bpy.context.view_layer.update()
corners = np.array([made[4].matrix_world @ vertex.co for vertex in made[4].data.vertices])
assert np.allclose(np.ptp((corners - 6) @ np.array(turned.to_matrix()), axis=0), [0.4, 0.5, 0.6], atol=1e-5), "the box has its size and turn"
assert [tuple(made[number].location) for number in (0, 1, 3)] == [(6, 7, 8), (9, 10, 11), (5, 5, 5)], "after its end a source stays"
assert np.allclose(made[2].location, (7.5, 8.5, 9.5)) and np.isclose(made[2].scale.z, np.sqrt(27))
print("solids lie along bones")
