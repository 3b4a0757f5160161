"""Lift: from the 2D poses of one ordinary video to motion in the world, and the camera that filmed it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.signal import savgol_filter

from backend import __version__
from backend.errors import KineliftError
from backend.mas.generate import MAX_SEED, SMOOTHING_FRAMES
from backend.motion.bones import hold_bone_lengths, median_lengths
from backend.motion.cameras import view_axes
from backend.motion.motion3d import Camera, Motion3D
from backend.motion.planting import plant
from backend.motion.rigid_fit import things_of
from backend.mvlift.alternate import AlternateSettings, alternate
from backend.mvlift.denoise import Denoised, DenoiseSettings, denoise
from backend.mvlift.ground import floor_height, level, mean_size, upright
from backend.mvlift.model import LiftModel, load_lift_model
from backend.mvlift.skeleton_fit import fit_skeleton
from backend.mvlift.track import Drawn, Track
from backend.mvlift.windows import fill_gaps, up_of
from backend.poses.poses2d import Poses2D
from rigs import Skeleton

Report = Callable[[float, str], None]

SURE = (0.1, 0.5)  # confidences below which a point is not trusted at all, and above which wholly
TRIED_FOCALS = (1.0, 0.75, 1.4)  # widths of the picture's longer side, the usual one first
BETTER = 0.95  # share of the usual focal length's error below which another one is believed
FLOOR_SHARES = (0.85, 1.18)  # by how much tracks are scaled so that all stand on one floor
LOWEST_CAMERA = 0.3  # metres above the floor of people; a lower camera does not tell sizes
LEAST_FRAMES = 2
HELD = (10.0, 1.0, 1.0)  # across the picture the camera saw where the body is; how far away it is, standing feet know as well


@dataclass(frozen=True)
class LiftSettings:
    """What the user chose. height: of the subject in metres, 0 for the pack's usual one; focal: in pixels, 0 where unknown; pitch: degrees
    by which the camera looks down, nan where unknown; calls and look_calls: network evaluations a view, 0 for as many as usual, and those of the
    first look that tells pitch and focal length where the pack fits no body; plant: put standing feet on the floor and keep them in place."""

    pack: str
    poses: str
    height: float = 0.0
    focal: float = 0.0
    pitch: float = math.nan
    seed: int = 0
    calls: int = 0
    look_calls: int = 6
    plant: bool = True
    device: str = "auto"

    def check(self) -> None:
        """Raises KineliftError for values that mean nothing."""

        def check(holds: bool, message: str, remedy: str):
            if not holds:
                raise KineliftError(message, remedy, code="bad-setting")

        check(math.isfinite(self.height) and (self.height == 0 or 0.05 <= self.height <= 10), f"a height of {self.height} m means nothing",
              "Give metres from 0.05 to 10, or 0 for the usual height")
        check(math.isfinite(self.focal) and self.focal >= 0, f"a focal length of {self.focal} pixels means nothing", "Give a positive number, or 0")
        check(math.isnan(self.pitch) or -60 <= self.pitch <= 80, f"a pitch of {self.pitch} degrees is out of range", "Give degrees from -60 to 80")
        check(0 <= self.seed <= MAX_SEED, f"seed {self.seed} is out of range", f"Give a whole number from 0 to {MAX_SEED}")
        for calls in (self.calls or 2, self.look_calls):
            check(2 <= calls <= 999, f"{calls} network calls can't be made", "Ask for 2 to 999")

    def calls_of(self, model: LiftModel) -> int:
        """Network evaluations a view: what starts from a fitted body needs fewer than what starts from noise."""
        return self.calls or (DenoiseSettings.calls if model.prior is None else AlternateSettings.calls)


@dataclass
class Subject:
    """A track on the pack's skeleton at its frame rate: pixels [F,J,2], gaps filled; trust [F,J] in 0..1; start: its first frame."""

    id: str
    pixels: np.ndarray
    trust: np.ndarray
    start: int


def subjects(poses: Poses2D, model: LiftModel) -> list[Subject]:
    """The tracks of 2D poses from where each is first seen to where it is last. Raises KineliftError where one is hardly there."""
    points, sure = on_skeleton(poses, model.skeleton)
    found = []
    for number, name in enumerate(poses.track_ids):
        trust = np.clip((sure[number] - SURE[0]) / (SURE[1] - SURE[0]), 0, 1)
        frames = np.flatnonzero((trust > 0).any(1))
        if len(frames) < LEAST_FRAMES:
            raise KineliftError(f"track {name!r} is seen in {len(frames)} frames", "Choose a track that is longer", poses.source, "bad-poses")
        span = slice(frames[0], frames[-1] + 1)
        filled = fill_gaps(points[number, span], trust[span] > 0)
        pixels, trust = resample(filled, trust[span], poses.fps, model.fps)
        if len(pixels) < LEAST_FRAMES:
            raise KineliftError(f"track {name!r} lasts {len(pixels) / model.fps:.2f} s", "Choose a track that is longer", poses.source, "bad-poses")
        found.append(Subject(name, pixels, trust, round(float(frames[0]) * model.fps / poses.fps)))
    return found


