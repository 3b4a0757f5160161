"""How far from the camera a subject is in every frame: drawn views hardly tell, but its size in the picture does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg import solveh_banded

from backend.motion.bones import median_lengths

SIZE_DEVIATION = 0.04  # of the logarithm of the size, as the bones of one frame tell it
DRIFT = 0.006  # by which what drawn views have wrong of the logarithm of the depth changes in a frame
MOST = 0.3  # of the logarithm of a bone's length is believed to be off; the rest is a pose not yet found


def held_to_size(points: torch.Tensor, eye: torch.Tensor, trust: torch.Tensor, parents: Sequence[int], bones: Sequence[tuple[int, int]],
                 frames: torch.Tensor | None = None) -> torch.Tensor:
    """The motions with every frame moved nearer to the camera or farther, and scaled as much, so that the body keeps its size; what the
    camera sees stays as it is.

    A bone tells the size as far as it lies across the line of sight, where its length was filmed. What single frames say is smoothed, since
    what drawn views have wrong changes slowly.

    Args: points [B,T,P,3], joints before objects; eye [B,3]: the camera's place; trust [B,T,P] in 0..1 of what was filmed; parents [J]; bones
    (parent, child) that don't stretch; frames [B]: valid ones, None for all. Returns: [B,T,P,3].
    """
    heads, tails = (list(ends) for ends in zip(*bones))
    eye = eye[:, None, None]
    wanted = median_lengths(points[:, :, : len(parents)], parents, frames=frames)[:, None, tails].clamp(min=1e-6)
    along, sight = points[:, :, tails] - points[:, :, heads], (points[:, :, tails] + points[:, :, heads]) / 2 - eye
    squared = along.square().sum(-1).clamp(min=1e-12)
    inward = (along * sight).sum(-1).square() / (squared * sight.square().sum(-1)).clamp(min=1e-12)
    weight = trust[..., tails] * trust[..., heads] * (1 - inward).clamp(min=0)
    if frames is not None:
        weight = weight * (torch.arange(points.shape[1], device=points.device) < frames.to(points.device)[:, None])[..., None]
    told = weight.sum(-1)
    size = (weight * (wanted.log() - squared.log() / 2).clamp(-MOST, MOST)).sum(-1) / told.clamp(min=1e-6)
    share = torch.from_numpy(_steady(size.double().cpu().numpy(), (told / len(bones)).double().cpu().numpy())).to(points)
    return eye + (points - eye) * share.exp()[..., None, None]


def _steady(size: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The likeliest sequences [B,T] that drift, of which frames say `size` [B,T] by `weight` [B,T]."""
    steady = np.empty_like(size)
    for row, (told, sure) in enumerate(zip(size, weight / SIZE_DEVIATION**2, strict=True)):
        coupled = np.full(len(told), 1 / DRIFT**2)
        diagonal = sure + 1e-6
        diagonal[1:] += coupled[1:]
        diagonal[:-1] += coupled[1:]
        steady[row] = solveh_banded(np.stack([-coupled, diagonal]), sure * told)
    return steady
