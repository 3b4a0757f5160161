"""Ultralytics YOLO pose: a folder of text files, one a frame (`save_txt=True`), or the JSON of its results."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.poses.assembly import from_detections
from backend.poses.content import Node, Options, Source, first_entry, frame_numbers, is_object, refuse
from backend.poses.joint_sets import joint_set_names, sets_of
from backend.poses.layouts import joints_of
from backend.poses.tracks import Detection, PoseFile

TITLE = "Ultralytics YOLO"
SETS = ("coco17", "ap10k")
BOX = 5
"""Columns before the keypoints: class and box."""


def looks(source: Source) -> tuple[float, str]:
    texts = source.inside(".txt")
    if texts and _row(texts[0].head) is not None:
        return 0.9, "a folder of text files with class, box and keypoints"
    if not source.is_folder and source.path.suffix.lower() == ".txt" and _row(source.head) is not None:
        return 0.8, "a text file with class, box and keypoints, one frame of a folder"
    files = source.inside(".json")
    certainty, reason = _looks(files[0].sample if files else source.sample)
    return certainty, f"a folder of JSON files: {reason}" if files and certainty else reason


def _looks(value: Any) -> tuple[float, str]:
    if is_object(value, "images") and is_object(first_entry(value["images"]), "results"):
        return 0.95, "images with results"
    while isinstance(value, list):
        value = next((entry for entry in value if entry != []), None)
    if is_object(value, "box", "keypoints") and is_object(value["keypoints"], "x", "y"):
        return 0.97, "results with box and keypoints by x and y"
    return 0.0, ""


def _row(head: bytes) -> list[float] | None:
    """The numbers of a file's first row, None where it is no row of a pose."""
    try:
        row = [float(word) for word in head.split(b"\n")[0].split()]
    except ValueError:
        return None
    return row if len(row) > BOX + 4 and all(-1 <= value <= 2 for value in row[1:BOX]) else None


def read(source: Source, options: Options) -> PoseFile:
    """Text files hold shares of the image; JSON holds pixels or shares. Frame numbers are those in the files' names."""
    if source.inside(".txt"):
        return _read_texts(source, options)
    if not source.is_folder and not source.may_be_json:
        refuse("this file is one frame of a folder", "Choose the folder that holds the text files", source.path)
    return _read_json(source, options)


def _read_texts(source: Source, options: Options) -> PoseFile:
    files = source.inside(".txt")
    numbers = frame_numbers([file.path.name for file in files])
    rows = []
    for file in files:
        for index, line in enumerate(file.text.splitlines(), 1):
            if line.strip():
                try:
                    rows.append((numbers[file.path.name], np.array(line.split(), np.float64)))
                except ValueError:
                    refuse("here is a word that is no number", "Write the file again", f"{file.path}, line {index}")
                if len(rows[-1][1]) != len(rows[0][1]):
                    refuse(f"here are {len(rows[-1][1])} columns, and {len(rows[0][1])} before", "Put the frames of one video into one folder",
                           f"{file.path}, line {index}")
    if not rows:
        refuse("nobody is in any file", "Use a video in which the detector finds somebody", source.path)
    table = np.stack([row for _, row in rows])
    count, values, id_column = _columns(table, options, source)
    points = table[:, BOX : BOX + count * values].reshape(len(table), count, values)
    places = points[..., :2]
    sure = points[..., 2] if values == 3 else (places != 0).any(-1).astype(float)
    detections = [Detection(frame, place, confidence, None if id_column is None else _id(row[id_column]), float(np.nansum(confidence)))
                  for (frame, row), place, confidence in zip(rows, places, sure)]
    joints = joints_of(count, options, source.path, SETS, places, sure)
    return from_detections("ultralytics", source.path, detections, list(joints), options, frames=list(numbers.values()), normalised=True)


def _id(value: float) -> str | None:
    return str(int(value)) if np.isfinite(value) else None


