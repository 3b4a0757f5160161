"""A motion beside a rig it was put on: above the joints of the source, below the rig with its mesh, at the same frames, from the same camera.

Runs in the bpy wheel; `build.py pictures` runs it. Rigify's rigs are generated and get their keys on the IK controls: the human wears the demo's
mannequin, the animals show their deforming bones as solids. A glTF character has its own mesh and gets its keys on its own bones.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import addon_utils
import bpy
import numpy as np
from mathutils import Quaternion, Vector

from kinelift.addon.demo import contact_sheet, mannequin, materials, stage
from kinelift.addon.retarget import steps
from kinelift.addon.retarget.keys import keying
from kinelift.addon.scene import takes
from kinelift.addon.scene.armatures import describe, write_armature_file
from kinelift.addon.scene.empties import rigid_part
from kinelift.addon.scene.fit_files import read_fit
from kinelift.addon.scene.root_motion import HIPS, MODES
from kinelift.backend.motion.files import read_npz

CHECKOUT = Path(__file__).resolve().parents[2]
METARIGS = {"rigify-human": "basic_human", "rigify-horse": "horse", "rigify-cat": "cat"}
PICTURES = 5
SAMPLES = 8
CELLS = {"human": (260, 310), "quadruped": (300, 220)}
VIEWS = {"human": 0.65, "quadruped": 1.25}
"""Kind of character -> radians between its mean facing and the camera."""

SIDES = {"L": (0.05, 0.2, 0.75), "R": (0.85, 0.25, 0.03), "": (0.12, 0.12, 0.13)}
"""Side of a joint -> colour."""

SHAPES = {"sphere": ("primitive_uv_sphere_add", {"radius": 1.0}), "rod": ("primitive_cylinder_add", {"radius": 1.0, "depth": 1.0}),
          "box": ("primitive_cube_add", {"size": 1.0})}
"""Shape -> Blender's operator, and the size at which it is 1."""


@dataclass(frozen=True)
class Thing:
    """A ball, or a box with turns [T,4] (w,x,y,z) and a size [3], at places [T,3]."""

    name: str
    places: np.ndarray
    turns: np.ndarray | None
    size: np.ndarray | None


@dataclass(frozen=True)
class Source:
    """What the rig follows: positions [T,J,3] of its joints at the rig's size, parents [J], the side of each, and its things."""

    positions: np.ndarray
    parents: list[int]
    sides: list[str]
    things: list[Thing]

    def at(self, frame: int) -> np.ndarray:
        return self.positions[min(frame, len(self.positions) - 1)]


def rigify(name: str) -> tuple[bpy.types.Object, list[bpy.types.Object]]:
    addon_utils.enable("rigify", default_set=True)
    getattr(bpy.ops.object, f"armature_{METARIGS[name]}_metarig_add")()
    metarig = bpy.context.object
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    body = mannequin.add_mannequin(metarig, rig) if name == "rigify-human" else bones_as_mesh(rig)
    bpy.data.objects.remove(metarig)
    return rig, [body]


def character(file: Path) -> tuple[bpy.types.Object, list[bpy.types.Object]]:
    bpy.ops.import_scene.gltf(filepath=str(file), bone_heuristic="TEMPERANCE")
    rig = next(item for item in bpy.data.objects if item.type == "ARMATURE")
    rig.animation_data_clear()
    for bone in rig.pose.bones:
        bone.matrix_basis.identity()
        bone.custom_shape = None
    bodies = [item for item in bpy.data.objects if item.type == "MESH" and any(modifier.type == "ARMATURE" for modifier in item.modifiers)]
    for item in bpy.data.objects:
        if item.type == "MESH" and item not in bodies:
            item.hide_render = True
    return rig, bodies


def bones_as_mesh(rig: bpy.types.Object) -> bpy.types.Object:
    """The deforming bones as solids, skinned to them."""
    bones = [bone for bone in rig.data.bones if bone.use_deform]
    size = max((bone.head_local - rig.data.bones[0].head_local).length for bone in bones)
    vertices, faces = [], []
    for bone in bones:
        across, along, third = bone.matrix_local.to_3x3().col
        thick = min(0.2 * bone.length, 0.045 * size)
        rings = [bone.head_local + share * bone.length * along + thick * width * side
                 for share, width in ((0.0, 0.6), (0.25, 1.0), (1.0, 0.6)) for side in (across, third, -across, -third)]
        start = len(vertices)
        vertices += rings
        faces += [[start + 4 * ring + corner, start + 4 * ring + (corner + 1) % 4, start + 4 * ring + 4 + (corner + 1) % 4, start + 4 * ring + 4 + corner]
                  for ring in range(2) for corner in range(4)]
        faces += [[start, start + 1, start + 2, start + 3], [start + 8, start + 9, start + 10, start + 11]]
    mesh = bpy.data.meshes.new("Bones")
    mesh.from_pydata([tuple(vertex) for vertex in vertices], [], faces)
    body = bpy.data.objects.new("Bones", mesh)
    bpy.context.scene.collection.objects.link(body)
    for number, bone in enumerate(bones):
        body.vertex_groups.new(name=bone.name).add(range(12 * number, 12 * number + 12), 1.0, "REPLACE")
    mesh.materials.append(materials.plain("Bones", (0.25, 0.16, 0.09), 0.6))
    body.modifiers.new("Armature", "ARMATURE").object = rig
    return body


