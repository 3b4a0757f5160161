"""The features without a window: `blender -b --command kinelift generate --pack ... --out ...`."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
import traceback
from pathlib import Path

import bpy

from ..backend.errors import Cancelled, KineliftError, write_error
from ..backend.motion.files import whole_file
from ..backend.packs.catalogue import list_packs
from .export.checks import check
from .export.formats import FORMATS as EXPORT_FORMATS
from .export.formats import export, format_of
from .export.subjects import Subject, armature_subject, take_subject
from .generate import steps as generating
from .lift import steps as lifting
from .retarget import steps as retargeting
from .retarget.delivery import Delivery
from .retarget.keys import keying
from .runtime import session
from .runtime.environment import PYTHON_VARIABLE
from .runtime.jobs import Job, Progress, Steps, run_to_end
from .runtime.location import user_folder
from .scene import root_motion
from .scene.curves import Thinning
from .scene.footage import facts_of
from .sources.steps import Source, read_motions

FORMATS = ("fbx", "blend", "npz")
MORE_FORMATS = ("bvh", "glb", "usdc")
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

    lift = commands.add_parser("lift", help="lift the 2D poses of a video to 3D")
    lift.add_argument("--poses", type=Path, required=True, help="a pose file, or a folder with one file for each frame")
    lift.add_argument("--pack", required=True, help="name of a pack that lifts")
    lift.add_argument("--track", action="append", default=[], help="id of a track, or all; may be said several times. Needed where there are several")
    lift.add_argument("--fps", type=float, default=0.0, help="frames a second of the poses, where the file doesn't say it")
    lift.add_argument("--image-size", type=_image_size, default=(0, 0), metavar="WxH", help="size of the video in pixels, where the file doesn't say it")
    lift.add_argument("--focal", type=float, default=0.0, help="focal length in pixels; estimated without it")
    lift.add_argument("--format", default="", help="the format, where the content doesn't tell")
    lift.add_argument("--joints", default="", help="the joint set, where several have as many joints")
    lift.add_argument("--y-up", action="store_true", help="y grows upwards in the file")
    lift.add_argument("--height", type=float, default=0.0, help="metres the subject is tall; the pack's usual height without it")
    lift.add_argument("--seed", type=int, default=0)
    lift.add_argument("--no-plant", dest="plant", action="store_false", help="leave the feet where the picture shows them")
    lift.add_argument("--no-camera", dest="makes_camera", action="store_false", help="make no camera, and leave the scene's image size alone")
    lift.add_argument("--footage", type=Path, help="the movie, or the first of its numbered images, to show in the camera")
    lift.add_argument("--counts-from", type=int, default=0, help="the number that the pose file gives the footage's first frame")
    lift.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    _add_target(lift, required=False)
    _add_output(lift)
    lift.set_defaults(run=_lift)

    retarget = commands.add_parser("retarget", help="put a motion file on an armature")
    retarget.add_argument("--motion", type=Path, required=True, help="a motion file (.npz), a BVH file, or results.npy of the MAS program")
    retarget.add_argument("--scale", type=float, default=0.0, help="metres of one unit of a BVH file; guessed from the legs without it")
    _add_target(retarget, required=True)
    _add_output(retarget)
    retarget.set_defaults(run=_retarget)

    writing = commands.add_parser("export", help="write a take or an armature of a .blend file as FBX, BVH, glTF or USD")
    writing.add_argument("--blend", type=Path, required=True, help="the scene")
    subject = writing.add_mutually_exclusive_group(required=True)
    subject.add_argument("--take", help="name of a take in the scene")
    subject.add_argument("--armature", help="name of an armature object with a motion")
    writing.add_argument("--all-bones", action="store_true", help="control bones too")
    writing.add_argument("--format", choices=[name.lower() for name in EXPORT_FORMATS], help="the format; what the ending says without it")
    writing.add_argument("--to", type=Path, required=True, help="the file: .fbx, .bvh, .glb, .usdc, .usd or .usda")
    writing.set_defaults(run=_export)
    return parser


def _add_target(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--blend", type=Path, required=required, help="the scene to work in; an empty one without it")
    parser.add_argument("--target", required=required, help="name of the armature object in it that is to move")
    parser.add_argument("--preset", help="name of a rig preset; the bones are detected without it")
    parser.add_argument("--contacts", choices=("auto", "always", "never", "grounding"), default="auto", help="how feet are kept on the floor")
    parser.add_argument("--root-motion", choices=root_motion.MODES, default=root_motion.HIPS, help="what gets the way over the ground")
    keys = parser.add_argument_group("keys on the target")
    keys.add_argument("--controls", choices=("fk", "ik-feet", "ik"), default="fk", help="which controls of a generated Rigify human get the keys")
    keys.add_argument("--layer", choices=("new", "nla", "bake"), default="new",
                      help="a new Action, a strip of the NLA, or into the Action that plays (default: %(default)s)")
    keys.add_argument("--start", type=int, help="frame of the scene at which the motion begins; the scene's first without it")
    keys.add_argument("--thin", nargs=2, type=float, metavar=("DEGREES", "MM"), help="fewer keys: how far turns and places may be from the motion")
    keys.add_argument("--straight", action="store_true", help="straight lines between fewer keys, not smooth curves")
    keys.add_argument("--object", default="", help="name of an object that plays the motion's ball or box; an empty without it")
    keys.add_argument("--no-holds", action="store_true", help="key the ball or box in the world also while a hand holds it")
    parser.add_argument("--python", type=Path, help=f"the backend's Python; else {PYTHON_VARIABLE}, else the preferences")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--formats", type=_formats, default=FORMATS,
                        help=f"which of {','.join(FORMATS + MORE_FORMATS)} to write; {','.join(FORMATS)} without it")


def _formats(text: str) -> tuple[str, ...]:
    chosen = tuple(filter(None, text.split(",")))
    if not chosen or set(chosen) - {*FORMATS, *MORE_FORMATS}:
        raise argparse.ArgumentTypeError(f"choose from {', '.join(FORMATS + MORE_FORMATS)}")
    return chosen


def _image_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", text.lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write for example 1920x1080")
    return int(found[1]), int(found[2])


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
