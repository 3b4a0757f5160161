"""Things that keep their shape, such as a box: several keypoints in a place of their own in it, which turn and move together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import roma
import torch
from scipy.spatial.transform import Rotation

from backend.motion.motion3d import Motion3D
from rigs import Skeleton

STEPS = 3
DAMPING = 1e-3
THINNEST = 0.02  # least of a thing's width, depth and height, as a share of the largest


def shape_of(places: Mapping[str, Sequence[float]], like: torch.Tensor) -> torch.Tensor:
    """Places [P,3] of a thing's points, in shares of its size."""
    return torch.tensor(list(places.values()), dtype=like.dtype, device=like.device)


def find_size(points: torch.Tensor, shape: torch.Tensor, frames: torch.Tensor | None = None) -> torch.Tensor:
    """Width, depth and height [B,3] that fit the points' distances from each other best, medians over the motion.

    Args: points [B,T,P,3]; shape [P,3]; frames [B]: valid ones, None for all.
    """
    one, other = torch.triu_indices(len(shape), len(shape), 1, device=points.device)
    apart = (points[:, :, one] - points[:, :, other]).norm(dim=-1)
    if frames is not None:
        beyond = torch.arange(points.shape[1], device=points.device) >= frames.to(points.device)[:, None]
        apart = apart.masked_fill(beyond[..., None], float("nan"))
    squares = apart.nanmedian(1).values ** 2  # of which each is a sum of squared sides
    sides = (shape[one] - shape[other]) ** 2
    size = (squares @ torch.linalg.pinv(sides).T).clamp(min=0).sqrt()
    return size.clamp(min=1e-6).maximum(THINNEST * size.amax(1, keepdim=True))


def find_pose(points: torch.Tensor, model: torch.Tensor, weights: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotation [...,3,3] and middle [...,3] that bring a thing's points `model` [...,P,3] nearest to points [...,P,3]; weights [...,P]."""
    rotation, middle = roma.rigid_points_registration(model.expand_as(points), points, weights)
    return rotation, middle


def hold_rigid(points: torch.Tensor, normal: torch.Tensor, shape: torch.Tensor, frames: torch.Tensor | None = None) -> torch.Tensor:
    """The points of a rigid thing, moved where it costs the pictures least.

    By Gauss-Newton per frame, in the metric of the points' normal matrices, from the pose that fits them as points alike.
    Args: points [B,T,P,3]; normal [B,T,P,3,3]; shape [P,3]; frames [B]: valid ones, None for all. Returns: [B,T,P,3].
    """
    model = (shape * find_size(points, shape, frames)[:, None])[:, None]
    scale = normal.diagonal(dim1=-2, dim2=-1).mean((-1, -2)).clamp(min=1e-9)[..., None, None, None]
    metric = normal / scale + DAMPING * torch.eye(3, dtype=points.dtype, device=points.device)
    rotation, middle = find_pose(points, model)
    firm = 1e-9 * torch.eye(6, dtype=points.dtype, device=points.device)  # a thing that was never there can be anywhere
    for _ in range(STEPS):
        arms = model @ rotation.transpose(-1, -2)
        jacobian = torch.cat([torch.eye(3, dtype=points.dtype, device=points.device).expand(*arms.shape, 3), -_crossing(arms)], -1)  # [B,T,P,3,6]
        error = (points - arms - middle[..., None, :]).unsqueeze(-1)
        weighed = jacobian.transpose(-1, -2) @ metric
        step = torch.linalg.solve((weighed @ jacobian).sum(-3) + firm, (weighed @ error).sum(-3)).squeeze(-1)
        middle = middle + step[..., :3]
        rotation = roma.rotvec_to_rotmat(step[..., 3:]) @ rotation
    return model @ rotation.transpose(-1, -2) + middle[..., None, :]


def things_of(points: np.ndarray, seen: np.ndarray, skeleton: Skeleton) -> dict[str, np.ndarray | list[str] | None]:
    """A motion's objects from its keypoints [T,P,3], whether each was ever seen [P]: names, positions, rotations and sizes as `Motion3D` has them.

    Things of which no point was ever seen are left out. Rotations turn a thing from its rest, where its width lies along X, its depth along Y.
    """
    names = [name for name, own in skeleton.things.items() if seen[own].any()]
    if not names:
        return {"object_names": [], "object_positions": None}
    places = np.stack([points[:, skeleton.things[name][0]] for name in names], 1)
    turns, sizes = np.zeros((*places.shape[:2], 4)), np.zeros((len(names), 3))
    turns[..., 0] = 1
    for column, name in enumerate(names):
        if name in skeleton.rigid:
            own = torch.from_numpy(points[:, skeleton.things[name]]).double()[None]
            shape = shape_of(skeleton.rigid[name], own)
            size = find_size(own, shape)
            rotation, middle = find_pose(own, (shape * size[:, None])[:, None])
            places[:, column], sizes[column] = middle[0].numpy(), size[0].numpy()
            turns[:, column] = steady(Rotation.from_matrix(rotation[0].numpy()).as_quat(scalar_first=True))
    rigid = {"object_rotations": turns, "object_sizes": sizes} if set(names) & set(skeleton.rigid) else {}
    return {"object_names": names, "object_positions": places, **rigid}


def keypoints_of(motion: Motion3D, skeleton: Skeleton) -> np.ndarray:
    """The keypoints [T,P,3] of a motion whose things are as `things_of` makes them; nan for what it doesn't have, and for the travel point."""
    points = np.full((motion.frames, len(skeleton.keypoints), 3), np.nan)
    points[:, : len(skeleton.joints)] = motion.positions
    for column, name in enumerate(motion.object_names):
        middle = motion.object_positions[:, column, None]
        if name in skeleton.rigid:
            arms = np.array(list(skeleton.rigid[name].values())) * motion.object_sizes[column]
            turns = Rotation.from_quat(motion.object_rotations[:, column], scalar_first=True).as_matrix()
            middle = middle + arms @ turns.swapaxes(1, 2)
        points[:, skeleton.things[name]] = middle
    return points


def steady(turns: np.ndarray) -> np.ndarray:
    """Quaternions [T,4] of which none has the other sign than the one before."""
    signs = np.where((turns[1:] * turns[:-1]).sum(-1) < 0, -1.0, 1.0)
    return turns * np.concatenate([[1.0], np.cumprod(signs)])[:, None]


def _crossing(arms: torch.Tensor) -> torch.Tensor:
    """Matrices [...,3,3] that multiply as the cross product with arms [...,3] does."""
    x, y, z = arms.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
