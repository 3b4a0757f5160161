"""`evaluate footage`: real footage without 3D truth. Several cameras filmed the same; what is lifted from one of them is looked at by the others.

Where the other cameras stood is not known, so each is fitted to the lifted motion and its own 2D poses; what is left over between the two says
how wrong the motion is from a side that the lifter did not see. A pose file holds the cameras as its tracks, frame by frame at the same time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.evaluation.lifting.results import from_camera
from backend.evaluation.lifting.rows import Lifters, RowSettings
from backend.evaluation.lifting.scenes import DETECTED, Scene
from backend.evaluation.lifting.smplify import fit
from backend.evaluation.output import add_output_arguments, write_output
from backend.evaluation.progress import print_progress
from backend.evaluation.tables import markdown_table, with_interval
from backend.motion.motion3d import Camera, Motion3D
from backend.mvlift.body_fit import FitSettings
from backend.mvlift.lift import lift
from backend.mvlift.settings import LiftSettings
from backend.mvlift.subjects import resample
from backend.mvlift.training import require_lift
from backend.mvlift.windows import hips_of
from backend.poses.poses2d import ALL, Poses2D, make_poses2d
from backend.poses.sniffer import read_poses
from backend.training.domain import Domain
from rigs import Skeleton

YAWS = 12  # directions from which a camera is tried
EVERY = 4  # frames are looked at to fit a camera
SURE = 0.3  # confidence from which a point counts
ROUNDNESS = 10.0  # pixels; larger distances count less when a camera is fitted
LEAST_POINTS = 50


@dataclass(frozen=True)
class Footage:
    """A window of several cameras: poses of one camera as a track each, name of the file."""

    name: str
    poses: Poses2D

    def of(self, camera: int) -> Poses2D:
        """The poses of one camera alone."""
        poses = self.poses
        return replace(poses, keypoints=poses.keypoints[camera : camera + 1], confidences=poses.confidences[camera : camera + 1],
                       track_ids=poses.track_ids[camera : camera + 1])


def read_footage(path: Path, skeleton: Skeleton, fps: float, start: float, seconds: float) -> Footage:
    """A window of a pose file whose tracks are cameras, at the pack's frame rate. Raises KineliftError where it is too short or has one camera."""
    file, _ = read_poses(path)
    poses, _ = make_poses2d(file, skeleton.name, ALL)
    if len(poses.track_ids) < 2:
        raise KineliftError("the file has one track, so there is no other camera", "Give files whose tracks are cameras", str(path), "bad-data")
    first, count = round(start * poses.fps), round(seconds * poses.fps)
    if poses.keypoints.shape[1] < first + count:
        raise KineliftError(f"the file lasts {poses.keypoints.shape[1] / poses.fps:.1f} s", "Ask for an earlier or shorter window", str(path), "bad-data")
    parts = [resample(points[first : first + count], sure[first : first + count], poses.fps, fps)
             for points, sure in zip(poses.keypoints, poses.confidences, strict=True)]
    return Footage(path.stem, replace(poses, keypoints=np.stack([points for points, _ in parts]), confidences=np.stack([sure for _, sure in parts]), fps=fps))


