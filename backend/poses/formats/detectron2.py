"""Detectron2: the results its COCO evaluator writes, whose places are half a pixel too low."""

from __future__ import annotations

from backend.poses.content import Options, Source, first_entry, is_object
from backend.poses.formats.coco import read_results
from backend.poses.tracks import PoseFile

TITLE = "Detectron2"
HALF_PIXEL = 0.5
"""Its evaluator takes this off x and y, because COCO counts from the corner of a pixel and its models from the middle."""


def looks(source: Source) -> tuple[float, str]:
    entry = first_entry(source.sample)
    if is_object(entry, "image_id", "keypoints", "bbox") and not isinstance(entry["image_id"], str):
        return 0.8, "poses with image_id, bbox and keypoints"
    return 0.0, ""


def read(source: Source, options: Options) -> PoseFile:
    return read_results("detectron2", source, options, shift=HALF_PIXEL)
