"""DeepLabCut (and Lightning Pose): a table with the columns scorer, individuals, bodyparts, coords, as .csv or .h5."""

from __future__ import annotations

import csv
import io

import numpy as np

from backend.poses.assembly import from_arrays, time_line
from backend.poses.content import Options, Source, frame_numbers, refuse
from backend.poses.hdf import opened, pandas_table
from backend.poses.layouts import joints_of
from backend.poses.tracks import PoseFile

TITLE = "DeepLabCut"
COORDS = ("x", "y", "likelihood")
LEVELS = ("scorer", "individuals", "bodyparts", "coords")
ALONE = "1"
"""The id of the animal in a table without individuals."""


def looks(source: Source) -> tuple[float, str]:
    if source.head.startswith(b"\x89HDF"):
        with opened(source.path) as file:
            return (0.97, "a pandas table of keypoints") if any("pandas_type" in group.attrs for group in file.values()) else (0.0, "")
    lines = source.head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines[0].startswith(b"scorer,") and any(line.startswith(b"bodyparts,") for line in lines[1:3]):
        return 0.98, "the header rows scorer, bodyparts, coords"
    if lines[0].startswith(b"bodyparts,") and len(lines) > 1 and lines[1].startswith(b"coords,"):
        return 0.95, "the header rows bodyparts, coords"
    return 0.0, ""


def read(source: Source, options: Options) -> PoseFile:
    """Tracks are the individuals; bodyparts that only some of them have are not seen for the others. Frames are the row numbers, or the
    numbers in image names. A .h5 file's column labels are read without unpickling them."""
    labels, levels, frames, values = _from_h5(source) if source.head.startswith(b"\x89HDF") else _from_csv(source)
    individual, part, coord = (levels.index(name) if name in levels else None for name in LEVELS[1:])
    if part is None or coord is None:
        refuse("the columns have no bodyparts or no coords", "Export the predictions of the whole video from DeepLabCut again", source.path)
    ids = list(dict.fromkeys(label[individual] if individual is not None else ALONE for label in labels))
    parts = list(dict.fromkeys(label[part] for label in labels))
    first, step, length = _time_line(frames, source)
    table = np.full((len(ids), length, len(parts), 3), np.nan)
    filled = set()
    for column, label in enumerate(labels):
        if label[coord] not in COORDS:
            continue  # z, or what else a tool adds
        key = (label[individual] if individual is not None else ALONE, label[part], label[coord])
        if key in filled:
            refuse(f"the column {' '.join(key)} is there twice", "Export one model's predictions", source.path)
        filled.add(key)
        table[ids.index(key[0]), (frames - first) // step, parts.index(key[1]), COORDS.index(key[2])] = values[:, column]
    for id_, name, _ in filled:
        if not {(id_, name, "x"), (id_, name, "y")} <= filled:
            refuse(f"{name!r} lacks x or y", "Export the predictions of the whole video from DeepLabCut again", source.path)
    if not any(coordinate == "likelihood" for _, _, coordinate in filled):  # labelled by hand
        table[..., 2] = np.isfinite(table[..., :2]).all(-1)
    joints = list(joints_of(len(parts), options, source.path)) if options.joints else parts
    return from_arrays("deeplabcut", source.path, table[..., :2], table[..., 2], ids, joints, options, first_frame=first, step=step)


def _time_line(frames: np.ndarray, source: Source) -> tuple[int, int, int]:
    """First frame number, step and length. Raises KineliftError for a number that is there twice."""
    if not len(frames):
        refuse("the table has no rows", "Export the predictions of the whole video", source.path)
    numbers, counts = np.unique(frames, return_counts=True)
    if counts.max() > 1:
        refuse(f"frame {numbers[counts.argmax()]} is there twice", "Leave one row a frame", source.path)
    return time_line([int(number) for number in numbers], source.path)


def _from_csv(source: Source) -> tuple[list[tuple[str, ...]], list[str], np.ndarray, np.ndarray]:
    """Column labels, the names of their levels, frame numbers [T] and values [T,columns]."""
    try:
        rows = [row for row in csv.reader(io.StringIO(source.text)) if row]
    except csv.Error as error:
        refuse(f"this is not a readable table ({error})", "Export it again", source.path)
    header = 0
    while header < len(rows) and rows[header][0] in LEVELS:
        header += 1
    if not header:
        refuse(f"the table doesn't start with the rows {', '.join(LEVELS)}", "Export the predictions of the whole video from DeepLabCut again", source.path)
    indices = 1
    while indices < len(rows[0]) and all(rows[level][indices] == "" for level in range(header) if indices < len(rows[level])):
        indices += 1  # labelled data: folder and image stand in columns of their own
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            refuse(f"row {number + 1} has {len(row)} columns, and the first {len(rows[0])}", "Export the table again", source.path)
    names = [row[indices - 1] for row in rows[header:]]
    try:
        values = np.array([[float(cell) if cell.strip() else np.nan for cell in row[indices:]] for row in rows[header:]], np.float64)
    except ValueError as error:
        refuse(f"a cell is no number ({error})", "Export the table again", source.path)
    labels = list(zip(*(rows[level][indices:] for level in range(header))))
    return labels, [rows[level][0] for level in range(header)], _frames(names), values.reshape(len(names), len(labels))


def _frames(names: list[str]) -> np.ndarray:
    """Frame numbers of rows that are named by number or by image."""
    if all(name.strip().isascii() and name.strip().isdecimal() and len(name) < 12 for name in names):
        return np.array([int(name) for name in names], np.int64)
    numbers = frame_numbers(names)
    return np.array([numbers[name] for name in names], np.int64)


def _from_h5(source: Source) -> tuple[list[tuple[str, ...]], list[str], np.ndarray, np.ndarray]:
    labels, index, values = pandas_table(source.path)
    depth = len(labels[0]) if labels else 0
    levels = {4: list(LEVELS), 3: [LEVELS[0], *LEVELS[2:]]}.get(depth)
    if levels is None:
        refuse(f"the columns have {depth} levels", "Export the predictions of the whole video from DeepLabCut again", source.path)
    frames = index if np.issubdtype(index.dtype, np.integer) else _frames([name.decode("utf-8", "replace") for name in index])
    return labels, levels, frames.astype(np.int64), values
