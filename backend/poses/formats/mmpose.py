"""MMPose, ViTPose, Sapiens and rtmlib: JSON lists of frames with instances, or an object with `instance_info`; or a folder of such files."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.poses.assembly import from_detections
from backend.poses.content import Node, Options, Source, first_entry, frame_numbers, is_object, refuse
from backend.poses.layouts import joints_of
from backend.poses.tracks import Detection, PoseFile

TITLE = "MMPose, ViTPose, Sapiens, rtmlib"
SETS = ("coco17", "ap10k", "h36m17", "halpe26", "wholebody133", "sapiens308", "halpe136", "mpii16")


def looks(source: Source) -> tuple[float, str]:
    files = source.inside(".json")
    certainty, reason = _looks(files[0].sample if files else source.sample)
    return certainty, f"a folder of JSON files: {reason}" if files and certainty else reason


def _looks(value: Any) -> tuple[float, str]:
    if is_object(value, "instance_info"):
        return (0.98, "an object with meta_info and instance_info") if "meta_info" in value else (0.95, "an object with instance_info")
    entry = first_entry(value)
    if is_object(entry, "instances"):
        return 0.97, "a list of frames with instances"
    if is_object(entry, "keypoints", "keypoint_scores"):
        return 0.9, "a list of instances with keypoints and keypoint_scores"
    if is_object(entry, "keypoints", "scores") and "image_id" not in entry:
        return 0.8, "a list of frames with keypoints and scores"
    return 0.0, ""


def read(source: Source, options: Options) -> PoseFile:
    """Joint names are those of `meta_info`, else the set is told by the number of joints and the body they draw. Ids are `track_id`."""
    files = source.inside(".json")
    if source.is_folder and not files:
        refuse("there is no JSON file in the folder", "Choose the folder with the JSON files of the frames", source.path)
    numbers = frame_numbers([file.path.name for file in files])
    frames: list[tuple[int, list[Node]]] = []
    for file in files or [source]:
        listed = _frames(file.json)
        if files and len(listed) > 1:
            refuse("this file of the folder holds several frames", "Choose a single file, or a folder with one file a frame", file.path)
        frames += [(numbers[file.path.name], instances) for _, instances in listed] if files else listed
    found = [(number, instance, *_points(instance)) for number, instances in frames for instance in instances]
    if len({len(keypoints) for _, _, keypoints, _ in found}) > 1:
        refuse("poses have different numbers of joints", "Write the file again with one model", source.path)
    names = _names((files or [source])[0].json)
    if found and (names is None or len(names) != len(found[0][2]) or options.joints):
        places, sure = np.stack([entry[2] for entry in found]), np.stack([entry[3] for entry in found])
        names = list(joints_of(places.shape[1], options, source.path, SETS, places, sure))
    detections = [Detection(number, keypoints, confidences, _id(instance), float(np.nansum(confidences)))
                  for number, instance, keypoints, confidences in found]
    return from_detections("mmpose", source.path, detections, names or [], options, frames=[number for number, _ in frames])


def _frames(root: Node) -> list[tuple[int, list[Node]]]:
    """(frame number, instances) of a file's frames."""
    listed = root["instance_info"] if isinstance(root.value, dict) else root
    entries = listed.items()
    if not entries:
        return []
    if not is_object(entries[0].value, "instances") and not is_object(entries[0].value, "scores"):
        return [(0, entries)]  # the instances of a picture
    frames = []
    for index, entry in enumerate(entries):
        number = next((node.whole() for key in ("frame_id", "frame") if (node := entry.get(key)) is not None), index)
        frames.append((number, entry["instances"].items() if entry.get("instances") or "scores" not in entry.value else _people(entry)))
    return frames


def _people(entry: Node) -> list[Node]:
    """rtmlib's arrays of a frame, keypoints (N,K,2) and scores (N,K), as instances."""
    people, scores = entry["keypoints"].items(), entry["scores"].items()
    if len(people) != len(scores):
        refuse(f"there are {len(people)} people in 'keypoints' and {len(scores)} in 'scores'", "Write both for everybody", entry.where)
    return [Node({"keypoints": person.value, "keypoint_scores": score.value}, person.where) for person, score in zip(people, scores)]


def _points(instance: Node) -> tuple[np.ndarray, np.ndarray]:
    keypoints = instance["keypoints"].table((2, 3) if isinstance(first_entry(instance["keypoints"].value), list) else 3)
    scores = instance.get("keypoint_scores")
    if scores is None:
        return keypoints[:, :2], keypoints[:, 2] if keypoints.shape[1] == 3 else np.ones(len(keypoints))
    confidences = scores.table(1)[:, 0]
    if len(confidences) != len(keypoints):
        scores.bad(f"a list of {len(keypoints)} numbers")
    return keypoints[:, :2], confidences


def _id(instance: Node) -> str | None:
    id_ = instance.get("track_id")
    return None if id_ is None or id_.value == [] else str(id_.first().whole())


def _names(root: Node) -> list[str] | None:
    """The joint names in `meta_info`, by number."""
    meta = root.get("meta_info") if isinstance(root.value, dict) else None
    table = meta.get("keypoint_id2name") if meta else None
    if table is None:
        return None
    if isinstance(table.value, list):
        return [node.text() for node in table.items()]
    names = {key: node.text() for key, node in table.fields().items()}
    if not all(str(index) in names for index in range(len(names))):
        table.bad("names by the numbers 0, 1, 2 and so on")
    return [names[str(index)] for index in range(len(names))]
