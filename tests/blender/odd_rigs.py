"""Runs inside Blender: keys play on rigs as they come from elsewhere, and what can't be keyed is said."""

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
from kinelift.addon.scene.armatures import bones_of, describe
from kinelift.addon.scene.fit_files import read_fit
from kinelift.addon.scene.keying import apply_fit
from kinelift.addon.scene.layers import BEFORE_TAG
from kinelift.addon.scene.notes import drop_note, note_of, write_note
from kinelift.rigs import detect, load_preset
from tests.blender.keyed import check_plays, error_of, made_fit

FOLDER = Path(sys.argv[-1])


def metarig():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("rigify", default_set=True)
    bpy.context.scene.render.fps = 30
    bpy.ops.object.armature_basic_human_metarig_add()
    return bpy.context.object


def edit(armature, change):
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    change(armature.data.edit_bones)
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def check(armature, seed=1, mapping=None):
    """Describes, keys a random fit and looks whether it plays; returns the description."""
    bpy.context.view_layer.update()
    description = describe(armature, mapping)
    path, heads, turns = made_fit(FOLDER, description, seed)
    apply_fit(armature, read_fit(path), "Take", mapping)
    check_plays(armature, description, heads, turns)
    return description


def keyed_channels(armature):
    return {(curve.data_path.split('"')[1], curve.data_path.rsplit(".", 1)[1], curve.array_index) for curve in compat.curves_of(armature)}


def test_parents_that_turn_and_scale():
    """As an FBX import leaves it: centimetres under a rotated empty."""
    armature = metarig()
    outer, inner = (bpy.data.objects.new(name, None) for name in ("Outer", "Inner"))
    for empty in (outer, inner):
        bpy.context.scene.collection.objects.link(empty)
    outer.rotation_euler, outer.scale, outer.location = (np.pi / 2, 0, 0.4), (0.01, 0.01, 0.01), (1, 2, 3)
    inner.parent, inner.rotation_euler, inner.scale = outer, (0.3, -1.0, 2.0), (3, 3, 3)
    armature.parent, armature.scale, armature.location = inner, (100, 100, 100), (5, 0, 0)
    description = check(armature)
    assert abs(np.ptp(description.heads, axis=0).max() / 3 - 1.6) < 0.3


def test_uneven_scale_of_a_parent_is_refused():
    armature = metarig()
    empty = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(empty)
    empty.scale, armature.parent, armature.rotation_euler = (1, 1, 2), empty, (0.5, 0.5, 0)
    bpy.context.view_layer.update()
    assert error_of(lambda: describe(armature)).code == "uneven-scale"


def test_rolls_and_inheritance():
    for seed in range(3):
        random = np.random.default_rng(seed)
        armature = metarig()

        def change(bones, random=random):
            for bone in bones:
                bone.roll = random.uniform(-3, 3)
                bone.use_connect = False
                bone.use_inherit_rotation = bool(random.random() < 0.7)
                bone.inherit_scale = str(random.choice(["FULL", "FIX_SHEAR", "ALIGNED", "AVERAGE", "NONE", "NONE_LEGACY"]))
                bone.use_local_location = bool(random.random() < 0.5)

        description = check(edit(armature, change), seed)
        assert len(description.bone_names) == len(description.mapping.roles) >= 22


def test_a_scaled_bone_above_the_pelvis():
    armature = metarig()

    def change(bones):
        root = bones.new("root")
        root.head, root.tail = (0, 0, 0), (0, 0.3, 0)
        bones["spine"].parent = root

    edit(armature, change)
    plain = describe(armature)
    root = armature.pose.bones["root"]
    root.scale, root.location = (2, 2, 2), (0.3, 0.2, 0.1)
    root.rotation_mode, root.rotation_euler = "XYZ", (0.3, 0.2, 1)
    description = check(armature)
    lengths = [np.linalg.norm(each.tails - each.heads, axis=1)[np.argsort(each.bone_names)] for each in (plain, description)]
    assert np.allclose(lengths[1], 2 * lengths[0], rtol=1e-3)
    assert "root" not in {bone for bone, _, _ in keyed_channels(armature)}


