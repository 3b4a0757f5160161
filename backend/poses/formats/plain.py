"""Plain arrays and tables: .npz, .npy and .csv, for everything that has no reader of its own."""

from __future__ import annotations

import csv
import io
import re

import numpy as np

from backend.errors import KineliftError
from backend.motion.files import read_npz
from backend.poses.assembly import from_arrays, time_line
from backend.poses.content import Options, Source, refuse
from backend.poses.layouts import joints_of
from backend.poses.tracks import PoseFile

TITLE = "plain .npz, .npy or .csv"
AS_DOCUMENTED = "Write it as docs/formats/plain.md says"
KEYPOINTS = ("keypoints", "body_pose")
CONFIDENCES = ("confidences", "scores", "visible")
COLUMN = re.compile(r"(.+?)[ _.]?(x|y|confidence|conf|score|likelihood|visibility|c)", re.IGNORECASE)
HIGHEST_SCORE = 100


def looks(source: Source) -> tuple[float, str]:
    if source.head.startswith(b"\x93NUMPY"):
        return 0.8, "a NumPy array"
    if source.head.startswith(b"PK") and source.path.suffix.lower() == ".npz":
        return 0.8, "NumPy arrays"
    if source.path.suffix.lower() == ".csv":
        header = source.head.split(b"\n")[0].decode("utf-8-sig", "replace")
        kinds = [_column(cell) for cell in header.split(",")]
        if sum(kind is not None for kind in kinds) >= 4:
            return 0.8, "columns NAME_x and NAME_y"
    return 0.0, ""


def read(source: Source, options: Options) -> PoseFile:
    if source.head.startswith(b"\x93NUMPY"):
        return _read_array(source, options)
    if source.head.startswith(b"PK"):
        return _read_arrays(source, options)
    return _read_table(source, options)


def _read_array(source: Source, options: Options) -> PoseFile:
    try:
        array = np.load(io.BytesIO(source.content), allow_pickle=False)
    except Exception as error:  # on damaged files numpy raises whatever Python's tokenizer does
        refuse(f"this is not a readable array ({str(error)[:200]})", "Save it again with numpy.save, numbers only", source.path)
    return _assemble(source, options, array, None, None, None)


def _read_arrays(source: Source, options: Options) -> PoseFile:
    arrays = read_npz(source.path, "pose file", AS_DOCUMENTED, "bad-poses")
    keypoints = next((arrays[key] for key in KEYPOINTS if key in arrays), None)
    if keypoints is None:
        refuse(f"there is no array 'keypoints' (there are: {', '.join(arrays) or 'none'})", AS_DOCUMENTED, source.path)
    confidences = next((arrays[key] for key in CONFIDENCES if key in arrays), None)
    names, ids = (None if name not in arrays else [str(entry) for entry in arrays[name].ravel()] for name in ("joint_names", "track_ids"))
    known = {key: value for key, check in (("fps", 1), ("focal", 1), ("image_size", 2), ("first_frame", 1))
             if key in arrays and (value := _setting(arrays[key], key, check, source))}
    return _assemble(source, options, keypoints, confidences, names, ids, **known)


def _setting(array: np.ndarray, key: str, count: int, source: Source):
    """A number or, of two, a pair of whole numbers; 0 is unknown and gives None."""
    if array.size != count or not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array) or not np.isfinite(array).all() or (array < 0).any():
        refuse(f"'{key}' is {array.tolist()!r:.100}", f"Write {'width and height' if count == 2 else 'one number'}, or leave it away", source.path)
    values = [float(value) for value in array.ravel()]
    if not all(values):
        return None
    if max(values) > 1e9:
        refuse(f"'{key}' is {values}", "Write a sensible number, or leave it away", source.path)
    return (int(values[0]), int(values[1])) if count == 2 else int(values[0]) if key == "first_frame" else values[0]


