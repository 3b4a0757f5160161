"""Runs inside Blender: whatever carries a character over the ground, its bones play the same in the world, take after take."""

import sys
from pathlib import Path

import addon_utils
import bpy
import numpy as np

if "kinelift" not in sys.modules:  # a whole Blender; the wheels' runner has done it
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
    from in_wheel import add_checkout

    add_checkout()

from kinelift.addon.scene import compat
from kinelift.addon.scene.armatures import describe
from kinelift.addon.scene.fit_files import read_fit
from kinelift.addon.scene.keying import apply_fit
from kinelift.addon.scene.root_motion import HIPS, IN_PLACE, OBJECT, ROOT_BONE
from tests.blender.keyed import FRAMES, check_plays, error_of, made_fit

FOLDER = Path(sys.argv[-1])


def human(generate=False, root=False):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("rigify", default_set=True)
    bpy.context.scene.render.fps = 30
    bpy.ops.object.armature_basic_human_metarig_add()
    if generate:
        bpy.ops.pose.rigify_generate()
    armature = bpy.context.object
    if root:
        bpy.ops.object.mode_set(mode="EDIT")
        bone = armature.data.edit_bones.new("root")
        bone.head, bone.tail, bone.roll = (0, 0, 0), (0.1, 0.3, 0), 0.4
        armature.data.edit_bones["spine"].parent = bone
        bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.update()
    return armature


def travelling_fit(description, seed):
    """A fit whose hips go far over the ground: its file, heads, turns and path."""
    path, heads, turns = made_fit(FOLDER, description, seed)
    way = np.linspace(0, 1, FRAMES)[:, None] ** 2 * np.array([2.0, -5.0, 0.0])
    heads = heads + way[:, None]
    with np.load(path) as data:
        np.savez(path, **{key: data[key] for key in data.files} | {"root_positions": heads[:, 0], "ground_path": way})
    return path, heads, turns, way


def keyed_locations(armature):
    return {curve.data_path for curve in compat.curves_of(armature) if curve.data_path.endswith("location")}


def check(armature, mode, carrier, seed):
    description = describe(armature)
    path, heads, turns, way = travelling_fit(description, seed)
    apply_fit(armature, read_fit(path), "Take", description.mapping, root_motion=mode)
    check_plays(armature, description, heads - way[:, None] if mode == IN_PLACE else heads, turns)
    hips = armature.pose.bones[description.bone_names[0]]
    assert keyed_locations(armature) == {hips.path_from_id("location")} | ({carrier} if carrier else set())
    far = []
    for frame in (1, FRAMES):
        bpy.context.scene.frame_set(frame)
        far.append(np.array(hips.location))
    return description, np.linalg.norm(far[1] - far[0])


def plays_in_every_mode(armature, root):
    """One take after the other, each looked at on another frame, so that one could start where another left the armature."""
    rest = describe(armature)
    at_rest = np.array(armature.matrix_world)
    size = np.ptp(rest.heads[:, 2])
    modes = [(HIPS, None), (OBJECT, "location"), (OBJECT, "location"), (IN_PLACE, None)]
    if root:
        path = armature.pose.bones[root].path_from_id("location")
        modes += [(ROOT_BONE, path), (OBJECT, "location"), (ROOT_BONE, path), (ROOT_BONE, path)]
    else:
        error = error_of(lambda: apply_fit(armature, read_fit(travelling_fit(rest, 9)[0]), "Take", rest.mapping, root_motion=ROOT_BONE))
        assert error.code == "no-root" and "Object" in error.remedy, error
    for seed, (mode, carrier) in enumerate((*modes, (HIPS, None))):
        description, way = check(armature, mode, carrier, seed)
        order = [description.bone_names.index(name) for name in rest.bone_names]
        assert np.abs(description.heads[order] - rest.heads).max() < 1e-4 * size, (mode, seed, "a take moved the rest pose")
        lengths = np.linalg.norm(np.array(armature.matrix_world)[:3, :3], axis=0).mean()
        assert (way * lengths > 3) == (mode == HIPS), (mode, way)
    bpy.context.view_layer.update()
    assert np.allclose(armature.matrix_world, at_rest, atol=1e-5), "the object is back where it was"
    if root:
        assert np.allclose(armature.pose.bones[root].location, 0.0, atol=1e-6)


def test_generated_rigify():
    plays_in_every_mode(human(generate=True), "root")


def test_a_root_bone():
    plays_in_every_mode(human(root=True), "root")


def test_no_root_bone_under_a_turned_and_scaled_parent():
    """As Mixamo's rigs come: the hips are the topmost bone."""
    armature = human()
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.rotation_euler, parent.scale, parent.location = (0.5, 0.2, 1.0), (0.01, 0.01, 0.01), (1, 2, 3)
    armature.parent, armature.scale, armature.location = parent, (100, 100, 100), (20, 0, 10)
    bpy.context.view_layer.update()
    plays_in_every_mode(armature, None)


def test_what_is_held_is_refused():
    armature = human(root=True)
    description = describe(armature)
    path, _, _, _ = travelling_fit(description, 3)
    armature.lock_location = (False, True, False)
    assert "locked" in error_of(lambda: apply_fit(armature, read_fit(path), "Take", root_motion=OBJECT)).message
    armature.pose.bones["root"].lock_location = (True, True, True)
    assert error_of(lambda: apply_fit(armature, read_fit(path), "Take", root_motion=ROOT_BONE)).code == "no-root"
    plain, _, _ = made_fit(FOLDER, description, 4)
    assert error_of(lambda: apply_fit(armature, read_fit(plain), "Take", root_motion=IN_PLACE)).code == "bad-fit"


tests = {name: test for name, test in globals().items() if name.startswith("test_")}
for name, test in tests.items():
    print(name, flush=True)
    test()
print("all root motions play alike")
