"""A gymnast's ball for recordings that have none: held in a palm, thrown and caught, bounced, rolled along the arms. It obeys physics
wherever nobody touches it; the body stays as it was recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from rigs import Skeleton

GRAVITY = np.array([0.0, 0.0, -9.81])
RADIUS = 0.095  # metres: the ball of rhythmic gymnastics
PALM = 0.09  # metres from the wrist to the middle of the palm
BOUNCE = 0.8  # speed after a bounce over speed before it
HOLD_SECONDS = (0.4, 1.6)
FLIGHT_SECONDS = (0.35, 1.1)
ROLL_SECONDS = (0.8, 1.3)
ATTEMPTS = 24  # ways to send the ball off that are compared at the end of a hold
HIGHEST = 3.5  # metres a throw may reach
PLAYERS = tuple(f"{part}.{side}" for side in "LR" for part in ("shoulder", "elbow", "wrist"))  # joint roles without which nobody holds a ball
CLEARANCE = RADIUS + 0.03  # metres between a flying ball and the body's joints
FLAT = 0.6  # |z| of a bone's direction up to which a ball rolls along it and does not fall


@dataclass
class Move:
    """The ball's way from one hand to another: positions [n,3] of the frames start+1 .. start+n, the last in the hand `to`;
    harshness: how far hand and ball differ in velocity at either end, m/s."""

    start: int
    to: int
    positions: np.ndarray
    harshness: float


def play_ball(joints: np.ndarray, skeleton: Skeleton, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Ball positions [T,3] for a body [T,J,3], metres, Z up, floor at 0.

    After every hold several throws, bounces and, where the arms lie flat, rolls are drawn; the one whose ends fit the hands' own
    movement best is taken, so that the ball goes where the dancer seems to send it. Raises ValueError for a skeleton without arms.
    """
    arms = [_arm(joints, skeleton, side) for side in "LR"]
    held = np.stack([_resting(arm) for arm in arms])  # [2,T,3]
    velocity = np.gradient(held, 1 / fps, axis=1) if len(joints) > 1 else np.zeros_like(held)
    obstacles = np.delete(joints, [skeleton.joints.index(_joint(skeleton, f"wrist.{side}")) for side in "LR"], axis=1)
    hand, frame, ball = int(rng.integers(2)), 0, held[0].copy()
    while frame < len(joints):
        until = min(len(joints), frame + 1 + round(rng.uniform(*HOLD_SECONDS) * fps))
        ball[frame:until] = held[hand, frame:until]
        frame = until
        moves = [_throw(hand, until - 1, held, velocity, obstacles, fps, rng) for _ in range(ATTEMPTS)]
        moves += [_bounce(hand, until - 1, held, velocity, obstacles, fps, rng) for _ in range(ATTEMPTS)]
        moves += [_roll(hand, until - 1, arms, held, fps, rng) for _ in range(ATTEMPTS // 4)]
        possible = [move for move in moves if move is not None]
        if possible:
            best = min(possible, key=lambda move: move.harshness)
            frame, hand = best.start + 1 + len(best.positions), best.to
            ball[best.start + 1 : frame] = best.positions
    return ball


def _joint(skeleton: Skeleton, role: str) -> str:
    found = [name for name, played in skeleton.roles.items() if played == role]
    if not found:
        raise ValueError(f"the skeleton {skeleton.name!r} has no joint with the role {role!r}, so nothing can hold a ball")
    return found[0]


def _arm(joints: np.ndarray, skeleton: Skeleton, side: str) -> np.ndarray:
    """Shoulder, elbow, wrist and palm of a side: [4,T,3]."""
    shoulder, elbow, wrist = (joints[:, skeleton.joints.index(_joint(skeleton, f"{part}.{side}"))] for part in ("shoulder", "elbow", "wrist"))
    return np.stack([shoulder, elbow, wrist, wrist + PALM * _unit(wrist - elbow)])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(min=1e-9)


def _resting(arm: np.ndarray) -> np.ndarray:
    """Middle of a ball [T,3] that lies in the palm of an arm [4,T,3]: on its upper side, and when the arm swings past the vertical
    the hand carries the ball around instead of letting it jump to the other side."""
    along, up = _unit(arm[3] - arm[2]), np.array([0.0, 0.0, 1.0])
    normal, normals = np.array([0.0, -1.0, 0.0]), []
    for direction in along:
        wanted = normal + 0.3 * up
        normal = _unit(wanted - direction * (wanted @ direction))
        normals.append(normal)
    resting = arm[3] + RADIUS * np.array(normals)
    resting[:, 2] = resting[:, 2].clip(min=RADIUS)
    return resting


def _flight(begin: np.ndarray, velocity: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    return begin + velocity * seconds[:, None] + GRAVITY * seconds[:, None] ** 2 / 2


def _free(path: np.ndarray, start: int, obstacles: np.ndarray) -> bool:
    """Whether a ball on `path` [n,3] (frames start+1 ...) keeps off the floor, the ceiling and, between the hands, the body."""
    middle = path[1:-2]
    around = obstacles[start + 2 : start + len(path) - 1]
    away = np.linalg.norm(middle[:, None] - around, axis=-1)
    return bool(path[:, 2].min() >= RADIUS - 1e-6 and path[:, 2].max() < HIGHEST and (away.size == 0 or away.min() > CLEARANCE))


def _ends(hand: int, start: int, held: np.ndarray, fps: float, rng: np.random.Generator) -> tuple[int, int] | None:
    """The hand that catches and the frames of a flight; None where the clip ends before."""
    to = int(rng.integers(2))
    frames = round(rng.uniform(*FLIGHT_SECONDS) * fps)
    return None if start + frames >= held.shape[1] or frames < 3 else (to, frames)


def _throw(hand: int, start: int, held: np.ndarray, velocity: np.ndarray, obstacles: np.ndarray, fps: float, rng: np.random.Generator) -> Move | None:
    ends = _ends(hand, start, held, fps, rng)
    if ends is None:
        return None
    to, frames = ends
    begin, end, seconds = held[hand, start], held[to, start + frames], np.arange(1, frames + 1) / fps
    launch = (end - begin) / seconds[-1] - GRAVITY * seconds[-1] / 2
    path = _flight(begin, launch, seconds)
    if not _free(path, start, obstacles):
        return None
    arrival = launch + GRAVITY * seconds[-1]
    harshness = np.linalg.norm(launch - velocity[hand, start]) + np.linalg.norm(arrival - velocity[to, start + frames])
    return Move(start, to, path, float(harshness))


def _bounce(hand: int, start: int, held: np.ndarray, velocity: np.ndarray, obstacles: np.ndarray, fps: float, rng: np.random.Generator) -> Move | None:
    ends = _ends(hand, start, held, fps, rng)
    if ends is None:
        return None
    to, frames = ends
    begin, end, total = held[hand, start], held[to, start + frames], frames / fps
    gravity = -GRAVITY[2]

    def after(down: float) -> tuple[float, float]:
        """Vertical speed at the floor and after it, for a ball that takes `down` seconds there."""
        launch = (RADIUS - begin[2]) / down + gravity * down / 2
        return launch, -BOUNCE * (launch - gravity * down)

    def miss(down: float) -> float:
        up = total - down
        return RADIUS + after(down)[1] * up - gravity * up**2 / 2 - end[2]

    tries = np.linspace(0.05, 0.95, 19) * total
    misses = [miss(down) for down in tries]
    crossing = [index for index in range(len(tries) - 1) if misses[index] * misses[index + 1] < 0]
    if not crossing:
        return None
    down = brentq(miss, tries[crossing[0]], tries[crossing[0] + 1])
    launch, rise = after(down)
    seconds = np.arange(1, frames + 1) / fps
    path = begin + (end - begin) * (seconds / total)[:, None]
    late = seconds - down
    path[:, 2] = np.where(late < 0, begin[2] + launch * seconds - gravity * seconds**2 / 2, RADIUS + rise * late - gravity * late**2 / 2)
    if not _free(path, start, obstacles):
        return None
    across = (end - begin) / total * [1, 1, 0]
    thrown, arrival = across + [0, 0, launch], across + [0, 0, rise - gravity * (total - down)]
    harshness = np.linalg.norm(thrown - velocity[hand, start]) + np.linalg.norm(arrival - velocity[to, start + frames])
    return Move(start, to, path, float(harshness))


def _roll(hand: int, start: int, arms: list[np.ndarray], held: np.ndarray, fps: float, rng: np.random.Generator) -> Move | None:
    """Along one arm, over the shoulders and along the other, while all of it lies flat enough to carry a ball."""
    frames = round(rng.uniform(*ROLL_SECONDS) * fps)
    if start + frames >= held.shape[1]:
        return None
    span = slice(start + 1, start + frames + 1)
    track = np.concatenate([arms[hand][::-1, span], arms[1 - hand][:, span]])  # [8,n,3] from palm to palm
    steps = np.diff(track, axis=0)
    lengths = np.linalg.norm(steps, axis=-1)
    if (np.abs(steps[..., 2]) > FLAT * lengths.clip(min=1e-9)).any():
        return None
    share = np.linspace(0, 1, frames + 1)[1:]
    travelled = share**2 * (3 - 2 * share)
    reached = np.concatenate([np.zeros((1, frames)), np.cumsum(lengths, axis=0)])
    path = np.stack([[np.interp(s * reached[-1, n], reached[:, n], track[:, n, axis]) for axis in range(3)] for n, s in enumerate(travelled)])
    path[:, 2] += RADIUS
    blend = np.minimum(1, np.minimum(share, 1 - share) * 6)[:, None]  # from the palm onto the arm and into the other palm
    in_hands = np.where(share[:, None] < 0.5, held[hand, span], held[1 - hand, span])
    speed = reached[-1].mean() / (frames / fps)
    return Move(start, 1 - hand, in_hands + (path - in_hands) * blend, float(speed))
