"""From what a reader found to a pose file: confidences in 0..1, places in pixels with y down, identities as tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.poses.content import Options, refuse
from backend.poses.linking import link
from backend.poses.tracks import Detection, PoseFile, Track, clean, in_shares

SPARSE = 20
"""A time line may have so many frames for each frame with a pose; more means that the numbers don't count frames."""


def from_arrays(format_: str, source: Path, keypoints: np.ndarray, confidences: np.ndarray, ids: list[str], joint_names: list[str],
                options: Options, **known) -> PoseFile:
    """A pose file of arrays keypoints [P,T,J,2] and raw confidences [P,T,J], each row with its identity. `known` are fields of PoseFile
    that the file says. Raises KineliftError where nobody is seen or the image size is needed and unknown."""
    size = options.image_size or known.get("image_size")
    keypoints, confidences, notes = _in_the_image(keypoints, confidences, size, options.y_up, source)
    tracks = [Track(id_, places, sure, list(joint_names)) for id_, places, sure in zip(ids, keypoints, confidences)]
    return _finish(PoseFile(format_, source, tracks, **known), options, notes)


def from_detections(format_: str, source: Path, detections: list[Detection], joint_names: list[str], options: Options,
                    frames: list[int] | None = None, normalised: bool = False, **known) -> PoseFile:
    """A pose file of single detections, which become tracks by the file's ids, or by overlap where it has none.

    frames: all frame numbers of the file, those without anybody too; their common step becomes the time line's. normalised: places are
    shares of the image. Raises KineliftError where nobody is seen, the image size is needed and unknown, or numbers don't count frames.
    """
    if not detections:
        refuse("nobody is seen in any frame", "Use a video in which the detector finds somebody", source)
    first, step, length = time_line([*(entry.frame for entry in detections), *(frames or [])], source)
    size = options.image_size or known.get("image_size")
    places, sure, notes = _in_the_image(np.stack([entry.keypoints for entry in detections]), np.stack([entry.confidences for entry in detections]),
                                        size, options.y_up, source, normalised)
    by_frame: list[list[Detection]] = [[] for _ in range(length)]
    for entry, place, confidence in zip(detections, places, sure):
        if confidence.any():
            frame = (entry.frame - first) // step
            by_frame[frame].append(Detection(frame, place, confidence, entry.id, entry.score))
    if all(entry.id is not None for entry in detections):
        rows, doubles = _by_id(by_frame)
        notes += [f"{doubles} poses share id and frame with a surer one and were left out"] if doubles else []
    else:
        rows = {str(index + 1): row for index, row in enumerate(link(by_frame))}
        notes += ["the file has no ids: tracks were linked by overlap"]
    tracks = []
    for id_, row in rows.items():
        keypoints, confidences = np.zeros((length, len(joint_names), 2)), np.zeros((length, len(joint_names)))
        for frame, entry in row:
            keypoints[frame], confidences[frame] = entry.keypoints, entry.confidences
        tracks.append(Track(id_, keypoints, confidences, list(joint_names)))
    return _finish(PoseFile(format_, source, tracks, first_frame=first, step=step, **known), options, notes)


def time_line(numbers: list[int], place: object) -> tuple[int, int, int]:
    """First frame number, step and length of the time line that holds these frame numbers. Raises KineliftError where it would be all
    but empty."""
    numbers = sorted(set(numbers))
    first, step = numbers[0], int(np.gcd.reduce(np.diff(numbers))) if len(numbers) >= 8 else 1
    length = (numbers[-1] - first) // step + 1
    if length > SPARSE * len(numbers) + 1000:
        leap = int(np.argmax(np.diff(numbers)))
        refuse(f"after frame {numbers[leap]} comes frame {numbers[leap + 1]}: these don't count the frames of a video",
               "Run the detector on a video, or on images numbered in order", place)
    return first, step, length


def _in_the_image(keypoints: np.ndarray, confidences: np.ndarray, size: tuple[int, int] | None, y_up: bool, place: object,
                  normalised: bool = False) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Keypoints [...,J,2] in pixels with y down, confidences [...,J] in 0..1, and notes on what was done to them."""
    with np.errstate(over="ignore", invalid="ignore"):
        scale, note = confidence_scale(confidences)
        keypoints, confidences = clean(keypoints, confidences / scale)
    confidences = np.where((keypoints == 0).all(-1), 0.0, confidences)  # the origin is how most programs write a missed joint
    notes = [note] if note else []
    seen = keypoints[confidences > 0]
    unit = len(seen) and (normalised or in_shares(seen))
    if size is None and (unit or y_up):
        refuse("the poses are in shares of the image, whose size the file doesn't say" if unit else "y can't be turned without the image's height",
               "Give the size of the video, for example --image-size 1920x1080", place, "missing-setting")
    if unit:
        signed = not normalised and (seen < -0.05).mean() > 0.05
        keypoints = ((keypoints + 1) / 2 if signed else keypoints) * np.asarray(size, float)
        notes.append(f"places from {'-1' if signed else '0'} to 1 were multiplied by the image size")
    if y_up:
        keypoints = np.stack([keypoints[..., 0], size[1] - keypoints[..., 1]], -1)
        notes.append("y was turned")
    return *clean(keypoints, confidences), notes


def confidence_scale(confidences: np.ndarray) -> tuple[float, str]:
    """What to divide raw scores by so that they lie in 0..1, and a note. COCO's 0, 1, 2 are halved; heatmap scores above 1 are divided
    by their 99th percentile."""
    known = confidences[np.isfinite(confidences) & (confidences > 0)]
    if not len(known) or known.max() <= 1.001:
        return 1.0, ""
    if np.isin(known, (1, 2)).all():
        return 2.0, "visibility 2 is confidence 1, and 1 (hidden) is 0.5"
    scale = float(np.percentile(known, 99))
    return scale, f"scores reach {known.max():.3g}: confidence 1 stands for {scale:.3g}"


def _by_id(frames: list[list[Detection]]) -> tuple[dict[str, list[tuple[int, Detection]]], int]:
    """Detections a frame as rows by id, and how many were left out because a surer one of the frame has the id."""
    rows: dict[str, dict[int, Detection]] = {}
    doubles = 0
    for frame, entries in enumerate(frames):
        for entry in entries:
            row = rows.setdefault(str(entry.id), {})
            doubles += frame in row
            if frame not in row or entry.score > row[frame].score:
                row[frame] = entry
    return {id_: sorted(row.items()) for id_, row in rows.items()}, doubles


def _finish(file: PoseFile, options: Options, notes: list[str]) -> PoseFile:
    """Drops tracks nobody is seen in, puts the prominent first, and lets the user's options win. Raises KineliftError where none is left."""
    file.tracks = [track for track in file.tracks if track.seen.any()]
    if not file.tracks:
        refuse("nobody is seen in any frame", "Use a video in which the detector finds somebody", file.source)
    if file.frames < 2:
        refuse("there is only one frame, which is a picture and no motion",
               "Choose the poses of a whole video; where each frame is a file, choose their folder", file.source)
    file.tracks.sort(key=lambda track: -float((track.sizes() * track.confidences.mean(1)).sum()))
    file.fps, file.focal = options.fps or file.fps, options.focal or file.focal
    file.image_size = options.image_size or file.image_size
    file.notes += notes
    return file
