"""Files as each program's documentation describes them. Every writer takes a folder and poses [P,T,J,3] (x, y, confidence; a person is
not in a frame where all confidences are 0) and returns the path to choose."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from backend.poses.joint_sets import joint_set
from tests.poses.people import HEIGHT, WIDTH


def people(poses: np.ndarray) -> list[list[tuple[int, np.ndarray]]]:
    """(person, keypoints [J,3]) of each frame."""
    return [[(number, person[frame]) for number, person in enumerate(poses) if person[frame, :, 2].any()] for frame in range(poses.shape[1])]


def box(keypoints: np.ndarray) -> list[float]:
    """x, y, width, height."""
    seen = keypoints[keypoints[:, 2] > 0, :2]
    return [*seen.min(0).tolist(), *np.ptp(seen, axis=0).tolist()]


def dump(path: Path, value) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def alphapose(folder: Path, poses: np.ndarray, tracked: bool = True) -> Path:
    """Image ids are file names, an id is in a list, and so may the score be; frames without people are absent."""
    entries = []
    for frame, found in enumerate(people(poses)):
        for number, keypoints in found:
            entry = {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": [float(keypoints[:, 2].sum())],
                     "box": box(keypoints)}
            entries.append(entry | ({"idx": [number + 1]} if tracked else {}))
    return dump(folder / "alphapose-results.json", entries)


def alphapose_open(folder: Path, poses: np.ndarray) -> Path:
    """`--format open`: OpenPose's joints by image name."""
    return dump(folder / "alphapose-results.json", {
        f"frame_{frame:06d}.png": {"version": "AlphaPose v0.3", "people": [{"pose_keypoints_2d": keypoints.ravel().tolist()} for _, keypoints in found]}
        for frame, found in enumerate(people(poses))})


def openpose(folder: Path, poses: np.ndarray, tracked: bool = False, scale: Callable[[np.ndarray], np.ndarray] = lambda keypoints: keypoints) -> Path:
    for frame, found in enumerate(people(poses)):
        entries = [{"person_id": [number if tracked else -1], "pose_keypoints_2d": scale(keypoints).ravel().tolist(), "face_keypoints_2d": [],
                    "hand_left_keypoints_2d": [], "hand_right_keypoints_2d": [], "pose_keypoints_3d": []} for number, keypoints in found]
        dump(folder / "openpose" / f"dance_{frame:012d}_keypoints.json", {"version": 1.3, "people": entries})
    return folder / "openpose"


def _instances(found: list[tuple[int, np.ndarray]], tracked: bool = False) -> list[dict]:
    instances = []
    for number, keypoints in found:
        x, y, width, height = box(keypoints)
        instance = {"keypoints": keypoints[:, :2].tolist(), "keypoint_scores": keypoints[:, 2].tolist(), "bbox": [[x, y, x + width, y + height]],
                    "bbox_score": 0.9}
        instances.append(instance | ({"track_id": number + 3} if tracked else {}))
    return instances


def mmpose(folder: Path, poses: np.ndarray, tracked: bool = False) -> Path:
    """The inferencer's list of frames, numbered from 0; the box is wrapped in one list more."""
    return dump(folder / "video.json", [{"frame_id": frame, "instances": _instances(found, tracked)} for frame, found in enumerate(people(poses))])


def mmpose_demo(folder: Path, poses: np.ndarray, names: list[str]) -> Path:
    """The demos and Sapiens: frames counted from 1, and the joint names by number."""
    meta = {"dataset_name": "coco", "num_keypoints": len(names), "keypoint_id2name": {str(index): name for index, name in enumerate(names)}}
    return dump(folder / "results_video.json", {"meta_info": meta, "instance_info": [
        {"frame_id": frame + 1, "instances": _instances(found)} for frame, found in enumerate(people(poses))]})


def sapiens(folder: Path, poses: np.ndarray) -> Path:
    """Sapiens-Lite: a file for each picture."""
    for frame, found in enumerate(people(poses)):
        dump(folder / "sapiens" / f"{frame + 1:05d}.json", {"instance_info": _instances(found)})
    return folder / "sapiens"


def rtmlib(folder: Path, poses: np.ndarray) -> Path:
    """The arrays keypoints (N,K,2) and scores (N,K) of each frame."""
    return dump(folder / "rtmlib.json", [{"keypoints": [keypoints[:, :2].tolist() for _, keypoints in found],
                                          "scores": [keypoints[:, 2].tolist() for _, keypoints in found]} for found in people(poses)])


def coco(folder: Path, poses: np.ndarray, first: int = 0) -> Path:
    return dump(folder / "keypoints_results.json", [
        {"image_id": frame + first, "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": 0.8}
        for frame, found in enumerate(people(poses)) for _, keypoints in found])


