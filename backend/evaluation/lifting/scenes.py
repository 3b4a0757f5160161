"""What is lifted in the evaluation: windows of held-out 3D clips, each filmed by one camera, seen clearly or as a detector sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from backend.errors import KineliftError
from backend.evaluation.lifting.metrics import mean_joints
from backend.motion.cameras import view_axes
from backend.motion.motion3d import Camera
from backend.motion.root_path import travel_points
from backend.mvlift.training import elevation_between, hide
from backend.mvlift.windows import BOX_FOCAL, BOX_IMAGE, hips_of
from backend.poses.poses2d import Poses2D
from backend.training.domain import Domain
from backend.training.project import bodies, clear_distance
from rigs import Skeleton

CLEAR, DETECTED = "clear", "detected"
CONDITIONS = {CLEAR: "seen clearly", DETECTED: "with a detector's noise, and with points hidden"}
SHOWN_DISTANCE = 2.8  # metres at which the paper's camera stands; all cameras are zoomed so that subjects are as large in the picture
NOISE = 6.0  # pixels, standard deviation in each direction, smooth over a few frames; a person of 1.7 m is some 600 pixels tall
LEAST_SECONDS = 1.0
TRIED = 20  # clips that are drawn for a scene until it is clear that most are too short


@dataclass(frozen=True)
class Scene:
    """A window of a clip before a camera that looks along +Y. points [T,P,3] metres, Z up, the floor at 0; there [P] False where the
    clip has no such point; pixels [T,P,2] where the camera sees them; spotted [T,P,2] where a detector does, confidences [T,P]."""

    name: str
    points: np.ndarray
    there: np.ndarray
    camera: Camera
    pixels: np.ndarray
    spotted: np.ndarray
    confidences: np.ndarray

    @property
    def pitch(self) -> float:
        """Radians by which the camera looks down."""
        return -math.asin(float(self.camera.R[2, 2]))

    @property
    def focal(self) -> float:
        return float(self.camera.K[0, 0])

    def seen(self, condition: str) -> tuple[np.ndarray, np.ndarray]:
        """What a lifter is given: pixels [T,P,2] and confidences [T,P]."""
        if condition == DETECTED:
            return self.spotted, self.confidences
        return self.pixels, np.broadcast_to(self.there, self.pixels.shape[:2]).astype(np.float64)

    def poses(self, skeleton: Skeleton, fps: float, condition: str) -> Poses2D:
        """What a lifter is given, as a file of 2D poses; the focal length is known."""
        named = len(skeleton.joints) + len(skeleton.objects)
        pixels, confidences = self.seen(condition)
        return Poses2D(np.where(confidences[..., None] > 0, pixels, 0.0)[None, :, :named], confidences[None, :, :named], list(skeleton.keypoints[:named]),
                       skeleton.name, fps, self.camera.image_size, self.focal, ["1"], self.name)


def make_scenes(domain: Domain, data: Path, count: int, seed: int) -> list[Scene]:
    """Windows of the domain's test clips, drawn by its sources' shares. The same seed gives the same windows, cameras and detectors.

    Raises KineliftError where no clip is long enough.
    """
    fps = float(domain.settings["fps"])
    longest = round(float(domain.settings["seconds"]["default"]) * fps)
    least = min(round(LEAST_SECONDS * fps), longest)
    rng, scenes = np.random.default_rng([seed, 0]), []
    for body, there, name in islice(bodies(domain, domain.clips(data, "test"), rng, stitch=False), TRIED * count):
        if len(body) >= least:
            cut, number = int(rng.integers(max(1, len(body) - longest + 1))), len(scenes)
            scenes.append(make_scene(f"{number:04d} {name}", body[cut : cut + longest], there, domain, np.random.default_rng([seed, 1, number])))
        if len(scenes) == count:
            return scenes
    raise KineliftError(f"{'few' if scenes else 'no'} test clips last {least / fps:g} s", "Add longer clips of the split \"test\"", str(data), "bad-data")


def make_scene(name: str, body: np.ndarray, there: np.ndarray, domain: Domain, rng: np.random.Generator) -> Scene:
    """body [T,J+K,3] before a random camera of the domain, which looks at the root of the first frame; what it doesn't hold lies there too."""
    skeleton, camera, fps = domain.skeleton, domain.settings["camera"], float(domain.settings["fps"])
    hips = hips_of(skeleton)
    if skeleton.travel:
        body, there = np.concatenate([body, travel_points(body[:, skeleton.joints.index(skeleton.root)], fps)[:, None]], 1), np.append(there, True)
    points = np.where(there[:, None], body, body[:1, hips].mean(1, keepdims=True))
    points = mean_joints(points - points[0, hips].mean(0) * [1, 1, 0], skeleton)
    elevation = float(rng.uniform(*elevation_between(domain)))
    points = points @ view_axes(torch.tensor(rng.uniform(-math.pi, math.pi)), torch.tensor(0.0).double()).numpy()[[0, 2, 1]].T
    distance = clear_distance(body, body[0, hips].mean(0), list(np.broadcast_to(camera["distance"], 2)), rng)
    filming = camera_at(points[0, hips].mean(0), distance, elevation, BOX_FOCAL * distance / SHOWN_DISTANCE)
    pixels = filming.project(points)
    noise = gaussian_filter1d(rng.standard_normal(pixels.shape), 1.0, axis=0) * 1.9 * NOISE  # the filter leaves 0.53 of the spread
    hidden = hide((1, *pixels.shape[:2]), fps, rng)[0]
    hidden |= rng.random(hidden.shape) < float(domain.settings["detector"]["miss"])
    hidden[(hidden | ~there).all(1)] = False  # a detector that sees nothing would say nothing of the frame
    return Scene(name, points, there, filming, pixels, pixels + noise, (there & ~hidden).astype(np.float64))


def camera_at(target: np.ndarray, distance: float, elevation: float, focal: float) -> Camera:
    """A camera that looks along +Y and down by `elevation` radians at a target [3], metres away."""
    axes = view_axes(torch.tensor(0.0).double(), torch.tensor(elevation).double()).numpy()
    rotation = axes * [[1], [-1], [1]]
    width, height = BOX_IMAGE
    matrix = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Camera(matrix, rotation, -rotation @ (target - distance * axes[2]), (round(width), round(height)))


def export(scenes: Sequence[Scene], skeleton: Skeleton, fps: float, condition: str, folder: Path) -> list[Path]:
    """Writes a file of 2D poses a scene, for other tools to lift: NUMBER.npz, to which NUMBER.npy or NUMBER.pkl answers."""
    return [scene.poses(skeleton, fps, condition).save(folder / f"{number:04d}.npz") for number, scene in enumerate(scenes)]