def test_other_bones_are_left_alone():
    """Twist bones beside and in line with a limb keep their channels and go along."""
    armature = metarig()

    def change(bones):
        for side in "LR":
            upper = bones[f"upper_arm.{side}"]
            half = bones.new(f"upper_arm_twist.{side}")
            half.head, half.tail, half.parent = (upper.head + upper.tail) / 2, upper.tail, upper
            bones[f"forearm.{side}"].use_connect = False
            bones[f"forearm.{side}"].parent = half

    edit(armature, change)
    check(armature)
    assert not any("twist" in bone for bone, _, _ in keyed_channels(armature))


def test_feet_that_nothing_carries():
    """As rigs come whose inverse kinematics was left behind: feet are bones of their own."""
    armature = metarig()

    def change(bones):
        for side in "LR":
            bones[f"foot.{side}"].use_connect, bones[f"foot.{side}"].parent = False, None

    mapping = load_preset("rigify-human-metarig").on(armature.data.bones.keys())
    description = check(edit(armature, change), mapping=mapping)
    keys = keyed_channels(armature)
    for side in "LR":
        assert {axis for bone, channel, axis in keys if bone == f"foot.{side}" and channel == "location"} == {0, 1, 2}
        assert description.bone_names[description.parents[description.bone_names.index(f"foot.{side}")]] == f"shin.{side}"
    assert not any(bone.startswith("toe") and channel == "location" for bone, channel, _ in keys)


def test_locked_channels_are_left_and_told():
    armature = metarig()
    bones = armature.pose.bones
    bones["shin.L"].rotation_mode, bones["shin.L"].lock_rotation = "XYZ", (False, True, True)
    bones["toe.L"].lock_rotation = (True, True, True)
    bones["foot.R"].lock_rotation, bones["foot.R"].lock_rotations_4d = (False, True, False), False
    bones["hand.R"].lock_rotation, bones["hand.R"].lock_rotations_4d = (False, True, False), True
    bones["spine"].lock_location = (False, True, False)
    bones["spine"].location[1] = 0.25
    description = describe(armature)
    said = " | ".join(description.notes)
    for words in ("'shin.L' is locked in Y, Z", "'toe.L' is locked in X, Y, Z", "'foot.R' is locked in Y", "'spine' is locked in Y: the character"):
        assert words in said, said
    path, _, turns = made_fit(FOLDER, description, 2)
    apply_fit(armature, read_fit(path), "Take")
    keys = keyed_channels(armature)
    assert {axis for bone, channel, axis in keys if bone == "shin.L"} == {0}
    assert not any(bone == "toe.L" for bone, _, _ in keys)
    assert {axis for bone, channel, axis in keys if bone == "foot.R"} == {0, 1, 2, 3}
    assert {axis for bone, channel, axis in keys if bone == "hand.R"} == {0, 1, 3}
    assert ("spine", "location", 1) not in keys and ("spine", "location", 0) in keys
    assert abs(bones["spine"].location[1] - 0.25) < 1e-6
    for frame in (1, 8, 15):
        bpy.context.scene.frame_set(frame)
        assert abs(bones["foot.R"].matrix_basis.to_quaternion().to_euler("XYZ").y) < 1e-3
        assert abs(bones["shin.L"].rotation_euler[1]) < 1e-6
    free = [name for name in description.bone_names if name not in ("shin.L", "toe.L", "foot.R", "hand.R")]
    bpy.context.scene.frame_set(1 + 8)
    for name in free:
        number = description.bone_names.index(name)
        matrix = np.array((armature.matrix_world @ bones[name].matrix).to_3x3().normalized())
        assert np.abs(matrix - turns[8, number]).max() < 3e-3, name


def test_limits_are_respected_and_told():
    armature = metarig()
    limit = armature.pose.bones["shin.L"].constraints.new("LIMIT_ROTATION")
    limit.use_limit_x, limit.min_x, limit.max_x, limit.owner_space = True, 0.0, 0.2, "LOCAL"
    description = describe(armature)
    assert not limit.mute
    assert any("'shin.L' has limits of its own" in note for note in description.notes)
    path, _, _ = made_fit(FOLDER, description, 4)
    apply_fit(armature, read_fit(path), "Take")
    bent = []
    for frame in range(1, 25, 3):
        bpy.context.scene.frame_set(frame)
        posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
        local = posed["thigh.L"].matrix.inverted() @ posed["shin.L"].matrix
        rest = armature.data.bones["thigh.L"].matrix_local.inverted() @ armature.data.bones["shin.L"].matrix_local
        bent.append((rest.inverted() @ local).to_euler("XYZ").x)
    assert min(bent) > -1e-3 and max(bent) < 0.2 + 1e-3


