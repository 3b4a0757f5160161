"""Planting: a motion is brought onto the floor, its feet stay where they stand, and the legs follow.

The body goes smoothly where its standing feet agree; what then remains of each foot's sliding, floating and sinking its leg takes up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, uniform_filter1d
from scipy.sparse import block_diag, coo_array, csc_array, diags_array, eye_array
from scipy.sparse.linalg import spsolve

from backend.motion.contacts import LANDS, LIFTED, find_contacts, spells
from rigs import Skeleton

LARGE_LEG = 0.8  # metres; what has shorter legs takes smaller steps, and takes them sooner
SMALLEST = 0.01  # of that; what has no legs to speak of is no smaller
RESTING = 0.1  # metres a second in the picture, below which a foot rests against the root
ROUNDS = (LIFTED, 0.04, LANDS[0], LANDS[0])  # metres; a floor is levelled by its contacts, which then are found more strictly
AIRBORNE = 0.15  # metres above the standing height; a foot that is higher is in the air, however still
BODY_HERTZ = 1.0  # the body follows its feet up to this frequency; the legs take up what is faster
DRIFT_HERTZ = 0.3  # below it a shift along the floor costs by its speed
LOOSE = 0.02  # weight of the height a body has against that of a foot in contact; brings it back where no foot stands
STRAY = 0.15  # metres; a foot further from the place of its contact was not standing
LOCKED = 0.99  # share of its length from which a limb counts as straight
LOWER_SECONDS, LOWER_MOST = 0.25, 0.08  # seconds the body takes to go down for a leg that would not reach, and metres at most
EASE_SECONDS = 0.25  # how long a foot takes from its own way to the planted one
BEND_SECONDS = 0.25  # which way a limb bends is seen over about so long: the hips of a sample may fold for a moment
HYPEREXTENDED = 0.15  # share of a limb's length; bent the wrong way by less, a knee has gone past straight; by more, the hip is turned
STRAIGHT = 0.03  # metres; a middle joint nearer to the line from root to foot does not tell well which way it bends


def seen_standing_height(keypoints: np.ndarray, confidences: np.ndarray, feet: list[int], fps: float, camera: dict,
                         centre_height: float) -> float | None:
    """Height in metres at which foot joints stand, learned from 2D alone; None where no frame tells.

    When all feet rest against the root in the picture, the body stands. How much nearer or farther than the root its feet are
    falls out of the median, because cameras look from all sides.

    Args: keypoints [N,T,J,2] in the pack's units, centred "root-horizontal"; confidences [N,T,J]; feet: columns of J;
    camera, centre_height: as in the pack's card.
    """
    lag = max(1, round(fps / 15))
    points, seen = keypoints[:, :, feet] * camera["scale"], (confidences[:, :, feet] > 0).all(-1)
    seen = seen[:, 2 * lag :] & seen[:, lag:-lag] & seen[:, : -2 * lag]
    speed = np.linalg.norm(points[:, 2 * lag :] - points[:, : -2 * lag], axis=-1).max(-1) * fps / (2 * lag)
    resting = points[:, lag:-lag, :, 1].mean(-1)[seen & (speed < RESTING)]
    if not len(resting):
        return None
    up, distance, elevation = float(np.median(resting)), camera["distance"], float(np.mean(camera["elevation"]))
    return centre_height + up * distance / (distance * math.cos(elevation) + up * math.sin(elevation))


def limbs(skeleton: Skeleton) -> list[list[int]]:
    """For each foot of a skeleton the joints from hip or shoulder to the foot."""
    chains = []
    for foot in skeleton.feet:
        chain = [skeleton.joints.index(foot)]
        while skeleton.parents[chain[0]] >= 0 and not skeleton.roles.get(skeleton.joints[chain[0]], "").startswith(("hip.", "shoulder.")):
            chain.insert(0, skeleton.parents[chain[0]])
        chains.append(chain)
    return chains


def size_of(keypoints: np.ndarray, legs: Sequence[Sequence[int]]) -> float:
    """How much smaller than usual the steps of a motion [T,J,3] are, by the lengths of its legs, joints from hip to foot: 1 for people and horses.

    A cat is a small horse that hurries: heights and ways go by its size, times by the square root of it, and so do speeds.
    """
    lengths = [np.linalg.norm(np.diff(keypoints[:, list(leg)], axis=1), axis=-1).sum(-1).mean() for leg in legs]
    return float(np.clip(np.mean(lengths) / LARGE_LEG, SMALLEST, 1))


def plant(positions: np.ndarray, skeleton: Skeleton, fps: float, standing: float | None = None,
          held: tuple[float, float, float] = (0.0, 0.0, LOOSE)) -> tuple[np.ndarray, np.ndarray]:
    """The motion with its feet planted: a foot in contact keeps one place, and no foot is below the standing height.

    Args:
        positions: [T,J,3] in the world, metres, Z up.
        standing: height in metres at which foot joints stand, from the pack's card. Without it that is the median height of
            the clip's own contacts: nothing in a clip tells how high its foot joints are above their soles.
        held: along X, Y and Z, how surely the body is where it is, against a foot that is in contact; what feet slide or float is then the legs' fault.
    Returns: the motion [T,J,3], its bones as long as before, and how far the body was shifted [T,3], so that objects can go with it.
    """
    size = size_of(positions, limbs(skeleton))
    planted, shift = _planted(positions / size, skeleton, fps * math.sqrt(size), None if standing is None else standing / size, held)
    return planted * size, shift * size


def _planted(positions: np.ndarray, skeleton: Skeleton, fps: float, standing: float | None, held: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """As `plant`, of what is as large as people are, for which lengths, times and speeds here are meant."""
    chains = limbs(skeleton)
    ends = [chain[-1] for chain in chains]
    shift, contacts, places = _settle(positions[:, ends], fps, standing, held)
    shift[:, 2] -= _lowering(positions + shift[:, None], chains, contacts, places, fps)
    body = positions + shift[:, None]
    targets = body[:, ends] + eased(places - body[:, ends], contacts, fps)
    targets[..., 2] = np.maximum(targets[..., 2], places[..., 2])
    planted = body.copy()
    for chain, target in zip(chains, targets.swapaxes(0, 1)):
        planted[:, chain] = bend_limb(body[:, chain], target, _bending(body, skeleton, chain, fps))
    solved = {joint for chain in chains for joint in chain}
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0 and joint not in solved:  # toes go along with their foot
            planted[:, joint] += planted[:, parent] - body[:, parent]
    return planted, shift


def bend_limb(limb: np.ndarray, target: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """A limb [T,N,3] with its foot at the target [T,3], or as near as it reaches without becoming straighter than it was: turned
    about its root and bent at its middle joint, in closed form. The two parts stay rigid, so that a limb of more than two bones keeps
    its shape there. The joint bends to the side where it was, but a little bend against `towards` [T,3] is turned over."""
    root, middle = limb[:, 0], limb.shape[1] // 2
    first, second = _parts(limb)
    was, goes = _unit(limb[:, -1] - root), _unit(target - root)
    distance = np.clip(np.linalg.norm(target - root, axis=-1), np.abs(first - second).clip(min=1e-9), _reach(limb))
    knee = limb[:, middle] - root
    side = knee - was * _dot(knee, was)
    depth = np.linalg.norm(side, axis=-1, keepdims=True)
    wrong = np.maximum(0, -_dot(side, towards)) * np.clip(2 - depth / (HYPEREXTENDED * (first + second)[:, None]), 0, 1)
    side = side + towards * (2 * wrong + np.maximum(0, STRAIGHT - depth))
    side = side + 1e-9 * np.roll(was, 1, axis=-1)  # a straight limb of which nothing is known bends to any side
    side = _unit(side - was * _dot(side, was))
    turned = side - (was + goes) * (_dot(side, goes) / (1 + _dot(was, goes)).clip(min=1e-6))  # by the smallest turn from `was` to `goes`
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    bent = root + goes * along[:, None] + turned * np.sqrt(np.maximum(first**2 - along**2, 0))[:, None]
    axis, turned_axis = np.cross(was, side), np.cross(goes, turned)
    upper = _carried(limb[:, : middle + 1], root, bent, axis, turned_axis)
    lower = _carried(limb[:, middle:], bent, root + goes * distance[:, None], axis, turned_axis)
    return np.concatenate([upper[:, :-1], lower], 1)


def _settle(feet: np.ndarray, fps: float, standing: float | None, held: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How the body is shifted [T,3] so that its feet [T,F,3] stand on the floor and rest there, their contacts [T,F], and the places
    [T,F,3] of the contacts at their frames; elsewhere only the height of a place means something."""
    along, heights = feet[..., :2], feet[..., 2]
    level = standing if standing is not None else float(np.percentile(heights.min(1), 25))
    low = heights < level + AIRBORNE
    speed = eye_array(len(feet), format="csr")[1:] - eye_array(len(feet), format="csr")[:-1]
    bend = speed[1:] - speed[:-1]
    smooth = (fps / (2 * math.pi * BODY_HERTZ)) ** 4 * (bend.T @ bend + (2 * math.pi * DRIFT_HERTZ / fps) ** 2 * speed.T @ speed)
    shift = np.zeros((len(feet), 3))
    for lands in ROUNDS:
        contacts = find_contacts(feet + shift[:, None], fps, lands) & low
        if standing is None and contacts.any():
            level = float(np.median(heights[contacts]))
        shift[:, 2] = _rise(heights - level, contacts, smooth, held[2])
        shift[:, :2], places = _follow(along, contacts, smooth, held)
        contacts &= np.linalg.norm(along + shift[:, None, :2] - places, axis=-1) < STRAY
        shift[:, :2], places = _follow(along, contacts, smooth, held)
    return shift, contacts, np.concatenate([places, np.full((*contacts.shape, 1), level)], -1)


