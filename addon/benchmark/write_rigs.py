"""Writes the armature files that `bench retarget` measures on: Rigify's human, horse and cat, as metarigs and generated, an armature with the
bones of every other human preset, and the armature of every glTF character in a folder. Runs in the bpy wheel; `build.py bench retarget` runs it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import addon_utils
import bpy
import numpy as np

from kinelift.addon.scene.armatures import Description, describe, write_armature_file
from kinelift.backend.errors import KineliftError
from kinelift.rigs import Preset, load_preset, preset_names
from kinelift.rigs.presets import CHAIN_ROLES, above

METARIGS = {"rigify-human": "basic_human", "rigify-horse": "horse", "rigify-cat": "cat"}
"""Name of the file -> Blender's name of the metarig."""

PREFIXES = {"3ds-max-biped": "Bip01 "}
"""Preset -> what stands before its names, where it doesn't do without."""


def write(armature: bpy.types.Object, path: Path) -> None:
    try:
        description = describe(armature)
    except KineliftError as error:
        print(f"{path.stem}: left out: {error}", flush=True)
        return
    print(f"{write_armature_file(path, description)}: {description.mapping.title}, {len(description.bone_names)} bones", flush=True)


def write_metarig(name: str, metarig: str, folder: Path) -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("rigify", default_set=True)
    getattr(bpy.ops.object, f"armature_{metarig}_metarig_add")()
    write(bpy.context.object, folder / f"{name}-metarig.npz")
    bpy.ops.pose.rigify_generate()
    write(bpy.context.object, folder / f"{name}.npz")


def write_named(preset: Preset, body: Description, folder: Path) -> None:
    """An armature with the names of a preset and as many bones, in the place and posture of the human `body`."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    armature = bpy.data.objects.new(preset.name, bpy.data.armatures.new(preset.name))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, parent, head, tail in laid_out(preset, body):
        made = armature.data.edit_bones.new(bone)
        made.head, made.tail = head, tail
        made.parent = armature.data.edit_bones.get(parent)
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.update()
    write(armature, folder / f"named-{preset.name}.npz")


def laid_out(preset: Preset, body: Description) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """Bones of a preset, parents first: name, the parent's name ("" for the root), head and tail. A list of bones shares the way that the
    body's own list takes."""
    places = {role: (body.heads[number], body.tails[number]) for number, role in enumerate(body.roles)}
    bones = {role: PREFIXES.get(preset.name, "") + bone for bone, role in preset.roles.items()}
    chains = {chain: sorted((role for role in bones if role.split(".")[0] == chain), key=lambda role: int(role.split(".")[1])) for chain in CHAIN_ROLES}
    for chain, roles in chains.items():
        own = [places[role] for role in sorted(places) if role.split(".")[0] == chain]
        way = np.array([*(head for head, _ in own), own[-1][1]]) if own else np.empty((0, 3))
        at = np.linspace(0, max(len(way) - 1, 0), len(roles) + 1)
        points = [np.array([np.interp(share, range(len(way)), way[:, axis]) for axis in range(3)]) for share in at] if roles else []
        places |= {role: (points[number], points[number + 1]) for number, role in enumerate(roles)}
    trunk = ["pelvis", *chains["spine"]]
    line = [*trunk, *chains["neck"], *(["head"] if "head" in bones else [])]
    carried_by = dict(zip(line[1:], line, strict=False))
    order = [*line, *(role for role in bones if role not in line)]
    for role in order[len(line):]:
        carried_by[role] = above(role, bones, "human") or ("pelvis" if role.split(".")[0] == "thigh" else trunk[-1])
    order.sort(key=lambda role: (role not in line, len(_lineage(role, carried_by))))
    return [(bones[role], bones.get(carried_by.get(role, ""), ""), *places[role]) for role in order]


def _lineage(role: str, carried_by: dict[str, str]) -> list[str]:
    return [role, *_lineage(carried_by[role], carried_by)] if role in carried_by else [role]


def write_character(file: Path, folder: Path) -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.import_scene.gltf(filepath=str(file), bone_heuristic="TEMPERANCE")
    for armature in [item for item in bpy.data.objects if item.type == "ARMATURE"][:1]:
        if armature.animation_data is not None:  # its clips are not meant here: the bones are described as they rest
            armature.animation_data_clear()
        for bone in armature.pose.bones:
            bone.matrix_basis.identity()
        bpy.context.view_layer.update()
        write(armature, folder / f"{file.stem}.npz")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="folder of the armature files")
    parser.add_argument("--characters", type=Path, help="folder with glTF characters (.glb)")
    arguments = parser.parse_args(argv)
    arguments.to.mkdir(parents=True, exist_ok=True)
    for name, metarig in METARIGS.items():
        write_metarig(name, metarig, arguments.to)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_basic_human_metarig_add()
    body = describe(bpy.context.object)
    for preset in map(load_preset, preset_names()):
        if preset.kind == "human" and preset.name.removesuffix("-metarig") not in METARIGS:
            write_named(preset, body, arguments.to)
    for file in sorted(arguments.characters.rglob("*.glb")) if arguments.characters else ():
        write_character(file, arguments.to)


if __name__ == "__main__":
    main(sys.argv[1:])
