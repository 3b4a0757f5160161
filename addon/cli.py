"""The features without a window: `blender -b --command kinelift generate --pack ... --out ...`."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
import traceback
from pathlib import Path

import bpy

from ..backend.errors import Cancelled, KineliftError, write_error
from ..backend.motion.files import whole_file
from .export.subjects import Subject, armature_subject, take_subject
from .generate import steps as generating
from .retarget import steps as retargeting
from .runtime import session
from .runtime.environment import PYTHON_VARIABLE
from .runtime.jobs import Job, Progress, Steps, run_to_end
from .scene import root_motion
from .scene.fbx import export_fbx

FORMATS = ("fbx", "blend", "npz")
SHOW_INTERVAL = 2.0
"""Seconds between two lines of progress."""


def main(argv: list[str]) -> int:
    """Runs one command; its exit code: 0 done, 1 an error said on stderr, 2 wrong arguments, 130 cancelled."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as exit:  # argparse would end Blender without its clean-up
        return int(exit.code or 0)
    try:
        arguments.run(arguments)
        return 0
    except KineliftError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (Cancelled, KeyboardInterrupt):
        print("cancelled", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        session.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="blender -b --command kinelift", description="Kinelift without a window")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = commands.add_parser("generate", help="make motions with a model pack")
    generate.add_argument("--pack", required=True, help="name of the pack")
    generate.add_argument("--seconds", type=float, default=6.0)
    generate.add_argument("--seed", type=int, default=0)
    generate.add_argument("--variants", type=int, default=1, help="motions at once, with this seed and the ones after it")
    generate.add_argument("--mode", choices=("fast", "paper", "reference"), default="fast")
    generate.add_argument("--in-place", action="store_true", help="keep the figure over the origin")
    generate.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    _add_target(generate, required=False)
    _add_output(generate)
    generate.set_defaults(run=_generate)

    retarget = commands.add_parser("retarget", help="put a motion file on an armature")
    retarget.add_argument("--motion", type=Path, required=True, help="a motion file (.npz)")
    _add_target(retarget, required=True)
    _add_output(retarget)
    retarget.set_defaults(run=_retarget)

    export = commands.add_parser("export", help="write a take or an armature of a .blend file to FBX")
    export.add_argument("--blend", type=Path, required=True, help="the scene")
    subject = export.add_mutually_exclusive_group(required=True)
    subject.add_argument("--take", help="name of a take in the scene")
    subject.add_argument("--armature", help="name of an armature object with a motion")
    export.add_argument("--all-bones", action="store_true", help="control bones too")
    export.add_argument("--to", type=Path, required=True, help="the .fbx file")
    export.set_defaults(run=_export)
    return parser


def _add_target(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--blend", type=Path, required=required, help="the scene to work in; an empty one without it")
    parser.add_argument("--target", required=required, help="name of the armature object in it that is to move")
    parser.add_argument("--preset", help="name of a rig preset; the bones are detected without it")
    parser.add_argument("--contacts", choices=("auto", "always", "never", "grounding"), default="auto", help="how feet are kept on the floor")
    parser.add_argument("--root-motion", choices=root_motion.MODES, default=root_motion.HIPS, help="what gets the way over the ground")
    parser.add_argument("--python", type=Path, help=f"the backend's Python; else {PYTHON_VARIABLE}, else the preferences")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--formats", type=_formats, default=FORMATS, help="which of fbx,blend,npz to write; all without it")


def _formats(text: str) -> tuple[str, ...]:
    chosen = tuple(filter(None, text.split(",")))
    if not chosen or set(chosen) - set(FORMATS):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(FORMATS)}")
    return chosen


def _generate(arguments: argparse.Namespace) -> None:
    _open_scene(arguments.blend)
    target = _target(arguments) if arguments.target else None
    wish = generating.Wish(arguments.pack, arguments.seconds, arguments.seed, arguments.variants, arguments.mode,
                           arguments.in_place, arguments.device)
    names = _run("Generating", generating.generate(session.backend(arguments.python), wish, target))
    scene = bpy.context.scene
    for name in names:
        take = scene.kinelift_takes[name]
        stem = Path(take.motion_file).stem
        if "npz" in arguments.formats:
            _keep(take.motion_file, arguments.out / f"{stem}.npz")
        if "fbx" in arguments.formats:
            _write_fbx(arguments.out / f"{stem}.fbx", take_subject(scene, scene.kinelift_takes.find(name)))
    first = Path(scene.kinelift_takes[names[0]].motion_file).stem
    _write_target(arguments, target, first)


