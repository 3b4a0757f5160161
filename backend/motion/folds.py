"""Left and right: one view cannot tell a body from the same body with its sides exchanged and seen from the other direction, so a sample
may change sides on the way, and where its views disagree hips and shoulders collapse for a few frames."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_closing, binary_dilation, binary_opening, gaussian_filter1d

from rigs import Skeleton

NARROW = 0.6  # share of its usual width below which a pair is folded
TWISTED = 0.2  # cosine between hips and shoulders below which the shoulders have changed sides: some 80 degrees
AROUND_SECONDS = 0.1  # how long before and after a fold a pair isn't trusted
EASE_SECONDS = 0.05
SIDES_SECONDS = 0.2  # sides that are exchanged for a shorter time are a fold
KNEE = 0.2  # metres a knee is bent by to say as surely as the nose where the body faces


def sidedness(points: np.ndarray, skeleton: Skeleton) -> np.ndarray | None:
    """How surely left and right joints lie on their sides of the body [T], from -2 (exchanged) to 2; None for a skeleton that doesn't
    tell. The body faces where its nose and knees point or, an animal's, goes from tail to neck.

    Args: points [T,J+K,3] metres, Z up, joints before objects.
    """
    place = {role: points[:, skeleton.joints.index(name)] for name, role in skeleton.roles.items()}
    if not {"hip.L", "hip.R", "shoulder.L", "shoulder.R"} <= place.keys():
        return None
    across = _unit(place["hip.L"] - place["hip.R"]) + _unit(place["shoulder.L"] - place["shoulder.R"])
    trunk = _unit(place["shoulder.L"] + place["shoulder.R"] - place["hip.L"] - place["hip.R"])
    if "front_foot.L" in place:
        return (across * _unit(np.cross([0.0, 0.0, 1.0], trunk))).sum(-1)
    if not {"nose", "knee.L", "knee.R", "ankle.L", "ankle.R"} <= place.keys():
        return None
    head = [place[role] for role in ("neck", "head_top", "ear.L", "ear.R") if role in place]
    ahead = _level(place["nose"] - sum(head) / len(head), trunk)
    for side in "LR":
        shin = _unit(place[f"ankle.{side}"] - place[f"hip.{side}"])
        knee = place[f"knee.{side}"] - place[f"hip.{side}"]
        ahead = ahead + (knee - shin * (knee * shin).sum(-1, keepdims=True)) / KNEE / 2
    return (across * _unit(np.cross(trunk, ahead))).sum(-1)


def exchanged_frames(points: np.ndarray, skeleton: Skeleton, fps: float) -> np.ndarray:
    """The frames [T] bool of a motion [T,J+K,3] in which left and right joints lie on each other's side of the body, for longer than a fold."""
    side = sidedness(points, skeleton)
    if side is None:
        return np.zeros(len(points), bool)
    least = np.ones(max(1, round(SIDES_SECONDS * fps)), bool)
    wrong = binary_closing(np.pad(side < 0, len(least), "edge"), least)
    return binary_opening(wrong, least)[len(least) : -len(least)]


def unfold(points: np.ndarray, skeleton: Skeleton, fps: float) -> np.ndarray:
    """The motion with folded hips and shoulders as they are just before and after, and the limbs that hang on them.

    Shoulders are put back as they lie against the hips, hips as they lie against the shoulders, and where both are folded the hips
    turn steadily between the frames that can be trusted. A motion without folds, or one with nothing but folds, is left alone.

    Args: points [T,J+K,3] metres, joints before objects. Returns: the same shape.
    """
    roles = {role: skeleton.joints.index(name) for name, role in skeleton.roles.items()}
    pairs = [(roles.get(f"{part}.L"), roles.get(f"{part}.R")) for part in ("hip", "shoulder")]
    if any(joint is None for pair in pairs for joint in pair):
        return points
    hips, shoulders = (points[:, left] - points[:, right] for left, right in pairs)
    trunk = _unit(sum(points[:, joint] for joint in pairs[1]) - sum(points[:, joint] for joint in pairs[0]))
    widths = [float(np.median(np.linalg.norm(across, axis=-1))) for across in (hips, shoulders)]
    bad_hips, bad_shoulders = (np.linalg.norm(across, axis=-1) < NARROW * width for across, width in zip((hips, shoulders), widths))
    cosine = (_level(hips, trunk) * _level(shoulders, trunk)).sum(-1)
    bad_shoulders |= (cosine < TWISTED) & ~bad_hips
    margin = np.ones(2 * round(AROUND_SECONDS * fps) + 1, bool)
    bad_hips, bad_shoulders = (binary_dilation(bad, margin) if bad.any() else bad for bad in (bad_hips, bad_shoulders))
    good = ~bad_hips & ~bad_shoulders
    if good.all() or not good.any():
        return points
    shoulders_on_hips = _steadily(_into(shoulders, hips, trunk), good)
    hips_on_shoulders = _steadily(_into(hips, shoulders, trunk), good)
    new_hips = np.where((bad_hips & ~bad_shoulders)[:, None], _out_of(hips_on_shoulders, shoulders, trunk), hips)
    new_hips = _steadily(new_hips, ~(bad_hips & bad_shoulders))
    new_shoulders = np.where(bad_shoulders[:, None], _out_of(shoulders_on_hips, new_hips, trunk), shoulders)
    unfolded = points.copy()
    for pair, old, new, bad, width in zip(pairs, (hips, shoulders), (new_hips, new_shoulders), (bad_hips, bad_shoulders), widths):
        share = np.clip(2 * gaussian_filter1d(bad.astype(float), EASE_SECONDS * fps, mode="nearest") - 0.5, 0, 1)
        offset = (_unit(new) * width - old) * share[:, None] / 2
        for joint, sign in zip(pair, (1, -1)):
            for follower in _carried_by(joint, skeleton.parents):
                unfolded[:, follower] += sign * offset
    return unfolded


def _carried_by(joint: int, parents: tuple[int, ...]) -> list[int]:
    """The limb that hangs on a joint, itself first; what carries the rest of the body carries nothing here."""
    limb = [joint]
    for child in range(joint + 1, len(parents)):
        if parents[child] in limb and parents[joint] >= 0:
            limb.append(child)
    return limb


def _level(across: np.ndarray, trunk: np.ndarray) -> np.ndarray:
    return _unit(across - trunk * (across * trunk).sum(-1, keepdims=True))


def _basis(across: np.ndarray, trunk: np.ndarray) -> np.ndarray:
    """Columns [T,3,3]: across, ahead, along the trunk."""
    level = _level(across, trunk)
    return np.stack([level, np.cross(trunk, level), trunk], -1)


def _into(vectors: np.ndarray, across: np.ndarray, trunk: np.ndarray) -> np.ndarray:
    return (_basis(across, trunk).swapaxes(1, 2) @ vectors[..., None])[..., 0]


def _out_of(vectors: np.ndarray, across: np.ndarray, trunk: np.ndarray) -> np.ndarray:
    return (_basis(across, trunk) @ vectors[..., None])[..., 0]


def _steadily(vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Vectors [T,3] that go straight over the frames that aren't known."""
    frames = np.arange(len(vectors))
    if not known.any():
        return vectors
    return np.stack([np.interp(frames, frames[known], vectors[known, axis]) for axis in range(3)], -1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(min=1e-12)
