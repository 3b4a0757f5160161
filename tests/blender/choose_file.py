"""Runs inside a Blender window: a pose file is chosen in the file browser of File > Import, another is dropped on the viewport. Writes "read" and
ends when both were read.

Arguments after '--': the file to write, the pose file to choose, the folder of a pose file for each frame to drop.
"""

import os
import sys
import time
import traceback
from pathlib import Path

import bpy

said, chosen, folder = map(Path, sys.argv[sys.argv.index("--") + 1:])


def area_of(kind):
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == kind:
                return {"window": window, "area": area, "region": next(region for region in area.regions if region.type == "WINDOW")}
    return None


def steps():
    """Each yield lets Blender do what was asked for; False waits for more."""
    settings = bpy.context.scene.kinelift_lift
    functions = bpy.types.TOPBAR_MT_file_import._dyn_ui_initialize()
    assert any(function.__module__.endswith("lift.operators") for function in functions), "not in File > Import"
    with bpy.context.temp_override(**area_of("VIEW_3D")):
        bpy.ops.kinelift.import_poses("INVOKE_DEFAULT")
    while area_of("FILE_BROWSER") is None or area_of("FILE_BROWSER")["area"].spaces.active.params is None:
        yield
    params = area_of("FILE_BROWSER")["area"].spaces.active.params
    assert "*.json" in params.filter_glob, params.filter_glob
    params.directory, params.filename = f"{chosen.parent}/".encode(), chosen.name
    yield
    with bpy.context.temp_override(**area_of("FILE_BROWSER")):
        bpy.ops.file.execute("INVOKE_DEFAULT")
    while not settings.was_read:
        yield
    assert settings.path == chosen and settings.title.startswith("Plain"), settings.title
    while area_of("FILE_BROWSER") is not None:
        yield
    files = [{"name": path.name} for path in sorted(folder.iterdir())]
    with bpy.context.temp_override(**area_of("VIEW_3D")):
        bpy.ops.wm.drop_import_file("INVOKE_DEFAULT", directory=f"{folder}/", files=files)
    while settings.path != folder or not settings.was_read:
        yield
    assert settings.title.startswith("OpenPose") and len(settings.tracks) == 1, settings.title


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