def on_skeleton(poses: Poses2D, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [P,T,J,2] and confidences [P,T,J] of a skeleton's keypoints, by name; those that aren't there have confidence 0.

    Raises KineliftError where none was seen.
    """
    points = np.zeros((*poses.keypoints.shape[:2], len(skeleton.keypoints), 2))
    sure = np.zeros(points.shape[:3])
    for column, name in enumerate(skeleton.keypoints):
        if name in poses.joint_names:
            points[:, :, column] = poses.keypoints[:, :, poses.joint_names.index(name)]
            sure[:, :, column] = poses.confidences[:, :, poses.joint_names.index(name)]
    if not (sure > 0).any():
        raise KineliftError(f"no joint of the skeleton {skeleton.name!r} was seen", f"Read the poses for the skeleton {skeleton.name}", poses.source,
                            "wrong-skeleton")
    return np.where(sure[..., None] > 0, points, 0.0), sure


def resample(points: np.ndarray, sure: np.ndarray, fps: float, target: float) -> tuple[np.ndarray, np.ndarray]:
    """Points [T,J,2], gaps filled, and how surely they were seen [T,J], at another frame rate."""
    frames = len(points)
    if abs(fps - target) < 1e-6 or frames < 2:
        return points, sure
    times = np.arange(int((frames - 1) * target / fps + 1e-6) + 1) * fps / target
    before = np.minimum(times.astype(int), frames - 2)
    share = times - before
    return (points[before] * (1 - share)[:, None, None] + points[before + 1] * share[:, None, None],
            np.minimum(sure[before], sure[before + 1]) * ((share > 0) & (share < 1))[:, None] + sure[before] * (share <= 0)[:, None]
            + sure[before + 1] * (share >= 1)[:, None])


def rays_of(subject: Subject, focal: float, image_size: tuple[int, int], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Rays [F,J,2], y up, and trust [F,J]."""
    rays = (subject.pixels - np.array(image_size) / 2) / focal * [1, -1]
    return torch.from_numpy(rays).float().to(device), torch.from_numpy(subject.trust).float().to(device)


def likely_up(model: LiftModel, tracks: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Up [3] for a first look: subjects are mostly seen from the elevation that the pack is used to."""
    middle = torch.stack([model.body.root(rays)[..., 1].median() for rays, _ in tracks]).median()
    return up_of(model.elevation + torch.atan(middle.cpu()))


def seen_up(looks: list[Denoised]) -> torch.Tensor:
    """Up [3] as the windows of all tracks believe; a camera isn't rolled."""
    ups, sharpness = torch.cat([look.ups for look in looks]).double().cpu(), torch.cat([look.sharpness for look in looks]).double().cpu()
    pitches = torch.atan2(-ups[:, 2], ups[:, 1])
    order = pitches.argsort()
    share = sharpness[order].cumsum(0) / sharpness.sum()
    return up_of(pitches[order][int(torch.searchsorted(share, 0.5).clamp(max=len(order) - 1))]).float()


def misfit(track: Track, result: Drawn) -> float:
    """How far a body of constant bones stays from what was filmed, in shares of its usual size: what a wrong focal length makes worse."""
    model = track.model
    fitted = fit_skeleton(result.points[None], result.normal[None], model.skeleton)[0]
    pictures = track.from_camera(fitted[track.index])
    shown = pictures @ track.axes[:, None, 0].transpose(-1, -2)
    flat = shown[..., :2] / (1 + shown[..., 2:] / track.distance.view(-1, 1, 1, 1))
    off = (flat - track.filmed).norm(dim=-1) * track.trust
    return float(off.sum() / track.trust.sum().clamp(min=1e-6))


def look(model: LiftModel, found: list[Subject], poses: Poses2D, settings: LiftSettings, report: Report) -> tuple[float, torch.Tensor]:
    """The focal length in pixels and up [3]: given, or usual ones; a fit then tilts its floor. A pack that fits no body takes a first look with few
    network calls to tell them."""
    side = max(poses.image_size)
    known = settings.focal or poses.focal
    given_up = None if math.isnan(settings.pitch) else up_of(math.radians(settings.pitch))
    if model.prior is not None:
        focal = known or side
        return focal, likely_up(model, [rays_of(subject, focal, poses.image_size, model.device) for subject in found]) if given_up is None else given_up
    if known and given_up is not None:
        return known, given_up
    focals = [known] if known else [share * side for share in TRIED_FOCALS]
    errors, ups = [], []
    how = DenoiseSettings(calls=settings.look_calls)
    for number, focal in enumerate(focals):
        tracks = [rays_of(subject, focal, poses.image_size, model.device) for subject in found]
        up = likely_up(model, tracks) if given_up is None else given_up
        windows = [Track(model, *track, up.to(model.device)) for track in tracks]
        looks = [denoise(track, settings.seed, how, lambda fraction, message, number=number: report((number + fraction) / len(focals), "looking at the camera"))
                 for track in windows]
        errors.append(float(np.mean([misfit(*pair) for pair in zip(windows, looks)])))
        ups.append(seen_up(looks) if given_up is None else given_up)
    best = int(np.argmin(errors))
    best = best if errors[best] < BETTER * errors[0] else 0
    return focals[best], ups[best]


def stature(model: LiftModel, points: np.ndarray) -> float:
    """Summed length of a body's bones in a motion [F,J,3], in its units."""
    body = torch.from_numpy(points[None, :, : len(model.skeleton.joints)])
    lengths = median_lengths(body, model.skeleton.parents, model.skeleton.mirror_order[: len(model.skeleton.joints)])
    return float(lengths[0, [child for _, child in model.body.bones]].sum())


def smoothed(points: np.ndarray) -> np.ndarray:
    return savgol_filter(points, SMOOTHING_FRAMES, 2, axis=0) if len(points) >= SMOOTHING_FRAMES else points


def on_one_floor(motions: list[np.ndarray], floors: np.ndarray, skeleton: Skeleton) -> tuple[list[np.ndarray], float]:
    """Motions [F,J,3] whose camera is at the origin, Z up, each scaled about the camera so that all stand on one floor; and the
    height of that floor, below the camera. floors [P]: the height of each motion's own."""
    floor, lowest = float(np.median(floors)), LOWEST_CAMERA * mean_size(motions, skeleton)
    if floor > -lowest or len(motions) == 1:
        return motions, floor
    shares = np.clip(floor / np.minimum(floors, -lowest), *FLOOR_SHARES)
    return [motion * share for motion, share in zip(motions, shares)], floor


def found_floors(motions: list[np.ndarray], results: list[Drawn], scales: list[float], axes: np.ndarray, model: LiftModel) -> tuple[np.ndarray, np.ndarray]:
    """The turn [3,3] that makes the floor of motions [F,J,3] level, and the heights [P] at which each one's feet stand then.

    scales: metres of one unit of a result; axes [3,3]: the camera's in the motions' world. What was found along with a motion is taken, since a jump
    or a gallop has few contacts that would tell; else the feet's contacts tell.
    """
    if any(result.floor is None for result in results):
        turn = level(motions, model.skeleton, model.fps)
        return turn, np.array([floor_height([motion @ turn.T], model.skeleton, model.fps) for motion in motions])
    normals = [result.floor.up.double().numpy() @ axes for result in results]
    turn, heights = upright(np.mean(normals, axis=0)), []
    for motion, result, scale, normal in zip(motions, results, scales, normals):
        root = np.median(model.body.root(torch.from_numpy(motion)).numpy(), axis=0)
        heights.append((turn @ (root + (result.floor.height * scale - normal @ root) * normal))[2])
    return turn, np.array(heights)


def to_world(model: LiftModel, found: list[Subject], results: list[Drawn], up: torch.Tensor, focal: float, poses: Poses2D,
             settings: LiftSettings) -> list[Motion3D]:
    """Motions in the world: metres, the floor level and at z = 0 below the first subject's first frame, which the camera sees along +Y."""
    skeleton, body = model.skeleton, model.card["body"]
    joints = len(skeleton.joints)
    height = settings.height or float(body["height"])
    standing = float(body["standing_height"]) * height / float(body["height"])
    axes = view_axes(torch.tensor(0.0), torch.atan2(-up[2], up[1]).cpu()).double().numpy()
    motions, scales = [], []
    for result in results:
        points = fit_skeleton(result.points[None].double(), result.normal[None].double(), skeleton)[0].cpu().numpy()
        scales.append(height / float(body["height"]) * float(body["bones"]) / stature(model, points))
        motions.append(smoothed(points * scales[-1]) @ axes)
    turn, heights = found_floors(motions, results, scales, axes, model)
    motions, floor = on_one_floor([motion @ turn.T for motion in motions], heights - standing, skeleton)
    first = min(range(len(found)), key=lambda number: found[number].start)
    origin = np.append(model.body.root(torch.from_numpy(motions[first][0])).numpy()[:2], floor)
    rotation = np.diag([1.0, -1.0, 1.0]) @ axes @ turn.T
    camera = Camera(np.array([[focal, 0, poses.image_size[0] / 2], [0, focal, poses.image_size[1] / 2], [0, 0, 1.0]]), rotation, rotation @ origin,
                    poses.image_size)
    made = []
    for subject, motion in zip(found, motions):
        motion = motion - origin
        steady = hold_bone_lengths(motion[:, :joints], list(skeleton.parents), skeleton.mirror_order[:joints], skeleton.elastic_joints)
        error = float((np.linalg.norm(camera.project(motion) - subject.pixels, axis=-1) * subject.trust).sum() / max(subject.trust.sum(), 1e-6))
        if settings.plant:
            steady, shift = plant(steady, skeleton, model.fps, standing, HELD)
            motion = motion + shift[:, None]
        provenance = {"kinelift": __version__, "pack": model.name, "poses": Path(poses.source).name, "track": subject.id, "first_frame": subject.start,
                      "video_first_frame": poses.first_frame, "video_step": poses.step, "video_fps": poses.fps, "focal": focal,
                      "pixels_off": round(error, 2), "settings": {key: value for key, value in asdict(settings).items() if value == value}}
        made.append(Motion3D(steady, list(skeleton.joints), list(skeleton.parents), model.fps, skeleton.name, provenance=provenance, camera=camera,
                             **things_of(motion, (subject.trust > 0).any(0), skeleton)))
    return made


def lift(poses: Poses2D, model: LiftModel, settings: LiftSettings, report: Report = lambda fraction, message: None) -> list[Motion3D]:
    """The motion of every track in one world, seen by one camera. Raises KineliftError or Cancelled."""
    settings.check()
    found = subjects(poses, model)
    calls = settings.calls_of(model)
    share = 0.0 if model.prior is not None else settings.look_calls / (calls + settings.look_calls)
    focal, up = look(model, found, poses, settings, lambda fraction, message: report(fraction * share, message))
    results = []
    for number, subject in enumerate(found):
        track = Track(model, *rays_of(subject, focal, poses.image_size, model.device), up.to(model.device))

        def within(fraction: float, message: str, number: int = number) -> None:
            report(share + (1 - share) * (number + fraction) / len(found), message)

        results.append(denoise(track, settings.seed, DenoiseSettings(calls=calls), within) if model.prior is None else
                       alternate(track, model.prior, up, settings.seed, AlternateSettings(calls=calls), within))
    return to_world(model, found, results, up, focal, poses, settings)


def lift_file(settings: LiftSettings, out_dir: Path, report: Report = lambda fraction, message: None) -> list[Path]:
    """Lifts a 2D pose file to a motion file a track in `out_dir`; returns their paths. Raises KineliftError or Cancelled."""
    settings.check()
    report(0.0, "loading the pack")
    model, poses = load_lift_model(settings.pack, settings.device), Poses2D.load(settings.poses)
    motions = lift(poses, model, settings, report)
    stem = Path(settings.poses).stem
    paths = [motion.save(Path(out_dir) / (f"{stem}_lifted.npz" if len(motions) == 1 else f"{stem}_{number}_lifted.npz"))
             for number, motion in enumerate(motions)]
    report(1.0, "done")
    return paths


def add_arguments(parser) -> None:
    parser.add_argument("--pack", required=True, help="a pack's name or folder")
    parser.add_argument("--poses", required=True, help="a 2D pose file (.npz)")
    parser.add_argument("--height", type=float, default=0.0, help="metres the subject is tall; the pack's usual height without it")
    parser.add_argument("--focal", type=float, default=0.0, help="focal length in pixels; the file's, or estimated, without it")
    parser.add_argument("--pitch", type=float, default=math.nan, help="degrees by which the camera looks down; estimated without it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=LiftSettings.calls, help="network evaluations a view; as many as usual without it")
    parser.add_argument("--look-calls", type=int, default=LiftSettings.look_calls,
                        help="network evaluations a view to estimate the camera, for packs without a pose prior")
    parser.add_argument("--no-plant", dest="plant", action="store_false", help="leave the feet where the picture shows them")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--to", type=Path, required=True, help="folder for the motion files")


def run(arguments) -> int:
    chosen = {key: value for key, value in vars(arguments).items() if key in LiftSettings.__dataclass_fields__}
    for path in lift_file(LiftSettings(**chosen), arguments.to):
        print(path)
    return 0
