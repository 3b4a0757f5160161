"""MediaPipe Pose: JSON of its landmarks, frame by frame, in shares of the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.poses.assembly import from_detections
from backend.poses.content import Node, Options, Source, first_entry, is_object, refuse
from backend.poses.joint_sets import joint_set
from backend.poses.tracks import Detection, PoseFile

TITLE = "MediaPipe"
KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark")
COUNT = 33


def looks(source: Source) -> tuple[float, str]:
    value = source.sample
    frames = value.get("frames") if isinstance(value, dict) else value
    if isinstance(frames, list):
        entry = next((entry for entry in frames if entry and (not isinstance(entry, dict) or any(entry.get(key) for key in KEYS))), None)
        if _people(entry):
            return 0.9, "frames of 33 landmarks"
    return 0.0, ""


def _people(value: Any) -> list[list]:
    """The landmark lists of a frame: it may be one list, a list of lists, or an object that holds either under one of KEYS."""
    while isinstance(value, dict):
        value = next((value[key] for key in KEYS if value.get(key)), None)
    first = first_entry(value)
    if is_object(first, "x", "y"):
        return [value] if len(value) == COUNT else []
    if isinstance(first, dict) and any(key in first for key in KEYS):
        return [landmarks for entry in value for landmarks in _people(entry)]
    return [landmarks for landmarks in value if is_object(first_entry(landmarks), "x", "y")] if isinstance(first, list) else []


def read(source: Source, options: Options) -> PoseFile:
    """z and the world landmarks, which are not what the camera sees, are left alone. The confidence is `visibility`."""
    root = source.json
    fps = size = None
    if isinstance(root.value, dict):
        fps = root["fps"].number() if root.get("fps") else None
        size = (root["width"].whole(), root["height"].whole()) if root.get("width") and root.get("height") else None
        root = root["frames"]
    detections = []
    numbers = []
    for index, frame in enumerate(root.items()):
        number = next((node.whole() for key in ("frame", "frame_id") if isinstance(frame.value, dict) and (node := frame.get(key)) is not None), index)
        numbers.append(number)
        for landmarks in _people(frame.value):
            places, sure = _points(Node(landmarks, frame.where))
            detections.append(Detection(number, places, sure, None, float(sure.sum())))
    if options.joints and options.joints != "mediapipe33":
        refuse(f"MediaPipe's poses have the joints of mediapipe33, not of {options.joints}", "Leave --joints away", source.path, "bad-setting")
    return from_detections("mediapipe", source.path, detections, list(joint_set("mediapipe33").joints), options, frames=numbers, normalised=True,
                           fps=fps, image_size=size)


def _points(landmarks: Node) -> tuple[np.ndarray, np.ndarray]:
    nodes = landmarks.items()
    if len(nodes) != COUNT:
        refuse(f"here are {len(nodes)} landmarks", f"Write the {COUNT} landmarks of the pose model", landmarks.where)
    places = np.array([(node["x"].number(), node["y"].number()) for node in nodes])
    return places, np.array([node["visibility"].number() if node.get("visibility") else 1.0 for node in nodes])
