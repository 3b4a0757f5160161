"""COCO keypoint results: a JSON list of poses by image number; also COCO annotations, which say the image size and the joint names."""

from __future__ import annotations

import numpy as np

from backend.poses.assembly import from_detections
from backend.poses.content import Node, Options, Source, first_entry, is_object, refuse
from backend.poses.layouts import joints_of
from backend.poses.tracks import Detection, PoseFile

TITLE = "COCO results"
SETS = ("coco17", "ap10k", "halpe26", "wholebody133", "halpe136")


def looks(source: Source) -> tuple[float, str]:
    entry = first_entry(source.sample)
    if is_object(entry, "image_id", "keypoints") and not isinstance(entry["image_id"], str):
        if "bbox" in entry or "box" in entry or "idx" in entry:
            return 0.5, "poses with image_id, and more than COCO's results have"
        return 0.9, "poses with image_id, keypoints and score"
    if is_object(source.sample, "annotations", "images"):
        return 0.9, "an object with images and annotations"
    return 0.0, ""


def read(source: Source, options: Options) -> PoseFile:
    """Frames are image numbers, or the numbers in the images' file names where the file lists images. No ids but `track_id`."""
    return read_results("coco", source, options)


def read_results(format_: str, source: Source, options: Options, shift: float = 0.0) -> PoseFile:
    """Reads results or annotations; `shift` pixels are added to each place."""
    annotated = isinstance(source.json.value, dict)
    entries = (source.json["annotations"] if annotated else source.json).items()
    numbers, size = _images(source.json) if annotated else ({}, None)
    found = []
    for node in entries:
        if annotated and node.get("keypoints") is None:
            continue  # a box alone
        keypoints, confidences = node["keypoints"].points()
        id_, score, image = node.get("track_id"), node.get("score"), node["image_id"].whole()
        if annotated and image not in numbers:
            refuse(f"image {image} is not in 'images'", "Write the file again with all of its images", node.where)
        found.append(Detection(numbers.get(image, image), keypoints + shift, confidences, str(id_.first().whole()) if id_ else None,
                               score.first().number() if score else 1.0))
    if len({len(entry.keypoints) for entry in found}) > 1:
        refuse("poses have different numbers of joints", "Write the file again with one model", source.path)
    if not found:
        refuse("nobody is in the file", "Use a video in which the detector finds somebody", source.path)
    names = _names(source.json) if annotated and not options.joints else None
    if names is None or len(names) != len(found[0].keypoints):
        places, sure = np.stack([entry.keypoints for entry in found]), np.stack([entry.confidences for entry in found])
        names = list(joints_of(places.shape[1], options, source.path, SETS, places, sure))
    return from_detections(format_, source.path, found, names, options, frames=list(numbers.values()), image_size=size)


def _images(root: Node) -> tuple[dict[int, int], tuple[int, int] | None]:
    """Frame numbers by image id, and the size of the images."""
    numbers, sizes = {}, set()
    for node in root["images"].items():
        frame = node.get("frame_id")
        numbers[node["id"].whole()] = frame.whole() if frame else node["id"].whole()
        if node.get("width") and node.get("height"):
            sizes.add((node["width"].whole(), node["height"].whole()))
    if len(sizes) > 1:
        refuse("the images have different sizes", "Use the images of one video", root.where)
    return numbers, sizes.pop() if sizes else None


def _names(root: Node) -> list[str] | None:
    categories = root.get("categories")
    listed = [node["keypoints"] for node in categories.items() if node.get("keypoints")] if categories else []
    return [node.text() for node in listed[0].items()] if len(listed) == 1 else None
