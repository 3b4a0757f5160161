"""What a lifter made of a scene, and how far it is from the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from backend.evaluation.lifting import metrics
from backend.evaluation.lifting.scenes import Scene
from backend.motion.bones import median_lengths
from backend.motion.cameras import view_axes
from backend.mvlift.windows import hips_of
from rigs import Skeleton

NAN = float("nan")
MEASURES = ("root_official", "root", "joint", "aligned", "global", "picture", "centred_picture", "object_root", "object", "off_lines", "apart")
ROOT_MEASURES = ("root_official", "root", "global", "object_root")


@dataclass(frozen=True)
class Lifted:
    """points [T,P,3] metres, nan for keypoints that the lifter doesn't have; pixels [T,P,2] where the scene's camera would see them;
    rooted: whether they say where the root goes; upright: whether Z is up and the camera looks along +Y. Of views that were drawn, in pixels of
    cameras as far away as the scene's: off_lines, how far they are off the epipolar lines of what was filmed; apart, off the one motion."""

    points: np.ndarray
    pixels: np.ndarray
    rooted: bool = True
    upright: bool = True
    off_lines: float = NAN
    apart: float = NAN


def camera_axes(scene: Scene) -> np.ndarray:
    """Rows right, up, forward [3,3] of a scene's camera."""
    return scene.camera.R * [[1], [-1], [1]]


def from_camera(points: np.ndarray, scene: Scene, rooted: bool = True, off_lines: float = NAN, apart: float = NAN) -> Lifted:
    """Of points [T,P,3] in the camera's axes right, up, forward, from its eye."""
    rays = points[..., :2] / np.maximum(points[..., 2:], 1e-6) * [1, -1]
    pixels = rays * scene.focal + scene.camera.K[:2, 2]
    return Lifted(points @ camera_axes(scene), pixels, rooted, off_lines=off_lines, apart=apart)


def rays_of(scene: Scene, condition: str) -> tuple[np.ndarray, np.ndarray]:
    """What is given of a scene as rays [T,P,2], x right, y up, over depth, and confidences [T,P]."""
    pixels, confidences = scene.seen(condition)
    return (pixels - scene.camera.K[:2, 2]) / scene.focal * [1, -1], confidences


def size_of(points: np.ndarray, skeleton: Skeleton, known: np.ndarray) -> float:
    """Summed median lengths of the rigid bones whose ends are `known` [J]; points [T,J,3]."""
    lengths = median_lengths(torch.from_numpy(np.nan_to_num(points))[None], skeleton.parents)[0].numpy()
    chosen = [child for parent, child in skeleton.bones if child not in skeleton.elastic_joints and known[parent] and known[child]]
    return float(lengths[chosen].sum())


@dataclass(frozen=True)
class Compared:
    """A lifted motion and the truth it is compared with, of the joints that both have: found, true [T,J',3], the truth turned to the lifted
    motion; pixels, true_pixels [T,J',2]; hips among those joints; turned [T,P,3]: all points as lifted, turned to the truth."""

    found: np.ndarray
    true: np.ndarray
    pixels: np.ndarray
    true_pixels: np.ndarray
    hips: list[int]
    turned: np.ndarray


def compare(scene: Scene, lifted: Lifted, skeleton: Skeleton) -> Compared:
    """Sizes and directions made the same: the size by the bones, the direction by the first frame's left, or by a Procrustes fit to the
    first frame where the lifter doesn't say where up is, as in the paper's program."""
    count = len(skeleton.joints)
    hips = hips_of(skeleton)
    known = np.isfinite(lifted.points[:, :count]).all((0, 2))
    body = metrics.mean_joints(lifted.points[:, :count], skeleton)
    pixels, true_pixels = (metrics.mean_joints(part[:, :count], skeleton) for part in (lifted.pixels, scene.pixels))
    true = scene.points[:, :count]
    scale = size_of(true, skeleton, known) / max(size_of(lifted.points[:, :count], skeleton, known), 1e-9)
    if lifted.upright:
        left = [points[0, hips[0]] - points[0, hips[-1]] for points in (true, body)] if len(hips) == 2 else [np.zeros(3)] * 2
        turn = metrics.yaw_between(*left)
    else:
        turn = metrics.similarity(true[0, known], body[0, known])[1]
    used = np.flatnonzero(known)
    among = [int(np.flatnonzero(used == hip)[0]) for hip in hips]
    return Compared(scale * body[:, used], true[:, used] @ turn.T, pixels[:, used], true_pixels[:, used], among, scale * lifted.points @ turn)


def measure(scene: Scene, lifted: Lifted, skeleton: Skeleton) -> dict[str, float]:
    """MEASURES by name; nan for what the lifter doesn't say or the scene doesn't have."""
    one = compare(scene, lifted, skeleton)
    found, true, hips = one.found, one.true, one.hips
    measured = {
        "root_official": metrics.root_error_official(found, true, hips), "root": metrics.root_error(found, true, hips),
        "joint": metrics.joint_error(found, true, hips), "aligned": metrics.aligned_joint_error(found, true, hips),
        "global": metrics.global_error(found, true, hips), "picture": metrics.picture_error(one.pixels, one.true_pixels, hips),
        "centred_picture": metrics.centred_picture_error(one.pixels, one.true_pixels, hips),
        **measure_objects(scene, lifted, skeleton), "off_lines": lifted.off_lines, "apart": lifted.apart,
    }
    return {name: NAN if name in ROOT_MEASURES and not lifted.rooted else value for name, value in measured.items()}


def measure_objects(scene: Scene, lifted: Lifted, skeleton: Skeleton) -> dict[str, float]:
    """The measures of the objects that the scene has, means over them. As in the paper's program all is first turned by a Procrustes fit to
    the first frame's joints and given one scale, the ratio of the joints' summed distances from the first frame's root."""
    count, objects = len(skeleton.joints), metrics.objects_of(skeleton, scene.there)
    if not objects or not all(np.isfinite(lifted.points[:, columns]).all() for columns, _ in objects):
        return {"object_root": NAN, "object": NAN}
    hips = hips_of(skeleton)
    known = np.flatnonzero(np.isfinite(lifted.points[:, :count]).all((0, 2)))
    found, true = (points - points[0, hips].mean(0) for points in (lifted.points, scene.points))
    _, turn, _ = metrics.similarity(found[0, known], true[0, known])
    scale = np.linalg.norm(true[:, known], axis=-1).sum() / max(np.linalg.norm(found[:, known], axis=-1).sum(), 1e-9)
    placed = scale * found @ turn.T
    return {"object_root": float(np.mean([metrics.object_root_error(placed[:, own], true[:, own], shares) for own, shares in objects])),
            "object": float(np.mean([metrics.object_error(placed[:, own], true[:, own]) for own, _ in objects if len(own) > 1 or len(objects) == 1]))}


def other_views(scene: Scene, points: np.ndarray, hips: list[int], views: int = 4) -> np.ndarray:
    """What cameras on a ring beside the scene's see of points [T,P,3], as rays [V-1,T,P,2]: they stand as far from the root of the first
    frame and look down on it as much."""
    from_root = points - points[:1, hips].mean(1, keepdims=True)
    distance = float(np.linalg.norm(scene.points[0, hips].mean(0) + scene.camera.R.T @ scene.camera.t))
    azimuths = torch.arange(1, views).double() * (2 * torch.pi / views)
    axes = view_axes(azimuths, torch.full_like(azimuths, scene.pitch)).numpy()
    seen = np.einsum("vij,tpj->vtpi", axes, from_root)
    return seen[..., :2] / np.maximum(seen[..., 2:] + distance, 0.2)
