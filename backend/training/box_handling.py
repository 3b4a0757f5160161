"""A box for recordings that have none: picked up from the floor, carried between both hands, put down, pushed. The hands are led to it, and the
body bends as far as they need; all else stays as it was recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial.transform import Rotation

from rigs import Skeleton

WALKS = 0.4  # metres a second from which a body goes somewhere
TASKS = {True: {"carry": 0.35, "lift": 0.25, "place": 0.2, "push": 0.2}, False: {"carry": 0.2, "lift": 0.45, "place": 0.35}}
ATTEMPTS = 30  # boxes and places that are tried until the hands reach
BESIDE = 0.03  # metres from a side of the box to the wrist of the hand on it
REACH, LONGEST = 0.93, 0.99  # shares of an arm's length at which the body bends instead, and that it never exceeds
STOP_SECONDS, GRIP_SECONDS, REACH_SECONDS, RAISE_SECONDS = 0.5, (0.1, 0.3), (0.6, 0.9), (0.8, 1.2)
BEFORE_SECONDS = (0.3, 1.0)  # that are seen before something is picked up, or after it was put down
DEEPEST = 1.2  # of the crouch that `Crouch` describes
SIDES = ("L", "R")
HANDLERS = tuple(f"{part}.{side}" for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for side in SIDES)
"""Joint roles without which nobody holds a box."""


@dataclass(frozen=True)
class Crouch:
    """How somebody bends: at 1 the hips are lower by `drop` and further back by `back` metres, and the trunk is turned by `pitch` radians.
    `lean`: by which it always is."""

    drop: float
    back: float
    pitch: float
    lean: float = 0.0


def handle_box(joints: np.ndarray, skeleton: Skeleton, fps: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """A body [T,J,3], metres, Z up, floor at 0, that handles a box, and the box's points [T,P,3], in the order of the skeleton's [rigid.NAME]; T
    may become less. None where no box fits what was recorded."""
    body = _Body(skeleton)
    walks = np.linalg.norm(joints[-1, body.hips].mean(0)[:2] - joints[0, body.hips].mean(0)[:2]) * fps / len(joints) > WALKS
    names, odds = zip(*TASKS[walks].items())
    for _ in range(ATTEMPTS):
        task = str(rng.choice(names, p=odds))
        done = _push(joints, body, fps, rng) if task == "push" else _carry(joints, body, task, fps, rng)
        if done is not None:
            moved, middle, turn, size = done
            (places,) = skeleton.rigid.values()
            return moved, middle[:, None] + np.einsum("tij,pj->tpi", turn.as_matrix(), np.array(list(places.values())) * size)
    return None


class _Body:
    """Joint indices of a person's parts."""

    def __init__(self, skeleton: Skeleton):
        roles = {role: skeleton.joints.index(name) for name, role in skeleton.roles.items()}
        if missing := [role for role in HANDLERS if role not in roles]:
            raise ValueError(f"the skeleton {skeleton.name!r} has no joint with the role {missing[0]!r}, so nobody can hold a box")
        self.hips, self.knees, self.ankles, self.shoulders, self.elbows, self.wrists = (
            [roles[f"{part}.{side}"] for side in SIDES] for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))
        legs = {*self.hips, *self.knees, *self.ankles}
        self.trunk = [joint for joint in range(len(skeleton.joints)) if joint not in legs]

    def heading(self, joints: np.ndarray, fps: float) -> Rotation:
        """Turns about Z [T] by which a body faces away from -Y, without its sway."""
        left = sum(joints[:, pair[0]] - joints[:, pair[1]] for pair in (self.hips, self.shoulders))
        left = gaussian_filter1d(left / np.linalg.norm(left, axis=-1, keepdims=True), 0.25 * fps, axis=0, mode="nearest")
        return Rotation.from_euler("z", np.arctan2(left[:, 1], left[:, 0])[:, None])


def _smoothstep(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 0, 1)
    return share**2 * (3 - 2 * share)


