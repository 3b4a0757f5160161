"""What detectors do wrong over time: swapped sides are swapped back, jumps lose their confidence, short gaps are filled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from backend.poses.tracks import boxes
from rigs import Skeleton

LIMBS = (("shoulder", "elbow", "carpus", "wrist", "front_foot"), ("hip", "knee", "hock", "ankle", "back_foot", "toe"), ("eye", "ear"))
"""Roles whose sides are swapped together."""

LONGEST_SWAP = 0.5
"""Seconds; sides that stay changed for longer are left as they are: who turned round, or which half is right, can't be told."""

LOOK_BACK = 3
"""Frames over which a joint's motion is continued; after a longer gap nothing is compared."""

APART = 0.04
"""Sides closer than this share of the body's size can't be told apart."""

JUMP_SPEED = 4.5
"""Body sizes a second that a joint may leave the median of its neighbouring frames by."""

LEAST_JUMP = 0.15
"""The same in body sizes, however high the frame rate."""

LONGEST_GAP = 0.25
"""Seconds that are filled."""

FILLED = 0.25
"""The confidence of a filled joint, as a share of the lower one at the gap's ends."""


def mend(keypoints: np.ndarray, confidences: np.ndarray, skeleton: Skeleton, fps: float) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Keypoints [T,K,2] and confidences [T,K] of a skeleton's joints and objects without swaps, jumps and short gaps, and what was done.

    Long gaps stay at confidence 0; a jump of one or two frames becomes a gap. The mean joints are symmetric and move with their ends.
    """
    keypoints, confidences = keypoints.copy(), confidences.copy()
    if not (confidences > 0).any():
        return keypoints, confidences, []
    low, high = boxes(keypoints, confidences)
    size = float(np.median(np.linalg.norm(high - low, axis=-1)[(confidences > 0).any(1)]))
    swapped = swap_back(keypoints, confidences, skeleton, size, fps)
    jumped = drop_jumps(keypoints, confidences, size, fps)
    filled = fill_gaps(keypoints, confidences, fps)
    notes = [f"in {swapped} frames swapped sides were swapped back"] if swapped else []
    notes += [f"{jumped} joints that jump lost their confidence"] if jumped else []
    notes += [f"{filled} joints in short gaps were filled"] if filled else []
    return keypoints, confidences, notes


def swap_back(keypoints: np.ndarray, confidences: np.ndarray, skeleton: Skeleton, size: float, fps: float) -> int:
    """Swaps left and right of a limb pair back, in place, where both jump to each other's course and back within LONGEST_SWAP.

    size: of the body in pixels. Returns how many frames were changed. Sides that merely cross are left: they go on as they moved.
    """
    changed = np.zeros(len(keypoints), bool)
    for roles in LIMBS:
        pairs = [pair for pair in skeleton.mirror if skeleton.roles.get(pair[0], "").split(".")[0] in roles]
        columns = np.array([[skeleton.joints.index(name) for name in pair] for pair in pairs], int).reshape(-1, 2)
        if not len(columns):
            continue
        flipped = _flipped(keypoints[:, columns], confidences[:, columns], size, round(LONGEST_SWAP * fps))
        rows = np.flatnonzero(flipped)[:, None, None]
        for array in (keypoints, confidences):
            array[rows, columns] = array[rows, columns[:, ::-1]]
        changed |= flipped
    return int(changed.sum())


def _flipped(places: np.ndarray, sure: np.ndarray, size: float, longest: int) -> np.ndarray:
    """[T] bool: frames in which the sides of places [T,pairs,2,2] with confidences [T,pairs,2] are swapped.

    Each frame is compared with where the pairs were going; a change of sides starts or ends a swap. Swaps are the shortest spans
    between neighbouring changes, each of which belongs to one swap, so that a change that was missed spoils one swap and not the rest.
    """
    seen = (sure > 0).all(-1)
    course, state = places.copy(), np.zeros(len(places), bool)
    chunk = np.zeros(len(places), int)
    last: list[int] = []  # the two latest frames in which pairs were seen
    for frame in np.flatnonzero(seen.any(1)):
        if not last or frame - last[-1] > LOOK_BACK:
            chunk[frame:] += 1
            last = [frame]
            continue
        before = last[-1]
        both = seen[frame] & seen[before]
        ahead = course[before].copy()
        if len(last) > 1:
            steady = both & seen[last[0]]
            ahead[steady] += (course[before] - course[last[0]])[steady] * (frame - before) / (before - last[0])
        keep = np.linalg.norm(places[frame] - ahead, axis=-1)[both].mean() if both.any() else 0.0
        cross = np.linalg.norm(places[frame, :, ::-1] - ahead, axis=-1)[both].mean() if both.any() else 0.0
        now = state[before]
        if now:
            keep, cross = cross, keep
        apart = np.linalg.norm(ahead[:, 0] - ahead[:, 1], axis=-1)[both].mean() if both.any() else 0.0
        state[frame:] = now ^ (apart > APART * size and keep - cross > 0.5 * apart and cross < 0.5 * keep)
        if state[frame]:
            course[frame] = places[frame, :, ::-1]
        last = [before, int(frame)]
    flipped = np.zeros(len(places), bool)
    for number in range(1, chunk.max() + 1):
        rows = np.flatnonzero((chunk == number) & seen.any(1))
        changes = [0, *(np.flatnonzero(np.diff(state[rows])) + 1), len(rows)]
        spans = sorted(pairwise(changes), key=lambda span: rows[span[1] - 1] - rows[span[0]])
        used: set[int] = set()
        for start, end in spans:
            if not used & {start, end} and end - start < len(rows) and rows[end - 1] - rows[start] < longest:
                used |= {start, end}
                flipped[rows[start:end]] = True
    return flipped


def drop_jumps(keypoints: np.ndarray, confidences: np.ndarray, size: float, fps: float) -> int:
    """Takes the confidence, in place, from joints that leave the median of five frames by more than a body can; returns how many."""
    seen = confidences > 0
    padded = np.pad(np.where(seen[..., None], keypoints, np.nan), ((2, 2), (0, 0), (0, 0)), constant_values=np.nan)
    windows = np.stack([padded[shift : shift + len(keypoints)] for shift in range(5)])
    known = np.isfinite(windows[..., 0]).sum(0)
    median = np.full_like(keypoints, np.nan)
    enough = known >= 4
    median[enough] = np.nanmedian(windows[:, enough], axis=0)
    with np.errstate(invalid="ignore"):
        jumps = seen & enough & (np.linalg.norm(keypoints - median, axis=-1) > max(LEAST_JUMP, JUMP_SPEED / fps) * size)
    keypoints[jumps], confidences[jumps] = 0, 0
    return int(jumps.sum())


def fill_gaps(keypoints: np.ndarray, confidences: np.ndarray, fps: float) -> int:
    """Fills gaps of at most LONGEST_GAP between seen frames on a straight line, in place; returns how many joints of frames."""
    longest, filled = max(1, round(LONGEST_GAP * fps)), 0
    for joint in range(keypoints.shape[1]):
        for start, end in runs(confidences[:, joint] <= 0):
            if start > 0 and end < len(keypoints) and end - start <= longest:
                share = (np.arange(start, end) - start + 1)[:, None] / (end - start + 1)
                keypoints[start:end, joint] = keypoints[start - 1, joint] * (1 - share) + keypoints[end, joint] * share
                confidences[start:end, joint] = FILLED * min(confidences[start - 1, joint], confidences[end, joint])
                filled += end - start
    return filled


def runs(flags: np.ndarray) -> Iterator[tuple[int, int]]:
    """(start, end) of each run of True in flags [T]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    yield from ((int(start), int(end)) for start, end in zip(edges[::2], edges[1::2]))