def retarget(rig: bpy.types.Object, motion: Path, controls: str, root_motion: str, python: Path, folder: Path) -> tuple[Source, str]:
    """Fits the motion to the rig and keys it as the panel does. Returns the source at the rig's size, and the rig's kind."""
    description = describe(rig)
    armature_file = write_armature_file(folder / "armature.npz", description)
    fit_file = folder / "fit.npz"
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    subprocess.run([str(python), "-m", "backend", "fit", str(motion), str(armature_file), "--to", str(fit_file)], cwd=CHECKOUT, check=True, env=own)
    target = steps.Target(rig.name, description.mapping, description.notes, armature_file, keying(controls), root_motion=root_motion)
    steps.key_fit(fit_file, target, "Take", bpy.context.scene)
    data = read_npz(motion, "motion file", "Choose another", "bad-motion", needed=("positions", "joint_names", "parents"))
    scale = read_fit(fit_file).scale
    shift = description.origin
    sides = [side_of(str(name)) for name in data["joint_names"]]
    things = []
    for number, name in enumerate(data.get("object_names", ())):
        turns, size = rigid_part(number, data.get("object_rotations"), data.get("object_sizes"))
        things.append(Thing(str(name), scale * data["object_positions"][:, number] + shift, turns, None if size is None else scale * size))
    return Source(scale * data["positions"] + shift, data["parents"].tolist(), sides, things), description.mapping.kind


def side_of(name: str) -> str:
    """The side of a joint, as SIDES has it."""
    return "L" if name.lower().startswith("l") else "R" if name.lower().startswith("r") else ""


def add_stick(source: Source, frame: int, thick: float) -> list[bpy.types.Object]:
    """The source's joints at a frame as spheres and rods."""
    places, made = [Vector(place) for place in source.at(frame)], []
    for joint, parent in enumerate(source.parents):
        colour = _paint(source.sides[joint])
        made.append(_solid("sphere", colour, Vector((1, 1, 1)) * 1.5 * thick, places[joint]))
        if parent >= 0:
            way = places[joint] - places[parent]
            made.append(_solid("rod", colour, Vector((thick, thick, way.length)), (places[joint] + places[parent]) / 2, way.to_track_quat("Z", "Y")))
    for thing in source.things:
        place = Vector(thing.places[min(frame, len(thing.places) - 1)])
        if thing.size is None:
            made.append(_solid("sphere", _paint("R"), Vector((1, 1, 1)) * stage.BALL_RADIUS, place))
        else:
            made.append(_solid("box", _paint("R"), Vector(thing.size), place, Quaternion(thing.turns[min(frame, len(thing.turns) - 1)])))
    return made


def _solid(shape: str, material: bpy.types.Material, scale: Vector, place: Vector, turn: Quaternion | None = None) -> bpy.types.Object:
    name = f"Stick {shape} {material.name}"
    mesh = bpy.data.meshes.get(name)
    if mesh is None:
        add, size = SHAPES[shape]
        getattr(bpy.ops.mesh, add)(**size)
        mesh = bpy.context.object.data
        bpy.data.objects.remove(bpy.context.object)
        mesh.name = name
        mesh.polygons.foreach_set("use_smooth", [shape != "box"] * len(mesh.polygons))
        mesh.materials.append(material)
    item = bpy.data.objects.new(name, mesh)
    item.location, item.scale, item.rotation_mode = place, scale, "QUATERNION"
    item.rotation_quaternion = turn or Quaternion()
    bpy.context.scene.collection.objects.link(item)
    return item


def _paint(side: str) -> bpy.types.Material:
    return bpy.data.materials.get(f"Side {side}") or materials.plain(f"Side {side}", SIDES[side], 0.5)