def _retarget(arguments: argparse.Namespace) -> None:
    _open_scene(arguments.blend)
    target = _target(arguments)
    stem = arguments.motion.stem
    found = _run("Retargeting", retargeting.retarget(session.backend(arguments.python), arguments.motion.resolve(), target, stem))
    print(found.remark, file=sys.stderr)
    if "npz" in arguments.formats:
        _keep(target.file.parent / "fit.npz", arguments.out / f"{stem}_{target.name}_fit.npz")
    _write_target(arguments, target, stem)


def _export(arguments: argparse.Namespace) -> None:
    _open_scene(arguments.blend)
    scene = bpy.context.scene
    subject = (armature_subject(_armature(scene, arguments.armature)) if arguments.armature
               else take_subject(scene, scene.kinelift_takes.find(arguments.take)))
    _write_fbx(arguments.to, subject, only_deform=not arguments.all_bones)


def _open_scene(blend: Path | None) -> None:
    if blend is None:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        return
    if not blend.is_file():
        raise KineliftError("there is no such file", "Check the path", str(blend), "missing-file")
    bpy.ops.wm.open_mainfile(filepath=str(blend.resolve()), load_ui=False)


def _armature(scene: bpy.types.Scene, name: str) -> bpy.types.Object:
    armature = scene.objects.get(name)
    if armature is None or armature.type != "ARMATURE":
        names = [item.name for item in scene.objects if item.type == "ARMATURE"]
        remedy = f"Choose one of: {', '.join(names)}" if names else "Name a scene that has one with --blend"
        raise KineliftError(f"there is no armature {name!r} in the scene", remedy, bpy.data.filepath, "no-target")
    return armature


def _target(arguments: argparse.Namespace) -> retargeting.Target:
    target = retargeting.read_target(_armature(bpy.context.scene, arguments.target), arguments.preset, arguments.contacts,
                                     arguments.root_motion)
    for note in target.notes:
        print(f"note: {note}", file=sys.stderr)
    return target


def _run(title: str, steps: Steps):
    start, shown_at = time.monotonic(), -SHOW_INTERVAL

    def show(progress: Progress) -> None:
        nonlocal shown_at
        if time.monotonic() - start - shown_at >= SHOW_INTERVAL:
            shown_at = time.monotonic() - start
            print(f"{progress}: {progress.message}", file=sys.stderr, flush=True)

    result = run_to_end(Job(title, steps), show)
    print(f"{title} took {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    return result


def _write_target(arguments: argparse.Namespace, target: retargeting.Target | None, stem: str) -> None:
    if target is not None and "fbx" in arguments.formats:
        armature = bpy.context.scene.objects[target.name]
        _write_fbx(arguments.out / f"{stem}_{bpy.path.clean_name(target.name)}.fbx", armature_subject(armature))
    if "blend" in arguments.formats:
        _save_blend(arguments.out / f"{stem}.blend")


def _save_blend(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(path.resolve()), copy=True, check_existing=False)
    except OSError as error:
        raise write_error(error, path) from error
    except RuntimeError as error:
        raise KineliftError(f"the scene could not be saved ({error})", "Free disk space or choose another folder", str(path),
                            "write-failed") from error
    print(path)


def _write_fbx(path: Path, subject: Subject, only_deform: bool = True) -> None:
    objects, frames = subject
    print(export_fbx(path.resolve(), bpy.context.scene, objects, frames, only_deform))


def _keep(source: Path | str, path: Path) -> None:
    with whole_file(path) as temporary:
        shutil.copyfile(source, temporary)
    print(path)


_commands: list = []


def register() -> None:
    _commands.append(bpy.utils.register_cli_command("kinelift", main))


def unregister() -> None:
    while _commands:
        bpy.utils.unregister_cli_command(_commands.pop())
