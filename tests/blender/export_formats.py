"""Runs inside Blender: what every format writes comes back where it was, frame by frame. Arguments: a motion file, a folder to write to,
the formats.

The subjects: takes, one with a ball, Rigify's controls, and a rig as it should not be: scaled and turned by an import, its object moving, a
control and a constraint between its bones, which are stretched too, with a skinned mesh and one that hangs on a bone.
"""

import json
import sys
from pathlib import Path

import addon_utils
import bpy
import numpy as np

if "kinelift" not in sys.modules:  # a whole Blender; the wheels' runner has done it
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
    from in_wheel import add_checkout

    add_checkout()

from kinelift.addon.export.bones import carriers, wanted_bones
from kinelift.addon.export.checks import check
from kinelift.addon.export.formats import FORMATS, export, is_there
from kinelift.addon.export.subjects import armature_subject, take_subject
from kinelift.addon.scene import takes
from kinelift.backend.motion.motion3d import Motion3D
from tests.blender.coming_back import bring_back, name_in
from tests.blender.inside import heads, places
from tests.blender.keyed import error_of

arguments = sys.argv[sys.argv.index("--") + 1:]
motion_file, folder, formats = Path(arguments[0]), Path(arguments[1]), arguments[2:]
FIRST, FRAMES = 5, 30


def empty_scene():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.fps, scene.frame_start, scene.frame_end = 30, FIRST, FIRST + FRAMES - 1
    return scene


def make_take(scene):
    take = takes.add_take(scene, motion_file, title="My walk")
    take.collection.hide_viewport = True
    return take_subject(scene, 0), [item for item in take.collection.objects if item.type == "EMPTY"]


def make_firm_rig(scene):
    return make_rig(scene, 0.0)


def make_elastic_take(scene):
    """Limbs that change their length, as samples of an animal do."""
    motion = Motion3D.load(motion_file)
    knee = motion.joint_names.index("RKnee")
    motion.positions[:, knee, 2] += 0.05 * np.sin(np.arange(motion.frames))
    path = motion.save(folder / "elastic.npz")
    takes.add_take(scene, path, title="Elastic")
    return take_subject(scene, 0), []


def make_rig(scene, stretch=0.2):
    carrier = bpy.data.objects.new("Import", None)
    rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig data"))
    for item in (carrier, rig):
        scene.collection.objects.link(item)
    carrier.rotation_euler = (1.5708, 0.0, 0.4)
    rig.parent, rig.scale = carrier, (0.01, 0.01, 0.01)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    spans = {"hips": ("", (0, 100, 0), (0, 120, 0)), "control": ("hips", (0, 120, 0), (0, 120, 20)), "chest": ("control", (0, 120, 0), (5, 160, 0)),
             "arm.L": ("chest", (10, 150, 0), (40, 150, 0)), "hand.L": ("arm.L", (40, 150, 0), (55, 150, -5)), "leg.L": ("hips", (10, 100, 0), (10, 50, 5)),
             "foot.L": ("leg.L", (10, 50, 5), (10, 5, 0)), "goal": ("", (10, 5, 0), (10, 5, 20))}
    for name, (above, head, tail) in spans.items():
        bone = rig.data.edit_bones.new(name)
        bone.head, bone.tail, bone.roll = head, tail, 0.3 * len(rig.data.edit_bones)
        bone.parent = rig.data.edit_bones.get(above)
        bone.use_deform = name not in ("control", "goal")
    bpy.ops.object.mode_set(mode="OBJECT")
    ik = rig.pose.bones["foot.L"].constraints.new("IK")
    ik.target, ik.subtarget, ik.chain_count = rig, "goal", 2
    for frame in range(FIRST, FIRST + FRAMES):
        swing = np.sin(frame / 4)
        rig.location, rig.rotation_euler = (0.02 * frame, 0, 0.1 * swing), (0, 0.2 * swing, 0)
        for path in ("location", "rotation_euler"):
            rig.keyframe_insert(path, frame=frame)
        for name, path, value in (("hips", "location", (3 * swing, 0, 0)), ("control", "rotation_quaternion", (1, 0.3 * swing, 0.2, 0)),
                                  ("chest", "scale", (1, 1 + stretch * swing, 1)), ("arm.L", "rotation_quaternion", (1, 0, 0.5 * swing, 0.4)),
                                  ("goal", "location", (0, 5 * swing, 12 + 10 * swing)), ("hand.L", "rotation_quaternion", (1, swing, 0, 0))):
            setattr(rig.pose.bones[name], path, value)
            rig.pose.bones[name].keyframe_insert(path, frame=frame)
    rig.animation_data.action.name = "Wave"
    for name, group in (("Skin", "arm.L"), ("Watch", "")):
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata([(0, 0, 0), (0.1, 0, 0), (0, 0.1, 0.02)], [], [(0, 1, 2)])
        item = bpy.data.objects.new(name, mesh)
        scene.collection.objects.link(item)
        item.parent = rig
        if group:
            item.scale, item.location = (90, 90, 90), (15, 150, 0)
            item.modifiers.new("Armature", "ARMATURE").object = rig
            item.vertex_groups.new(name=group).add([0, 1], 1.0, "REPLACE")
            item.vertex_groups.new(name="hand.L").add([2], 1.0, "REPLACE")
        else:
            item.parent_type, item.parent_bone, item.scale = "BONE", "hand.L", (50, 50, 50)
    bpy.context.view_layer.update()
    return armature_subject(rig), []


