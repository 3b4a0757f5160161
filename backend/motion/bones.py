"""Bone lengths: triangulated joints stretch a little from frame to frame; a skeleton does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def bone_lengths(positions: np.ndarray, parents: list[int]) -> np.ndarray:
    """Lengths [T,N] of the bones that have a parent, metres; positions [T,J,3]."""
    children = [child for child, parent in enumerate(parents) if parent >= 0]
    return np.linalg.norm(positions[:, children] - positions[:, [parents[c] for c in children]], axis=-1)


def hold_bone_lengths(positions: np.ndarray, parents: list[int], mirror: list[int] | None = None) -> np.ndarray:
    """The motion with every bone at its median length: directions are kept, from the root outward. `mirror` [J] gives
    left and right the same length, where a bone's mirror image is a bone. positions [T,J,3] -> [T,J,3]."""
    children = [child for child, parent in enumerate(parents) if parent >= 0]
    median = dict(zip(children, np.median(bone_lengths(positions, parents), axis=0), strict=True))
    if mirror is not None:
        other = {child: mirror[child] if parents[mirror[child]] == mirror[parents[child]] else child for child in children}
        median = {child: (length + median[other[child]]) / 2 for child, length in median.items()}
    lengths = torch.tensor([median.get(joint, 0.0) for joint in range(len(parents))], dtype=torch.float64)
    return with_bone_lengths(torch.from_numpy(positions), parents, lengths).numpy()


def with_bone_lengths(points: torch.Tensor, parents: Sequence[int], lengths: torch.Tensor) -> torch.Tensor:
    """The points with every bone at a given length: directions are kept, from the root outward.

    Args: points [...,J,3]; lengths [J] metres, the root's is not used. Returns [...,J,3].
    """
    held: list[torch.Tensor] = []
    for child, parent in enumerate(parents):
        if parent < 0:
            held.append(points[..., child, :])
            continue
        direction = points[..., child, :] - points[..., parent, :]
        norm = direction.norm(dim=-1, keepdim=True).clamp(min=1e-9)
        held.append(held[parent] + direction / norm * lengths[child])
    return torch.stack(held, -2)


def seen_bone_lengths(keypoints: np.ndarray, confidences: np.ndarray, parents: Sequence[int], scale: float) -> list[float]:
    """Bone lengths in metres learned from 2D alone: over many views, some see a bone across, and none sees it longer than
    it is but for a few per cent of perspective and noise. The 90th percentile was chosen by comparing with recorded 3D
    lengths, which it exceeds by 2.5 % on average.

    Args: keypoints [N,T,J,2] in the pack's units; confidences [N,T,J]. Returns one length a joint, 0 for the root.
    """
    lengths = []
    for child, parent in enumerate(parents):
        seen = (confidences[..., child] > 0) & (confidences[..., parent] > 0)
        across = np.linalg.norm(keypoints[..., child, :][seen] - keypoints[..., parent, :][seen], axis=-1)
        lengths.append(float(np.quantile(across, 0.9)) * scale if parent >= 0 and len(across) else 0.0)
    return lengths
