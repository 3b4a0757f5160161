"""What a retarget from the command line with settings of its own left in a scene; then the keys are cleared as by the button."""

import bpy
from mathutils import Vector

from tests.blender.inside import arguments, extension

bpy.ops.wm.open_mainfile(filepath=arguments()[0])
curves = extension("addon.scene.compat")
player, ball = bpy.data.objects["Player"], bpy.data.objects["Player Ball"]
strips = {item.name: item.animation_data.nla_tracks[-1].strips[0] for item in (player, ball)}
for name, strip in strips.items():
    assert (strip.frame_start, strip.frame_end) == (40, 99), (name, strip.frame_start, strip.frame_end)
counts = [len(curve.keyframe_points) for container in curves.containers(strips["Player"].action) for curve in container.fcurves]
assert max(counts) < 60 < sum(counts), counts
assert any(constraint.name == "Kinelift hand.R" and constraint.target == player for constraint in ball.constraints)
homes = extension("addon.scene.home").homes(player)
assert list(homes) == ["location"]
scene = bpy.context.scene
scene.frame_set(99)
assert (player.location - Vector(homes["location"])).length > 0.5

scene.kinelift_retarget.target = player
assert bpy.ops.kinelift.clear_keys() == {"FINISHED"}
assert (player.location - Vector(homes["location"])).length < 1e-6
assert not player.animation_data.nla_tracks and not ball.animation_data.nla_tracks and not ball.constraints
said = ""
try:
    bpy.ops.kinelift.clear_keys()
except RuntimeError as error:
    said = str(error)
assert "no keys of Kinelift" in said, said or "there was nothing left to clear"