def make_control_rig(scene):
    """Rigify's basic human: controls, and deforming bones that stretch between them."""
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_basic_human_metarig_add()
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    for frame in range(FIRST, FIRST + FRAMES, 3):
        for name, path, value in (("torso", "location", (0.1, 0.02 * frame, 0.0)), ("upper_arm_fk.L", "rotation_quaternion", (1, 0.1 * (frame % 5), 0, 0.3)),
                                  ("chest", "rotation_quaternion", (1, 0.05 * (frame % 7), 0.1, 0)), ("foot_ik.L", "location", (0, -0.01 * frame, 0.1))):
            rig.pose.bones[name].rotation_mode = "QUATERNION"
            setattr(rig.pose.bones[name], path, value)
            rig.pose.bones[name].keyframe_insert(path, frame=frame)
    rig.keyframe_insert("location", frame=FIRST + FRAMES - 1)
    above = carriers(rig, wanted_bones(rig, True))
    assert [name for name, carrier in above.items() if not carrier] == ["DEF-spine"], above
    assert above["DEF-thigh.L"] == "DEF-spine" and above["DEF-shin.L"] == "DEF-thigh.L.001", above
    return armature_subject(rig), []


def vertices(items, frames):
    """World places [T,V,3] of all meshes' points."""
    track = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        graph = bpy.context.evaluated_depsgraph_get()
        evaluated = [item.evaluated_get(graph) for item in items]
        track.append([evaluated.matrix_world @ vertex.co for evaluated in evaluated for vertex in evaluated.data.vertices])
    return np.array(track)


def state():
    """What an export may only borrow."""
    return (sorted(item.name for item in bpy.data.objects), sorted(action.name for action in bpy.data.actions), len(bpy.data.armatures), len(bpy.data.meshes),
            [collection.hide_viewport for collection in bpy.data.collections], bpy.context.scene.name, bpy.context.scene.frame_current,
            bpy.context.scene.unit_settings.scale_length, [item.name for item in bpy.context.view_layer.objects if item.select_get()])


