"""What scripts that run inside Blender share. They find the installed extension as `extension("addon.scene.takes")`."""

import sys
import threading
import time
from importlib import import_module

import bpy
import numpy as np


def extension(name: str):
    """A module of the installed extension."""
    return import_module(f"bl_ext.user_default.kinelift.{name}")


def arguments() -> list[str]:
    return sys.argv[sys.argv.index("--") + 1:]


def empty_scene() -> bpy.types.Scene:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return bpy.context.scene


def set_generate(**settings) -> None:
    for name, value in settings.items():
        setattr(bpy.context.scene.kinelift_generate, name, value)


def when_under_way(action, fraction: float = 0.05) -> threading.Thread:
    """Runs `action(job)` in a thread as soon as the job under way has come that far."""
    board = extension("addon.runtime.jobs").board

    def watch():
        while board.job is None or board.job.progress.fraction < fraction:
            time.sleep(0.005)
        action(board.job)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def heads(armature: bpy.types.Object, frames) -> dict[str, np.ndarray]:
    """World positions [T,3] of the heads of an armature's bones."""
    scene, tracks = bpy.context.scene, []
    for frame in frames:
        scene.frame_set(frame)
        posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        tracks.append({bone.name: posed.matrix_world @ bone.head for bone in posed.pose.bones})
    return {name: np.array([track[name] for track in tracks]) for name in tracks[0]}


def places(item: bpy.types.Object, frames) -> np.ndarray:
    """World positions [T,3] of an object."""
    scene, track = bpy.context.scene, []
    for frame in frames:
        scene.frame_set(frame)
        track.append(item.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world.translation.copy())
    return np.array(track)