def points_of(bodies: list[bpy.types.Object]) -> np.ndarray:
    """[N,3] points of the evaluated meshes, in the world."""
    found = []
    for body in bodies:
        evaluated = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
        vertices = np.empty(len(evaluated.data.vertices) * 3, np.float32)
        evaluated.data.vertices.foreach_get("co", vertices)
        world = np.array(evaluated.matrix_world)
        found.append(vertices.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3])
    return np.concatenate(found)


def render(path: Path, rig: bpy.types.Object, bodies: list[bpy.types.Object], source: Source, kind: str, frames: list[int]) -> Path:
    """The picture: a row of the source, a row of the rig. A ball that is thrown may leave it."""
    scene, cell = bpy.context.scene, CELLS[kind]
    aspect = cell[0] / cell[1]
    rig.hide_render = True
    things = [stage.add_ball(bpy.data.objects[f"{rig.name} {thing.name}"]) if thing.size is None else
              stage.add_box(bpy.data.objects[f"{rig.name} {thing.name}"]) for thing in source.things]
    floor = stage.add_floor()
    stage.add_light()
    contact_sheet.set_up_render(scene, cell)
    scene.cycles.samples = SAMPLES
    camera = scene.camera or stage.add_camera()
    seen = []
    for frame in frames:
        scene.frame_set(frame)
        seen.append(np.concatenate([points_of(bodies), source.at(frame - frames[0])]))
    forward = np.mean([facing(source.at(frame - frames[0]), source.sides) for frame in frames], axis=0)
    azimuth = float(np.arctan2(forward[0], -forward[1])) + VIEWS[kind]
    targets, height, distance = framing(seen, azimuth, aspect)
    sticks, rigs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for frame, target in zip(frames, targets, strict=True):
            scene.frame_set(frame)
            stage.look_at(camera, target, distance, azimuth)
            floor.location.xy = np.round(target[:2])  # its tiles are a metre wide, and it fades far from its middle
            for row, shown in ((sticks, False), (rigs, True)):
                made = [] if shown else add_stick(source, frame - frames[0], 0.009 * height)
                for item in (*bodies, *things):
                    item.hide_render = not shown
                scene.render.filepath = str(Path(folder) / "cell.png")
                bpy.ops.render.render(write_still=True)
                row.append(contact_sheet.read_picture(Path(scene.render.filepath)))
                for item in made:
                    bpy.data.objects.remove(item)
    return contact_sheet.write_picture(path, contact_sheet.arranged([*sticks, *rigs], len(frames)))


def framing(seen: list[np.ndarray], azimuth: float, aspect: float) -> tuple[list[np.ndarray], float, float]:
    """What a camera looks at that sees points [N,3] at each of several frames, how tall they are, and from how far it sees them all."""
    height = max(points[:, 2].max() for points in seen)
    targets = [np.array([*(points[:, :2].min(0) + points[:, :2].max(0)) / 2, 0.47 * height]) for points in seen]
    return targets, height, max(stage.fitting_distance(points, target, azimuth, aspect) for points, target in zip(seen, targets, strict=True))


def facing(places: np.ndarray, sides: list[str]) -> np.ndarray:
    """[2] across from the left joints to the right ones, turned forwards, of joints [J,3]."""
    sides = np.array(sides)
    left = places[sides == "L"].mean(0) - places[sides == "R"].mean(0)
    forward = np.cross(left, [0, 0, 1])[:2]
    return forward / (np.linalg.norm(forward) + 1e-9)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rig", required=True, help=f"one of {', '.join(METARIGS)}, or a glTF character (.glb)")
    parser.add_argument("--motion", type=Path, required=True)
    parser.add_argument("--root-motion", choices=MODES, default=HIPS, help="what gets the way over the ground")
    parser.add_argument("--python", type=Path, required=True, help="the backend's Python")
    parser.add_argument("--to", type=Path, required=True, help="the picture")
    arguments = parser.parse_args(argv)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    takes.register()
    scene = bpy.context.scene
    scene.render.fps = 30
    rig, bodies = rigify(arguments.rig) if arguments.rig in METARIGS else character(Path(arguments.rig))
    bpy.context.view_layer.update()
    with tempfile.TemporaryDirectory() as folder:
        controls = "IK" if arguments.rig in METARIGS else "FK"
        source, kind = retarget(rig, arguments.motion, controls, arguments.root_motion, arguments.python, Path(folder))
    first = scene.frame_start
    frames = np.linspace(first, first + len(source.positions) - 1, PICTURES).round().astype(int).tolist()
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    print(f"{render(arguments.to, rig, bodies, source, kind, frames)}: frames {', '.join(map(str, frames))}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