def coco_annotations(folder: Path, poses: np.ndarray, names: list[str]) -> Path:
    """Ground truth: visibility 2, image ids that say nothing, frame numbers and sizes in `images`, and joint names."""
    annotations = []
    for frame, found in enumerate(people(poses)):
        for number, keypoints in found:
            shown = keypoints.copy()
            shown[:, 2] = np.where(keypoints[:, 2] > 0, 2, 0)
            annotations.append({"id": len(annotations), "image_id": 1000 + 7 * frame, "category_id": 1, "track_id": number,
                                "keypoints": shown.ravel().tolist(), "bbox": box(keypoints)})
    images = [{"id": 1000 + 7 * frame, "frame_id": frame, "width": WIDTH, "height": HEIGHT, "file_name": f"v/{frame}.jpg"} for frame in range(poses.shape[1])]
    return dump(folder / "person_keypoints.json", {"images": images, "annotations": annotations,
                                                   "categories": [{"id": 1, "name": "person", "keypoints": names}]})


def detectron2(folder: Path, poses: np.ndarray) -> Path:
    """The COCO evaluator's results: half a pixel is taken off, and a box is there."""
    entries = []
    for frame, found in enumerate(people(poses)):
        for _, keypoints in found:
            shifted = keypoints - [0.5, 0.5, 0]
            entries.append({"image_id": frame, "category_id": 1, "bbox": box(keypoints), "score": 0.99, "keypoints": shifted.ravel().tolist()})
    return dump(folder / "coco_instances_results.json", entries)


def easy_vitpose(folder: Path, poses: np.ndarray, names: list[str]) -> Path:
    """y before x."""
    return dump(folder / "dance_result.json", {
        "keypoints": [{str(number): keypoints[:, [1, 0, 2]].tolist() for number, keypoints in found} for found in people(poses)],
        "skeleton": {str(index): name for index, name in enumerate(names)}})