def _assemble(source: Source, options: Options, keypoints: np.ndarray, confidences: np.ndarray | None, names: list[str] | None,
              ids: list[str] | None, **known) -> PoseFile:
    """keypoints [T,J,2], [T,J,3] (x, y, confidence) or either with a first axis for the tracks."""
    if keypoints.ndim not in (3, 4) or keypoints.shape[-1] not in (2, 3) or keypoints.dtype.kind not in "fiu" or not keypoints.size:
        refuse(f"the keypoints have shape {list(keypoints.shape)} and type {keypoints.dtype}",
               "Write numbers [frames, joints, 2 or 3], or [tracks, frames, joints, 2 or 3]", source.path)
    keypoints = keypoints.astype(np.float64).reshape(-1, *keypoints.shape[-3:])
    if keypoints.shape[-1] == 3:
        third = keypoints[..., 2][np.isfinite(keypoints[..., 2])]
        if len(third) and (third.min() < 0 or third.max() > HIGHEST_SCORE):
            refuse(f"the third number of a point should be a confidence and reaches from {third.min():.3g} to {third.max():.3g}",
                   "Write x, y and a confidence from 0 to 1; 3D positions are no 2D poses", source.path)
        confidences = keypoints[..., 2] if confidences is None else confidences
    elif confidences is None:
        confidences = np.ones(keypoints.shape[:3])
    if confidences.dtype.kind not in "fiub" or confidences.size != keypoints.size // keypoints.shape[-1]:
        refuse(f"the confidences have shape {list(confidences.shape)} for keypoints {list(keypoints.shape)}", AS_DOCUMENTED, source.path)
    confidences, keypoints = confidences.astype(np.float64).reshape(keypoints.shape[:3]), keypoints[..., :2]
    count = keypoints.shape[2]
    if options.joints or names is None:
        names = list(joints_of(count, options, source.path, (), keypoints.reshape(-1, count, 2), confidences.reshape(-1, count)))
    if len(names) != count or len(set(names)) != count:
        refuse(f"there are {len(set(names))} joint names for {count} joints", "Give each joint one name of its own", source.path)
    if ids is not None and (len(ids) != len(keypoints) or len(set(ids)) != len(ids)):
        refuse(f"there are {len(set(ids))} track ids for {len(keypoints)} tracks", "Give each track one id of its own", source.path)
    return from_arrays("plain", source.path, keypoints, confidences, ids or [str(index + 1) for index in range(len(keypoints))], names, options, **known)


def _column(cell: str) -> tuple[str, str] | None:
    """(joint, "x", "y" or "c") of a column's name, None for another column."""
    match = COLUMN.fullmatch(cell.strip())
    if not match or not match[1].strip("_ ."):
        return None
    kind = match[2].lower()
    return match[1].strip("_ ."), kind if kind in "xy" else "c"


def _read_table(source: Source, options: Options) -> PoseFile:
    """A row a frame, or with a column `track` a row a frame and track; columns NAME_x, NAME_y and perhaps NAME_confidence."""
    try:
        rows = [row for row in csv.reader(io.StringIO(source.text)) if row]
    except csv.Error as error:
        refuse(f"this is not a readable table ({error})", AS_DOCUMENTED, source.path)
    if len(rows) < 2:
        refuse("the table has no rows", AS_DOCUMENTED, source.path)
    header = [cell.strip() for cell in rows[0]]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            refuse(f"row {number} has {len(row)} cells, and the header {len(header)}", "Write a cell for each column", source.path)
    columns = {kind: index for index, cell in enumerate(header) if (kind := _column(cell))}
    names = list(dict.fromkeys(joint for joint, _ in columns if (joint, "x") in columns and (joint, "y") in columns))
    lower = [cell.lower() for cell in header]
    if not names:
        refuse("no column is named NAME_x or NAME_y", AS_DOCUMENTED, source.path)
    frame_column = lower.index("frame") if "frame" in lower else None
    track_column = next((lower.index(name) for name in ("track", "track_id", "id", "person") if name in lower), None)
    ids = list(dict.fromkeys(row[track_column] for row in rows[1:])) if track_column is not None else ["1"]
    if frame_column is None and track_column is not None:
        refuse("a table with several tracks needs a column 'frame'", AS_DOCUMENTED, source.path)
    frames = [_number(row[frame_column], source, number) if frame_column is not None else number - 2.0 for number, row in enumerate(rows[1:], 2)]
    if any(not abs(frame) < 1e12 or frame % 1 for frame in frames):
        refuse("a frame is no whole number", "Number the frames 0, 1, 2 and so on", source.path)
    first, step, length = time_line([int(frame) for frame in frames], source.path)
    table = np.full((len(ids), length, len(names), 3), np.nan)
    done: set[tuple[int, int]] = set()
    for number, (row, frame) in enumerate(zip(rows[1:], frames), 2):
        track = ids.index(row[track_column]) if track_column is not None else 0
        if (track, int(frame)) in done:
            refuse(f"row {number}: frame {int(frame)} of track {ids[track]!r} is there twice", "Leave one row a frame and track", source.path)
        done.add((track, int(frame)))
        for joint, name in enumerate(names):
            values = [_number(row[columns[name, kind]], source, number) if (name, kind) in columns else 1.0 for kind in "xyc"]
            table[track, (int(frame) - first) // step, joint] = values
    joints = list(joints_of(len(names), options, source.path)) if options.joints else names
    return from_arrays("plain", source.path, table[..., :2], table[..., 2], ids, joints, options, first_frame=first, step=step)


def _number(cell: str, source: Source, row: int) -> float:
    """A cell's number, NaN for an empty one."""
    try:
        value = float(cell) if cell.strip() else np.nan
    except ValueError:
        raise KineliftError(f"row {row}: {cell[:40]!r} is no number", "Write a number, or leave the cell empty", str(source.path), "bad-poses") from None
    return value
