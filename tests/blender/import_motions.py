"""Motions of other programs come as takes that play and go onto an armature. Arguments: a BVH file, results of the MAS program, a motion file,
a 2D pose file, a folder to write to."""

from pathlib import Path

import addon_utils
import bpy
import numpy as np

from tests.blender.inside import arguments, empty_scene, extension, heads

bvh, results, motion, poses, folder = arguments()
Motion3D = extension("backend.motion.motion3d").Motion3D
scene = empty_scene()
scene.render.fps = 30
addon_utils.enable("rigify", default_set=True)


def refusal(operator, **settings):
    before = [take.name for take in scene.kinelift_takes], len(bpy.data.objects), len(bpy.data.actions)
    try:
        operator(**settings)
    except RuntimeError as error:
        assert before == ([take.name for take in scene.kinelift_takes], len(bpy.data.objects), len(bpy.data.actions))
        return str(error)
    raise AssertionError("it did not fail")


def plays_its_file(take):
    take.collection.hide_viewport = False
    read = Motion3D.load(take.motion_file)
    track = heads(take.stick, range(scene.frame_start, scene.frame_start + read.frames))
    ends = [joint for joint in range(len(read.joint_names)) if joint not in read.parents]
    for joint in ends:
        assert np.abs(track[f"{read.joint_names[joint]} tip"] - read.positions[:, joint]).max() < 1e-3
    assert max(np.ptp(track[f"{read.joint_names[joint]} tip"], axis=0).max() for joint in ends) > 0.05, "nothing moves"
    return read


assert bpy.ops.kinelift.import_motion(filepath=bvh) == {"FINISHED"}
take = scene.kinelift_takes[0]
assert take.name == Path(bvh).stem and take.fps == 30
assert not take.motion_file.startswith(str(Path(bvh).parent)), "the take has a file of its own"
assert 1.4 < np.ptp(plays_its_file(take).positions[0, :, 2]) < 2.0, "a body's size"
assert bpy.ops.kinelift.import_motion(filepath=bvh, scale=0.02) == {"FINISHED"}
assert 2.8 < np.ptp(plays_its_file(scene.kinelift_takes[1]).positions[0, :, 2]) < 4.0
assert scene.kinelift_takes[1].name == f"{Path(bvh).stem} (2)"

assert bpy.ops.kinelift.import_motion("INVOKE_DEFAULT", filepath=motion) == {"FINISHED"}, "as a drop does"
plays_its_file(scene.kinelift_takes[2])
assert bpy.ops.kinelift.import_motion(filepath=results) == {"FINISHED"}
assert len(scene.kinelift_takes) == 5 and scene.kinelift_take_index == 3
plays_its_file(scene.kinelift_takes[4])

assert "2D poses" in refusal(bpy.ops.kinelift.import_motion, filepath=poses)
assert "no such" in refusal(bpy.ops.kinelift.import_motion, filepath="/nowhere/a.bvh")
assert ".bvh, .npz, .npy" in refusal(bpy.ops.kinelift.import_motion, filepath="/nowhere/a.c3d")
assert "Leave out 'Scale'" in refusal(bpy.ops.kinelift.import_motion, filepath=motion, scale=0.01)
assert "Leave out 'Up'" in refusal(bpy.ops.kinelift.import_motion, filepath=results, up="z")
broken = Path(folder) / "broken.bvh"
broken.write_text(Path(bvh).read_text().replace("Frames: ", "Frames: 9"))
message = refusal(bpy.ops.kinelift.import_motion, filepath=str(broken))
assert f"{broken}, line" in message and "Export" in message, message

bpy.ops.object.armature_basic_human_metarig_add()
scene.kinelift_retarget.target = bpy.context.object
scene.kinelift_take_index = 0
assert bpy.ops.kinelift.apply_take() == {"FINISHED"}
walk = heads(bpy.context.object, range(1, 41))
assert np.ptp(walk["hand.L"], axis=0).max() > 0.05 and np.ptp(walk["shin.R"], axis=0).max() > 0.05

settings = scene.kinelift_export
settings.subject = "TARGET"
for format_name, ending in (("FBX", "fbx"), ("FBX_UNREAL", "fbx"), ("BVH", "bvh"), ("GLTF", "glb")):
    path = Path(folder) / f"{format_name}.{ending}"
    assert bpy.ops.kinelift.export(filepath=str(path), format=format_name) == {"FINISHED"}
    assert path.stat().st_size > 1000
assert "*.glb" in refusal(bpy.ops.kinelift.export, filepath=str(Path(folder) / "a.fbx"), format="GLTF")
assert bpy.ops.kinelift.import_motion(filepath=str(Path(folder) / "BVH.bvh")) == {"FINISHED"}, "our own BVH comes back"
back = Motion3D.load(scene.kinelift_takes[-1].motion_file)
knee = back.positions[:, back.joint_names.index("shin.L")]
assert np.abs(knee - heads(scene.kinelift_retarget.target, range(1, 41))["shin.L"]).max() < 1e-3, "at its size, facing as before"

check, subjects = extension("addon.export.checks").check, extension("addon.export.subjects")


WORDS = ("scale", "rest position", "weights", "also deformed", "one name", "no parent", "constraints", "frames a second", "No bone", "mirrored", "differently")


def told(format_name="FBX", only_deform=True):
    found = check(scene, subjects.armature_subject(scene.kinelift_retarget.target), format_name, only_deform)
    return {(finding.breaks, word) for finding in found for word in WORDS if word in finding.text}


rig = scene.kinelift_retarget.target
assert subjects.armature_subject(rig).clip == "bvh walk", "the clip is called as the take"
assert told() == set(), told()
rig.scale = (2, 2, 2)
bpy.context.view_layer.update()
assert told() == {(False, "scale")}
rig.scale = (1, 2, 1)
bpy.context.view_layer.update()
assert (True, "differently") in told()
rig.scale = (-1, 1, 1)
bpy.context.view_layer.update()
assert (True, "mirrored") in told()
rig.scale = (1, 1, 1)
bpy.context.view_layer.update()
rig.data.pose_position = "REST"
assert told() == {(True, "rest position")}
rig.data.pose_position = "POSE"
follow = rig.pose.bones["shin.L"].constraints.new("COPY_ROTATION")
assert told() == {(False, "constraints")}
scene.render.fps = 24
assert told() == {(False, "constraints"), (False, "frames a second")}
scene.render.fps = 30
rig.pose.bones["shin.L"].constraints.remove(follow)
mesh = bpy.data.objects.new("Skin", bpy.data.meshes.new("Skin"))
scene.collection.objects.link(mesh)
mesh.vertex_groups.new(name="hand.L")
mesh.modifiers.new("Armature", "ARMATURE").object = rig
assert told() == set()
rig.data.bones["hand.L"].use_deform = False
assert told() == {(True, "weights")}, told()
assert told(only_deform=False) == set(), told(only_deform=False)
rig.data.bones["hand.L"].use_deform = True
other = bpy.data.objects.new("Other", rig.data.copy())
scene.collection.objects.link(other)
mesh.modifiers.new("Second", "ARMATURE").object = other
assert told() == {(True, "also deformed")}
mesh.modifiers.remove(mesh.modifiers["Second"])
rig.data.bones["hand.L"].name = "HAND_R"
assert told() == set() and (True, "one name") in told("FBX_UNREAL"), told("FBX_UNREAL")
assert hasattr(bpy.types, "KINELIFT_FH_motion") and bpy.types.KINELIFT_FH_motion.bl_import_operator == "kinelift.import_motion"
print("motions come in")
