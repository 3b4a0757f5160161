"""Runs in the bpy wheel: an armature with the bones of every human preset is written, and its bones are found by that preset.

Argument: a folder to write to.
"""

import sys
from pathlib import Path

import addon_utils
import bpy
import numpy as np

from kinelift.addon.benchmark.write_rigs import PREFIXES, laid_out, write_named
from kinelift.addon.scene.armatures import describe
from kinelift.rigs import load_preset, preset_names

folder = Path(sys.argv[1])
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
addon_utils.enable("rigify", default_set=True)
bpy.ops.object.armature_basic_human_metarig_add()
body = describe(bpy.context.object)
whole = dict(zip(body.roles, body.heads, strict=True))
for preset in map(load_preset, preset_names()):
    if preset.kind != "human" or preset.name.startswith("rigify"):
        continue
    rows = laid_out(preset, body)
    seen = {""}
    for name, parent, head, tail in rows:
        assert parent in seen and np.linalg.norm(tail - head) > 1e-3, (preset.name, name, parent)
        seen.add(name)
    assert sum(not parent for _, parent, _, _ in rows) == 1, preset.name
    write_named(preset, body, folder)
    described = describe(bpy.data.objects[preset.name])
    assert described.mapping.title == preset.title, (preset.name, described.mapping.title)
    assert set(described.mapping.roles) == {PREFIXES.get(preset.name, "") + name for name in preset.roles}, preset.name
    for role, head in zip(described.roles, described.heads, strict=True):
        assert ("." in role and role.split(".")[1].isdigit()) or np.abs(head - whole[role]).max() < 1e-5, (preset.name, role)
    assert (folder / f"named-{preset.name}.npz").is_file()
print("all presets have a rig")
