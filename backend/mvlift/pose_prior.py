"""How bodies are mostly posed, learned from 3D motions; a pack's own are those of stage 3, which follow from 2D poses alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from backend.errors import KineliftError
from backend.motion.files import write_bytes
from backend.mvlift.windows import hips_of
from rigs import Skeleton

PRIOR = "prior.safetensors"  # in a pack's folder
LATENTS = 32  # as many as VPoser has
FRAMES = 20_000  # that it is learned from


@dataclass(frozen=True)
class PosePrior:
    """Poses in the body's own axes (left, up, front), hips at the origin, in the units of the motions: mean [J,3], basis [D,J,3] times
    deviations; lengths [J] of the bones; up [3]: where up mostly is."""

    skeleton: Skeleton
    mean: torch.Tensor
    basis: torch.Tensor
    lengths: torch.Tensor
    up: torch.Tensor

    @classmethod
    def learn(cls, motions: Sequence[np.ndarray], skeleton: Skeleton, seed: int = 0) -> PosePrior:
        """The principal components of 3D motions [T,J,3] and their mirror images, of which some frames are taken."""
        frames = np.concatenate([motion[:, : len(skeleton.joints)] for motion in motions])
        frames = frames[np.random.default_rng(seed).permutation(len(frames))[:FRAMES]].astype(np.float64)
        parents = [max(parent, 0) for parent in skeleton.parents]
        spans = np.linalg.norm(frames - frames[:, parents], axis=-1)
        sizes = spans[:, rigid_bones(skeleton)].sum(1)
        axes = body_axes(frames, skeleton)
        local = np.einsum("tij,tpj->tpi", axes, frames - frames[:, hips_of(skeleton)].mean(1, keepdims=True))
        local = local * (np.median(sizes) / sizes)[:, None, None]
        order = skeleton.mirror_order[: local.shape[1]]
        local = np.concatenate([local, local[:, order] * [-1, 1, 1]])
        mean = local.mean(0)
        _, deviations, directions = np.linalg.svd((local - mean).reshape(len(local), -1), full_matrices=False)
        count = min(LATENTS, len(directions))
        basis = directions[:count].reshape(count, *mean.shape) * (deviations[:count] / math.sqrt(len(local)))[:, None, None]
        lengths = np.median(spans * (np.median(sizes) / sizes)[:, None], axis=0)
        up = axes[:, :, 2].mean(0) * [0, 1, 1]
        return cls(skeleton, *(torch.from_numpy(part).float() for part in (mean, basis, (lengths + lengths[order]) / 2, up)))

    @classmethod
    def load(cls, folder: Path, skeleton: Skeleton) -> PosePrior:
        """Reads what `save` wrote. Raises KineliftError."""
        path = folder / PRIOR
        try:
            return cls._of(load_file(path), skeleton)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise KineliftError(f"the pose prior can't be used ({error})", "Copy or train the pack again", str(path), "bad-pack") from error

    @classmethod
    def _of(cls, arrays: Mapping[str, torch.Tensor], skeleton: Skeleton) -> PosePrior:
        joints, latents = len(skeleton.joints), len(arrays["basis"])
        shapes = {"mean": (joints, 3), "basis": (latents, joints, 3), "lengths": (joints,), "up": (3,)}
        for name, shape in shapes.items():
            if tuple(arrays[name].shape) != shape:
                raise ValueError(f"{name} of shape {list(arrays[name].shape)}")
            if not arrays[name].isfinite().all():
                raise ValueError(f"{name} holds a value that is not a number")
        return cls(skeleton, **{name: arrays[name].float() for name in shapes})

    def save(self, folder: Path) -> Path:
        return write_bytes(folder / PRIOR, save({field.name: getattr(self, field.name).contiguous() for field in fields(self) if field.name != "skeleton"}))

    @cached_property
    def rigid(self) -> list[int]:
        """The joints at the ends of bones that don't stretch."""
        return rigid_bones(self.skeleton)

    @cached_property
    def size(self) -> float:
        """The length of all bones that don't stretch."""
        return float(self.lengths[self.rigid].sum())

    def pose(self, latents: torch.Tensor, stretch: torch.Tensor | None = None) -> torch.Tensor:
        """Points [...,J,3] in the body's axes of latents [...,D]: every bone has its length, times `stretch` [...,J]."""
        free = self.mean + torch.einsum("...d,djc->...jc", latents, self.basis)
        parents, children = (list(ends) for ends in zip(*self.skeleton.bones))
        along = free[..., children, :] - free[..., parents, :]
        rigid = torch.tensor([child not in self.skeleton.elastic_joints for child in children])
        lengths = self.lengths[children] if stretch is None else self.lengths[children] * stretch[..., children]
        length = along.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        along = along * torch.where(rigid[:, None], lengths[..., None] / length, 1.0)
        return free[..., :1, :] + self._carried @ along

    @cached_property
    def _carried(self) -> torch.Tensor:
        """[J,N]: 1 where a bone stands between the root, which is the first joint, and a joint."""
        rows, bones = torch.zeros(len(self.skeleton.joints), len(self.skeleton.bones)), self.skeleton.bones
        for index, (parent, child) in enumerate(bones):
            rows[child] = rows[parent]
            rows[child, index] = 1
        return rows

    def upright(self) -> np.ndarray:
        """The turn [3,3] from the body's axes to a world in which it stands as it mostly does."""
        up = self.up.numpy().astype(np.float64)
        up = up / max(np.linalg.norm(up), 1e-9)
        left = np.array([1.0, 0, 0]) - up * up[0]
        left = left / np.linalg.norm(left)
        return np.stack([left, np.cross(up, left), up])


def rigid_bones(skeleton: Skeleton) -> list[int]:
    return [child for _, child in skeleton.bones if child not in skeleton.elastic_joints]


def body_axes(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Rows left, up, front [T,3,3] of bodies [T,J,3]: from hip to hip, and from the hips to the shoulders."""
    roles = {role: skeleton.joints.index(name) for name, role in skeleton.roles.items()}
    hips = hips_of(skeleton)
    shoulders = [roles[role] for role in ("shoulder.L", "shoulder.R") if role in roles] or [roles["neck"]]

    def unit(vector: np.ndarray) -> np.ndarray:
        return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)

    left = unit(points[:, hips[0]] - points[:, hips[-1]])
    up = points[:, shoulders].mean(1) - points[:, hips].mean(1)
    up = unit(up - left * (up * left).sum(-1, keepdims=True))
    return np.stack([left, up, np.cross(left, up)], 1)