def ultralytics(folder: Path, poses: np.ndarray, tracked: bool = True, conf: bool = True) -> Path:
    """Text files in shares of the image, counted from 1; frames without people have none."""
    labels = folder / "labels"
    labels.mkdir(parents=True)
    for frame, found in enumerate(people(poses)):
        lines = []
        for number, keypoints in found:
            x, y, width, height = box(keypoints)
            row = [0, (x + width / 2) / WIDTH, (y + height / 2) / HEIGHT, width / WIDTH, height / HEIGHT]
            row += (keypoints / [WIDTH, HEIGHT, 1]).ravel().tolist() + ([0.873] if conf else []) + ([number + 1] if tracked else [])
            lines.append(" ".join(f"{value:g}" if value == round(value) else f"{value:.8f}" for value in row))
        if lines:
            (labels / f"dance_{frame + 1}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return labels


def ultralytics_json(folder: Path, poses: np.ndarray, normalised: bool = False) -> Path:
    """to_json() of each frame, in a list."""
    scale = np.array([WIDTH, HEIGHT, 1]) if normalised else np.ones(3)
    frames = []
    for found in people(poses):
        frames.append([])
        for number, keypoints in found:
            x, y, width, height = box(keypoints)
            places = keypoints / scale
            frames[-1].append({"name": "person", "class": 0, "confidence": 0.9, "track_id": number + 1,
                               "box": {"x1": x, "y1": y, "x2": x + width, "y2": y + height},
                               "keypoints": {"x": places[:, 0].tolist(), "y": places[:, 1].tolist(), "visible": keypoints[:, 2].tolist()}})
    return dump(folder / "results.json", frames)


def ultralytics_hub(folder: Path, poses: np.ndarray) -> Path:
    """The web service's answer, which says the size as height and width."""
    frames = json.loads(ultralytics_json(folder, poses).read_text(encoding="utf-8"))
    return dump(folder / "hub.json", {"images": [{"shape": [HEIGHT, WIDTH], "results": results} for results in frames], "metadata": {}})


def mediapipe(folder: Path, poses: np.ndarray) -> Path:
    """The landmarks of the tasks API, with z and world landmarks that are no places in the picture."""
    def landmarks(keypoints: np.ndarray) -> list[dict]:
        return [{"x": x / WIDTH, "y": y / HEIGHT, "z": -0.3, "visibility": sure, "presence": 0.99} for x, y, sure in keypoints.tolist()]

    frames = [{"frame": frame, "pose_landmarks": [landmarks(keypoints) for _, keypoints in found],
               "pose_world_landmarks": [[{"x": 0.1, "y": 0.2, "z": 0.3}] * 33 for _ in found]} for frame, found in enumerate(people(poses))]
    return dump(folder / "pose.json", {"fps": 30, "width": WIDTH, "height": HEIGHT, "frames": frames})


def deeplabcut_columns(individuals: list[str] | None, names: list[str]) -> list[tuple[str, ...]]:
    """Column labels: scorer, individual where there are several, bodypart, coordinate."""
    return [("DLC_resnet50_demo", *([individual] if individuals else []), name, coord)
            for individual in individuals or [""] for name in names for coord in ("x", "y", "likelihood")]


def deeplabcut(folder: Path, poses: np.ndarray, names: list[str], individuals: list[str] | None = None) -> Path:
    """Three header rows, or four with individuals; a missed point is empty."""
    labels = deeplabcut_columns(individuals, names)
    levels = ["scorer", *(["individuals"] if individuals else []), "bodyparts", "coords"]
    values = poses.transpose(1, 0, 2, 3).reshape(poses.shape[1], -1)
    missed = np.repeat(poses[..., 2] == 0, 3, axis=-1).transpose(1, 0, 2).reshape(poses.shape[1], -1)
    path = folder / "videoDLC_resnet50.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([level, *(label[depth] for label in labels)] for depth, level in enumerate(levels))
        writer.writerows([frame, *("" if gone else value for value, gone in zip(row.tolist(), lost))] for frame, (row, lost) in enumerate(zip(values, missed)))
    return path


def plain_npz(folder: Path, poses: np.ndarray, names: list[str] | None = None, **more) -> Path:
    path = folder / "poses.npz"
    np.savez(path, keypoints=poses[..., :2], confidences=poses[..., 2], **({"joint_names": np.array(names)} if names else {}), **more)
    return path


def plain_npy(folder: Path, poses: np.ndarray) -> Path:
    path = folder / "poses.npy"
    np.save(path, poses[0] if len(poses) == 1 else poses)
    return path


def plain_csv(folder: Path, poses: np.ndarray, names: list[str]) -> Path:
    path = folder / "poses.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "track", *(f"{name}_{kind}" for name in names for kind in ("x", "y", "confidence"))])
        for frame in range(poses.shape[1]):
            writer.writerows([frame, f"p{number}", *person[frame].ravel().tolist()] for number, person in enumerate(poses))
    return path


def names(set_name: str) -> list[str]:
    return list(joint_set(set_name).joints)


CASES: dict[str, tuple[str, str, Callable[[Path, np.ndarray], Path]]] = {
    "alphapose": ("alphapose", "halpe26", alphapose),
    "alphapose untracked": ("alphapose", "coco17", lambda folder, poses: alphapose(folder, poses, tracked=False)),
    "alphapose open": ("alphapose", "openpose18", alphapose_open),
    "openpose": ("openpose", "body25", openpose),
    "openpose coco tracked": ("openpose", "openpose18", lambda folder, poses: openpose(folder, poses, tracked=True)),
    "mmpose": ("mmpose", "coco17", mmpose),
    "mmpose tracked": ("mmpose", "wholebody133", lambda folder, poses: mmpose(folder, poses, tracked=True)),
    "mmpose demo": ("mmpose", "coco17", lambda folder, poses: mmpose_demo(folder, poses, names("coco17"))),
    "sapiens": ("mmpose", "sapiens308", sapiens),
    "rtmlib": ("mmpose", "halpe26", rtmlib),
    "coco": ("coco", "coco17", coco),
    "coco annotations": ("coco", "coco17", lambda folder, poses: coco_annotations(folder, poses, names("coco17"))),
    "detectron2": ("detectron2", "coco17", detectron2),
    "easy_vitpose": ("easy_vitpose", "coco25", lambda folder, poses: easy_vitpose(folder, poses, names("coco25"))),
    "ultralytics": ("ultralytics", "coco17", ultralytics),
    "ultralytics untracked": ("ultralytics", "coco17", lambda folder, poses: ultralytics(folder, poses, tracked=False, conf=False)),
    "ultralytics json": ("ultralytics", "coco17", ultralytics_json),
    "ultralytics json in shares": ("ultralytics", "coco17", lambda folder, poses: ultralytics_json(folder, poses, normalised=True)),
    "ultralytics hub": ("ultralytics", "coco17", ultralytics_hub),
    "mediapipe": ("mediapipe", "mediapipe33", mediapipe),
    "deeplabcut": ("deeplabcut", "superanimal39", lambda folder, poses: deeplabcut(folder, poses[:1], names("superanimal39"))),
    "deeplabcut animals": ("deeplabcut", "superanimal39", lambda folder, poses: deeplabcut(
        folder, poses, names("superanimal39"), [f"animal{index}" for index in range(len(poses))])),
    "npz": ("plain", "halpe26", lambda folder, poses: plain_npz(folder, poses, names("halpe26"))),
    "npy": ("plain", "coco17", plain_npy),
    "csv": ("plain", "coco17", lambda folder, poses: plain_csv(folder, poses, names("coco17"))),
}
"""What is written -> the format it is, the joint set of its poses, and its writer."""
