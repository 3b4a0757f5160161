"""easy_ViTPose (`--save-json`): people by id a frame, with y before x."""

from __future__ import annotations

from backend.poses.assembly import from_detections
from backend.poses.content import Options, Source, is_object, refuse
from backend.poses.layouts import joints_of
from backend.poses.tracks import Detection, PoseFile

TITLE = "easy_ViTPose"


def looks(source: Source) -> tuple[float, str]:
    if is_object(source.sample, "keypoints", "skeleton") and isinstance(source.sample["skeleton"], dict):
        return 0.97, "an object with keypoints and skeleton"
    return 0.0, ""


def read(source: Source, options: Options) -> PoseFile:
    """`skeleton` names the joints; the key of a person is its id."""
    table = {key: node.text() for key, node in source.json["skeleton"].fields().items()}
    if not all(str(index) in table for index in range(len(table))):
        source.json["skeleton"].bad("names by the numbers 0, 1, 2 and so on")
    names = [table[str(index)] for index in range(len(table))]
    detections = []
    frames = source.json["keypoints"].items()
    for number, frame in enumerate(frames):
        for id_, person in frame.fields().items():
            points = person.table(3)
            if len(points) != len(names):
                refuse(f"here are {len(points)} joints, and 'skeleton' names {len(names)}", "Write the file again", person.where)
            detections.append(Detection(number, points[:, 1::-1], points[:, 2], id_, float(points[:, 2].sum())))
    joints = list(joints_of(len(names), options, source.path)) if options.joints else names
    return from_detections("easy_vitpose", source.path, detections, joints, options, frames=list(range(len(frames))))