def _rise(heights: np.ndarray, contacts: np.ndarray, smooth: csc_array, held: float) -> np.ndarray:
    """How far the body goes up [T], smoothly, for feet in contact [T,F] to be on the floor and no foot below it; heights [T,F]
    of the feet over the floor; held: weight of the height that the body has."""
    rise, counted = np.zeros(len(heights)), contacts
    for _ in range(8):
        rise = spsolve((smooth + diags_array(counted.sum(1) + held)).tocsc(), -(counted * heights).sum(1))
        needed = contacts | (heights + rise[:, None] < -0.001)
        if (needed == counted).all():
            break
        counted = needed
    return rise


def _follow(feet: np.ndarray, contacts: np.ndarray, smooth: csc_array, held: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """How the body goes along the floor [T,2] for its feet [T,F,2] to slide least in contact, and the place of each contact at its
    frames [T,F,2]. Both are the unknowns of one least-squares problem for each direction; the first frame stays where it is."""
    frames, places = len(feet), feet.copy()
    found = [(foot, start, end) for foot in range(feet.shape[1]) for start, end in spells(contacts[:, foot])]
    if not found:
        return np.zeros((frames, 2)), places
    when = np.concatenate([np.arange(start, end) for _, start, end in found])
    owner = np.concatenate([np.full(end - start, number) for number, (_, start, end) in enumerate(found)])
    where = np.concatenate([feet[start:end, foot] for foot, start, end in found])
    rows = np.tile(np.arange(len(when)), 2)
    columns, shape = np.append(when, frames + owner), (len(when), frames + len(found))
    slides = coo_array((np.repeat([1.0, -1.0], len(when)), (rows, columns)), shape=shape).tocsc()
    stays = coo_array(([1.0], ([0], [0])), shape=(frames, frames))
    solved = np.empty((shape[1], 2))
    for axis, weight in enumerate(held[:2]):
        unknowns = slides.T @ slides + block_diag([smooth + stays + weight * eye_array(frames), csc_array((len(found), len(found)))])
        solved[:, axis] = spsolve(unknowns.tocsc(), -slides.T @ where[:, axis])
    for place, (foot, start, end) in zip(solved[frames:], found):
        places[start:end, foot] = place
    return solved[:frames], places


def _lowering(body: np.ndarray, chains: Sequence[Sequence[int]], contacts: np.ndarray, places: np.ndarray, fps: float) -> np.ndarray:
    """How far the body [T,J,3] goes down [T], smoothly, for every leg to reach the place [T,F,3] where its foot stands."""
    needed = np.zeros(len(body))
    for foot, chain in enumerate(chains):
        away = places[:, foot] - body[:, chain[0]]
        height = np.sqrt(np.maximum(_reach(body[:, chain]) ** 2 - (away[:, :2] ** 2).sum(-1), 0))
        needed = np.maximum(needed, np.where(contacts[:, foot], -away[:, 2] - height, 0))
    return covering(np.minimum(needed, LOWER_MOST), LOWER_SECONDS, fps)


def covering(needed: np.ndarray, seconds: float, fps: float) -> np.ndarray:
    """A smooth curve [T] that is nowhere less than `needed` [T], and goes there and back in about so many seconds."""
    half = round(seconds * fps / 2)
    curve = maximum_filter1d(needed, 4 * half + 1, mode="nearest")
    for _ in range(2):  # together no wider than the maximum: the mean is nowhere less than needed
        curve = uniform_filter1d(curve, 2 * half + 1, mode="nearest")
    return curve


def eased(offsets: np.ndarray, contacts: np.ndarray, fps: float) -> np.ndarray:
    """The offsets [T,F,D] as they are in contact [T,F], fading to nothing away from it without a jump in place or velocity."""
    result, frames = np.zeros_like(offsets), np.arange(len(offsets))
    for foot in range(offsets.shape[1]):
        standing, values, slopes = contacts[:, foot], offsets[:, foot] * contacts[:, foot, None], np.zeros_like(offsets[:, foot])
        if not standing.any():
            continue
        for start, end in spells(standing):
            if end - start > 1:
                slopes[start:end] = np.gradient(values[start:end], axis=0)
        known = standing | ~maximum_filter1d(standing, 2 * round(EASE_SECONDS * fps) + 1)
        for edge, nearest in ((0, standing.argmax()), (-1, -1 - standing[::-1].argmax())):
            if not known[edge]:  # too near to the end of the clip to fade
                known[edge], values[edge] = True, values[nearest]
        result[:, foot] = CubicHermiteSpline(frames[known], values[known], slopes[known])(frames) if known.sum() > 1 else values
    return result


def _bending(body: np.ndarray, skeleton: Skeleton, chain: Sequence[int], fps: float) -> np.ndarray:
    """The direction [T,3] to which the middle joint of a limb bends. A human knee bends across the leg and the line from hip to hip;
    this is shorter than 1 where the leg lies along that line and tells little. Another limb bends as it does around that moment."""
    limb = body[:, chain]
    line = _unit(limb[:, -1] - limb[:, 0])
    part, _, side = skeleton.roles.get(skeleton.joints[chain[-1]], "").partition(".")
    if part != "ankle":
        knee = limb[:, len(chain) // 2] - limb[:, 0]
        return _unit(gaussian_filter1d(knee - line * _dot(knee, line), BEND_SECONDS * fps, axis=0, mode="nearest"))
    across = (limb[:, 0] - body[:, skeleton.mirror_order[chain[0]]]) * (1 if side == "L" else -1)
    return np.cross(line, _unit(gaussian_filter1d(across, BEND_SECONDS * fps, axis=0, mode="nearest")))


def _parts(limb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths [T] of the two parts of a limb [T,N,3], before and after its middle joint."""
    middle = limb[:, limb.shape[1] // 2]
    return np.linalg.norm(middle - limb[:, 0], axis=-1), np.linalg.norm(limb[:, -1] - middle, axis=-1)


def _reach(limb: np.ndarray) -> np.ndarray:
    """How far the foot of a limb [T,N,3] may be from its root [T]: short of straight, or as far as it is."""
    return np.maximum(LOCKED * np.add(*_parts(limb)), np.linalg.norm(limb[:, -1] - limb[:, 0], axis=-1))


def _carried(part: np.ndarray, start: np.ndarray, end: np.ndarray, axis: np.ndarray, turned_axis: np.ndarray) -> np.ndarray:
    """A rigid part of a limb [T,M,3] carried to a new start and end [T,3], its axis [T,3] to the turned axis."""

    def frame(line: np.ndarray, normal: np.ndarray) -> np.ndarray:
        line = _unit(line)
        normal = _unit(normal - line * _dot(normal, line))
        return np.stack([line, normal, np.cross(line, normal)], -1)

    turn = frame(end - start, turned_axis) @ frame(part[:, -1] - part[:, 0], axis).swapaxes(1, 2)
    return start[:, None] + (part - part[:, :1]) @ turn.swapaxes(1, 2)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1, keepdims=True)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(min=1e-12)
