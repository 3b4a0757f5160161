"""Writes the armature files that `bench retarget` measures on: Rigify's human, horse and cat, as metarigs and generated, and the armature
of every glTF character in a folder. Runs in the bpy wheel; `build.py bench retarget` runs it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import addon_utils
import bpy

from kinelift.addon.scene.armatures import describe, write_armature_file
from kinelift.backend.errors import KineliftError

METARIGS = {"rigify-human": "basic_human", "rigify-horse": "horse", "rigify-cat": "cat"}
"""Name of the file -> Blender's name of the metarig."""


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
    for file in sorted(arguments.characters.rglob("*.glb")) if arguments.characters else ():
        write_character(file, arguments.to)


if __name__ == "__main__":
    main(sys.argv[1:])
