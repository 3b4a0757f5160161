"""A job killed, cancelled or impossible: the scene stays as it was, the error names a remedy, the next job works."""

import os
import signal

import bpy

from tests.blender.inside import arguments, empty_scene, extension, heads, set_generate, when_under_way

working_python, (plain_python,) = os.environ["KINELIFT_PYTHON"], arguments()
session = extension("addon.runtime.session")
board = extension("addon.runtime.jobs").board
scene = empty_scene()
scene.render.fps = 30
set_generate(pack="tiny", seconds=2.0, seed=1)
assert bpy.ops.kinelift.generate() == {"FINISHED"}
before = heads(scene.kinelift_takes[0].stick, range(1, 61))


def unharmed() -> bool:
    now = heads(scene.kinelift_takes[0].stick, range(1, 61))
    return len(scene.kinelift_takes) == 1 and all((now[name] == before[name]).all() for name in before)


def failure() -> str:
    try:
        bpy.ops.kinelift.generate()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("it did not fail")


set_generate(mode="reference", seconds=6.0, variants=16)

pid = session.backend().pid
when_under_way(lambda job: job.cancel())
assert bpy.ops.kinelift.generate() == {"CANCELLED"}
assert unharmed() and board.job is None and board.error is None
assert session.backend().pid == pid, "a cancel ended the backend"

when_under_way(lambda job: os.kill(pid, signal.SIGKILL))
message = failure()
assert "ended unexpectedly (signal 9)" in message and "starts anew" in message, message
assert unharmed() and board.error.code == "backend-ended" and not board.is_busy

set_generate(mode="fast", seconds=2.0, variants=1)
os.environ["KINELIFT_PYTHON"] = "/nowhere/python"
message = failure()
assert "not set up" in message and "preferences" in message, message

os.environ["KINELIFT_PYTHON"] = plain_python
message = failure()
assert "torch" in message and "set up" in message.lower(), message

os.environ["KINELIFT_PYTHON"] = working_python
assert unharmed()
set_generate(seed=2)
assert bpy.ops.kinelift.generate() == {"FINISHED"}
assert [take.name for take in scene.kinelift_takes] == ["tiny 1", "tiny 2"]

pid = session.backend().pid
bpy.ops.preferences.addon_disable(module="bl_ext.user_default.kinelift")
try:
    os.kill(pid, 0)
except ProcessLookupError:
    pass
else:
    raise AssertionError("the backend outlives the extension")
