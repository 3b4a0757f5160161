"""2D motions: what a 2D model is trained on, seen from one camera each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import KineliftError
from backend.motion.files import write_npz


@dataclass
class Motion2DSet:
    """Many 2D motions of one skeleton, padded to the longest.

    keypoints [N,T,J,2] (x right, y up, in the pack's units, centred as the pack's card says); confidences [N,T,J] in 0..1,
    0 for a missed point; lengths [N]; sources [N]: the clip each comes from; skeleton; fps; distances [N]: of cameras that stand still,
    from the root of the first frame, in the same units, None where the pack's card has the one distance of all.
    """

    keypoints: np.ndarray
    confidences: np.ndarray
    lengths: np.ndarray
    sources: list[str]
    skeleton: str
    fps: float
    distances: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def save(self, path: Path | str) -> Path:
        """Writes the set as one .npz; float16 keeps a millimetre at a body's size."""
        distances = {} if self.distances is None else {"distances": self.distances.astype(np.float32)}
        return write_npz(path, distances | {
            "keypoints": self.keypoints.astype(np.float16), "confidences": (self.confidences * 255).round().astype(np.uint8),
            "lengths": self.lengths.astype(np.int32), "sources": np.array(self.sources), "skeleton": np.array(self.skeleton), "fps": np.float64(self.fps)})

    @classmethod
    def load(cls, path: Path | str) -> Motion2DSet:
        """Reads a set. Raises KineliftError naming the file, the motion and the remedy."""
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as data:
                keypoints, confidences = data["keypoints"].astype(np.float32), data["confidences"].astype(np.float32) / 255
                lengths, sources = data["lengths"].astype(np.int64), [str(source) for source in data["sources"]]
                loaded = cls(keypoints, confidences, lengths, sources, str(data["skeleton"]), float(data["fps"]),
                             data["distances"].astype(np.float64) if "distances" in data else None)
        except FileNotFoundError:
            raise KineliftError("there is no such file", "Make 2D motions with `python -m backend project`", str(path), "missing-file") from None
        except Exception as error:
            raise KineliftError(f"this is not a readable set of 2D motions ({error})", "Make it again with `python -m backend project`",
                                str(path), "bad-motion") from error
        bad = np.argwhere(~np.isfinite(keypoints).all(axis=(1, 2, 3)))
        if len(bad):
            raise KineliftError(f"motion {bad[0][0]} ({loaded.sources[bad[0][0]]}) holds a value that is not a number",
                                "Give missed points confidence 0 and a finite place", str(path), "bad-motion")
        return loaded

    @classmethod
    def load_folder(cls, folder: Path | str, split: str, skeleton: str, points: int, fps: float) -> Motion2DSet:
        """Reads the "train" or "test" split of a folder in either layout of docs/architecture.md.

        skeleton, points and fps say what the clips of the paper's layout hold; a set of ours names its own.
        """
        folder = Path(folder)
        clips = sorted((folder / "motions").glob("*.npy"))
        if not clips:
            return cls.load(folder / f"{split}.npz")
        tests = max(1, len(clips) // 10)
        chosen = clips[:tests] if split == "test" else clips[tests:]
        if not chosen:
            raise KineliftError("one clip can't be split into training and test", "Add clips", str(folder / "motions"), "bad-motion")
        arrays = [_load_clip(path, points) for path in chosen]
        lengths = np.array([len(array) for array in arrays])
        padded = np.zeros((len(arrays), lengths.max(), points, 3), np.float32)
        for row, array in zip(padded, arrays):
            row[: len(array)] = array
        return cls(padded[..., :2], padded[..., 2].clip(0, 1), lengths, [path.stem for path in chosen], skeleton, fps)


def _load_clip(path: Path, points: int) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise KineliftError(f"this is not a readable array ({error})", "Save it again with numpy.save, numbers only", str(path), "bad-motion") from error
    if array.ndim != 3 or array.shape[1:] != (points, 3) or not len(array):
        raise KineliftError(f"the clip has shape {list(array.shape)}", f"Write it as [frames, {points}, 3]: x, y, confidence", str(path), "bad-motion")
    if not np.isfinite(array).all():
        frame, point = np.argwhere(~np.isfinite(array))[0][:2]
        raise KineliftError(f"there is no number at frame {frame}, keypoint {point}",
                            "Give missed points confidence 0 and a finite place", str(path), "bad-motion")
    return array
