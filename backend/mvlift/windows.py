"""From what a camera saw to the pictures of a window: turned to the subject, and zoomed to its usual size.

A window's camera is turned so that the root's place at its first frame lies on the optical axis, which is exact for any footage,
since a turn needs no depth. The window's unit of length is chosen so that the subject has its usual size; then it stands as many units away as
the picture must be zoomed by. The paper scales the picture to a box and always assumes the same distance and a level camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rigs import Skeleton

SHOWN = 0.9  # quantile of a bone's lengths in the pictures at which it is hardly foreshortened
NEAREST = 0.05  # forward part of a turned ray; what is nearer to the picture's plane is beside the camera
BOX_DISTANCE, BOX_FOCAL, BOX_IMAGE = 3.0, 1000.0, (1920.0, 1080.0)  # the official program's camera


def hips_of(skeleton: Skeleton) -> list[int]:
    """The joints whose mean is the root of a body in the world: both hips, or the skeleton's root."""
    roles = {role: skeleton.joints.index(name) for name, role in skeleton.roles.items()}
    return [roles[role] for role in ("hip.L", "hip.R") if role in roles] or [skeleton.joints.index(skeleton.root)]


@dataclass(frozen=True)
class Framing:
    """How windows were framed. turn [B,3,3]: axes right, up, forward of the turned camera in those of the one that filmed; zoom [B]:
    picture = zoom x turned ray; distance [B]: of the turned camera from its origin, in the pictures' units."""

    turn: torch.Tensor
    zoom: torch.Tensor
    distance: torch.Tensor

    def apply(self, rays: torch.Tensor) -> torch.Tensor:
        """Pictures of rays [B,T,J,2] (x, y over depth; y up)."""
        turned = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) @ self.turn[:, None].transpose(-1, -2)
        return turned[..., :2] / turned[..., 2:].clamp(min=NEAREST) * self.zoom.view(-1, 1, 1, 1)


@dataclass(frozen=True)
class Body:
    """What framing needs to know of a skeleton: centre [J'] weights of the keypoints whose mean is the root, bones (parent, child) [N]
    that don't stretch, and their lengths [N] as pictures usually show them; `box` (wide, tall) in place of lengths for official packs."""

    centre: torch.Tensor
    bones: list[tuple[int, int]]
    lengths: torch.Tensor | None
    box: tuple[float, float] | None = None

    @classmethod
    def of(cls, skeleton: Skeleton, lengths: Sequence[float] | None = None, box: Sequence[float] | None = None) -> Body:
        centre, roots = torch.zeros(len(skeleton.keypoints)), hips_of(skeleton)
        centre[roots] = 1 / len(roots)
        bones = [(parent, child) for parent, child in skeleton.bones if child not in skeleton.elastic_joints]
        return cls(centre, bones, None if lengths is None else torch.tensor(lengths), None if box is None else tuple(box))

    def root(self, points: torch.Tensor) -> torch.Tensor:
        """The root's place [...,D] among points [...,J,D]."""
        return (points * self.centre.to(points)[:, None]).sum(-2)

    def mixing(self) -> torch.Tensor:
        """[J,J]: keypoints as seen from the root, but for one of the root's own, in whose place the root stands. It can be inverted."""
        mix = torch.eye(len(self.centre)) - self.centre
        mix[int(self.centre.argmax())] = self.centre
        return mix


