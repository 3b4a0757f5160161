"""Long clips from short recordings: a motion graph (Kovar et al. 2002) over the frames of all clips of a source.

A walk plays a clip and jumps to another where pose, velocity and ball agree, blending over a few frames.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from backend.training.domain import Clip
from rigs import Skeleton

BLEND_FRAMES = 10
MIN_STAY_FRAMES = 15
IDLE_SPEED = 0.008  # metres a frame
ACCEPTED_COST = 0.24  # metres; above this blends were seen to slide and to tear the ball out of the hand


class MotionGraph:
    """Transitions between the frames of `clips` (all with the same keypoints seen)."""

    def __init__(self, clips: list[Clip], skeleton: Skeleton):
        self.clips = clips
        self.root = skeleton.joints.index(skeleton.root)
        self.sides = [skeleton.joints.index(next(j for j, role in skeleton.roles.items() if role == f"hip.{s}")) for s in "LR"]
        features, self.owner, self.frame, self.speed = [], [], [], []
        for index, clip in enumerate(clips):
            local = self._local(clip.keypoints)
            velocity = np.gradient(local, axis=0) if len(local) > 1 else np.zeros_like(local)
            travel = np.gradient(clip.keypoints[:, self.root], axis=0) if len(local) > 1 else np.zeros((len(local), 3))
            travel = self._heading(clip.keypoints).inv().apply(travel)
            # Four frames of velocity weigh as much as a position: a blend must not reverse a moving hand.
            features.append(np.concatenate([local.reshape(len(local), -1), 4 * velocity.reshape(len(local), -1), 16 * travel], 1))
            self.speed.append(np.linalg.norm(velocity, axis=-1).mean(1))  # metres a frame, mean of the keypoints
            self.owner += [index] * len(local)
            self.frame += range(len(local))
        self.owner, self.frame = np.array(self.owner), np.array(self.frame)
        ahead = 30  # frames
        self.activity = np.concatenate([np.convolve(np.pad(s, (0, ahead - 1)), np.ones(ahead), "valid") for s in self.speed])
        stacked = np.concatenate(features)
        self.cost = cdist(stacked, stacked) / np.sqrt(clips[0].keypoints.shape[1])
        left = np.array([len(clips[o].keypoints) for o in self.owner]) - self.frame
        self.cost[:, left < MIN_STAY_FRAMES + BLEND_FRAMES] = np.inf
        for index in range(len(clips)):
            mine = np.flatnonzero(self.owner == index)
            near = np.abs(self.frame[mine][:, None] - self.frame[mine][None]) < 12
            self.cost[np.ix_(mine, mine)] += np.where(near, np.inf, 0)

    def _heading(self, keypoints: np.ndarray) -> Rotation:
        """Rotation about Z by which the hips face away from -Y, a frame each."""
        left = keypoints[:, self.sides[0]] - keypoints[:, self.sides[1]]
        return Rotation.from_euler("z", np.arctan2(left[:, 1], left[:, 0])[:, None])

    def _local(self, keypoints: np.ndarray) -> np.ndarray:
        """Keypoints seen from the hips: horizontal place and heading removed, heights kept."""
        ground = keypoints[:, self.root] * [1, 1, 0]
        inverse = self._heading(keypoints).inv().as_matrix()
        return np.einsum("tij,tkj->tki", inverse, keypoints - ground[:, None])

    def walk(self, frames: int, rng: np.random.Generator) -> np.ndarray:
        """A random walk of at most `frames` frames: keypoints [T,J,3]. Shorter where no transition is good enough."""
        index = int(rng.integers(len(self.clips)))
        length = len(self.clips[index].keypoints)
        start = int(rng.integers(max(1, length // 2))) if rng.random() < 0.5 else 0
        pieces = self.clips[index].keypoints[start:]
        visits = np.zeros(len(self.clips))
        position = start  # frame of the clip at which the current stay began
        while len(pieces) < frames:
            here = np.flatnonzero(self.owner == index)
            exits = here[self.frame[here] >= min(position + MIN_STAY_FRAMES, length - 1)]
            cost = self.cost[exits]
            good = np.argwhere(cost < ACCEPTED_COST)
            if not len(good):
                break
            visits[index] += 1
            # Late exits are likelier, so that actions run to their end, but not through idle standing at a clip's end;
            # entries before something happens are likelier; known clips less, so that walks go on.
            lateness = self.frame[exits[good[:, 0]]].astype(float)
            idle = np.cumsum(self.speed[index] < IDLE_SPEED)[self.frame[exits[good[:, 0]]]]
            odds = (lateness - lateness.max()) / 15 - idle / 4 - cost[good[:, 0], good[:, 1]] / 0.04
            odds += 4 * np.minimum(self.activity[good[:, 1]], 0.7) - 3 * visits[self.owner[good[:, 1]]]
            weight = np.exp(odds - odds.max())
            exit_row, entry = good[rng.choice(len(good), p=weight / weight.sum())]
            leave = int(self.frame[exits[exit_row]])
            kept = len(pieces) - (length - 1 - leave)
            index, position = int(self.owner[entry]), int(self.frame[entry])
            length = len(self.clips[index].keypoints)
            pieces = self._join(pieces[:kept], self.clips[index].keypoints[position:])
        return pieces[:frames]

    def _join(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """`after`, turned and moved so that its first frame stands on the last of `before`, with the offset blended out."""
        turn = self._heading(before[-1:])[0] * self._heading(after[:1])[0].inv()
        ground = [1, 1, 0]
        moved = turn.apply((after - after[0, self.root] * ground).reshape(-1, 3)).reshape(after.shape) + before[-1, self.root] * ground
        fade = 1 - (np.arange(1, BLEND_FRAMES + 1) / (BLEND_FRAMES + 1))
        fade = fade * fade * (3 - 2 * fade)
        moved[:BLEND_FRAMES] += fade[:, None, None] * (before[-1] - moved[0])
        return np.concatenate([before, moved[1:]])
