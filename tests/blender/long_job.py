"""A job that takes long, for tests that kill Blender meanwhile. Writes the backend's process id to a file."""

from pathlib import Path

import bpy

from tests.blender.inside import arguments, empty_scene, extension, set_generate, when_under_way

empty_scene()
set_generate(pack="tiny", seconds=6.0, variants=16, mode="paper")
when_under_way(lambda job: Path(arguments()[0]).write_text(str(extension("addon.runtime.session").backend().pid)), fraction=0.001)
bpy.ops.kinelift.generate()