def look_at(direction: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Axes right, up, forward [...,3,3] of a camera that looks in a direction [...,3] without a roll against `up` [...,3]."""
    forward = direction / direction.norm(dim=-1, keepdim=True)
    above = up - forward * (up * forward).sum(-1, keepdim=True)
    above = above / above.norm(dim=-1, keepdim=True)
    return torch.stack([torch.linalg.cross(above, forward), above, forward], -2)


def up_of(elevation: torch.Tensor | float) -> torch.Tensor:
    """Where up is [...,3] for a camera that looks down by `elevation` radians, in its axes right, up, forward."""
    angle = torch.as_tensor(elevation)
    return torch.stack([torch.zeros_like(angle), angle.cos(), -angle.sin()], -1)


def elevation_of(framing: Framing, up: torch.Tensor) -> torch.Tensor:
    """Elevations [B] of the turned cameras; up [3] or [B,3] in the axes of the camera that filmed."""
    return -torch.asin((framing.turn @ up.expand(len(framing.turn), 3).unsqueeze(-1))[:, 2, 0].clamp(-1, 1))


def shown_lengths(flat: torch.Tensor, seen: torch.Tensor, bones: Sequence[tuple[int, int]]) -> torch.Tensor:
    """How long bones look [B,N] where they are hardly foreshortened, nan for those never seen. flat [B,T,J,2]; seen [B,T,J] bool."""
    parents, children = (list(ends) for ends in zip(*bones))
    lengths = (flat[:, :, children] - flat[:, :, parents]).norm(dim=-1)
    return lengths.masked_fill(~(seen[:, :, children] & seen[:, :, parents]), float("nan")).nanquantile(SHOWN, dim=1)


def frame(rays: torch.Tensor, seen: torch.Tensor, up: torch.Tensor, body: Body) -> tuple[torch.Tensor, Framing]:
    """Pictures [B,T,J,2] of windows, and how they were framed.

    Args: rays [B,T,J,2], gaps filled; seen [B,T,J] bool, False in gaps and padding; up [3] or [B,3] in the camera's axes.
    """
    root = body.root(rays[:, 0])
    direction = torch.cat([root, torch.ones_like(root[:, :1])], -1)
    turn = look_at(direction, up.to(rays).expand(len(rays), 3))
    level = Framing(turn, torch.ones_like(rays[:, 0, 0, 0]), torch.ones_like(rays[:, 0, 0, 0]))
    flat = level.apply(rays)
    if body.box is not None:
        visible = torch.where(seen[:, :1, :, None].any(2, keepdim=True), seen[:, :1, :, None], True)
        low, high = (torch.where(visible, flat[:, :1], fill) for fill in (float("inf"), float("-inf")))
        size = (high.amax((1, 2)) - low.amin((1, 2))) * BOX_FOCAL / torch.tensor(BOX_IMAGE).to(rays)
        target = torch.where(size[:, 0] > size[:, 1], *(torch.tensor(side).to(rays) for side in body.box))
        zoom = BOX_DISTANCE * target / size.amax(1).clamp(min=1e-6)
        framing = Framing(turn, zoom, torch.full_like(zoom, BOX_DISTANCE))
    else:
        shown = shown_lengths(flat, seen, body.bones)
        known = shown.isfinite()
        whole = torch.where(known, body.lengths.to(rays), 0).sum(1)
        zoom = whole / torch.where(known, shown, 0).sum(1).clamp(min=1e-6)
        zoom = torch.where(known.any(1), zoom, zoom[known.any(1)].median() if known.any() else torch.ones_like(zoom))
        framing = Framing(turn, zoom, zoom)
    return framing.apply(rays), framing


def absent(seen: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    """Keypoints [B,J] of objects that are never seen [B,T,J] in a window, which may not be there at all: a ball where a box is carried. They are
    taken to be where `fill_gaps` puts them, and networks learn to leave them there."""
    objects = torch.tensor([name in skeleton.objects for name in skeleton.keypoints], device=seen.device)
    return ~(seen > 0).any(1) & objects


def fill_gaps(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Points [...,T,J,2] that go straight over what wasn't seen [...,T,J]. A joint that was never seen is at the mean of the others."""
    filled = np.where(seen[..., None], points, 0.0)
    flat, mask = filled.reshape(-1, *points.shape[-3:]), seen.reshape(-1, *seen.shape[-2:])
    frames = np.arange(points.shape[-3])
    for row, joint in np.argwhere(~mask.all(1)):
        known = mask[row, :, joint]
        if known.any():
            for axis in range(points.shape[-1]):
                flat[row, :, joint, axis] = np.interp(frames, frames[known], flat[row, known, joint, axis])
    for row, joint in np.argwhere(~mask.any(1)):
        others = mask[row].any(0)
        if others.any():
            flat[row, :, joint] = flat[row][:, others].mean(1)
    return flat.reshape(points.shape)
