"""Bone lengths: triangulated joints stretch a little from frame to frame; a skeleton does not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch


def bone_lengths(positions: np.ndarray, parents: list[int]) -> np.ndarray:
    """Lengths [T,N] of the bones that have a parent, metres; positions [T,J,3]."""
    children = [child for child, parent in enumerate(parents) if parent >= 0]
    return np.linalg.norm(positions[:, children] - positions[:, [parents[c] for c in children]], axis=-1)


def hold_bone_lengths(positions: np.ndarray, parents: list[int], mirror: list[int] | None = None,
                      elastic: Sequence[int] = ()) -> np.ndarray:
    """`with_steady_bones` for one recorded or generated motion: positions [T,J,3] -> [T,J,3]."""
    return with_steady_bones(torch.from_numpy(positions).unsqueeze(0), parents, mirror, elastic)[0].numpy()


def median_lengths(points: torch.Tensor, parents: Sequence[int], mirror: Sequence[int] | None = None,
                   frames: torch.Tensor | None = None) -> torch.Tensor:
    """Median distance of every joint from its parent [B,J], 0 for the root; arguments as of `with_steady_bones`."""
    children = [child for child, parent in enumerate(parents) if parent >= 0]
    lengths = points.new_zeros(points.shape[0], points.shape[2])
    spans = (points[:, :, children] - points[:, :, [parents[child] for child in children]]).norm(dim=-1)
    if frames is not None:
        spans = spans.masked_fill((torch.arange(points.shape[1], device=points.device) >= frames.to(points.device)[:, None]).unsqueeze(-1), math.nan)
    lengths[:, children] = spans.nanquantile(0.5, dim=1)
    if mirror is not None:
        other = [mirror[child] if parents[mirror[child]] == mirror[max(parent, 0)] else child for child, parent in enumerate(parents)]
        lengths = (lengths + lengths[:, other]) / 2
    return lengths


def with_steady_bones(points: torch.Tensor, parents: Sequence[int], mirror: Sequence[int] | None = None,
                      elastic: Sequence[int] = (), frames: torch.Tensor | None = None) -> torch.Tensor:
    """The motions with every bone at its own median length: directions are kept, from the root outward.

    Args: points [B,T,J,3]; mirror [J] gives left and right the same length, where a bone's mirror image is a bone; elastic: joints
        that keep their way from the parent as it is; frames [B] how many frames of each motion the medians are of, None for all.
    Returns: [B,T,J,3].
    """
    lengths = median_lengths(points, parents, mirror, frames)
    held: list[torch.Tensor] = []
    for child, parent in enumerate(parents):
        if parent < 0:
            held.append(points[:, :, child])
            continue
        offset = points[:, :, child] - points[:, :, parent]
        if child not in elastic:
            offset = offset / offset.norm(dim=-1, keepdim=True).clamp(min=1e-9) * lengths[:, None, child, None]
        held.append(held[parent] + offset)
    return torch.stack(held, 2)
