"""AlphaPose: one JSON list of poses, or (`--format open`, `--format cmu`) one object by image name."""

from __future__ import annotations

from backend.poses.assembly import from_detections
from backend.poses.content import Node, Options, Source, first_entry, frame_numbers, is_object, refuse
from backend.poses.layouts import joints_of
from backend.poses.tracks import Detection, PoseFile

TITLE = "AlphaPose"
SETS = ("coco17", "halpe26", "halpe136", "wholebody133", "openpose18")


def looks(source: Source) -> tuple[float, str]:
    entry = first_entry(source.sample)
    if is_object(entry, "image_id", "keypoints"):
        if isinstance(entry["image_id"], str):
            return 0.95, "poses whose image_id is a file name"
        if "idx" in entry or "box" in entry:
            return 0.85, "poses with image_id and box or idx"
        return 0.3, "poses with image_id and score, as its evaluation mode writes them"
    if isinstance(source.sample, dict) and source.sample:
        entry = next(iter(source.sample.values()))
        if is_object(entry, "people") or is_object(entry, "bodies"):
            return 0.95, "people by image name"
    return 0.0, ""


def read(source: Source, options: Options) -> PoseFile:
    """Ids are `idx` where the tracker wrote it. Frames without people are absent in the list, and empty in the object."""
    names, found = (_by_image if isinstance(source.json.value, dict) else _listed)(source)
    numbers = frame_numbers(names)
    detections = []
    for name, node, id_ in found:
        keypoints, confidences = node["keypoints"].points() if node.get("keypoints") else _people(node)
        score = node.get("score")
        detections.append(Detection(numbers[name], keypoints, confidences, id_, score.first().number() if score else float(confidences.sum())))
    counts = {len(entry.keypoints) for entry in detections}
    if len(counts) > 1:
        refuse(f"poses have different numbers of joints: {', '.join(map(str, sorted(counts)))}", "Write the file again with one model", source.path)
    joints = joints_of(counts.pop(), options, source.path, SETS) if counts else ()
    return from_detections("alphapose", source.path, detections, list(joints), options, frames=list(numbers.values()))


def _listed(source: Source) -> tuple[list[str], list[tuple[str, Node, str | None]]]:
    """The names of all images, and (image, pose, id) of each pose."""
    found = []
    for node in source.json.items():
        image, id_ = node["image_id"], node.get("idx")
        name = image.text() if isinstance(image.value, str) else str(image.whole())
        found.append((name, node, str(id_.first().whole()) if id_ and id_.value != [] else None))
    return [name for name, _, _ in found], found


def _by_image(source: Source) -> tuple[list[str], list[tuple[str, Node, str | None]]]:
    images = source.json.fields()
    people = [(name, person, None) for name, image in images.items() for person in (image.get("people") or image["bodies"]).items()]
    return list(images), people


def _people(node: Node):
    return (node.get("pose_keypoints_2d") or node["joints"]).points()
