"""What a camera has behind it, rendered in its own colours."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from kinelift.addon.demo import contact_sheet


def footage_scene(background: bpy.types.CameraBackgroundImage) -> bpy.types.Scene:
    """A scene that renders what a camera has behind it, in the footage's own colours."""
    scene = bpy.data.scenes.new("Footage")
    mesh = bpy.data.meshes.new("Screen")
    mesh.from_pydata([(-0.5, -0.5, 0), (0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, 0.5, 0)], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new()
    material = bpy.data.materials.new("Screen")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    picture, light, output = (nodes.new(f"ShaderNode{kind}") for kind in ("TexImage", "Emission", "OutputMaterial"))
    picture.image = background.image
    links.new(picture.outputs["Color"], light.inputs["Color"])
    links.new(light.outputs[0], output.inputs["Surface"])
    mesh.materials.append(material)
    screen = bpy.data.objects.new("Screen", mesh)
    for loop, corner in zip(mesh.uv_layers[0].data, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        loop.uv = corner
    camera = bpy.data.objects.new("Screen Camera", bpy.data.cameras.new("Screen Camera"))
    camera.data.type, camera.location.z = "ORTHO", 1.0
    camera.data.ortho_scale, camera.data.sensor_fit = 1.0, "HORIZONTAL"
    for item in (screen, camera):
        scene.collection.objects.link(item)
    scene.camera = camera
    return scene


def picture_at(frame: int, camera: bpy.types.Object, screen: bpy.types.Scene, size: tuple[int, int], folder: Path) -> np.ndarray:
    """The frame of the footage that is behind a camera at a frame of the scene, at a size; within the scene's border alone."""
    evaluated = camera.evaluated_get(bpy.context.evaluated_depsgraph_get())
    shown = evaluated.data.background_images[0].image_user
    node = next(node for node in bpy.data.materials["Screen"].node_tree.nodes if node.type == "TEX_IMAGE")
    for name in ("frame_start", "frame_duration", "frame_offset", "use_auto_refresh"):
        setattr(node.image_user, name, getattr(shown, name))
    contact_sheet.set_up_render(screen, size)
    screen.cycles.samples, screen.cycles.use_denoising, screen.render.use_persistent_data = 4, False, False
    screen.view_settings.view_transform, screen.view_settings.look, screen.view_settings.exposure = "Standard", "None", 0.0
    bpy.data.objects["Screen"].scale = (1.0, size[1] / size[0], 1.0)
    for name in ("use_border", "border_min_x", "border_max_x", "border_min_y", "border_max_y"):
        setattr(screen.render, name, getattr(bpy.context.scene.render, name))
    screen.frame_set(frame)
    screen.render.filepath = str(folder / "footage.png")
    bpy.ops.render.render(write_still=True, scene=screen.name)
    return contact_sheet.read_picture(Path(screen.render.filepath))


def laid_over(behind: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """A picture [H,W,4] over another, opaque one."""
    return np.concatenate([behind[..., :3] * (1 - picture[..., 3:]) + picture[..., :3] * picture[..., 3:], np.ones_like(picture[..., 3:])], -1)
