"""Runs inside Blender: the walk of an animal plays on Rigify's horse and on a small armature.

Arguments: the backend's Python, a motion file at 30 fps, a folder to write to.
"""

import subprocess
import sys
from pathlib import Path

import addon_utils
import bpy
import numpy as np

from kinelift.addon.scene.armatures import describe, write_armature_file
from kinelift.addon.scene.fit_files import read_fit
from kinelift.addon.scene.keying import apply_fit
from kinelift.rigs import load_preset

CHECKOUT = Path(__file__).resolve().parents[2]
HOOVES = [f"{pair}_hoof.{side}" for pair in ("front", "hind") for side in "LR"]

python, motion, folder = map(Path, sys.argv[1:])


def rigify_horse(generate):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("rigify", default_set=True)
    bpy.context.scene.render.fps = 30
    bpy.ops.object.armature_horse_metarig_add()
    if generate:
        bpy.ops.pose.rigify_generate()
    return bpy.context.object


def mesh2motion_horse():
    """An armature with nothing but the bones of that preset, laid on the horse's, which has other names; turned and scaled as by an import."""
    source = describe(rigify_horse(False))
    names = {role: name for name, role in load_preset("mesh2motion-horse").roles.items()}
    places = [number for number, role in enumerate(source.roles) if role in names]
    armature = bpy.data.objects.new("Animal", bpy.data.armatures.new("Animal"))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for number in places:
        bone = armature.data.edit_bones.new(names[source.roles[number]])
        bone.head, bone.tail = (100 * end[number] for end in (source.heads, source.tails))
        bone.roll = 0.7 * number
        parent = source.parents[number]
        while parent >= 0 and parent not in places:
            parent = source.parents[parent]
        if parent >= 0:
            bone.parent = armature.data.edit_bones[names[source.roles[parent]]]
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.scale = (0.01, 0.01, 0.01)
    bpy.context.view_layer.update()
    return armature


def plays(armature, preset):
    """Keys the fit and compares the bones with it frame by frame; hooves stand on the floor and never go below."""
    description = describe(armature)
    assert description.mapping.title == load_preset(preset).title, description.mapping.title
    path = write_armature_file(folder / f"{preset}.npz", description)
    fit_path = folder / f"{preset}-fit.npz"
    subprocess.run([str(python), "-m", "backend", "fit", str(motion), str(path), "--to", str(fit_path)], cwd=CHECKOUT, check=True)
    apply_fit(armature, read_fit(fit_path), "Walk")
    with np.load(fit_path) as data:
        fit = {key: data[key] for key in data.files}
    roles = {role: name for name, role in zip(description.bone_names, description.roles, strict=False)}
    size, lowest, ends = np.ptp(description.heads[:, 2]), [], []
    targets = [str(role) for role in fit["target_roles"]]
    for frame in range(0, len(fit["root_positions"]), 5):
        bpy.context.scene.frame_set(1 + frame)
        posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        matrices = {role: np.array(posed.matrix_world @ posed.pose.bones[name].matrix) for role, name in roles.items()}
        hock = fit["fitted_positions"][frame, targets.index("hock.L")]
        assert np.abs(matrices["metatarsus.L"][:3, 3] - hock).max() < 1e-3 * size, frame
        for hoof in HOOVES:
            along = posed.pose.bones[roles[hoof]].tail
            ends.append(np.array(posed.matrix_world @ along)[2])
        for side in "LR":  # hocks point back: the animal faces -Y
            hock = matrices[f"metatarsus.{side}"][1, 3]
            stifle, fetlock = (matrices[f"{part}.{side}"][:3, 3] for part in ("shin", "hind_pastern"))
            line = (matrices[f"metatarsus.{side}"][2, 3] - stifle[2]) / (fetlock[2] - stifle[2])
            assert hock > stifle[1] + line * (fetlock[1] - stifle[1]), ("hock", side, frame)
        lowest.append(min(ends[-4:]))
    assert min(lowest) > -0.02 * size, min(lowest)
    assert np.median(lowest) < 0.03 * size, "some hoof stands at every moment"


plays(rigify_horse(False), "rigify-horse-metarig")
plays(mesh2motion_horse(), "mesh2motion-horse")
plays(rigify_horse(True), "rigify-horse")
print("the animal walks")
