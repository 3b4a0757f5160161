"""What other tools made of the exported scenes, from their files: MotionBERT (.npy) and WHAM (.pkl)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.evaluation.lifting.metrics import similarity, yaw_between
from backend.evaluation.lifting.results import Lifted, camera_axes, size_of
from backend.evaluation.lifting.scenes import Scene
from backend.fitting.smpl.body import BODY, BODY_PARENTS
from backend.mvlift.windows import hips_of
from backend.plain_pickle import BrokenPickle, NeedsCode, plain_pickle
from backend.poses.joint_sets import joint_set, sources
from rigs import Skeleton

MOTIONBERT, WHAM = "motionbert", "wham"
SAVE_PLAIN = "Save its arrays as a plain pickle of dictionaries and numpy arrays, uncompressed, where you trust the file"
WHAM_KEYS = {"pose_world": 72, "trans_world": 3}
SMPL_JOINTS, SMPL_PARENTS = (*BODY, "left_hand", "right_hand"), (*BODY_PARENTS, BODY.index("left_wrist"), BODY.index("right_wrist"))
REST = {  # of a person of 1.7 m with arms to the sides, y up, facing +z, metres from the parent: our own round numbers, not those of a body model
    "left_hip": (0.09, -0.07, 0), "left_knee": (0, -0.41, 0), "left_ankle": (0, -0.41, -0.03), "left_foot": (0.02, -0.06, 0.13),
    "spine1": (0, 0.11, -0.02), "spine2": (0, 0.13, 0), "spine3": (0, 0.06, 0.02), "neck": (0, 0.21, -0.03), "head": (0, 0.09, 0.03),
    "left_collar": (0.07, 0.12, -0.02), "left_shoulder": (0.11, 0.03, 0), "left_elbow": (0.26, 0, 0), "left_wrist": (0.25, 0, 0), "left_hand": (0.08, 0, 0),
}


def result_files(folder: Path, suffix: str, count: int) -> list[Path]:
    """The files that answer to the exported scenes: 0000.npy for 0000.npz, and so on. Raises KineliftError for the first that is missing."""
    paths = [Path(folder) / f"{number:04d}{suffix}" for number in range(count)]
    for path in paths:
        if not path.is_file():
            raise KineliftError("there is no result for this scene", f"Export the scenes with --export and lift all {count} of them", str(path),
                                "missing-file")
    return paths


def check(array: object, path: Path, shape: tuple[int, ...], what: str) -> np.ndarray:
    """The array as float64 where it has that shape and is finite. Raises KineliftError."""
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype.kind not in "iuf":
        kind = f"{array.dtype} of " if isinstance(array, np.ndarray) and array.dtype.kind not in "iuf" else ""
        found = f"{kind}shape {list(array.shape)}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
        raise KineliftError(f"{what} is {found}, not {list(shape)}", "Lift the exported scene again, frame by frame", str(path), "bad-result")
    if not np.isfinite(array).all():
        frame = int(np.argwhere(~np.isfinite(array))[0][0])
        raise KineliftError(f"{what} holds no number at frame {frame}", "Fill gaps before saving", str(path), "bad-result")
    return array.astype(np.float64)


def on_skeleton(points: np.ndarray, names: Sequence[str], skeleton: Skeleton) -> np.ndarray:
    """Points [T,P,3] of a skeleton of points [T,J,3] by joint names; nan where there are none."""
    found = np.full((len(points), len(skeleton.keypoints), 3), np.nan)
    for joint, source in sources(list(names), skeleton).items():
        column = [source.own] if source.ends is None else list(source.ends)
        found[:, skeleton.keypoints.index(joint)] = points[:, column].mean(1)
    return found


def read_motionbert(path: Path, frames: int, skeleton: Skeleton) -> np.ndarray:
    """Points [T,P,3] in the axes right, up, forward of a result of MotionBERT: [T,17,3], joints of Human3.6M, x right, y down, z ahead."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise KineliftError(f"this is not a readable array ({error})", "Save it again with numpy.save, numbers only", str(path), "bad-result") from error
    return on_skeleton(check(array, path, (frames, 17, 3), "the result") * [1, -1, 1], joint_set("h36m17").joints, skeleton)


def read_pickle(path: Path) -> object:
    """What a pickle or an uncompressed file of joblib holds, where that is plain data. Runs nothing from the file. Raises KineliftError naming it."""
    try:
        return plain_pickle(Path(path).read_bytes())
    except OSError as error:
        raise KineliftError(f"the file can't be read ({error.strerror})", "Check the path", str(path), "missing-file") from error
    except NeedsCode as error:
        raise KineliftError(f"reading it would need code to run ({error})", SAVE_PLAIN, str(path), "needs-unpickling") from error
    except BrokenPickle as error:
        raise KineliftError(f"this is no pickle of plain data: it is compressed or damaged ({error})", SAVE_PLAIN, str(path), "bad-result") from error


