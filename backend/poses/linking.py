"""Detections without ids become tracks: in each frame the pairing with the tracks so far that overlaps most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from backend.poses.tracks import Detection, boxes

MEMORY = 20
"""Frames after which a track that nobody continued ends."""

REACH = 0.15
"""How far a joint may move from where it is expected, in sizes of the person, for a similarity of exp(-1/2)."""

LEAST = 0.15
"""Pairs less similar than this are two persons."""

SAME = 0.85
"""Detections of one frame that are more similar than this are one person, found twice."""


@dataclass
class _Path:
    """A track in the making: its detections and the velocity of its middle in pixels a frame."""

    row: list[tuple[int, Detection]]
    velocity: np.ndarray

    def expected(self, frame: int) -> Detection:
        last, entry = self.row[-1]
        return Detection(frame, entry.keypoints + self.velocity * (frame - last), entry.confidences)

    def add(self, frame: int, entry: Detection) -> None:
        last, before = self.row[-1]
        both = (before.confidences > 0) & (entry.confidences > 0)
        if both.any():
            moved = np.median(entry.keypoints[both] - before.keypoints[both], axis=0) / (frame - last)
            self.velocity = (self.velocity + moved) / 2
        self.row.append((frame, entry))


def similarity(a: list[Detection], b: list[Detection]) -> np.ndarray:
    """[A,B] in 0..1: the mean of the keypoints' similarity (as COCO's OKS, with one reach for all joints) and of the boxes' overlap."""
    places, sure = (np.stack([entry.keypoints for entry in a]), np.stack([entry.confidences for entry in a]))
    others, other_sure = (np.stack([entry.keypoints for entry in b]), np.stack([entry.confidences for entry in b]))
    low, high = boxes(places, sure)
    other_low, other_high = boxes(others, other_sure)
    both = (sure[:, None] > 0) & (other_sure[None] > 0)
    size = np.maximum(np.linalg.norm(high - low, axis=-1)[:, None], np.linalg.norm(other_high - other_low, axis=-1)[None])
    distance = np.linalg.norm(places[:, None] - others[None], axis=-1) / np.maximum(size, 1e-6)[..., None]
    keypoints = (np.exp(-0.5 * (distance / REACH) ** 2) * both).sum(-1) / np.maximum(both.sum(-1), 1)
    shared = np.clip(np.minimum(high[:, None], other_high[None]) - np.maximum(low[:, None], other_low[None]), 0, None).prod(-1)
    areas = (high - low).prod(-1)[:, None] + (other_high - other_low).prod(-1)[None]
    return (keypoints + shared / np.maximum(areas - shared, 1e-6)) / 2


def link(frames: list[list[Detection]]) -> list[list[tuple[int, Detection]]]:
    """Rows of (frame, detection), one a track, from the detections of each frame [T]. A person found twice in a frame counts once."""
    done: list[_Path] = []
    open_: list[_Path] = []
    for frame, entries in enumerate(frames):
        entries = without_doubles(entries)
        done += [path for path in open_ if frame - path.row[-1][0] > MEMORY]
        open_ = [path for path in open_ if frame - path.row[-1][0] <= MEMORY]
        taken: set[int] = set()
        if entries and open_:
            scores = similarity([path.expected(frame) for path in open_], entries)
            for row, column in zip(*linear_sum_assignment(-scores)):
                if scores[row, column] >= LEAST:
                    open_[row].add(frame, entries[column])
                    taken.add(int(column))
        open_ += [_Path([(frame, entry)], np.zeros(2)) for index, entry in enumerate(entries) if index not in taken]
    return [path.row for path in sorted(done + open_, key=lambda path: path.row[0][0])]


def without_doubles(entries: list[Detection]) -> list[Detection]:
    """The detections of a frame, of those that are one person only the surest."""
    if len(entries) < 2:
        return entries
    entries = sorted(entries, key=lambda entry: -float(entry.confidences.sum()))
    scores = similarity(entries, entries)
    kept: list[int] = []
    for index in range(len(entries)):
        if all(scores[index, other] < SAME for other in kept):
            kept.append(index)
    return [entries[index] for index in kept]
