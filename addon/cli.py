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
from ..backend.packs.catalogue import list_packs
from .arguments import make_parser
from .export.checks import check
from .export.formats import export, format_of
from .export.subjects import Subject, armature_subject, take_subject
from .generate import steps as generating
from .lift import steps as lifting
from .retarget import steps as retargeting
from .retarget.delivery import Delivery
from .retarget.keys import keying
from .runtime import session
from .runtime.jobs import Job, Progress, Steps, run_to_end
from .runtime.location import user_folder
from .scene.curves import Thinning
from .scene.footage import facts_of
from .sources.steps import Source, read_motions

SHOW_INTERVAL = 2.0
"""Seconds between two lines of progress."""


def main(argv: list[str]) -> int:
    """Runs one command; its exit code: 0 done, 1 an error said on stderr, 2 wrong arguments, 130 cancelled."""
    try:
        arguments = make_parser().parse_args(argv)
    except SystemExit as exit:  # argparse would end Blender without its clean-up
        return int(exit.code or 0)
    try:
        COMMANDS[arguments.command](arguments)
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


def _generate(arguments: argparse.Namespace) -> None:
    _open_scene(arguments.blend)
    target = _target(arguments) if arguments.target else None
    wish = generating.Wish(arguments.pack, arguments.seconds, arguments.seed, arguments.variants, arguments.mode,
                           arguments.in_place, arguments.device)
    _write_takes(arguments, _run("Generating", generating.generate(session.backend(arguments.python), wish, target)), target)


def _lift(arguments: argparse.Namespace) -> None:
    pack = next((pack for pack in list_packs([user_folder("packs")]) if pack.name == arguments.pack), None)
    if pack is None or pack.kind != "mvlift":
        raise KineliftError(f"there is no pack {arguments.pack!r} that lifts", f"Copy it into {user_folder('packs')}, or choose another", code="missing-pack")
    if arguments.footage is not None:
        facts_of(arguments.footage.resolve())
    _open_scene(arguments.blend)
    target = _target(arguments) if arguments.target else None
    reading = lifting.Reading(arguments.poses.resolve(), arguments.fps, arguments.image_size, arguments.focal, arguments.format, arguments.joints,
                              arguments.y_up)
    wish = lifting.Wish(reading, pack.name, pack.skeleton, tuple(arguments.track), arguments.height, arguments.seed, arguments.plant, arguments.device,
                        arguments.makes_camera, arguments.footage.resolve() if arguments.footage else None, arguments.counts_from)
    _write_takes(arguments, _run("Lifting", lifting.lift(session.backend(arguments.python), wish, target)), target)


def _write_takes(arguments: argparse.Namespace, delivery: Delivery, target: retargeting.Target | None) -> None:
    scene = bpy.context.scene
    for remark in delivery.remarks:
        print(remark, file=sys.stderr)
    for name in delivery.names:
        take = scene.kinelift_takes[name]
        stem = Path(take.motion_file).stem
        if "npz" in arguments.formats:
            _keep(take.motion_file, arguments.out / f"{stem}.npz")
        _write_all(arguments, stem, take_subject(scene, scene.kinelift_takes.find(name)))
    first = Path(scene.kinelift_takes[delivery.names[0]].motion_file).stem
    _write_target(arguments, target, first)


def _retarget(arguments: argparse.Namespace) -> None:
    _open_scene(arguments.blend)
    target = _target(arguments)
    stem = arguments.motion.stem
    motions, notes = _run("Reading", read_motions(Source(arguments.motion, arguments.scale), arguments.python))
    if len(motions) > 1:
        notes.append(f"{arguments.motion.name} holds {len(motions)} motions, and the first is put on {target.name}")
    found = _run("Retargeting", retargeting.retarget(session.backend(arguments.python), motions[0], target, stem))
    for note in (*notes, found.remark):
        print(f"note: {note}", file=sys.stderr)
    if "npz" in arguments.formats:
        _keep(target.file.parent / "fit.npz", arguments.out / f"{stem}_{target.name}_fit.npz")
    _write_target(arguments, target, stem)


def _export(arguments: argparse.Namespace) -> None:
    _open_scene(arguments.blend)
    scene = bpy.context.scene
    subject = (armature_subject(_armature(scene, arguments.armature)) if arguments.armature
               else take_subject(scene, scene.kinelift_takes.find(arguments.take)))
    format_name = arguments.format.upper() if arguments.format else format_of(arguments.to)
    _write(arguments.to, subject, format_name, only_deform=not arguments.all_bones)


COMMANDS = {"generate": _generate, "lift": _lift, "retarget": _retarget, "export": _export}


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
    thinning = Thinning(arguments.thin[0], arguments.thin[1] / 1000, not arguments.straight) if arguments.thin else None
    wish = keying(arguments.controls.upper().replace("-", "_"), arguments.layer.upper(), arguments.start, thinning, arguments.object, not arguments.no_holds)
    target = retargeting.read_target(_armature(bpy.context.scene, arguments.target), arguments.preset, wish, arguments.contacts, arguments.root_motion)
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
    if target is not None:
        _write_all(arguments, f"{stem}_{bpy.path.clean_name(target.name)}", armature_subject(bpy.context.scene.objects[target.name]))
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


def _write_all(arguments: argparse.Namespace, stem: str, subject: Subject) -> None:
    for ending in arguments.formats:
        if ending not in ("blend", "npz"):
            path = arguments.out / f"{stem}.{ending}"
            _write(path, subject, format_of(path))


def _write(path: Path, subject: Subject, format_name: str, only_deform: bool = True) -> None:
    scene = bpy.context.scene
    for finding in check(scene, subject, format_name, only_deform):
        print(f"{'warning' if finding.breaks else 'note'}: {finding.text}", file=sys.stderr)
    print(export(path.resolve(), scene, subject, format_name, only_deform))


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
