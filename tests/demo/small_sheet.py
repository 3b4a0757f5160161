"""Renders a small contact sheet of a turning metarig: `small_sheet.py OUT.png`."""

import sys
from pathlib import Path

import addon_utils
import bpy

from kinelift.addon.demo import contact_sheet, mannequin, stage

bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
addon_utils.enable("rigify", default_set=True)
bpy.ops.object.armature_basic_human_metarig_add()
metarig = bpy.context.object
body = mannequin.add_mannequin(metarig, metarig)
stage.add_floor()
stage.add_light()
bpy.context.scene.frame_start = 1
for frame, turn in ((1, 0.0), (31, 2.0)):
    metarig.rotation_euler.z = turn
    metarig.keyframe_insert("rotation_euler", frame=frame)
contact_sheet.CELL, contact_sheet.SAMPLES = (40, 50), 2
contact_sheet.render_contact_sheet(Path(sys.argv[1]), body, ("thigh.L", "thigh.R"), None, range(1, 32, 5))
