"""The data sets of the MAS paper's own program: what its checkpoints and results are made of."""

from __future__ import annotations

from dataclasses import dataclass

from rigs import load_skeleton


@dataclass(frozen=True)
class Dataset:
    """What the program's code says about one of its data sets: keypoints in the network's order; scale: 3D units of one 2D unit;
    seconds: the longest clips it learned from, or the program's usual duration where it doesn't say."""

    title: str
    skeleton: str
    keypoints: tuple[str, ...]
    fps: int
    scale: float
    centring: str
    seconds: float


DATASETS = {
    "nba": Dataset("Basketball (MAS)", "nba16", tuple(load_skeleton("nba16").keypoints), 30, 0.75, "root", 6.0),
    "horse": Dataset("Horse (MAS)", "ap10k", (
        "LeftEye", "RightEye", "Nose", "Neck", "Tail", "LeftShoulder", "LeftElbow", "LeftFrontHoof", "RightShoulder", "RightElbow",
        "RightFrontHoof", "LeftHip", "LeftKnee", "LeftBackHoof", "RightHip", "RightKnee", "RightBackHoof"), 30, 0.5, "mean", 20.0),
    "gymnastics": Dataset("Gymnastics with ball (MAS)", "coco17-ball", (
        "Nose", "LeftEye", "RightEye", "LeftEar", "RightEar", "LeftShoulder", "RightShoulder", "LeftElbow", "RightElbow", "LeftWrist",
        "RightWrist", "LeftHip", "RightHip", "LeftKnee", "RightKnee", "LeftAnkle", "RightAnkle", "Ball"), 20, 0.66, "mean", 12.0),
}
