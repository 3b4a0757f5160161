"""What tests of lifting need: a walk in the world, a camera that films it, a small pack, and a network that knows the answer."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from backend.diffusion.schedule import Schedule
from backend.motion.motion3d import Camera
from backend.mvlift.model import LINE, MULTIVIEW, LiftModel, load_lift_model
from backend.mvlift.network import LiftDenoiser, LiftNetworkSettings
from backend.packs.model import save_pack
from backend.poses.poses2d import Poses2D
from rigs import load_skeleton
from tests.motions import walk_with_ball

SKELETON = load_skeleton("nba16-ball")
KEYPOINTS = len(SKELETON.keypoints)
BONES = [(parent, child) for parent, child in SKELETON.bones if child not in SKELETON.elastic_joints]
SECONDS = 1.0  # of a window
STANDING = 0.08
IMAGE, FOCAL = (1280, 720), 1100.0


def walk(seconds: float = 2.0, away: float = 0.6) -> np.ndarray:
    """[T,K,3] metres of a walk with a ball that goes aside and away from a camera at -Y; the travel point stays on the floor."""
    arrays = walk_with_ball(seconds)
    body = np.concatenate([arrays["positions"], arrays["object_positions"]], 1).astype(np.float64)
    turned = np.stack([-body[..., 1] * math.cos(away), -body[..., 1] * math.sin(away), body[..., 2]], -1)
    turned[..., 0] += body[..., 0] * math.sin(away)
    turned[..., 1] += body[..., 0] * -math.cos(away)
    return np.concatenate([turned, turned[:, :1] * [1, 1, 0]], 1)[:, :KEYPOINTS]


def pairs(lengths_of: np.ndarray) -> np.ndarray:
    parents, children = (list(ends) for ends in zip(*BONES))
    return np.linalg.norm(lengths_of[:, children] - lengths_of[:, parents], axis=-1)


def camera(pitch: float = 0.12, distance: float = 4.0, aside: float = 0.5, high: float = 1.6, focal: float = FOCAL) -> Camera:
    """A camera behind -Y that looks along +Y and down by `pitch` radians."""
    forward = np.array([0, math.cos(pitch), -math.sin(pitch)])
    right = np.array([1.0, 0, 0])
    rotation = np.stack([right, -np.array([0, math.sin(pitch), math.cos(pitch)]), forward])
    eye = np.array([aside, -distance, high])
    return Camera(np.array([[focal, 0, IMAGE[0] / 2], [0, focal, IMAGE[1] / 2], [0, 0, 1.0]]), rotation, -rotation @ eye, IMAGE)


def film(*motions: np.ndarray, by: Camera | None = None) -> Poses2D:
    """The 2D poses that a camera sees of motions [T,K,3] of one length."""
    by = camera() if by is None else by
    keypoints = np.stack([by.project(motion) for motion in motions])
    known = len(SKELETON.joints) + len(SKELETON.objects)
    ids = [str(number) for number in range(len(motions))]
    return Poses2D(keypoints[:, :, :known], np.ones((*keypoints.shape[:2], known)), list(SKELETON.keypoints[:known]), SKELETON.name, 30.0, IMAGE,
                   FOCAL, ids, "walk.npz")


def make_pack(folder: Path, line: bool = False, views: int = 4, calls_ok: bool = True) -> Path:
    """A pack with random weights, whose usual body is that of `walk`."""
    torch.manual_seed(0)
    sizes = {"width": 16, "feedforward": 16, "layers": 1, "heads": 2, "head_width": 8, "dropout": 0.0, "views": 1 if line else views,
             "cross": "none" if line else "own", "masked": True, "skip": True}
    denoiser = LiftDenoiser(LiftNetworkSettings(KEYPOINTS, KEYPOINTS * 3, **sizes), Schedule(1000, 1.0))
    lengths = pairs(walk())
    card = {
        "name": folder.name, "title": "Tiny lift (tests)", "kind": LINE if line else MULTIVIEW, "description": "Random weights for tests.",
        "skeleton": SKELETON.name, "fps": 30, "seconds": {"default": SECONDS, "max": 3600.0}, "camera": {"distance": [2.5, 9.0], "elevation": [0.0, 0.25]},
        "body": {"lengths": [float(length) for length in 0.9 * lengths.mean(0)], "bones": float(lengths.mean(0).sum()), "height": 1.75,
                 "standing_height": STANDING},
        "network": sizes, "conditions": KEYPOINTS * 3, "diffusion": {"steps": 1000, "tau": 1.0}, "training": {}, "data": [], "scores": {},
    }
    mean, std = torch.zeros(KEYPOINTS, 2), torch.full((KEYPOINTS, 2), 0.25)
    return save_pack(folder, card, denoiser.state_dict(), mean, std)


class Oracle(torch.nn.Module):
    """Stands in for a multi-view network that is never wrong: it knows each track's points [F,K,3] in the axes of the camera that filmed."""

    def __init__(self, model: LiftModel, truths: list[np.ndarray]):
        super().__init__()
        self.settings, self.features = model.denoiser.settings, model.features
        self.truths, self.tracks = [torch.from_numpy(truth).float() for truth in truths], []

    def forward(self, x, steps, given, lengths):
        from backend.mvlift.views import see

        found = next(number for number, track in enumerate(self.tracks) if any(torch.equal(row, given[0, 0]) for row in track.given))
        track, truth = self.tracks[found], self.truths[found % len(self.truths)]
        depth = (track.framing.turn @ track.model.body.root(truth)[track.index[:, 0]].unsqueeze(-1))[:, 2, 0]
        scale, track.scale = track.scale, depth / track.distance
        pictures = see(track.from_camera(truth[track.index]), track.axes, track.distance)
        track.scale = scale
        chosen = [number for number, row in enumerate(track.given) if any(torch.equal(row, other[0]) for other in given)]
        return self.features.normalise(pictures)[chosen[: len(x)]]


def seen_by(by: Camera, motion: np.ndarray) -> np.ndarray:
    """A motion [T,K,3] of the world in the camera's axes right, up, forward."""
    return (motion @ by.R.T + by.t) * [1, -1, 1]


def load(folder: Path, kind: str = MULTIVIEW) -> LiftModel:
    return load_lift_model(str(folder), "cpu", kind)