def _schedule(joints: np.ndarray, body: _Body, task: str, fps: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Frames of the recording that are played [T], how far the hands are on the box [T], and how far it is lifted [T]."""
    frames = len(joints)
    if task == "carry":
        return np.arange(frames, dtype=float), np.ones(frames), np.ones(frames)
    before, reach, grip, lift = (float(rng.uniform(*each)) * fps for each in (BEFORE_SECONDS, REACH_SECONDS, GRIP_SECONDS, RAISE_SECONDS))
    stop, pause = STOP_SECONDS * fps, reach + grip + lift
    # Standing still looks best when both feet are on the floor anyway.
    speed = np.linalg.norm(np.gradient(joints[:, body.ankles], axis=0), axis=-1).sum(1)
    possible = np.arange(round(before + stop / 2), frames - round(stop))
    if not len(possible):
        return None
    halt = possible[int(speed[possible].argmin())]
    time = np.arange(frames, dtype=float)
    stands = before + stop
    rate = 1 - _smoothstep((time - before) / stop) + _smoothstep((time - stands - pause) / stop)
    played = np.concatenate([[0], np.cumsum(rate)[:-1]])
    played += halt - played[min(frames - 1, round(stands + pause / 2))]
    grips, lifted = _smoothstep((time - stands) / reach), _smoothstep((time - stands - reach - grip) / lift)
    if task == "place":  # as picking up, backwards in time; who has put a box down stays there
        played, grips, lifted = played[0] + played[-1] - played[::-1], grips[::-1], lifted[::-1]
        played += halt - played[max(0, frames - 1 - round(stands + pause / 2))]
        played = np.minimum(played, halt)
    there = (played >= 0) & (played <= frames - 1)
    return played[there], grips[there], lifted[there]


def _carry(joints: np.ndarray, body: _Body, task: str, fps: float, rng: np.random.Generator):
    """Picking up, carrying or putting down: body [T,J,3], middle [T,3], turns [T] and size [3] of the box; None where it can't be."""
    schedule = _schedule(joints, body, task, fps, rng)
    if schedule is None or len(schedule[0]) < fps:
        return None
    played, grip, lifted = schedule
    moved = CubicSpline(np.arange(len(joints)), joints)(played)
    size = rng.uniform([0.25, 0.2, 0.15], [0.5, 0.4, 0.4])
    heading, feet = body.heading(moved, fps), moved[:, body.ankles].mean(1) * [1, 1, 0]
    middle = moved[:, body.hips + body.shoulders].mean(1)
    middle = gaussian_filter1d(middle, 0.08 * fps, axis=0, mode="nearest")
    ahead, above = 0.16 + rng.uniform(0, 0.08) + size[1] / 2, rng.uniform(0.02, 0.3) + (moved[:, body.hips, 2].mean() - middle[:, 2].mean())
    held = middle + heading.apply([0.0, -ahead, above])
    tilt = Rotation.from_euler("xy", rng.normal(0, [0.12, 0.05]))
    lying = np.flatnonzero(lifted == lifted.min())
    ground = lying[0] if task == "place" else lying[-1]  # a moment at which somebody stands before it
    spot = feet[ground] + heading[ground].apply([rng.uniform(-0.05, 0.05), -(rng.uniform(0.26, 0.4) + size[1] / 2), size[2] / 2])
    place = held if task == "carry" else spot + lifted[:, None] * (held - spot)
    upright = heading if task == "carry" else _between(heading[ground], heading, lifted)
    turn = upright * Rotation.from_rotvec(tilt.as_rotvec() * lifted[:, None])
    at = np.array([size[0] / 2 + BESIDE, rng.uniform(0.1, 0.3) * size[1], rng.uniform(-0.25, 0.1) * size[2]])
    squat = rng.uniform(0, 1)
    legs = np.linalg.norm(np.diff(moved[:, [body.hips[0], body.knees[0], body.ankles[0]]], axis=1), axis=-1).sum(-1).mean()
    crouch = Crouch((0.3 + 0.3 * squat) * legs, 0.15 + 0.12 * squat, np.radians(70 - 25 * squat))
    led = _lead(moved, body, heading, place, turn, at, grip, crouch, fps)
    return None if led is None else (led, place, turn, size)


def _push(joints: np.ndarray, body: _Body, fps: float, rng: np.random.Generator):
    """A large box that slides over the floor before both hands, as `_carry`."""
    size = rng.uniform([0.5, 0.45, 0.8], [0.85, 0.8, 1.15])
    heading = body.heading(joints, fps)
    slow = gaussian_filter1d(joints[:, body.hips].mean(1) * [1, 1, 0], 0.35 * fps, axis=0, mode="nearest")
    turn = Rotation.from_euler("z", gaussian_filter1d(np.unwrap(heading.as_euler("zyx")[:, 0]), 0.5 * fps, mode="nearest")[:, None])
    middle = slow + turn.apply([0.0, -(rng.uniform(0.48, 0.62) + size[1] / 2), size[2] / 2])
    height = min(size[2] - 0.06, rng.uniform(0.9, 1.15)) - size[2] / 2
    at = np.array([rng.uniform(0.14, min(0.22, size[0] / 2 - 0.05)), size[1] / 2 + BESIDE + 0.04, height])
    crouch = Crouch(0.1, 0.0, 0.6, lean=float(rng.uniform(0.1, 0.4)))
    led = _lead(joints, body, heading, middle, turn, at, np.ones(len(joints)), crouch, fps)
    return None if led is None else (led, middle, turn, size)


def _between(one: Rotation, other: Rotation, share: np.ndarray) -> Rotation:
    """Turns [T] from one to others [T], as far as share [T] says."""
    return one * Rotation.from_rotvec((one.inv() * other).as_rotvec() * share[:, None])


def _lead(joints: np.ndarray, body: _Body, heading: Rotation, middle: np.ndarray, turn: Rotation, at: np.ndarray, grip: np.ndarray, crouch: Crouch,
          fps: float) -> np.ndarray | None:
    """The body [T,J,3] with its wrists where a box is held, as far as grip [T] says: at `at` [3] from its middle on the left, mirrored on the right.
    It bends as little as the arms allow. None where they don't reach."""
    arms = [np.linalg.norm(np.diff(joints[:, [shoulder, elbow, wrist]], axis=1), axis=-1).sum(-1)
            for shoulder, elbow, wrist in zip(body.shoulders, body.elbows, body.wrists)]
    holds = [middle + turn.apply(at * [side, 1, 1]) for side in (1, -1)]

    def bent(depth: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """The body at crouches [T], where its wrists go, and how far they are from the shoulders in shares of the arms."""
        moved = _bend(joints, body, heading, depth, crouch, grip)
        goals = [moved[:, wrist] + grip[:, None] * (hold - moved[:, wrist]) for wrist, hold in zip(body.wrists, holds)]
        far = np.max([np.linalg.norm(goal - moved[:, shoulder], axis=-1) / arm for goal, shoulder, arm in zip(goals, body.shoulders, arms)], 0)
        return moved, goals, far

    low, high, most = np.zeros(len(joints)), np.full(len(joints), DEEPEST), 1 + grip * (REACH - 1)
    for _ in range(12):
        half = (low + high) / 2
        reached = bent(half)[2] <= most
        low, high = np.where(reached, low, half), np.where(reached, half, high)
    spread = round(0.15 * fps)
    depth = gaussian_filter1d(maximum_filter1d(np.where(high < 1e-2, 0, high), 2 * spread + 1, mode="nearest"), spread / 2, mode="nearest")
    moved, goals, far = bent(depth)
    if (far[grip > 0.5] > LONGEST).any():
        return None
    down = np.array([0.0, 0.0, -1.0])
    for side, shoulder, elbow, wrist, goal in zip((1, -1), body.shoulders, body.elbows, body.wrists, goals):
        outward = heading.apply([0.6 * side, 0.5, 0.0]) + down
        moved[:, elbow], moved[:, wrist] = _two_bones(*(moved[:, joint] for joint in (shoulder, elbow, wrist)), moved[:, shoulder], goal,
                                                      grip[:, None] * outward)
    return moved


def _bend(joints: np.ndarray, body: _Body, heading: Rotation, depth: np.ndarray, crouch: Crouch, grip: np.ndarray) -> np.ndarray:
    """The body [T,J,3] bent by depth [T]: hips down and back, the trunk turned about them, the feet where they are."""
    moved, hips = joints.copy(), joints[:, body.hips].mean(1)
    shift = depth[:, None] * heading.apply([0.0, crouch.back, -crouch.drop])
    pitch = Rotation.from_rotvec(heading.apply([1.0, 0.0, 0.0]) * (depth * crouch.pitch + grip * crouch.lean)[:, None]).as_matrix()
    moved[:, body.trunk] = np.einsum("tij,tpj->tpi", pitch, joints[:, body.trunk] - hips[:, None]) + (hips + shift)[:, None]
    ahead = depth[:, None] * heading.apply([0.0, -0.3, 0.0])
    for hip, knee, ankle in zip(body.hips, body.knees, body.ankles):
        moved[:, hip] += shift
        moved[:, knee], _ = _two_bones(joints[:, hip], joints[:, knee], joints[:, ankle], moved[:, hip], joints[:, ankle], ahead)
    return moved


def _two_bones(start: np.ndarray, middle: np.ndarray, end: np.ndarray, new_start: np.ndarray, goal: np.ndarray,
               towards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle and end [T,3] of a limb with its own bones from `new_start` to `goal`, bent to where it was bent and `towards` [T,3]."""
    upper, lower = np.linalg.norm(middle - start, axis=-1, keepdims=True), np.linalg.norm(end - middle, axis=-1, keepdims=True)
    line = end - start
    side = middle - start - line * ((middle - start) * line).sum(-1, keepdims=True) / (line**2).sum(-1, keepdims=True) + towards
    line = goal - new_start
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    line = line / distance
    distance = distance.clip(np.abs(upper - lower) + 1e-6, upper + lower - 1e-6)
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    side = side - line * (side * line).sum(-1, keepdims=True)
    side = side / np.linalg.norm(side, axis=-1, keepdims=True).clip(1e-9)
    return new_start + line * along + side * np.sqrt((upper**2 - along**2).clip(0)), new_start + line * distance
