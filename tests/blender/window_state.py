"""Runs inside a Blender window: opens the sidebar and keeps writing what a test outside wants to know as JSON.

Arguments after '--': the file to write, then settings of the Generate panel as NAME=VALUE; rig=NAME adds a human of that name as the target.
"""

import itertools
import json
import sys
from importlib import import_module
from pathlib import Path

import addon_utils
import bpy

PACKAGE = "bl_ext.user_default.kinelift"
counter = itertools.count()


def viewport():
    """The largest 3D viewport: its area, space and sidebar."""
    areas = [area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D"]
    area = max(areas, key=lambda area: area.width * area.height)
    return area, area.spaces[0], next(region for region in area.regions if region.type == "UI")


def state() -> dict:
    window, scene = bpy.context.window_manager.windows[0], bpy.context.scene
    _, space, sidebar = viewport()
    target, lift = scene.kinelift_retarget.target, scene.kinelift_lift
    job = import_module(f"{PACKAGE}.addon.runtime.jobs").board.job
    return {
        "count": next(counter),
        "window": [window.width, window.height],
        "sidebar": [sidebar.x, sidebar.y, sidebar.width, sidebar.height],
        "tab": getattr(sidebar, "active_panel_category", ""),
        "clipboard": bpy.context.window_manager.clipboard,
        "job": None if job is None else {"fraction": job.progress.fraction, "text": str(job.progress)},
        "takes": [take.name for take in scene.kinelift_takes],
        "playing": window.screen.is_animation_playing,
        "frame": scene.frame_current,
        "poses": [lift.title, *(track.name for track in lift.tracks)] if lift.was_read else [],
        "view": space.region_3d.view_perspective,
        "target_moves": target is not None and target.animation_data is not None and target.animation_data.action is not None,
        "pid": getattr(import_module(f"{PACKAGE}.addon.runtime.session")._process, "pid", None),
    }


def write_state() -> float:
    part = Path(f"{target}.part")
    part.write_text(json.dumps(state()), encoding="utf-8")
    part.replace(target)
    return 0.03


target, *settings = sys.argv[sys.argv.index("--") + 1:]
given = dict(setting.split("=") for setting in settings)
rig = given.pop("rig", "")
if "lift_pack" in given:
    bpy.context.scene.kinelift_lift.pack = given.pop("lift_pack")
for name, value in given.items():
    group = bpy.context.scene.kinelift_generate
    setattr(group, name, type(getattr(group, name))(value))
for item in [*bpy.data.objects]:
    bpy.data.objects.remove(item)
if rig:
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_basic_human_metarig_add()
    bpy.context.object.name = rig
    bpy.context.scene.kinelift_retarget.target = bpy.context.object
_, space, _ = viewport()
space.show_region_ui = True
space.region_3d.view_location, space.region_3d.view_distance = (0.0, 0.0, 0.9), 4.5
bpy.app.timers.register(write_state, first_interval=1.0)