def _columns(table: np.ndarray, options: Options, source: Source) -> tuple[int, int, int | None]:
    """How many joints a row has, how many numbers a joint (2 or 3), and the column of the track id or None.

    After the keypoints may come the detector's confidence (`save_conf`) and the track id, each or both. Of the readings that the number
    of columns allows those count whose points lie in the boxes.
    """
    width = table.shape[1] - BOX
    fitting = []
    for values in (3, 2):
        for extra in (0, 1, 2):
            count = (width - extra) // values
            known = sets_of(count) and (options.joints is None or options.joints in [entry.name for entry in sets_of(count)])
            rest = table[:, BOX + count * values :]
            if (width - extra) % values or not known or (extra == 2 and not _are_ids(rest[:, 1])):
                continue
            if not _in_their_boxes(table, table[:, BOX : BOX + count * values].reshape(len(table), count, values)):
                continue
            fitting.append((count, values, table.shape[1] - 1 if extra == 2 or (extra == 1 and _are_ids(rest[:, 0])) else None))
    if not fitting:
        refuse(f"rows of {table.shape[1]} columns fit no joint set of: {', '.join(joint_set_names())}", "Use a model of one of these joint sets",
               source.path, "unknown-joints")
    if len(fitting) > 1:
        refuse(f"rows of {table.shape[1]} columns may hold {fitting[0][0]} or {fitting[1][0]} joints",
               f"Say which: --joints {sets_of(fitting[0][0])[0].name} or --joints {sets_of(fitting[1][0])[0].name}", source.path, "ambiguous-joints")
    return fitting[0]


def _in_their_boxes(table: np.ndarray, points: np.ndarray) -> bool:
    """True where nearly all points lie in or near their row's box: confidences read as places would not."""
    middle, half = table[:, None, 1:3], table[:, None, 3:5] / 2
    near = (np.abs(points[..., :2] - middle) < 1.5 * half + 0.01).all(-1)
    found = (points[..., :2] != 0).any(-1)
    return bool(near[found].mean() > 0.9) if found.any() else True


def _are_ids(values: np.ndarray) -> bool:
    return bool((values % 1 == 0).all() and (values >= 1).all())


def _read_json(source: Source, options: Options) -> PoseFile:
    files = source.inside(".json")
    if source.is_folder and not files:
        refuse("there is neither a .txt nor a .json file in the folder", "Choose the folder with the files of the frames", source.path)
    names = frame_numbers([file.path.name for file in files])
    sizes: set[tuple[int, int]] = set()
    frames: list[tuple[int, list[Node]]] = []
    for file in files or [source]:
        listed = _frames(file.json, sizes)
        if files and len(listed) > 1:
            refuse("this file of the folder holds several frames", "Choose a single file, or a folder with one file a frame", file.path)
        frames += [(names[file.path.name] if files else number, results) for number, results in enumerate(listed)]
    if len(sizes) > 1:
        refuse("the images have different sizes", "Use the images of one video", source.path)
    detections = []
    for number, results in frames:
        for result in results:
            if result.get("keypoints") is not None:
                places, sure = _points(result["keypoints"])
                id_ = result.get("track_id")
                detections.append(Detection(number, places, sure, str(id_.whole()) if id_ else None, result["confidence"].number()))
    if len({len(entry.keypoints) for entry in detections}) > 1:
        refuse("poses have different numbers of joints", "Write the file again with one model", source.path)
    joints: tuple[str, ...] = ()
    if detections:
        places, sure = np.stack([entry.keypoints for entry in detections]), np.stack([entry.confidences for entry in detections])
        joints = joints_of(places.shape[1], options, source.path, SETS, places, sure)
    return from_detections("ultralytics", source.path, detections, list(joints), options, frames=[number for number, _ in frames],
                           image_size=sizes.pop() if sizes else None)


def _frames(root: Node, sizes: set[tuple[int, int]]) -> list[list[Node]]:
    """The results of each frame of a file; adds what it says of the image's size."""
    if isinstance(root.value, dict):
        frames = []
        for image in root["images"].items():
            shape = image.get("shape")
            if shape:
                sides = [side.whole() for side in shape.items()]
                if len(sides) < 2 or min(sides) <= 0:
                    shape.bad("height and width")
                sizes.add((sides[1], sides[0]))
            frames.append(image["results"].items())
        return frames
    entries = root.items()
    if any(isinstance(entry.value, list) for entry in entries):
        return [entry.items() for entry in entries]
    return [entries]


def _points(node: Node) -> tuple[np.ndarray, np.ndarray]:
    x, y = node["x"].table(1)[:, 0], node["y"].table(1)[:, 0]
    visible = node["visible"].table(1)[:, 0] if node.get("visible") else np.ones(len(x))
    if not len(x) == len(y) == len(visible):
        node.bad(f"as many x, y and visible (there are {len(x)}, {len(y)} and {len(visible)})")
    return np.stack([x, y], -1), visible
