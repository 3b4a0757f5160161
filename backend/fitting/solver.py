"""Levenberg-Marquardt over all frames at once.

Unknowns of a frame are a small turn of every bone relative to its parent and a shift of the root: D = 3 N + 3 numbers.
Points and vectors of the rig pull towards their targets within a frame; smoothness ties a frame to the next one by a
diagonal block only, so that the normal matrix is banded with bandwidth D and one banded Cholesky solves every frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded
from scipy.spatial.transform import Rotation

from backend.fitting.kinematics import Rig, forward
from backend.fitting.limits import Hinge

FRAMES_AT_ONCE = 256
"""Frames whose Jacobians are held in memory together."""

MOST_STEPS = 20
LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e6
ENOUGH = 3e-3
"""Relative fall of the cost below which the solver stops."""


TELLS_AXIS = -0.9
"""Cosine of a turn down to which its sine tells the axis well."""


@dataclass(frozen=True)
class Pulls:
    """What the rig should reach. Weights are inverse variances: for points in sizes of the rig (the largest distance of
    two bones' heads), for vectors in lengths of a unit vector.

    point_bones [P], point_rests [P,3] (world, at rest), point_targets [T,P,3], point_weights [T,P];
    vector_bones [V], vector_rests [V,3] (world, at rest), vector_targets [T,V,3], vector_weights [T,V].
    """

    point_bones: np.ndarray
    point_rests: np.ndarray
    point_targets: np.ndarray
    point_weights: np.ndarray
    vector_bones: np.ndarray
    vector_rests: np.ndarray
    vector_targets: np.ndarray
    vector_weights: np.ndarray


@dataclass(frozen=True)
class PosePull:
    """A Gaussian over poses. centre [N,3,3]: turns put before the bones' own so that their usual ones come to none; precision [3N,3N]: inverse covariance,
    radians, of the rotation vectors of what remains, of all bones one after the other, in their parents' axes at rest."""

    centre: np.ndarray
    precision: np.ndarray


@dataclass(frozen=True)
class Stiffness:
    """What keeps the rig calm; inverse variances of radians. rest, twist, smooth [N]; pose: what is known of whole poses; the others are numbers.

    rest: of a bone's turn away from rest; twist: of that turn's part about the bone; smooth: of the change of a bone's
    turn from one frame to the next; sideways: of a hinge leaving its plane; backwards: of a hinge bending the wrong
    way, counted from `slack` radians before straight.
    """

    rest: np.ndarray
    twist: np.ndarray
    smooth: np.ndarray
    sideways: float
    backwards: float
    slack: float
    pose: PosePull | None = None


def solve(rig: Rig, pulls: Pulls, hinges: list[Hinge], stiffness: Stiffness, turns: np.ndarray, root: np.ndarray,
          report: Callable[[float], None], damping: float = 1e-3, enough: float = ENOUGH) -> tuple[np.ndarray, np.ndarray]:
    """Improves a first guess: turns [T,N,3,3] (relative, see `kinematics.forward`) and root [T,3]; returns both.

    `report` gets the fraction of the steps that are done and may raise to stop. damping: of the first step; more for a first guess that is
    far from what it should reach; enough: see `ENOUGH`.
    """
    problem = _Problem(rig, pulls, hinges, stiffness)
    cost = problem.cost(turns, root)
    for step in range(MOST_STEPS):
        report(step / MOST_STEPS)
        blocks, gradient = problem.normal_equations(turns, root)
        first = damping
        while True:
            change = _solve_banded(blocks, gradient, problem.coupling, damping)
            tried_turns, tried_root = problem.moved(turns, root, change)
            tried_cost = problem.cost(tried_turns, tried_root)
            if tried_cost <= cost:
                break
            damping *= 10
            if damping > MOST_DAMPING or tried_cost - cost < enough * cost:  # no step of this way goes much further down
                return turns, root
        gain = (cost - tried_cost) / max(cost, 1e-12)
        # What was too little a moment ago mostly is again: after a step that had to be tried anew, the damping stays for one.
        turns, root, cost, damping = tried_turns, tried_root, tried_cost, max(damping / 10, LEAST_DAMPING) if damping == first else damping
        if gain < enough:
            break
    return turns, root


@dataclass(frozen=True)
class _Chain:
    """Bones from the root outwards, and the points and vectors that only these turn: numbers of each."""

    bones: np.ndarray
    points: np.ndarray
    vectors: np.ndarray


def _chains(rig: Rig, pulls: Pulls) -> list[_Chain]:
    """Every point and vector once, in as few chains as there are outermost pulled bones: most of a whole Jacobian would be 0."""
    pulled = sorted({*pulls.point_bones.tolist(), *pulls.vector_bones.tolist()}, key=lambda bone: -rig.carried[bone].sum())
    ends: list[int] = []
    end_of = {}
    for bone in pulled:
        end_of[bone] = next((end for end in ends if rig.carried[end, bone]), bone)
        if end_of[bone] == bone:
            ends.append(bone)
    owners = [np.array([end_of[bone] for bone in bones.tolist()], int) for bones in (pulls.point_bones, pulls.vector_bones)]
    return [_Chain(np.flatnonzero(rig.carried[end]), *(np.flatnonzero(owner == end) for owner in owners)) for end in ends]


class _Problem:
    def __init__(self, rig: Rig, pulls: Pulls, hinges: list[Hinge], stiffness: Stiffness):
        self.rig, self.pulls, self.stiffness = rig, pulls, stiffness
        self.size = np.linalg.norm(rig.heads[:, None] - rig.heads[None], axis=-1).max()
        self.axes = np.array([rig.direction(bone) for bone in range(rig.bones)])
        self.parents = np.maximum(rig.parents, 0)
        self.chains = _chains(rig, pulls)
        self.known: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self.usual: tuple[np.ndarray, np.ndarray] | None = None
        self.coupling = np.concatenate([np.repeat(stiffness.smooth, 3), np.zeros(3)])
        self.offsets = pulls.point_rests - rig.heads[pulls.point_bones]
        self.hinged = np.array([hinge.bone for hinge in hinges], int)
        self.segments, self.bends, self.sides = (np.array([getattr(hinge, part) for hinge in hinges]).reshape(-1, 3) for part in ("segment", "bend", "axis"))

    def cost(self, turns: np.ndarray, root: np.ndarray) -> float:
        world, heads = forward(self.rig, turns, root)
        points, vectors = self._reached(world, heads)
        total = np.sum(self.pulls.point_weights * np.sum((points - self.pulls.point_targets) ** 2, -1)) / self.size**2
        total += np.sum(self.pulls.vector_weights * np.sum((vectors - self.pulls.vector_targets) ** 2, -1))
        away, changes = self._logarithms(turns)
        total += np.sum(self.stiffness.rest[:, None] * away**2)
        total += np.sum(self.stiffness.twist * np.sum(away * self.axes, -1) ** 2)
        total += np.sum(self.stiffness.smooth[:, None] * changes**2)
        if self.stiffness.pose is not None:
            odd = self._odd(turns).reshape(len(turns), -1)
            total += np.sum(odd @ self.stiffness.pose.precision * odd)
        _, lack, side = self._hinges(turns)
        return float(total + self.stiffness.backwards * np.sum(lack**2) + self.stiffness.sideways * np.sum(side**2))

    def moved(self, turns: np.ndarray, root: np.ndarray, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        small = Rotation.from_rotvec(change[:, :-3].reshape(-1, 3)).as_matrix().reshape(turns.shape)
        turned = small @ turns
        return turned, root + change[:, -3:] * self.size

    def normal_equations(self, turns: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The diagonal blocks [T,D,D] of the normal matrix, and half the gradient [T,D]."""
        frames, unknowns = len(turns), 3 * self.rig.bones + 3
        blocks, gradient = np.empty((frames, unknowns, unknowns)), np.empty((frames, unknowns))
        world, heads = forward(self.rig, turns, root)
        for start in range(0, frames, FRAMES_AT_ONCE):
            part = slice(start, start + FRAMES_AT_ONCE)
            blocks[part], gradient[part] = self._pull(world[part], heads[part], part)
        bones = np.arange(self.rig.bones)
        by_bone = blocks[:, :-3, :-3].reshape(frames, self.rig.bones, 3, self.rig.bones, 3)
        turn_gradient = gradient[:, :-3].reshape(frames, self.rig.bones, 3)

        away, changes = self._logarithms(turns)
        turn_gradient += self.stiffness.rest[:, None] * away
        by_bone[:, bones, :, bones, :] += self.stiffness.rest[:, None, None, None] * np.eye(3)

        def add(bones: np.ndarray, weights: np.ndarray | float, residuals: np.ndarray, rows: np.ndarray) -> None:
            """Residuals [T,B] of bones [B] that change by rows [T,B,3] with their turns."""
            weighted = np.broadcast_to(weights, residuals.shape)[..., None] * rows
            turn_gradient[:, bones] += weighted * residuals[..., None]
            by_bone[:, bones, :, bones, :] += np.swapaxes(weighted[..., :, None] * rows[..., None, :], 0, 1)

        twisted = np.flatnonzero(self.stiffness.twist)
        axes = self.axes[twisted]
        add(twisted, self.stiffness.twist[twisted], np.sum(away[:, twisted] * axes, -1), _of_part(away[:, twisted], axes))
        segments, lack, side = self._hinges(turns)
        add(self.hinged, self.stiffness.backwards * (lack > 0), lack, -np.cross(segments, self.bends))
        add(self.hinged, self.stiffness.sideways, side, np.cross(segments, self.sides))

        if self.stiffness.pose is not None:
            odd, precision = self._odd(turns), self.stiffness.pose.precision
            turn_gradient += _of_part(odd, (odd.reshape(frames, -1) @ precision).reshape(odd.shape))
            blocks[:, :-3, :-3] += precision  # as if vectors changed as turns do, which holds near the usual pose; the gradient is exact

        changes = self.stiffness.smooth[:, None] * changes
        turn_gradient[1:] += changes
        turn_gradient[:-1] -= changes
        neighbours = np.zeros(frames)
        neighbours[1:] += 1
        neighbours[:-1] += 1
        by_bone[:, bones, :, bones, :] += (self.stiffness.smooth[:, None] * neighbours)[:, :, None, None] * np.eye(3)
        return blocks, gradient

    def _reached(self, world: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points = heads[:, self.pulls.point_bones] + np.einsum("tpij,pj->tpi", world[:, self.pulls.point_bones], self.offsets)
        vectors = np.einsum("tvij,vj->tvi", world[:, self.pulls.vector_bones], self.pulls.vector_rests)
        return points, vectors

    def _pull(self, world: np.ndarray, heads: np.ndarray, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Points move by turn x lever about the heads of the bones that carry them, vectors turn with theirs."""
        points, vectors = self._reached(world, heads)
        frames_of = world[:, self.parents]
        frames_of[:, 0] = np.eye(3)  # turns of a bone are told in its parent's axes
        frames, unknowns = len(world), 3 * self.rig.bones + 3
        blocks, gradient = np.zeros((frames, unknowns, unknowns)), np.zeros((frames, unknowns))
        for chain in self.chains:
            bones, own_points, own_vectors = chain.bones, chain.points, chain.vectors
            turned_by = self.rig.carried[np.concatenate([self.pulls.point_bones[own_points], self.pulls.vector_bones[own_vectors]])][:, bones]
            levers = np.concatenate([(points[:, own_points, None] - heads[:, None, bones]) / self.size,
                                     np.broadcast_to(vectors[:, own_vectors, None], (frames, len(own_vectors), len(bones), 3))], axis=1)
            levers *= turned_by[..., None]
            residuals = np.concatenate([(points[:, own_points] - self.pulls.point_targets[part][:, own_points]) / self.size,
                                        vectors[:, own_vectors] - self.pulls.vector_targets[part][:, own_vectors]], axis=1)
            weights = np.sqrt(np.concatenate([self.pulls.point_weights[part][:, own_points],
                                              self.pulls.vector_weights[part][:, own_vectors]], axis=1))[..., None]
            levers *= weights[..., None]
            rows = levers.shape[1]
            jacobian = np.zeros((frames, rows, 3, len(bones) * 3 + 3))
            turned = jacobian[..., :-3].reshape(frames, rows, 3, len(bones), 3)
            for axis in range(3):
                about = frames_of[:, bones][:, None, :, :, axis]
                for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
                    turned[:, :, i, :, axis] = about[..., j] * levers[..., k] - about[..., k] * levers[..., j]
            jacobian[:, : len(own_points), :, -3:] = weights[:, : len(own_points), :, None] * np.eye(3)
            jacobian = jacobian.reshape(frames, rows * 3, -1)
            transposed = np.swapaxes(jacobian, 1, 2)
            columns = np.append((3 * bones[:, None] + np.arange(3)).ravel(), unknowns - 3 + np.arange(3))
            blocks[:, columns[:, None], columns] += transposed @ jacobian
            gradient[:, columns] += (transposed @ (residuals * weights).reshape(frames, -1, 1))[..., 0]
        return blocks, gradient

    def _logarithms(self, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rotation vectors of the turns [T,N,3] and of their changes [T-1,N,3]; those of the last turns are kept."""
        if self.known is None or self.known[0] is not turns:
            self.known = turns, _logarithm(turns), _logarithm(turns[1:] @ np.swapaxes(turns[:-1], -1, -2))
        return self.known[1:]

    def _odd(self, turns: np.ndarray) -> np.ndarray:
        """[T,N,3] rotation vectors from the usual pose; those of the last turns are kept."""
        if self.usual is None or self.usual[0] is not turns:
            self.usual = turns, _logarithm(turns @ self.stiffness.pose.centre)
        return self.usual[1]

    def _hinges(self, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The lower segments of all hinges [T,H,3], how far the joints lack their least bend and how far they leave their planes [T,H]."""
        segments = np.einsum("thij,hj->thi", turns[:, self.hinged], self.segments)
        lack = np.maximum(np.sin(self.stiffness.slack) - np.sum(segments * self.bends, -1), 0)
        return segments, lack, np.sum((segments - self.segments) * self.sides, -1)


def _of_part(vectors: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Derivatives [T,N,3] of the dot products with axes [N,3] or [T,N,3] that rotation vectors [T,N,3] have, by a small turn that is applied after them."""
    angles = np.linalg.norm(vectors, axis=-1, keepdims=True)
    half = np.maximum(angles / 2, 1e-3)
    share = (1 - half / np.tan(half)) / (4 * half**2)
    across = np.cross(vectors, axes)
    return axes + across / 2 + share * np.cross(vectors, across)


def _logarithm(matrices: np.ndarray) -> np.ndarray:
    """Rotation vectors [...,3] of rotation matrices [...,3,3]; from the sine, as long as that tells the axis."""
    vectors = np.stack([matrices[..., k, j] - matrices[..., j, k] for j, k in ((1, 2), (2, 0), (0, 1))], axis=-1) / 2
    sine, cosine = np.linalg.norm(vectors, axis=-1), (np.trace(matrices, axis1=-2, axis2=-1) - 1) / 2
    vectors *= np.where(sine > 1e-9, np.arctan2(sine, cosine) / np.maximum(sine, 1e-9), 1.0)[..., None]
    far = cosine < TELLS_AXIS
    if far.any():
        vectors[far] = Rotation.from_matrix(matrices[far]).as_rotvec()
    return vectors


def _solve_banded(blocks: np.ndarray, gradient: np.ndarray, coupling: np.ndarray, damping: float) -> np.ndarray:
    """Solves (H + damping diag H) change = -gradient, [T,D]; H has `blocks` on and -diag(coupling) beside its diagonal."""
    frames, size = gradient.shape
    band = np.zeros((size + 1, frames, size))
    for offset in range(size):
        band[size - offset, :, offset:] = np.diagonal(blocks, offset, axis1=1, axis2=2)
    band[size] *= 1 + damping
    band[size] += 1e-6
    band[0, 1:] = -coupling
    change = solveh_banded(band.reshape(size + 1, -1), -gradient.ravel(), overwrite_ab=True, overwrite_b=True, check_finite=False)
    return change.reshape(frames, size)
