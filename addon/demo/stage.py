"""Floor, light, camera and ball: what a motion is shown on."""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Vector

from . import materials

BALL_RADIUS = 0.12
LENS, SENSOR = 60.0, 36.0
ELEVATION = math.radians(11)


def add_floor(size: float = 60.0) -> bpy.types.Object:
    bpy.ops.mesh.primitive_plane_add(size=size)
    floor = bpy.context.object
    floor.name = "Floor"
    floor.data.materials.append(materials.floor())
    return floor


def add_light() -> None:
    """A wide sun as key and a bright sky as fill: soft shadows that few samples render without grain."""
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("Studio")
    scene.world.use_nodes = True
    _make_sky(scene.world.node_tree)
    for name, energy, angle, colour, turn in (("Key", 3.0, 14, (1.0, 0.95, 0.88), (42, 0, 38)),
                                              ("Rim", 1.3, 20, (0.86, 0.92, 1.0), (58, 0, 205))):
        light = bpy.data.lights.new(name, "SUN")
        light.energy, light.angle, light.color = energy, math.radians(angle), colour
        lamp = bpy.data.objects.new(name, light)
        lamp.rotation_euler = [math.radians(each) for each in turn]
        scene.collection.objects.link(lamp)


def _make_sky(tree: bpy.types.NodeTree) -> None:
    """A cool fill light that the camera sees as an even background."""
    fill = tree.nodes["Background"]
    fill.inputs["Color"].default_value = (0.80, 0.86, 0.94, 1)
    fill.inputs["Strength"].default_value = 0.55
    seen = tree.nodes.new("ShaderNodeBackground")
    seen.inputs["Color"].default_value = (*materials.BACKGROUND, 1)
    mix, path = tree.nodes.new("ShaderNodeMixShader"), tree.nodes.new("ShaderNodeLightPath")
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs["Fac"])
    tree.links.new(fill.outputs[0], mix.inputs[1])
    tree.links.new(seen.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], tree.nodes["World Output"].inputs["Surface"])


def add_ball(follows: bpy.types.Object, radius: float = BALL_RADIUS) -> bpy.types.Object:
    """A basketball that goes wherever the keyed empty `follows` goes."""
    bpy.ops.mesh.primitive_uv_sphere_add(radius=radius, segments=48, ring_count=32)
    ball = bpy.context.object
    ball.name = "Basketball"
    ball.data.polygons.foreach_set("use_smooth", [True] * len(ball.data.polygons))
    ball.data.materials.append(materials.basketball(radius))
    ball.parent = follows
    ball.rotation_euler = (0.5, 0.35, 0.2)
    return ball


def add_box(follows: bpy.types.Object) -> bpy.types.Object:
    """A cardboard box that fills the keyed empty `follows`, and goes wherever it goes."""
    bpy.ops.mesh.primitive_cube_add(size=2.0)
    box = bpy.context.object
    box.name = "Box"
    box.data.materials.append(materials.plain("Cardboard", materials.CARDBOARD, 0.85))
    box.parent = follows
    return box


def add_camera() -> bpy.types.Object:
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.lens, camera.data.sensor_width = LENS, SENSOR
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    return camera


def look_at(camera: bpy.types.Object, target: np.ndarray, distance: float, azimuth: float) -> None:
    """Puts the camera `distance` metres from `target`; azimuth 0 looks at the face of a character that faces -Y."""
    offset = Vector((math.sin(azimuth) * math.cos(ELEVATION), -math.cos(azimuth) * math.cos(ELEVATION), math.sin(ELEVATION)))
    camera.location = Vector(target) + offset * distance
    camera.rotation_euler = (-offset).to_track_quat("-Z", "Y").to_euler()


def fitting_distance(points: np.ndarray, target: np.ndarray, azimuth: float, aspect: float) -> float:
    """The distance from which the camera of this stage sees all points [N,3] around `target`, with a margin.

    `aspect` is width / height of the picture.
    """
    forward = np.array([-math.sin(azimuth) * math.cos(ELEVATION), math.cos(azimuth) * math.cos(ELEVATION), -math.sin(ELEVATION)])
    right = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    up = np.cross(right, forward)
    relative = points - target
    tangent = SENSOR / 2 / LENS * 0.95
    wide, high = (tangent, tangent / aspect) if aspect >= 1 else (tangent * aspect, tangent)
    needed = np.maximum(np.abs(relative @ right) / wide, np.abs(relative @ up) / high) - relative @ forward
    return float(needed.max())
