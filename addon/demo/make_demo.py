"""The demo: a new basketball motion on two Rigify humans, by the steps a user would click. `build.py demo` runs it.

Runs in the bpy wheel with the packaged extension; writes a .blend, an .fbx and a picture.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import addon_utils
import bpy
import numpy as np

from kinelift.addon.demo import contact_sheet, mannequin, stage

EXTENSION = "bl_ext.user_default.kinelift"
HIPS = {"Metarig": ("thigh.L", "thigh.R"), "Rig": ("DEF-thigh.L", "DEF-thigh.R")}
PICTURES = 10

timings: list[tuple[str, float]] = []


@contextmanager
def timed(title: str) -> Iterator[None]:
    print(f"[demo] {title} ...", flush=True)
    start = time.monotonic()
    yield
    timings.append((title, time.monotonic() - start))


def install(package: Path, python: Path) -> None:
    """The extension as from Install from Disk, with the backend's Python chosen in the preferences."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.preferences.view.show_splash = False
    bpy.ops.extensions.package_install_files(filepath=str(package), repo="user_default", enable_on_install=True)
    preferences = bpy.context.preferences.addons[EXTENSION].preferences
    preferences.backend_source, preferences.python_path = "PATH", str(python)


def add_rigs() -> tuple[bpy.types.Object, bpy.types.Object]:
    """Rigify's basic human metarig, and the rig with controls that Rigify generates from it."""
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_basic_human_metarig_add()
    metarig = bpy.context.object
    metarig.name = "Metarig"
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    rig.name = "Rig"
    for armature in (metarig, rig):
        armature.hide_set(False)
    return metarig, rig


def generate(pack: str, seconds: float, seed: int, target: bpy.types.Object) -> None:
    """A new take, at once on the target."""
    scene = bpy.context.scene
    settings = scene.kinelift_generate
    settings.pack_name = pack
    settings.seconds, settings.seed = seconds, seed
    scene.kinelift_retarget.target = target
    finished(bpy.ops.kinelift.generate())


def show_file(motion: Path, target: bpy.types.Object) -> None:
    """A motion file as a take, and on the target."""
    takes = importlib.import_module(f"{EXTENSION}.addon.scene.takes")
    takes.add_take(bpy.context.scene, motion, motion.stem, 0)
    apply_take(target)


def apply_take(target: bpy.types.Object) -> None:
    bpy.context.scene.kinelift_retarget.target = target
    finished(bpy.ops.kinelift.apply_take())


def finished(result: set[str]) -> None:
    if result != {"FINISHED"}:
        raise RuntimeError(f"the operator ended with {', '.join(result)}")


def ball_of(armature: bpy.types.Object) -> bpy.types.Object | None:
    """The keyed empty of the ball that goes with an armature."""
    return bpy.data.objects.get(f"{armature.name} Ball")


def gather(name: str, objects: list[bpy.types.Object]) -> bpy.types.Collection:
    """Moves objects into a collection of their own."""
    collection = bpy.data.collections.new(name)
    bpy.context.scene.collection.children.link(collection)
    for item in objects:
        for holder in list(item.users_collection):
            holder.objects.unlink(item)
        collection.objects.link(item)
    return collection


def set_stage(armatures: list[bpy.types.Object], bodies: list[bpy.types.Object]) -> list[bpy.types.Object]:
    """A collection for each armature with its body and ball; floor and light for all. Returns the balls."""
    balls = []
    for armature, body in zip(armatures, bodies):
        empty = ball_of(armature)
        ball = stage.add_ball(empty, empty.empty_display_size) if empty is not None else None
        balls.append(ball)
        armature.hide_render = True
        gather(f"{armature.name} with skin", [item for item in (armature, body, empty, ball) if item is not None])
    floor = stage.add_floor()
    stage.add_light()
    bpy.context.scene.frame_set(bpy.context.scene.frame_preview_start)
    floor.location.xy = np.round(np.array(bodies[0].evaluated_get(bpy.context.evaluated_depsgraph_get()).bound_box).mean(0)[:2])
    return balls


def shown_frames() -> list[int]:
    scene = bpy.context.scene
    return np.linspace(scene.frame_preview_start, scene.frame_preview_end, PICTURES).round().astype(int).tolist()


def export(armature: bpy.types.Object, path: Path) -> None:
    scene = bpy.context.scene
    scene.kinelift_retarget.target = armature
    scene.kinelift_export.subject = "TARGET"
    finished(bpy.ops.kinelift.export(filepath=str(path), format="FBX"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build.py demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--python", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--pack", default="basketball")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--motion", type=Path, help="show this motion file instead of a new motion")
    return parser.parse_args()


def main() -> None:
    wish = arguments()
    wish.out.mkdir(parents=True, exist_ok=True)
    results = {kind: wish.out / f"kinelift-demo.{kind}" for kind in ("blend", "fbx", "png")}
    with timed("install the packaged extension"):
        install(wish.package, wish.python)
    bpy.context.scene.render.fps = 30
    with timed("make a Rigify metarig and generate its rig"):
        metarig, rig = add_rigs()
    with timed("make and skin two mannequins"):
        bodies = [mannequin.add_mannequin(metarig, armature, f"Mannequin {armature.name}") for armature in (rig, metarig)]
    if wish.motion:
        with timed(f"fit {wish.motion.name} to the generated rig and key it"):
            show_file(wish.motion.resolve(), rig)
    else:
        with timed(f"sample {wish.seconds:g} s with {wish.pack}, fit them to the generated rig and key it"):
            generate(wish.pack, wish.seconds, wish.seed, rig)
    with timed("fit the same take to the metarig and key it"):
        apply_take(metarig)
    balls = set_stage([rig, metarig], bodies)
    bpy.data.collections["Metarig with skin"].hide_render = True
    with timed(f"render {PICTURES} frames"):
        contact_sheet.render_contact_sheet(results["png"], bodies[0], HIPS["Rig"], balls[0], shown_frames())
    bpy.context.scene.frame_set(bpy.context.scene.frame_preview_start)
    bpy.data.collections["Metarig with skin"].hide_viewport = True
    with timed("save the scene"):
        bpy.ops.wm.save_as_mainfile(filepath=str(results["blend"]), compress=True)
    with timed("export FBX"):
        export(rig, results["fbx"])
    print("\n[demo] seconds")
    for title, seconds in timings:
        print(f"[demo] {seconds:8.1f}  {title}")
    print("[demo] files")
    for path in results.values():
        print(f"[demo]   {path}  ({path.stat().st_size / 1e6:.1f} MB)")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