def round_trip(make, name):
    scene = empty_scene()
    subject, objects = make(scene)
    kind = FORMATS[name]
    path = folder / f"{make.__name__}_{name}{kind.extensions[0]}"
    findings = check(scene, subject, name, True)
    assert any(finding.breaks for finding in findings) != is_there(name), findings
    if not is_there(name):
        error = error_of(lambda: export(path, scene, subject, name))
        assert error is not None and error.code == "no-exporter" and "another format" in error.remedy, error
        return f"{path.stem}: not in this Blender"
    was = state()
    export(path, scene, subject, name)
    assert state() == was, (was, state())
    assert list(folder.glob("*.part*")) == []

    for collection in bpy.data.collections:
        collection.hide_viewport = False
    frames = range(FIRST, FIRST + FRAMES)
    truth = heads(subject.armature, frames)
    truth = {bone: track for bone, track in truth.items() if subject.armature.data.bones[bone].use_deform}
    balls = [places(item, frames) for item in objects]
    points = vertices([item for item in subject.objects if item.type == "MESH"], frames)
    armature, new, start = bring_back(path, FIRST)
    meshes = [item for item in new if item.type == "MESH" and item.name.startswith(("Skin", "Watch"))]
    empties = [item for item in new if item.type == "EMPTY" and (item.animation_data or item.constraints)]
    there = range(start, start + FRAMES)
    found = heads(armature, there)
    truth = {name_in(path, bone): track for bone, track in truth.items()}
    extra = found.keys() - truth.keys()
    assert not extra - {"__0"} and len(found) >= len(truth), (extra, truth.keys() - found.keys())
    errors = {bone: np.linalg.norm(found[bone] - track, axis=1).max() for bone, track in truth.items()}
    worst = max(errors, key=errors.get)
    assert errors[worst] < 1e-3, (path.stem, worst, errors[worst], errors)
    said = f"{path.stem}: {len(errors)} bones {1000 * errors[worst]:.4f} mm"
    if objects and name != "BVH":
        error = max(min(np.linalg.norm(places(empty, there) - ball, axis=1).max() for empty in empties) for ball in balls)
        assert error < 1e-3, (path.stem, error)
        said += f", ball {1000 * error:.4f} mm"
    if points.size and name != "BVH" and not (kind.rigid and make is make_rig):
        returned = vertices(sorted(meshes, key=lambda item: item.name), there)
        error = np.linalg.norm(returned - points, axis=2).max()
        assert error < 1e-3, (path.stem, "mesh", error)
        said += f", mesh {1000 * error:.4f} mm"
    if name.startswith("FBX"):
        presets(path, armature, name, subject)
    if name == "GLTF":
        content = path.read_bytes()
        animations = json.loads(content[20:20 + int.from_bytes(content[12:16], "little")])["animations"]
        assert [animation["name"] for animation in animations] == [subject.clip], animations
    return said


def presets(path, armature, name, subject):
    """What each program wants of the file, read from it."""
    from io_scene_fbx.parse_fbx import parse

    root, _ = parse(str(path))
    top = {item.id: item for item in root.elems}
    unit = next(entry.props[4] for part in top[b"GlobalSettings"].elems if part.id == b"Properties70" for entry in part.elems
                if entry.props[0] == b"UnitScaleFactor")
    models = {item.props[1].split(b"\0")[0].decode(): item for item in top[b"Objects"].elems if item.id == b"Model"}
    clips = [item.props[1].split(b"\0")[0].decode() for item in top[b"Objects"].elems if item.id == b"AnimationStack"]
    assert clips == [subject.clip], clips
    holder = "Armature" if name == "FBX_UNREAL" and sum(bone.parent is None for bone in armature.data.bones) == 1 else subject.armature.name
    assert holder in models, models.keys()
    scale = next((entry.props[4:7] for part in models[holder].elems if part.id == b"Properties70" for entry in part.elems
                  if entry.props[0] == b"Lcl Scaling"), (1.0, 1.0, 1.0))
    wanted = {"FBX": [1, 100, 100, 100], "FBX_UNITY": [100, 1, 1, 1], "FBX_UNREAL": [1, 1, 1, 1]}[name]
    assert np.allclose([unit, *scale], wanted, atol=1e-3), (name, unit, scale)
    assert not [model for model in models if model.endswith("_end")], "leaf bones"


takes.register()
for name in formats:
    for make in (make_take, make_elastic_take, make_rig, make_firm_rig, make_control_rig):
        print(round_trip(make, name), file=sys.stderr, flush=True)
print("formats come back")
