"""Bends an elbow and a knee of both kinds of Rigify human: the skin must go with them, and stay where it is elsewhere."""

import addon_utils
import bpy
import numpy as np

from kinelift.addon.demo import mannequin


def vertices(body):
    bpy.context.view_layer.update()
    mesh = body.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    places = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", places)
    return places.reshape(-1, 3)


bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
addon_utils.enable("rigify", default_set=True)
bpy.ops.object.armature_basic_human_metarig_add()
metarig = bpy.context.object
bpy.ops.pose.rigify_generate()
rig = bpy.context.object
for armature, forearm, switch in ((metarig, "forearm.L", None), (rig, "forearm_fk.L", "upper_arm_parent.L")):
    body = mannequin.add_mannequin(metarig, armature)
    rest = vertices(body)
    assert rest[:, 2].min() > -0.005
    assert 1.9 < rest[:, 2].max() < 2.05
    weights = np.array([sum(group.weight for group in vertex.groups) for vertex in body.data.vertices])
    assert weights.min() > 0.5, f"{(weights < 0.5).sum()} vertices hang on no bone"
    if switch:
        armature.pose.bones[switch]["IK_FK"] = 1.0
    bone = armature.pose.bones[forearm]
    bone.rotation_mode = "XYZ"
    bone.rotation_euler.x = 1.2
    armature.update_tag()
    moved = np.linalg.norm(vertices(body) - rest, axis=1)
    hand = rest[:, 0] > 0.68
    assert moved[hand].min() > 0.1, f"{armature.name}: the hand stays behind"
    assert moved[rest[:, 0] < 0.1].max() < 0.01, f"{armature.name}: the body moves with the forearm"
