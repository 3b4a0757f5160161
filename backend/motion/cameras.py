"""The cameras of MAS: on a ring around the character, looking at the origin (MAS section 3.2)."""

from __future__ import annotations

import math

import torch


def view_axes(azimuths: torch.Tensor, elevations: torch.Tensor) -> torch.Tensor:
    """Right, up and forward axes of each view in the world.

    Args: azimuths, elevations [...] in radians; elevation > 0 looks down from above.
    Returns: [...,3,3], rows right, up, forward.
    """
    cos_a, sin_a, cos_e, sin_e = azimuths.cos(), azimuths.sin(), elevations.cos(), elevations.sin()
    zero = torch.zeros_like(cos_a)
    right = torch.stack([cos_a, sin_a, zero], -1)
    up = torch.stack([-sin_a * sin_e, cos_a * sin_e, cos_e], -1)
    forward = torch.stack([-sin_a * cos_e, cos_a * cos_e, -sin_e], -1)
    return torch.stack([right, up, forward], -2)


def ring_azimuths(views: int) -> torch.Tensor:
    """Evenly spread azimuths [V], as the paper places them."""
    return -math.pi + 2 * math.pi * torch.arange(views) / views


def project_perspective(points: torch.Tensor, axes: torch.Tensor, distance: float, scale: float) -> torch.Tensor:
    """Perspective projection to the pack's 2D units.

    Args: points [...,3] metres; axes [...,3,3] broadcast against points' leading dimensions; distance: camera to origin.
    Returns: [...,2], metres at the camera's distance divided by `scale`.
    """
    seen = (axes @ points.unsqueeze(-1)).squeeze(-1)
    return seen[..., :2] / (seen[..., 2:] + distance) * (distance / scale)


def project_orthographic(points: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    """Right and up coordinates of points [...,3] in each view: [...,2]. The paper projects noise so."""
    return (axes[..., :2, :] @ points.unsqueeze(-1)).squeeze(-1)
