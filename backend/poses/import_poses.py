"""`poses`: what a 2D pose file of any program holds, and the 2D pose file of ours made of it."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from backend.errors import KineliftError
from backend.poses.content import Options, refuse
from backend.poses.joint_sets import joint_set_names, roles_of, sources
from backend.poses.poses2d import fits, make_poses2d
from backend.poses.sniffer import FORMATS, Candidate, read_poses, sniff
from backend.poses.tracks import PoseFile, Track
from rigs import load_skeleton, skeleton_names

UPSIDE_DOWN = 0.8
"""Share of the frames with the shoulders below the feet above which y probably grows upwards."""


def describe(file: PoseFile, certainty: float, reason: str) -> list[str]:
    """Lines that tell what a file holds: format and certainty, frame rate, image size, focal length, tracks, skeletons, notes."""
    names = file.tracks[0].joint_names
    lines = [
        f"format      {file.format}: {FORMATS[file.format].TITLE} ({certainty:.0%}: {reason})",
        f"frames      {file.frames}, the first is {file.first_frame} in the file" + (f", every {file.step}th" if file.step > 1 else ""),
        f"fps         {file.fps:g}" if file.fps else "fps         unknown: say it with --fps",
        f"image size  {file.image_size[0]}x{file.image_size[1]}" if file.image_size else "image size  unknown: say it with --image-size",
        f"focal       {file.focal:g} px" if file.focal else "focal       unknown",
        f"joints      {len(names)}: {', '.join(names[:8])}" + (" ..." if len(names) > 8 else ""),
    ]
    lines.append("skeletons   " + (", ".join(f"{name} {share:.0%}" for name, share in fitting_skeletons(names).items()
                                             if not load_skeleton(name).travel) or "none fits"))
    lines += [f"track {track.id:<5} {track.summary()}" for track in file.tracks]
    return lines + [f"note: {note}" for note in all_notes(file)]


def fitting_skeletons(names: list[str]) -> dict[str, float]:
    """The skeletons that joints of these names can be read for, and the share of each that they give, the largest first."""
    found = {name: len(sources(names, skeleton)) / len(skeleton.joints + skeleton.objects)
             for name in skeleton_names() if fits(names, skeleton := load_skeleton(name))}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def all_notes(file: PoseFile) -> list[str]:
    """What was mended or assumed, and what looks odd."""
    return file.notes + [f"track {track.id} has its shoulders below its feet: if y grows upwards in the file, say --y-up"
                         for track in file.tracks if is_upside_down(track)]


def summary(file: PoseFile, candidate: Candidate) -> dict:
    """What a file holds, for programs: what `describe` says, unknown numbers as 0; missing: which of fps and image_size nobody has said.

    Tracks as {id, frames, first, last, share, size, confidence}: frames seen, the first and the last of them, their share of the file's, the mean
    size in pixels and the mean confidence.
    """
    return {
        "format": file.format, "title": FORMATS[file.format].TITLE, "certainty": candidate.certainty, "reason": candidate.reason,
        "frames": file.frames, "first_frame": file.first_frame, "step": file.step, "fps": file.fps or 0.0,
        "image_size": list(file.image_size or (0, 0)), "focal": file.focal or 0.0, "joints": len(file.tracks[0].joint_names),
        "skeletons": fitting_skeletons(file.tracks[0].joint_names), "tracks": [track.facts() for track in file.tracks], "notes": all_notes(file),
        "missing": [name for name in ("fps", "image_size") if not getattr(file, name)], "poses": "",
    }


def import_poses(path: Path, options: Options, format_: str | None, skeleton: str, tracks: list[str], out_dir: Path | None) -> dict:
    """The `summary` of a pose file; with a skeleton its tracks of these ids ("all", or none for the only one) are written to `out_dir` as the
    2D pose file `poses`. A file in shares of an image whose size nobody has said has no tracks yet. Raises KineliftError."""
    try:
        file, candidate = read_poses(path, options, format_)
    except KineliftError as error:
        if skeleton or options.image_size or error.code != "missing-setting":
            raise
        best = Candidate(format_, 1.0, "as was said") if format_ else sniff(path)[0]
        return {"format": best.format, "title": FORMATS[best.format].TITLE, "certainty": best.certainty, "reason": best.reason, "frames": 0,
                "first_frame": 0, "step": 1, "fps": 0.0, "image_size": [0, 0], "focal": 0.0, "joints": 0, "skeletons": {}, "tracks": [],
                "notes": [error.message], "missing": ["image_size"], "poses": ""}
    found = summary(file, candidate)
    if skeleton:
        poses, notes = make_poses2d(file, skeleton, tracks)
        found["poses"], found["notes"] = str(poses.save(out_dir / f"{path.stem}.npz")), found["notes"] + notes
    return found


def is_upside_down(track: Track) -> bool:
    """True where neck and shoulders are below the feet in nearly all frames."""
    roles = roles_of(track.joint_names)
    ends = [[roles[role] for role in wanted if role in roles] for wanted in (
        ("neck", "shoulder.L", "shoulder.R"), ("ankle.L", "ankle.R", "back_foot.L", "back_foot.R"))]
    if not all(ends):
        return False
    heights = [np.where(track.confidences[:, end] > 0, track.keypoints[:, end, 1], np.nan) for end in ends]
    both = np.isfinite(heights[0]).any(1) & np.isfinite(heights[1]).any(1)
    upper, lower = (np.nanmean(height[both], axis=1) for height in heights)
    return bool(both.any() and (upper > lower).mean() > UPSIDE_DOWN)


def image_size(text: str) -> tuple[int, int]:
    """Reads WxH."""
    width, _, height = text.lower().partition("x")
    if not (width.isascii() and width.isdecimal() and height.isascii() and height.isdecimal() and 0 < int(width) < 10**6 and 0 < int(height) < 10**6):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write for example 1920x1080")
    return int(width), int(height)


def positive(text: str) -> float:
    """Reads a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def add_arguments(parser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a file, or the folder of a format with one file a frame")
    parser.add_argument("--format", choices=list(FORMATS), help="the format, where the content doesn't tell")
    parser.add_argument("--joints", choices=joint_set_names(), help="the joint set, where several have as many joints")
    parser.add_argument("--fps", type=positive, help="frames a second of the poses")
    parser.add_argument("--image-size", type=image_size, metavar="WxH", help="size of the video in pixels")
    parser.add_argument("--focal", type=positive, metavar="PX", help="focal length in pixels")
    parser.add_argument("--y-up", action="store_true", help="y grows upwards in the file")
    parser.add_argument("--track", metavar="N|all", help="the track to write")
    parser.add_argument("--skeleton", choices=skeleton_names(), help="the skeleton to write for: that of the pack that will lift")
    parser.add_argument("--to", type=Path, metavar="OUT.npz", help="the 2D pose file to write")


def run(arguments) -> int:
    options = Options(arguments.fps, arguments.image_size, arguments.focal, arguments.joints, arguments.y_up)
    file, candidate = read_poses(arguments.file, options, arguments.format)
    for line in describe(file, candidate.certainty, candidate.reason):
        print(line)
    if arguments.to:
        if not arguments.skeleton:
            refuse("the poses need a skeleton to be written", "Choose one with --skeleton, that of the pack that will lift them", arguments.file,
                   "missing-setting")
        poses, notes = make_poses2d(file, arguments.skeleton, arguments.track)
        for note in notes:
            print(f"note: {note}")
        print(poses.save(arguments.to))
    return 0
