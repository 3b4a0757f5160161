"""The arguments of the command line without a window."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from .export.formats import FORMATS as EXPORT_FORMATS
from .runtime.environment import PYTHON_VARIABLE
from .scene import root_motion

FORMATS = ("fbx", "blend", "npz")
MORE_FORMATS = ("bvh", "glb", "usdc")


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; `command` is the chosen one."""
    parser = argparse.ArgumentParser(prog="blender -b --command kinelift", description="Kinelift without a window")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

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

    retarget = commands.add_parser("retarget", help="put a motion file on an armature")
    retarget.add_argument("--motion", type=Path, required=True, help="a motion file (.npz), a BVH file, or results.npy of the MAS program")
    retarget.add_argument("--scale", type=float, default=0.0, help="metres of one unit of a BVH file; guessed from the legs without it")
    _add_target(retarget, required=True)
    _add_output(retarget)

    writing = commands.add_parser("export", help="write a take or an armature of a .blend file as FBX, BVH, glTF or USD")
    writing.add_argument("--blend", type=Path, required=True, help="the scene")
    subject = writing.add_mutually_exclusive_group(required=True)
    subject.add_argument("--take", help="name of a take in the scene")
    subject.add_argument("--armature", help="name of an armature object with a motion")
    writing.add_argument("--all-bones", action="store_true", help="control bones too")
    writing.add_argument("--format", choices=[name.lower() for name in EXPORT_FORMATS], help="the format; what the ending says without it")
    writing.add_argument("--to", type=Path, required=True, help="the file: .fbx, .bvh, .glb, .usdc, .usd or .usda")
    return parser


def _add_target(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--blend", type=Path, required=required, help="the scene to work in; an empty one without it")
    parser.add_argument("--target", required=required, help="name of the armature object in it that is to move")
    parser.add_argument("--preset", help="name of a rig preset; the bones are detected without it")
    parser.add_argument("--contacts", choices=("auto", "always", "never", "grounding"), default="auto", help="how feet are kept on the floor")
    parser.add_argument("--root-motion", choices=root_motion.MODES, default=root_motion.HIPS, help="what gets the way over the ground")
    keys = parser.add_argument_group("keys on the target")
    keys.add_argument("--controls", choices=("fk", "ik-feet", "ik"), default="fk", help="which controls of a generated Rigify human, horse or cat get the keys")
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
