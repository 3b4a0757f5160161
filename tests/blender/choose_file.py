"""Runs inside a Blender window: a pose file is chosen in the file browser of File > Import, another is dropped on the viewport, and so are motions.
Writes "read" and ends when all were read.

Arguments after '--': the file to write, the pose file to choose, the folder of a pose file for each frame to drop, a BVH file to choose and to drop.
"""

import os
import sys
import time
import traceback
from pathlib import Path

import bpy

said, chosen, folder, motion = map(Path, sys.argv[sys.argv.index("--") + 1:])


def board():
    return sys.modules["bl_ext.user_default.kinelift.addon.runtime.jobs"].board


def area_of(kind):
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == kind:
                return {"window": window, "area": area, "region": next(region for region in area.regions if region.type == "WINDOW")}
    return None


def choose(operator, path):
    """Calls an operator that opens the file browser, and clicks on a file there."""
    with bpy.context.temp_override(**area_of("VIEW_3D")):
        operator("INVOKE_DEFAULT")
    while area_of("FILE_BROWSER") is None or area_of("FILE_BROWSER")["area"].spaces.active.params is None:
        yield
    params = area_of("FILE_BROWSER")["area"].spaces.active.params
    assert f"*{path.suffix}" in params.filter_glob, params.filter_glob
    params.directory, params.filename = f"{path.parent}/".encode(), path.name
    yield
    with bpy.context.temp_override(**area_of("FILE_BROWSER")):
        bpy.ops.file.execute("INVOKE_DEFAULT")


def drop(folder, *names):
    with bpy.context.temp_override(**area_of("VIEW_3D")):
        bpy.ops.wm.drop_import_file("INVOKE_DEFAULT", directory=f"{folder}/", files=[{"name": name} for name in names])


def steps():
    """Each yield lets Blender do what was asked for."""
    settings = bpy.context.scene.kinelift_lift
    functions = bpy.types.TOPBAR_MT_file_import._dyn_ui_initialize()
    assert any(function.__module__.endswith("lift.operators") for function in functions), "not in File > Import"
    yield from choose(bpy.ops.kinelift.import_poses, chosen)
    while not settings.was_read:
        yield
    assert settings.path == chosen and settings.title.startswith("Plain"), settings.title
    while area_of("FILE_BROWSER") is not None:
        yield
    drop(folder, *(path.name for path in sorted(folder.iterdir())))
    while settings.path != folder or not settings.was_read:
        yield
    assert settings.title.startswith("OpenPose") and len(settings.tracks) == 1, settings.title
    takes, waiting = bpy.context.scene.kinelift_takes, 0
    yield from choose(bpy.ops.kinelift.import_motion, motion)
    while not len(takes):
        waiting += board().is_busy
        yield
    assert waiting, "the window waited for the backend"
    while area_of("FILE_BROWSER") is not None or board().is_busy:
        yield
    drop(motion.parent, motion.name)
    while len(takes) < 2:
        yield
    assert [take.name for take in takes] == [motion.stem, f"{motion.stem} (2)"], [take.name for take in takes]


def advance():
    try:
        next(work)
    except StopIteration:
        said.write_text("read")
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    if time.monotonic() > end:
        print("not done in time")
        os._exit(1)
    return 0.2


work, end = steps(), time.monotonic() + 900
bpy.app.timers.register(advance, first_interval=1.0)