def test_what_something_else_moves_gets_no_keys():
    armature = metarig()
    follow = armature.pose.bones["spine.006"].constraints.new("COPY_ROTATION")
    follow.name, follow.target = "Follow", bpy.data.objects.new("Goal", None)
    bpy.context.scene.collection.objects.link(follow.target)
    driver = armature.pose.bones["toe.R"].driver_add("rotation_quaternion", 1).driver
    driver.expression = "0.3"
    description = describe(armature)
    assert {"spine.006", "toe.R"}.isdisjoint(description.bone_names)
    said = " | ".join(description.notes)
    assert "'spine.006' is moved by something else (the constraint 'Follow')" in said, said
    assert "a driver on its rotation" in said, said
    path, heads, turns = made_fit(FOLDER, description, 5)
    apply_fit(armature, read_fit(path), "Take", description.mapping)
    check_plays(armature, description, heads, turns)
    reach = armature.pose.bones["shin.R"].constraints.new("IK")
    reach.name, reach.chain_count, reach.target = "Leg", 2, follow.target
    error = error_of(lambda: describe(armature))
    assert error.code == "constrained-bone" and "'Leg'" in error.message, error
    reach.mute = True
    shrug = armature.pose.bones["shoulder.L"].constraints.new("COPY_ROTATION")
    shrug.name, shrug.target = "Shrug", follow.target
    error = error_of(lambda: describe(armature))  # the arm goes where no mapped bone carries it
    assert "'upper_arm.L'" in error.message and "'Shrug' of 'shoulder.L'" in error.message, error


def saved_library():
    armature = metarig()
    armature.name = "Player"
    armature.animation_data_create()
    action = bpy.data.actions.new("Theirs")
    armature.animation_data.action = action
    path = str(FOLDER / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = 30
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.objects = ["Player"]
    linked = wanted.objects[0]
    bpy.context.scene.collection.objects.link(linked)
    bpy.context.view_layer.update()
    return linked


def test_linked_is_refused_and_overridden_works():
    linked = saved_library()
    error = error_of(lambda: describe(linked))
    assert error.code == "linked" and "Library Override" in error.remedy
    ours = linked.override_create(remap_local_usages=True)
    bpy.context.view_layer.update()
    assert ours.library is None and ours.data.library is not None
    check(ours)
    known = note_of(ours, BEFORE_TAG)
    write_note(ours, "other", "kept")
    assert note_of(linked, "other", "none") == "none"
    path = str(FOLDER / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    again = next(item for item in bpy.data.objects if item.type == "ARMATURE" and item.library is None)
    assert len(compat.curves_of(again)) > 80
    assert note_of(again, BEFORE_TAG) == known and note_of(again, "other") == "kept", "what clearing needs stays in the file"
    drop_note(again, "other")
    assert note_of(again, "other", "none") == "none"
    bpy.context.scene.frame_set(12)
    assert np.abs(np.array(again.pose.bones["thigh.L"].matrix_basis) - np.eye(4)).max() > 0.1


def test_detection_reads_blenders_bones():
    armature = metarig()
    found = detect(bones_of(armature))
    assert (found.mapping.title, found.doubts) == ("Rigify human (metarig)", ())
    for number, bone in enumerate(list(armature.data.bones)):
        bone.name = f"Knochen {number}"
    again = detect(bones_of(armature))
    assert again.mapping.title == "Found by names and shape" and not again.mapping.missing
    assert set(again.mapping.bones) - set(found.mapping.bones) == set()
    assert len(again.mapping.bones) >= len(found.mapping.bones) - 1
    check(armature)


tests = {name: test for name, test in globals().items() if name.startswith("test_")}
for name, test in tests.items():
    print(name, flush=True)
    test()
assert len(tests) == 11
print("odd rigs play")
