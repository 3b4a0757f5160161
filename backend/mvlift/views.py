"""The ring of cameras of a window, and what its views know of each other (MVLift section 3, and its program).

A window's subject stands around the origin of its world, and every camera of its ring looks at the origin from the same distance d.
A *picture* is what a camera sees, in units of that world at the origin: a point at (x, y, z) from the origin in the camera's axes
right, up, forward is at d (x, y) / (z + d). A *line* [...,3] is (a, b, c) with a x + b y + c = 0 and a² + b² = 1.
"""

from __future__ import annotations

import math

import torch

from backend.motion.cameras import view_axes

NEAREST = 0.05  # distances of a camera from the origin; what is nearer to the camera is taken to be there


def ring(views: int, first: torch.Tensor, elevation: float, turn: torch.Tensor | float = 0.0) -> torch.Tensor:
    """Axes [B,V,3,3] of evenly spread cameras. The first is the one that really filmed, at the elevations `first` [B]; the others are
    at `elevation`. turn [B] or a number: azimuth of the first. Radians."""
    turns = torch.as_tensor(turn, dtype=first.dtype, device=first.device).expand(first.shape)
    azimuths = turns[:, None] + torch.arange(views, dtype=first.dtype, device=first.device) * (2 * math.pi / views)
    elevations = torch.cat([first[:, None], torch.full((len(first), views - 1), elevation, dtype=first.dtype, device=first.device)], 1)
    return view_axes(azimuths, elevations)


def see(points: torch.Tensor, axes: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Pictures [B,V,T,J,2] of points [B,T,J,3] from cameras axes [B,V,3,3] at distance [B]. What comes up to a camera that was thought up, or passes it,
    is shown as if it stayed before it."""
    seen = points[:, None] @ axes[:, :, None].transpose(-1, -2)
    d = distance.view(-1, 1, 1, 1, 1)
    return seen[..., :2] / (1 + seen[..., 2:] / d).clamp(min=NEAREST)


def _pose(of: torch.Tensor, seen_from: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotation [...,3,3] and centre [...,3] (in units of the distance) of the camera `of` as `seen_from` sees it."""
    rotation = seen_from @ of.transpose(-1, -2)
    return rotation, torch.tensor([0.0, 0.0, 1.0], dtype=of.dtype, device=of.device) - rotation[..., 2]


def epipoles(of: torch.Tensor, seen_from: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Where pictures from `seen_from` [...,3,3] show the cameras `of` [...,3,3], in homogeneous coordinates [...,3], which stay finite
    for a camera that lies beside; distance [...]."""
    centre = _pose(of, seen_from)[1]
    return torch.cat([centre[..., :2] * distance[..., None], centre[..., 2:]], -1)


def lines_through(points: torch.Tensor, epipole: torch.Tensor) -> torch.Tensor:
    """Lines [...,3] through points [...,2] and epipoles [...,3], broadcast. b is never negative, since the lines of a ring are nearly
    level: so they change steadily from frame to frame. Where a point is the epipole the line is 0, which says nothing."""
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    return _normed(torch.linalg.cross(*torch.broadcast_tensors(epipole, homogeneous)))


def epipolar_lines(pictures: torch.Tensor, of: torch.Tensor, to: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """The lines on which the points of one view lie in another.

    Args: pictures [...,T,J,2] of the views `of` [...,3,3]; to [...,3,3]: axes of the others; distance [...]. Returns: [...,T,J,3].
    """
    rotation, centre = _pose(of, to)
    d = distance[..., None, None, None]
    rays = pictures / d
    rays = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) @ rotation.transpose(-1, -2)[..., None, :, :]
    line = torch.linalg.cross(centre[..., None, None, :].expand_as(rays), rays)
    return _normed(torch.cat([line[..., :2] / d, line[..., 2:]], -1))


def _normed(line: torch.Tensor) -> torch.Tensor:
    length = line[..., :2].norm(dim=-1, keepdim=True)
    sign = torch.where(line[..., 1:2] < 0, -1.0, 1.0)
    return torch.where(length > 1e-9, line * sign / length.clamp(min=1e-9), torch.zeros_like(line))


def off_line(pictures: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
    """Signed distances [...] of points [...,2] from lines [...,3]; 0 where the line says nothing."""
    return (pictures * lines[..., :2]).sum(-1) + lines[..., 2]


def intersect(pictures: torch.Tensor, axes: torch.Tensor, distance: torch.Tensor, weights: torch.Tensor,
              sweeps: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """The points that fit the pictures best: the linear triangulation, exact for exact pictures however far the subject goes, whose
    equations are weighted anew by the depths found, so that it becomes the least-squares fit in the pictures.

    Args: pictures [B,V,T,J,2]; axes [B,V,3,3]; distance [B]; weights [B,V,T,J], inverse variances.
    Returns: points [B,T,J,3] and their normal matrices [B,T,J,3,3], the inverse covariances.
    """
    d = distance.view(-1, 1, 1, 1, 1)
    plane, forward = axes[:, :, None, None, :2], axes[:, :, None, None, 2:]
    rows = plane - (pictures / d)[..., None] * forward  # [B,V,T,J,2,3]
    depth = torch.ones_like(weights)
    for _ in range(sweeps):
        weight = weights / depth**2
        normal = torch.einsum("bvtj,bvtjik,bvtjil->btjkl", weight, rows, rows)
        right = torch.einsum("bvtj,bvtjik,bvtji->btjk", weight, rows, pictures)
        points = torch.linalg.solve(normal + 1e-9 * torch.eye(3, dtype=normal.dtype, device=normal.device), right)
        depth = 1 + torch.einsum("bvk,btjk->bvtj", axes[:, :, 2], points) / d.squeeze(-1)
        depth = depth.clamp(min=NEAREST)
    return points, normal