def read_wham(path: Path, frames: int, skeleton: Skeleton) -> np.ndarray:
    """Points [T,P,3], Z up, of a result of WHAM: by subject `pose_world` [T,72] and `trans_world` [T,3], y up. The longest subject counts.

    WHAM's bodies are of SMPL; here its turns move a body of our own proportions, whose size is that of no one: metrics scale it. It has no face.
    """
    content = read_pickle(path)
    subjects = [one for one in (content.values() if isinstance(content, dict) else content if isinstance(content, list) else [])
                if isinstance(one, dict) and WHAM_KEYS.keys() <= one.keys()]
    if not subjects:
        raise KineliftError("there is no subject with pose_world and trans_world", "Give the wham_output.pkl that WHAM's demo saves", str(path), "bad-result")
    best = max(subjects, key=lambda one: len(one["pose_world"]) if isinstance(one["pose_world"], np.ndarray) else 0)
    pose, place = (check(best[key], path, (frames, width), key) for key, width in WHAM_KEYS.items())
    turns = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(frames, 24, 3, 3)
    positions, globally = np.zeros((frames, 24, 3)), np.zeros((frames, 24, 3, 3))
    for joint, (name, parent) in enumerate(zip(SMPL_JOINTS, SMPL_PARENTS)):
        if parent < 0:
            positions[:, joint], globally[:, joint] = place, turns[:, joint]
            continue
        offset = np.array(REST[name.replace("right", "left")]) * ([-1, 1, 1] if name.startswith("right") else [1, 1, 1])
        positions[:, joint] = positions[:, parent] + globally[:, parent] @ offset
        globally[:, joint] = globally[:, parent] @ turns[:, joint]
    return on_skeleton(positions[..., [0, 2, 1]] * [1, -1, 1], SMPL_JOINTS, skeleton)


def placed(points: np.ndarray, scene: Scene, skeleton: Skeleton, rooted: bool, condition: str) -> Lifted:
    """Motions [T,P,3], Z up, that no camera goes with, as the scene's camera would see them. As in the paper's program turn and size are fitted to the
    picture of the first frame, here the place as well; the size is at first that of the true body. What tells no way of the root is put
    where the root is seen."""
    joints = np.flatnonzero(np.isfinite(points).all((0, 2)))
    hips = hips_of(skeleton)
    count = len(skeleton.joints)
    known = np.isin(np.arange(count), joints)
    body = points * (size_of(scene.points[:, :count], skeleton, known) / max(size_of(points[:, :count], skeleton, known), 1e-9))
    body = body - body[: 1 if rooted else None, hips].mean(1, keepdims=True)
    pixels, sure = scene.seen(condition)
    axes, eye = camera_axes(scene), scene.camera.R.T @ -scene.camera.t

    def first(parameters: np.ndarray) -> np.ndarray:
        turn = Rotation.from_rotvec([0, 0, parameters[0]]).as_matrix()
        place = eye + np.exp(parameters[1]) * (np.array([parameters[2], parameters[3], 1]) @ axes)
        off = scene.camera.project(body[0, joints] @ turn.T + place) - pixels[0, joints]
        return (off * sure[0, joints, None]).ravel() / scene.focal

    true_left, left = (one[0, hips[0]] - one[0, hips[-1]] for one in (scene.points, body))
    near = yaw_between(left, true_left)
    seen = (pixels[0, hips].mean(0) - scene.camera.K[:2, 2]) / scene.focal * [1, -1]
    far = np.log(np.linalg.norm(scene.points[0, hips].mean(0) - eye))
    solved = least_squares(first, [np.arctan2(near[1, 0], near[0, 0]), far, *seen]).x
    moved = body @ Rotation.from_rotvec([0, 0, solved[0]]).as_matrix().T
    if rooted:
        moved = moved + eye + np.exp(solved[1]) * (np.array([solved[2], solved[3], 1]) @ axes)
    else:
        rays = (pixels[:, hips].mean(1) - scene.camera.K[:2, 2]) / scene.focal * [1, -1]
        moved = moved + (eye + np.exp(solved[1]) * np.concatenate([rays, np.ones((len(rays), 1))], 1) @ axes)[:, None]
    return Lifted(moved, scene.camera.project(moved), rooted, upright=rooted)


def read_results(kind: str, folder: Path, scenes: Sequence[Scene], skeleton: Skeleton, condition: str) -> list[Lifted]:
    """A tool's results for all scenes. Raises KineliftError naming the file, the spot and the remedy."""
    if not {"hip.L", "hip.R"} <= set(skeleton.roles.values()) or "ankle.L" not in skeleton.roles.values():
        raise KineliftError(f"{kind} lifts people, not {skeleton.title!r}", "Leave the row out", str(folder), "wrong-skeleton")
    made = []
    for path, scene in zip(result_files(folder, ".npy" if kind == MOTIONBERT else ".pkl", len(scenes)), scenes):
        frames = len(scene.points)
        if kind == WHAM:
            made.append(placed(read_wham(path, frames, skeleton), scene, skeleton, True, condition))
        else:
            points = read_motionbert(path, frames, skeleton) @ camera_axes(scene)
            known = np.flatnonzero(np.isfinite(points).all((0, 2)))
            turn = similarity(points[0, known], scene.points[0, known])[1]  # as the program: nothing says which way its camera looked
            made.append(placed(points @ turn.T, scene, skeleton, False, condition))
    return made
