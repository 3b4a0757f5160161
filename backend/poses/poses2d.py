"""Poses2D: the tracks that are to be lifted, on a skeleton, with what is known of the camera; and its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from backend.errors import KineliftError
from backend.motion.files import read_npz, write_npz
from backend.poses.content import refuse
from backend.poses.joint_sets import sources, to_skeleton
from backend.poses.mending import mend
from backend.poses.tracks import PoseFile, Track
from rigs import Skeleton, load_skeleton, skeleton_names

REMEDY = "Write it again with `python -m backend poses`"
ALL = "all"
OUTSIDE = 0.25
"""A seen joint may lie outside of the image by this share of its size; detectors complete bodies at the edge."""


@dataclass
class Poses2D:
    """Tracks of one video on one skeleton, mended.

    keypoints [P,T,K,2] in pixels, x right and y down, of the skeleton's joints, then its objects; confidences [P,T,K] in 0..1, 0 where
    not seen; joint_names [K]; skeleton: a name in rigs/skeletons; fps; image_size (width, height); focal in pixels, 0 where unknown;
    track_ids [P]; source: the name of the file they were read from; first_frame and step: frame t is the video's first_frame + t * step.
    """

    keypoints: np.ndarray
    confidences: np.ndarray
    joint_names: list[str]
    skeleton: str
    fps: float
    image_size: tuple[int, int]
    focal: float
    track_ids: list[str]
    source: str
    first_frame: int = 0
    step: int = 1

    def __post_init__(self):
        self.validate("poses")

    def validate(self, place: str) -> None:
        """Raises KineliftError naming `place` when shapes disagree or a value means nothing."""

        def bad(message: str) -> NoReturn:
            refuse(message, REMEDY, place)

        if self.skeleton not in skeleton_names():
            bad(f"there is no skeleton {self.skeleton!r}")
        skeleton = load_skeleton(self.skeleton)
        if tuple(self.joint_names) != skeleton.joints + skeleton.objects:
            bad(f"the joint names are not those of the skeleton {self.skeleton}")
        shape = (len(self.track_ids), self.keypoints.shape[1] if self.keypoints.ndim == 4 else 0, len(self.joint_names))
        if self.keypoints.shape != (*shape, 2) or self.confidences.shape != shape or 0 in shape:
            bad(f"'keypoints' and 'confidences' have shapes {list(self.keypoints.shape)} and {list(self.confidences.shape)} for {shape[0]} tracks "
                f"and {shape[2]} joints")
        if not np.isfinite(self.keypoints).all():
            track, frame, joint = np.argwhere(~np.isfinite(self.keypoints))[0][:3]
            bad(f"track {self.track_ids[track]!r} has no number at frame {frame}, joint {self.joint_names[joint]!r}")
        if not ((self.confidences >= 0) & (self.confidences <= 1)).all():
            bad("a confidence is not in 0..1")
        if not (np.isfinite(self.fps) and self.fps > 0):
            bad(f"fps is {self.fps}")
        if len(self.image_size) != 2 or min(self.image_size) <= 0:
            bad(f"image_size is {self.image_size}")
        if not (np.isfinite(self.focal) and self.focal >= 0) or self.step < 1:
            bad(f"focal is {self.focal} and step {self.step}")

    def save(self, path: Path | str) -> Path:
        """Writes the 2D pose file, whole or not at all."""
        return write_npz(path, {
            "keypoints": self.keypoints.astype(np.float32), "confidences": self.confidences.astype(np.float32),
            "joint_names": np.array(self.joint_names), "skeleton": np.array(self.skeleton), "fps": np.float64(self.fps),
            "image_size": np.array(self.image_size, np.int32), "focal": np.float64(self.focal), "track_ids": np.array(self.track_ids),
            "source": np.array(self.source), "first_frame": np.int64(self.first_frame), "step": np.int64(self.step),
        })

    @classmethod
    def load(cls, path: Path | str) -> Poses2D:
        """Reads a 2D pose file without running code from it. Raises KineliftError naming the file and the remedy."""
        needed = ("keypoints", "confidences", "joint_names", "skeleton", "fps", "image_size", "focal", "track_ids", "source", "first_frame", "step")
        arrays = read_npz(path, "2D pose file", REMEDY, "bad-poses", needed)
        try:
            return cls(arrays["keypoints"].astype(np.float64), arrays["confidences"].astype(np.float64), [str(name) for name in arrays["joint_names"]],
                       str(arrays["skeleton"]), float(arrays["fps"]), tuple(int(side) for side in arrays["image_size"]), float(arrays["focal"]),
                       [str(id_) for id_ in arrays["track_ids"]], str(arrays["source"]), int(arrays["first_frame"]), int(arrays["step"]))
        except KineliftError as error:
            raise KineliftError(error.message, error.remedy, str(path), error.code) from None
        except (TypeError, ValueError) as error:
            raise KineliftError(f"the 2D pose file holds the wrong kind of data ({error})", REMEDY, str(path), "bad-poses") from error


def make_poses2d(file: PoseFile, skeleton_name: str, track: str | list[str] | None = None) -> tuple[Poses2D, list[str]]:
    """The chosen tracks (an id or several, "all", or None where there is one) on the skeleton, mended, and what was done to them.

    Raises KineliftError naming the option where the frame rate, the image size or the choice is missing, or where the file's joints
    are not enough of the skeleton's.
    """
    if skeleton_name not in skeleton_names():
        refuse(f"there is no skeleton {skeleton_name!r}", f"Choose one of: {', '.join(skeleton_names())}", "--skeleton", "bad-setting")
    skeleton = load_skeleton(skeleton_name)
    tracks = choose(file, track)
    if file.fps is None:
        refuse("the file doesn't say the frame rate", "Give the frames a second of the poses, for example --fps 30", file.source, "missing-setting")
    if file.image_size is None:
        refuse("the file doesn't say the size of the image", "Give the size of the video, for example --image-size 1920x1080", file.source,
               "missing-setting")
    made, notes = [], []
    for entry in tracks:
        check_joints(entry, skeleton, file.source)
        check_size(entry, file.image_size, file.source)
        places, sure = to_skeleton(entry.keypoints, entry.confidences, entry.joint_names, skeleton)
        places, sure, done = mend(places, sure, skeleton, file.fps)
        made.append((places, sure))
        notes += [f"track {entry.id}: {note}" for note in done]
    poses = Poses2D(np.stack([places for places, _ in made]), np.stack([sure for _, sure in made]), list(skeleton.joints + skeleton.objects),
                    skeleton_name, file.fps, file.image_size, file.focal or 0.0, [entry.id for entry in tracks], file.source.name,
                    file.first_frame, file.step)
    return poses, notes


def choose(file: PoseFile, track: str | list[str] | None) -> list[Track]:
    """The tracks meant by an id or several, "all" or None."""
    ids = [entry.id for entry in file.tracks]
    wanted = [track] if isinstance(track, str) else list(track or [])
    if ALL in wanted or (not wanted and len(ids) == 1):
        return file.tracks
    unknown = [id_ for id_ in wanted if id_ not in ids]
    if unknown or not wanted:
        most = ", ".join(ids[:10]) + (" ..." if len(ids) > 10 else "")
        refuse(f"there is no track {unknown[0]!r}" if unknown else f"there are {len(ids)} tracks", f"Choose with --track: {most} or {ALL}", file.source,
               "missing-setting")
    return [entry for entry in file.tracks if entry.id in wanted]


def check_joints(track: Track, skeleton: Skeleton, place: object) -> None:
    """Raises KineliftError where the track's joints are not those of such a body."""
    if not fits(track.joint_names, skeleton):
        refuse(f"the file's joints ({', '.join(track.joint_names[:12])} ...) are not those of {skeleton.name}",
               "Choose another --skeleton, or say with --joints what the joints are", place, "wrong-skeleton")


def fits(names: list[str], skeleton: Skeleton) -> bool:
    """True where these joints give at least half of the skeleton's, and its feet: a person has most joints of a quadruped, but no paws."""
    found = sources(names, skeleton)
    return 2 * len(found) >= len(skeleton.joints) and set(skeleton.feet) <= found.keys()


def check_size(track: Track, size: tuple[int, int], place: object) -> None:
    """Raises KineliftError where the poses lie outside of the image more than now and then."""
    seen = track.keypoints[track.confidences > 0]
    margin = OUTSIDE * np.asarray(size)
    outside = ((seen < -margin) | (seen > np.asarray(size) + margin)).any(-1)
    if outside.mean() > 0.2:
        reach = np.percentile(seen, 95, axis=0)
        refuse(f"the poses reach to ({reach[0]:.0f}, {reach[1]:.0f}), outside of an image of {size[0]}x{size[1]}",
               "Give the size of the video the poses were found in with --image-size", place, "bad-setting")
