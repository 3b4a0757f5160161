"""Runs inside Blender: motions keyed on rigs play, and nothing else of the user's changes."""

import sys
from pathlib import Path

import addon_utils
import bpy
import numpy as np

if "kinelift" not in sys.modules:  # a whole Blender; the wheels' runner has done it
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
    from in_wheel import add_checkout

    add_checkout()

from kinelift.addon.scene import compat, rotations
from kinelift.addon.scene.armatures import describe
from kinelift.addon.scene.fit_files import read_fit
from kinelift.addon.scene.keying import apply_fit, key_channels
from tests.blender import keyed
from tests.blender.keyed import check_plays, error_of

FOLDER = Path(sys.argv[-1])


def rig(kind):
    """A fresh scene with the basic human metarig, or the rig generated from it."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("rigify", default_set=True)
    bpy.context.scene.render.fps = 30
    bpy.ops.object.armature_basic_human_metarig_add()
    if kind == "generated":
        bpy.ops.pose.rigify_generate()
    return bpy.context.object


def keys_of(action_curves):
    return [(curve.data_path, curve.array_index, [tuple(point.co) for point in curve.keyframe_points]) for curve in action_curves]


def test_keys_play_twice_and_leave_the_rest(kind):
    armature = rig(kind)
    other = "breast.L"  # not in the mapping, in both rigs
    first = key_channels(armature, "Mine", {(f'pose.bones["{other}"].location', 0, other): np.linspace(0, 1, 10),
                                            (armature.pose.bones["shoulder.L"].path_from_id("scale"), 0, "shoulder.L"): np.ones(10)})
    kept = keys_of(compat.curves_of(armature))
    bpy.context.scene.frame_set(4)
    armature.pose.bones["shoulder.R"].rotation_mode = "AXIS_ANGLE"
    armature.pose.bones["shoulder.R"].rotation_axis_angle = (0.3, 1, 0, 0)
    armature.pose.bones["shoulder.L"].rotation_euler = (0.1, 0.2, 0.3)
    armature.pose.bones["shoulder.L"].scale = (2, 1, 1)  # not keyed, where the Action has another value
    bpy.context.view_layer.update()
    before = state(armature)
    description = describe(armature)
    assert state(armature) == before, "describe changed the scene"

    for seed in (1, 2):
        path, heads, turns = keyed.made_fit(FOLDER, description, seed)
        action = apply_fit(armature, read_fit(path), "Take").action
        assert armature.animation_data.action == action
        check_plays(armature, description, heads, turns)
        if kind == "generated":
            follow_controls(armature, description, heads, turns)
        paths = {curve.data_path for curve in compat.curves_of(armature)}
        assert not any(f'"{other}"' in curve_path for curve_path in paths)
        assert all(curve.group is not None for curve in compat.curves_of(armature))
    assert first in list(bpy.data.actions)
    assert first.use_fake_user
    armature.animation_data.action = first
    if compat.HAS_SLOTS:
        armature.animation_data.action_slot = first.slots[0]
    assert keys_of(compat.curves_of(armature)) == kept
    assert len(bpy.data.actions) == 3


def follow_controls(armature, description, heads, turns):
    """The bones that deform the mesh go where the controls are."""
    limbs = [name for name in description.bone_names if name.split("_fk.")[0] in ("thigh", "upper_arm", "forearm", "shin")]
    rows = [description.bone_names.index(name) for name in limbs]
    check_plays(armature, description, heads[:, rows], turns[:, rows], ["ORG-" + name.replace("_fk", "") for name in limbs], step=12)


def state(armature):
    """All that describe() must leave as it was."""
    bones = {}
    for bone in armature.pose.bones:
        properties = {key: bone[key] for key in bone.keys() if isinstance(bone[key], (int, float))}  # noqa: SIM118
        bones[bone.name] = (tuple(bone.location), tuple(bone.rotation_quaternion), tuple(bone.rotation_euler),
                            tuple(bone.rotation_axis_angle), tuple(bone.scale), bone.rotation_mode, properties,
                            np.array(bone.matrix).round(5).tolist())
    data = armature.animation_data
    slot = data.action_slot.identifier if compat.HAS_SLOTS and data.action_slot else None
    return bones, data.action, data.action.use_fake_user, slot, data.use_nla, armature.data.pose_position


def test_rotated_and_scaled_objects():
    armature = rig("metarig")
    armature.rotation_euler, armature.location, armature.scale = (1.2, 0.3, -2.0), (3, -1, 0.5), (0.01, 0.01, 0.01)
    for mode, bone in (("XYZ", "thigh.L"), ("ZYX", "forearm.R"), ("AXIS_ANGLE", "spine.006")):
        armature.pose.bones[bone].rotation_mode = mode
    bpy.context.view_layer.update()
    description = describe(armature)
    path, heads, turns = keyed.made_fit(FOLDER, description, 3)
    apply_fit(armature, read_fit(path), "Take")
    check_plays(armature, description, heads, turns)


def test_euler_keys_do_not_jump():
    turn = np.linspace(-3.5, 3.5, 60)
    quaternions = np.stack([np.cos(turn / 2), 0 * turn, np.sin(turn / 2) * 0.6, np.sin(turn / 2) * 0.8], axis=-1)
    for mode in ("XYZ", "ZXY", "YXZ", "AXIS_ANGLE"):
        _, values = rotations.rotation_channels(mode, rotations.continuous(quaternions))
        assert np.abs(np.diff(values, axis=0)).max() < 0.6, mode


def test_other_frame_rates_are_resampled():
    armature = rig("metarig")
    description = describe(armature)
    path, heads, _ = keyed.made_fit(FOLDER, description, 4, fps=60.0)
    apply_fit(armature, read_fit(path), "Take")
    curve = compat.curves_of(armature)[0]
    frames = [point.co[0] for point in curve.keyframe_points]
    assert frames == list(range(1, 14))
    bpy.context.scene.frame_set(4)
    pelvis = armature.matrix_world @ armature.pose.bones[description.bone_names[0]].head
    assert np.abs(np.array(pelvis) - heads[6, 0]).max() < 1e-3


def test_errors_name_the_remedy():
    armature = rig("metarig")
    description = describe(armature)
    path, _, _ = keyed.made_fit(FOLDER, description, 5)
    for prepare, said in (
        (lambda: setattr(armature, "scale", (1, 2, 1)), "Apply its scale"),
        (lambda: setattr(armature, "scale", (-1, 1, 1)), "Apply its scale"),
        (lambda: setattr(armature, "hide_viewport", True), "Show the armature"),
        (lambda: bpy.ops.object.mode_set(mode="EDIT"), "Leave Edit Mode"),
    ):
        prepare()
        bpy.context.view_layer.update()
        for call in (lambda: describe(armature), lambda: apply_fit(armature, read_fit(path), "Take")):
            assert said in error_of(call).remedy
        if armature.mode == "EDIT":
            bpy.ops.object.mode_set(mode="OBJECT")
        armature.scale, armature.hide_viewport = (1, 1, 1), False
        bpy.context.view_layer.update()
    lock = armature.pose.bones["shin.L"].constraints.new("COPY_ROTATION")
    lock.target, lock.subtarget = armature, "heel.02.R"
    assert "shin.L" in error_of(lambda: describe(armature)).message


for kind in ("metarig", "generated"):
    test_keys_play_twice_and_leave_the_rest(kind)
test_rotated_and_scaled_objects()
test_euler_keys_do_not_jump()
test_other_frame_rates_are_resampled()
test_errors_name_the_remedy()
print("keys play")
