"""OpenPose: a folder with one JSON file a frame (`--write_json`)."""

from __future__ import annotations

from backend.poses.assembly import from_detections
from backend.poses.content import Node, Options, Source, frame_numbers, is_object, refuse
from backend.poses.layouts import joints_of
from backend.poses.tracks import Detection, PoseFile

TITLE = "OpenPose"
SETS = ("body25", "openpose18", "mpi15")
BODY = ("pose_keypoints_2d", "pose_keypoints")


def looks(source: Source) -> tuple[float, str]:
    files = source.inside(".json")
    if files and is_object(files[0].sample, "people"):
        return (0.98, "a folder of JSON files with people") if "version" in files[0].sample else (0.9, "a folder of JSON files with people")
    if is_object(source.sample, "people") and isinstance(source.sample["people"], list):
        return 0.9, "a JSON file with people, one frame of a folder"
    return 0.0, ""


def read(source: Source, options: Options) -> PoseFile:
    """Ids are `person_id` where tracking wrote them (-1 is none). Missed joints are (0, 0, 0); `--keypoint_scale` 3 and 4 are recognised."""
    if not source.is_folder:
        refuse("this file is one frame of an OpenPose folder", "Choose the folder that holds the frames", source.path)
    files = source.inside(".json")
    if not files:
        refuse("there is no JSON file in the folder", "Choose the folder that OpenPose wrote with --write_json", source.path)
    numbers = frame_numbers([file.path.name for file in files])
    detections: list[Detection] = []
    for file in files:
        for person in file.json["people"].items():
            body = next((node for key in BODY if (node := person.get(key)) is not None), None)
            if body is None:
                refuse("'pose_keypoints_2d' is missing", "Run OpenPose with a body model (not --body 0)", person.where)
            if body.value == []:  # a face or hands alone
                continue
            keypoints, confidences = body.points()
            if detections and len(keypoints) != len(detections[0].keypoints):
                refuse(f"here are {len(keypoints)} joints, and {len(detections[0].keypoints)} before", "Put the frames of one video into one folder",
                       body.where)
            detections.append(Detection(numbers[file.path.name], keypoints, confidences, _id(person), float(confidences.sum())))
    joints = joints_of(len(detections[0].keypoints), options, source.path, SETS) if detections else ()
    return from_detections("openpose", source.path, detections, list(joints), options, frames=list(numbers.values()))


def _id(person: Node) -> str | None:
    id_ = person.get("person_id")
    if id_ is None or id_.value == []:
        return None
    number = id_.first().whole()
    return str(number) if number >= 0 else None
