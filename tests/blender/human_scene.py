"""Saves a scene with Rigify's basic human: its metarig."""

import addon_utils
import bpy

from tests.blender.inside import arguments, empty_scene

empty_scene()
addon_utils.enable("rigify", default_set=True)
bpy.ops.object.armature_basic_human_metarig_add()
bpy.context.object.name = "Player"
bpy.context.scene.render.fps = 30
bpy.ops.wm.save_as_mainfile(filepath=arguments()[0])