@dataclass(frozen=True)
class FittedCamera:
    """A camera that is far away: axes [2,3] to the right and down, and pixels a metre."""

    axes: np.ndarray
    scale: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels [...,2] from the root of points [...,3] from the root."""
        return self.scale * points @ self.axes.T


def fit_camera(points: np.ndarray, pixels: np.ndarray, sure: np.ndarray) -> FittedCamera:
    """The camera that sees points [T,J,3], Z up, most nearly at pixels [T,J,2], both from the root of their frame: robust least squares from
    several sides; sure [T,J] weighs. Where the root goes is left out: an error in depth by the path would outweigh those of the pose."""
    known = sure > SURE
    world, seen, weight = points[known], pixels[known], np.sqrt(sure[known])[:, None]

    def camera(values: np.ndarray) -> FittedCamera:
        return FittedCamera(Rotation.from_rotvec(values[:3]).as_matrix()[:2], math.exp(values[3]))

    def off(values: np.ndarray) -> np.ndarray:
        return ((camera(values).project(world) - seen) * weight).ravel()

    down = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # a level camera that looks along +Y
    start = math.log(np.std(seen[:, 1]) / np.std(world[:, 2]))
    tries = []
    for yaw in np.arange(YAWS) * 2 * math.pi / YAWS:
        turn = Rotation.from_matrix(down @ Rotation.from_euler("z", yaw).as_matrix()).as_rotvec()
        tries.append(least_squares(off, np.append(turn, start), loss="soft_l1", f_scale=ROUNDNESS, max_nfev=60))
    return camera(min(tries, key=lambda one: one.cost).x)


def left_over(points: np.ndarray, poses: Poses2D, frames: slice, hips: list[int]) -> float | None:
    """How far points [T,J,3] are from what a camera saw in these frames, when it is fitted, the hips of every frame together: the mean distance
    in per cent of the person's height in the picture. None where the camera hardly saw the person."""
    joints = points.shape[1]
    pixels, sure = poses.keypoints[0, frames, :joints], poses.confidences[0, frames, :joints]
    sure = sure * (sure[:, hips].mean(1, keepdims=True) > SURE)
    known = sure > SURE
    whole = known.sum(1) > joints // 2
    if not whole.any() or known[::EVERY].sum() < LEAST_POINTS:
        return None
    points, centred = (part - part[:, hips].mean(1, keepdims=True) for part in (points, pixels))
    camera = fit_camera(points[::EVERY], centred[::EVERY], sure[::EVERY])
    heights = [np.ptp(frame[there, 1]) for frame, there in zip(pixels[whole], known[whole], strict=True)]
    return 100 * float(np.linalg.norm(camera.project(points) - centred, axis=-1)[known].mean() / np.percentile(heights, 90))


def as_scene(poses: Poses2D, camera: Camera, skeleton: Skeleton) -> Scene:
    """Footage as SMPLify-2D wants it, filmed by a known camera. Nobody knows its points."""
    pixels, sure = poses.keypoints[0], poses.confidences[0]
    unknown = np.zeros((len(pixels), len(skeleton.keypoints), 3))
    return Scene(poses.source, unknown, np.ones(len(skeleton.keypoints), bool), camera, pixels, pixels, sure)


def flat(pixels: np.ndarray, motion: Motion3D, hips: list[int]) -> np.ndarray:
    """What the camera saw as a figure without depth [T,J,3]: every frame in the plane of the hips that were lifted."""
    camera = motion.camera
    depth = (motion.positions[:, hips].mean(1) @ camera.R.T + camera.t)[:, 2]
    rays = (pixels - camera.K[:2, 2]) / camera.K[0, 0]
    return (np.concatenate([rays, np.ones_like(rays[..., :1])], -1) * depth[:, None, None] - camera.t) @ camera.R


def rows_of(footage: Footage, filmed: int, lifters: Lifters) -> tuple[dict[str, np.ndarray], slice]:
    """Points [T,J,3] by row, Z up, of what one of the cameras filmed, and which frames they are. SMPLify-2D is given the camera that our lift found."""
    poses, skeleton = footage.of(filmed), lifters.domain.skeleton
    settings = LiftSettings(lifters.model.name, footage.name, calls=lifters.settings.calls, seed=lifters.settings.seed)
    motion = lift(poses, lifters.model, settings, print_progress)[0]
    first = int(motion.provenance["first_frame"])
    frames = slice(first, first + motion.frames)
    scene = as_scene(replace(poses, keypoints=poses.keypoints[:, frames], confidences=poses.confidences[:, frames]), motion.camera, skeleton)
    body = fit([scene], DETECTED, lifters.prior, FitSettings(), print_progress)[0]
    joints = len(skeleton.joints)
    return {"ours": motion.positions[:, :joints], "smplify": from_camera(body, scene).points,
            "flat": flat(scene.pixels[:, :joints], motion, hips_of(skeleton))}, frames


TITLES = {"ours": "MVLift, ours, camera unknown", "smplify": "SMPLify-2D, with the camera that ours found", "flat": "no depth: the picture as a flat figure"}


