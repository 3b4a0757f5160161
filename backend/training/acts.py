"""Performances: short animations, played in place, chained by crossfades at matching moments (gaits: at matching phases)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

PHASES = 24  # entries that are tried into a cycle
EXITS = 12  # and moments at which the act before may be left
WAIT_SECONDS = 0.7  # within which those moments lie


@dataclass(frozen=True)
class Act:
    """An animation that can be entered and left.

    pose: seconds -> [J,3] metres; seconds: duration, or the period where `cyclic`; speed: metres a second over the floor; stay:
    least and most seconds that a cycle is played; blend: seconds a crossfade takes; after: weights of the acts that may follow.
    """

    pose: CubicSpline
    seconds: float
    cyclic: bool
    speed: float
    stay: tuple[float, float]
    blend: float
    after: Mapping[str, float]

    @classmethod
    def of(cls, keypoints: np.ndarray, fps: float, period: float, **rest) -> Act:
        """From a clip [T,J,3]; period: seconds after which it repeats, 0 if it doesn't."""
        # Exporters of animation often hold the first key for a frame; a cycle would limp.
        held = len(keypoints) > 2 and np.allclose(keypoints[0], keypoints[1], atol=1e-6)
        keypoints, period = (keypoints[1:], period - 1 / fps) if held and period else (keypoints, period)
        if not period:
            return cls(CubicSpline(np.arange(len(keypoints)) / fps, keypoints), (len(keypoints) - 1) / fps, False, **rest)
        times = np.arange(len(keypoints)) / fps
        times = times[times < period - 0.25 / fps]
        cycle = np.concatenate([keypoints[: len(times)], keypoints[:1]])
        return cls(CubicSpline(np.append(times, period), cycle, bc_type="periodic"), period, True, **rest)

    def at(self, times: np.ndarray) -> np.ndarray:
        """Poses [...,J,3] at times in seconds; a cycle goes on, a clip stands at its end."""
        return self.pose(times % self.seconds if self.cyclic else np.clip(times, 0, self.seconds))

    @property
    def is_gait(self) -> bool:
        return self.cyclic and self.speed > 0


def perform(acts: Mapping[str, Sequence[Act]], opening: Mapping[str, float], parents: Sequence[int], frames: int, step: float,
            rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random performance of at most `frames` frames, `step` seconds apart.

    Args: acts: those of one performer, by name; opening: weights of the acts that may come first.
    Returns: keypoints [T,J,3] in place and speed [T] in m/s. Shorter where an act has no successor.
    """
    act = _choose(acts, opening, rng)
    now = float(rng.uniform(0, act.seconds)) if act.cyclic else 0.0
    poses, speeds, total = [], [], 0
    while total < frames:
        following = _choose(acts, act.after, rng)
        if following is None:
            times = now + step * np.arange(frames - total)
            times = times if act.cyclic else times[times <= act.seconds]
            poses.append(act.at(times))
            speeds.append(np.full(len(times), act.speed))
            break
        blend = min(act.blend, following.blend)
        leave, entry = _meet(act, following, now, blend, rng)
        times = np.arange(now, leave, step)
        weight = np.arange(1, max(2, round(blend / step))) * step / blend
        weight = weight.clip(0, 1) ** 2 * (3 - 2 * weight.clip(0, 1))
        ours, theirs = _paces(act, following, weight)
        start = times[-1] if len(times) else now - step
        our_times, their_times = start + step * np.cumsum(ours), entry + step * np.cumsum(theirs)
        poses += [act.at(times), crossfade(act.at(our_times), following.at(their_times), weight, parents)]
        speeds += [np.full(len(times), act.speed), (1 - weight) * act.speed * ours + weight * following.speed * theirs]
        total += len(times) + len(weight)
        act, now = following, float(their_times[-1] + step)
    return np.concatenate(poses)[:frames], np.concatenate(speeds)[:frames]


def crossfade(before: np.ndarray, after: np.ndarray, weight: np.ndarray, parents: Sequence[int]) -> np.ndarray:
    """From `before` to `after` [T,J,3] as weight [T] goes from 0 to 1; bones [J parents] don't shorten on the way as the mean of two
    directions would. Points beyond the parents (objects) are plain means."""
    weight = weight[:, None]
    mixed = before + weight[..., None] * (after - before)
    blended = mixed.copy()
    for child, parent in enumerate(parents):
        if parent < 0:
            continue
        was, will = (np.linalg.norm(side[:, child] - side[:, parent], axis=-1, keepdims=True) for side in (before, after))
        bone = mixed[:, child] - mixed[:, parent]
        length = np.linalg.norm(bone, axis=-1, keepdims=True).clip(1e-9)
        blended[:, child] = blended[:, parent] + bone / length * (was + weight * (will - was))
    return blended


def _choose(acts: Mapping[str, Sequence[Act]], weights: Mapping[str, float], rng: np.random.Generator) -> Act | None:
    names = [name for name in weights if acts.get(name) and weights[name] > 0]
    if not names:
        return None
    odds = np.array([weights[name] for name in names], float)
    among = acts[names[int(rng.choice(len(names), p=odds / odds.sum()))]]
    return among[int(rng.integers(len(among)))]


def _paces(act: Act, following: Act, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How fast both are played [T] during a crossfade: two gaits keep step with each other."""
    if not (act.is_gait and following.is_gait):
        return np.ones_like(weight), np.ones_like(weight)
    period = act.seconds ** (1 - weight) * following.seconds**weight
    return act.seconds / period, following.seconds / period


def _meet(act: Act, following: Act, now: float, blend: float, rng: np.random.Generator) -> tuple[float, float]:
    """When to leave `act` and where to enter `following`, so that both look alike while one fades into the other."""
    exits = np.array([max(now, act.seconds - blend)])
    if act.cyclic:
        exits = now + rng.uniform(*act.stay) + np.linspace(0, min(act.seconds, WAIT_SECONDS), EXITS)
    entries = np.linspace(0, following.seconds, PHASES, endpoint=False) if following.cyclic else np.zeros(1)
    ours, theirs = _paces(act, following, np.full(1, 0.5))
    ahead = np.linspace(0, blend, 5)
    leaving, entering = act.at(exits[:, None] + ahead * ours), following.at(entries[:, None] + ahead * theirs)
    apart = np.linalg.norm(leaving[:, None] - entering[None], axis=-1).mean((2, 3))
    row, column = np.unravel_index(int(np.argmin(apart)), apart.shape)
    return float(exits[row]), float(entries[column])
