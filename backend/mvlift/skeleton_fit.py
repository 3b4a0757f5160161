"""A body of constant bone lengths, and things of constant shape, in triangulated points: least squares, weighed by how sure each point is."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from backend.motion.bones import median_lengths, with_steady_bones
from backend.motion.rigid_fit import hold_rigid, shape_of
from rigs import Skeleton

STEPS = 6
STIFFNESS = 300.0  # weight of a bone's length against that of a point seen in one picture
DAMPING = 1e-3
FRAMES_AT_ONCE = 1000  # whose matrices are in memory together


def fit_skeleton(points: torch.Tensor, normal: torch.Tensor, skeleton: Skeleton, frames: torch.Tensor | None = None) -> torch.Tensor:
    """The motions with bones of constant length, every point moved where it costs the pictures least.

    Minimises by Gauss-Newton, per frame, the points' squared distances in the metric of their normal matrices plus the bones' errors;
    the lengths are the medians over the motion, left and right alike. What is then left of an error is taken out from the root outward.

    Args: points [B,T,P,3], joints before objects; normal [B,T,P,3,3] from `intersect`; frames [B]: valid ones, None for all.
    Returns: [B,T,P,3]; rigid things keep their shape, and other objects are as they were.
    """
    joints = len(skeleton.joints)
    mirror, elastic = skeleton.mirror_order[:joints], skeleton.elastic_joints
    body = points[:, :, :joints]
    lengths = median_lengths(body, skeleton.parents, mirror, frames)
    bones = [(parent, child) for parent, child in skeleton.bones if child not in elastic]
    wanted = lengths[:, [child for _, child in bones]]
    parts = zip(body.split(FRAMES_AT_ONCE, 1), normal[:, :, :joints].split(FRAMES_AT_ONCE, 1))
    fitted = torch.cat([_settle(*part, bones, wanted) for part in parts], 1)
    steady = with_steady_bones(fitted, skeleton.parents, mirror, elastic, frames)
    whole = torch.cat([steady, points[:, :, joints:]], 2)
    for name, places in skeleton.rigid.items():
        own = skeleton.things[name]
        whole[:, :, own] = hold_rigid(points[:, :, own], normal[:, :, own], shape_of(places, points), frames)
    return whole


def _settle(target: torch.Tensor, normal: torch.Tensor, bones: Sequence[tuple[int, int]], lengths: torch.Tensor) -> torch.Tensor:
    batch, frames, joints = target.shape[:3]
    parents, children = (list(ends) for ends in zip(*bones))
    rows = torch.arange(len(bones), device=target.device)
    scale = normal.diagonal(dim1=-2, dim2=-1).mean((-1, -2)).clamp(min=1e-9)[..., None, None, None]  # a frame nobody saw is as firm as another
    metric = torch.diag_embed(torch.ones_like(target)) * DAMPING + normal / scale
    blocks = target.new_zeros(batch, frames, joints, 3, joints, 3)
    index = torch.arange(joints, device=target.device)
    blocks[:, :, index, :, index, :] = metric.permute(2, 0, 1, 3, 4)
    pull = (metric @ target.unsqueeze(-1)).squeeze(-1)
    x = target
    for _ in range(STEPS):
        along = x[:, :, children] - x[:, :, parents]
        length = along.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        along = along / length
        jacobian = target.new_zeros(batch, frames, len(bones), joints, 3)
        jacobian[:, :, rows, children] = along
        jacobian[:, :, rows, parents] = -along
        jacobian = jacobian.flatten(3)
        error = length.squeeze(-1) - lengths[:, None]
        hessian = blocks.flatten(4).flatten(2, 3) + STIFFNESS * jacobian.transpose(-1, -2) @ jacobian
        gradient = (metric @ x.unsqueeze(-1)).squeeze(-1) - pull
        gradient = gradient.flatten(2) + STIFFNESS * (jacobian * error.unsqueeze(-1)).sum(-2)
        x = x - torch.linalg.solve(hessian, gradient).view_as(x)
    return x