PAGE = """# Real footage

{files} sequences of {seconds:g} s, filmed by {cameras} cameras at once; 2D poses by a detector. Camera {filmed} is lifted. No 3D truth is known, and no camera:
each camera is fitted to the lifted motion and to its own 2D poses, and what is left over between the two is measured, the hips of every frame together:
it is the pose that is judged, not the path. This page is one run of

```
{command}
```

{table}

± is 1.96 std / sqrt(n) over sequences. In the camera that filmed even a flat figure fits; the others see it from the side. Cameras that hardly see the
person are left out.
"""


def add_arguments(parser) -> None:
    parser.add_argument("--domain", required=True, help="a shipped domain's name or a .toml file, with a [lift] table")
    parser.add_argument("--data", type=Path, required=True, help="the folder of 3D motion files that the domain reads, for SMPLify-2D's prior")
    parser.add_argument("--footage", type=Path, required=True, help="a folder of pose files whose tracks are cameras that filmed the same")
    parser.add_argument("--pack", required=True, help="a pack's name or folder")
    parser.add_argument("--filmed", default="1", help="the camera that is lifted: the number of its track")
    parser.add_argument("--start", type=float, default=2.0, help="second at which the window begins")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--calls", type=int, default=LiftSettings.calls, help="network evaluations a view of the lift; as many as usual without it")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    add_output_arguments(parser, "scores")


def measure(footage: Sequence[Footage], filmed: str, lifters: Lifters) -> dict[str, dict[str, list[float]]]:
    """What is left over in the camera that filmed and in the others, by row: {row: {"filmed": [...], "others": [...]}}, a number a file."""
    found: dict[str, dict[str, list[float]]] = {name: {"filmed": [], "others": []} for name in TITLES}
    hips = hips_of(lifters.domain.skeleton)
    for one in footage:
        cameras = one.poses.track_ids
        if filmed not in cameras:
            raise KineliftError(f"there is no camera {filmed!r}", f"Give one of {', '.join(cameras)} as --filmed", one.name, "bad-setting")
        rows, frames = rows_of(one, cameras.index(filmed), lifters)
        off = {name: {camera: left_over(points, one.of(number), frames, hips) for number, camera in enumerate(cameras)} for name, points in rows.items()}
        blind = [camera for camera in cameras if off["ours"][camera] is None]
        print_progress(1.0, "")
        if filmed in blind or len(blind) == len(cameras) - 1:
            print(f"left out: {one.name}: its cameras hardly see the person", flush=True)
            continue
        for name, row in off.items():
            found[name]["filmed"].append(row[filmed])
            found[name]["others"].append(float(np.mean([value for camera, value in row.items() if camera not in (filmed, *blind)])))
        print(f"done: {one.name}" + (f", without the cameras {', '.join(blind)}, which hardly see the person" if blind else ""), flush=True)
    if not found["ours"]["filmed"]:
        raise KineliftError("no camera sees the person", "Choose another window or camera with --start and --filmed", filmed, "bad-data")
    return found


def interval(values: Sequence[float]) -> str:
    return with_interval(float(np.mean(values)), 1.96 * float(np.std(values)) / math.sqrt(len(values)))


def run(arguments) -> int:
    domain = Domain.load(arguments.domain)
    require_lift(domain)
    settings = RowSettings(calls=arguments.calls, seed=arguments.seed)
    lifters = Lifters(domain, arguments.data, arguments.pack, arguments.device, None, None, None, settings, print_progress)
    files = sorted(path for path in arguments.footage.glob("*") if path.is_file())
    if not files:
        raise KineliftError("there is no pose file in the folder", "Give a folder of pose files whose tracks are cameras", str(arguments.footage),
                            "missing-file")
    footage = [read_footage(path, domain.skeleton, lifters.model.fps, arguments.start, arguments.seconds) for path in files]
    found = measure(footage, arguments.filmed, lifters)
    table = markdown_table(["left over, % of the person's height", "in the camera that filmed", "in the others"],
                           [[title, *(interval(found[name][which]) for which in ("filmed", "others"))] for name, title in TITLES.items()])
    print(f"\n{table}\n")
    cameras = len(footage[0].poses.track_ids)
    write_output(arguments, lambda: PAGE.format(command=arguments.typed, files=len(found["ours"]["filmed"]), seconds=arguments.seconds, cameras=cameras,
                                                filmed=arguments.filmed, table=table), found)
    return 0
