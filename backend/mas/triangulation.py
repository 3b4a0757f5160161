"""From every view's 2D prediction to the one 3D motion that fits them best (MAS eq. 4, and its program)."""

from __future__ import annotations

import torch

from backend.motion.cameras import project_perspective


def triangulate(seen: torch.Tensor, axes: torch.Tensor, distance: float, scale: float, start: torch.Tensor | None = None,
                sweeps: int = 2, view_weights: torch.Tensor | None = None) -> torch.Tensor:
    """Least-squares points by iterated 3x3 normal equations: each sweep fixes the depths, as the reference's gradient does,
    and solves for the points exactly. Every point of every frame is a problem of its own, so batch members and padding
    cannot touch each other.

    Args:
        seen: [V,B,T,J,2] in the pack's units.
        axes: [V,3,3] rows right, up, forward.
        start: [B,T,J,3] to take the first depths from; None starts at the origin.
        view_weights: [V] (the paper's prominent-angle experiment), None for equal.
    Returns: [B,T,J,3] metres, centred.
    """
    points = torch.zeros(*seen.shape[1:-1], 3, dtype=seen.dtype, device=seen.device) if start is None else start
    plane, forward = axes[:, :2], axes[:, 2]
    outer = torch.einsum("vik,vil->vikl", plane, plane).sum(1)  # [V,3,3]
    weights = torch.ones(len(axes), dtype=seen.dtype, device=seen.device) if view_weights is None else view_weights
    for _ in range(sweeps):
        depth = torch.einsum("vk,btjk->vbtj", forward, points) + distance
        magnification = (distance / scale) / depth.clamp(min=0.05 * distance)
        normal = torch.einsum("v,vbtj,vkl->btjkl", weights, magnification**2, outer)
        right = torch.einsum("v,vbtj,vik,vbtji->btjk", weights, magnification, plane, seen)
        points = torch.linalg.solve(normal, right)
    return points


class AdamTriangulation:
    """The official program's way, for side-by-side runs: one Adam over the whole run, stopped at the first iteration whose
    loss did not fall. Its result depends on batch mates and padding; `iterations` counts its work."""

    def __init__(self, shape: tuple[int, ...], axes: torch.Tensor, distance: float, scale: float):
        self.points = torch.zeros(*shape, 3, device=axes.device, requires_grad=True)
        self.optimiser = torch.optim.Adam([self.points], lr=0.01)
        self.axes, self.distance, self.scale = axes, distance, scale
        self.iterations = 0

    @torch.enable_grad()
    def __call__(self, seen: torch.Tensor, view_weights: torch.Tensor | None = None) -> torch.Tensor:
        """seen [V,B,T,J,2] -> [B,T,J,3], starting from the last call's result."""
        weights = 1.0 if view_weights is None else (view_weights / view_weights.sum()).view(-1, 1, 1, 1, 1) * len(view_weights)
        axes = self.axes[:, None, None, None]
        previous = 1e11
        for _ in range(1000):
            projected = project_at_fixed_depth(self.points, axes, self.distance, self.scale)
            loss = (weights * (projected - seen) ** 2).mean()
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.iterations += 1
            value = float(loss.detach())
            if value >= previous - 5e-11 * previous:
                break
            previous = value
        return self.points.detach().clone()


def project_at_fixed_depth(points: torch.Tensor, axes: torch.Tensor, distance: float, scale: float) -> torch.Tensor:
    """`project_perspective` whose gradient does not reach the depth, as in the official program: a point is moved in the
    view's plane only."""
    rotated = (axes @ points.unsqueeze(-1)).squeeze(-1)
    return rotated[..., :2] / (rotated[..., 2:].detach() + distance) * (distance / scale)


def reproject(points: torch.Tensor, axes: torch.Tensor, distance: float, scale: float) -> torch.Tensor:
    """[B,T,J,3] seen by every view: [V,B,T,J,2]."""
    return project_perspective(points.unsqueeze(0), axes[:, None, None, None], distance, scale)
