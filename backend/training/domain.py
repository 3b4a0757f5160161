"""A domain: which clips a pack learns from, how their joints become keypoints, and how cameras see them. A TOML file."""

from __future__ import annotations

import fnmatch
import tomllib
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.training.repertoire import Widening
from rigs import Skeleton, load_skeleton

DOMAINS = Path(__file__).parent / "domains"
CENTRINGS = ("root", "root-horizontal", "first-frame")
SPLITS = ("train", "test")


@dataclass
class Clip:
    """A 3D clip on the domain's skeleton: keypoints [T,J+K,3] metres, Z up; seen [J+K] False where the recording has no
    such point; source: index into the domain's sources; performer: who is recorded; of an animation in place, period: seconds after
    which it repeats, 0 if it doesn't, and speed: what its feet claim, metres a second."""

    name: str
    keypoints: np.ndarray
    seen: np.ndarray
    source: int
    performer: str = ""
    period: float = 0.0
    speed: float = 0.0


@dataclass
class Domain:
    """A parsed domain file. `settings` is the TOML, its joint tables with what they take from others; `skeleton` the one it names;
    `widenings` its [widening.NAME] tables."""

    name: str
    path: Path
    settings: dict
    skeleton: Skeleton
    widenings: dict[str, Widening] = field(default_factory=dict)

    @classmethod
    def load(cls, name_or_path: str) -> Domain:
        """Reads a shipped domain by name or a user's file by path; errors name the file, the spot and the remedy."""
        path, settings = _read_toml(name_or_path)
        for key in ("title", "skeleton", "fps", "centring", "seconds", "camera", "detector", "sources", "joints"):
            if key not in settings:
                raise KineliftError(f"'{key}' is missing", "Add it; the shipped domains show how", str(path), "bad-domain")
        if settings["centring"] not in CENTRINGS:
            raise KineliftError(f"'centring' is {settings['centring']!r}", f"Write one of: {', '.join(CENTRINGS)}", str(path), "bad-domain")
        try:
            skeleton = load_skeleton(settings["skeleton"])
        except ValueError as error:
            raise KineliftError(str(error).rstrip("."), "Correct 'skeleton'", str(path), "bad-domain") from error
        if isinstance(settings["joints"], str):
            settings["joints"] = _read_toml(settings["joints"])[1]["joints"]
        settings["joints"] = {name: _joint_table(name, settings["joints"], path) for name in settings["joints"]}
        widenings = {name: Widening.parse(table, name, str(path)) for name, table in settings.get("widening", {}).items()}
        for index, source in enumerate(settings["sources"]):
            if source.get("joints") not in settings["joints"]:
                raise KineliftError(f"source {index + 1} uses the joint table {source.get('joints')!r}, which is not there",
                                    f"Add [joints.{source.get('joints')}]", str(path), "bad-domain")
            if "widen" in source and source["widen"] not in widenings:
                raise KineliftError(f"source {index + 1} is widened by {source['widen']!r}, which is not there",
                                    f"Add [widening.{source['widen']}]", str(path), "bad-domain")
            if source.get("ball") and len(skeleton.objects) != 1:
                raise KineliftError(f"source {index + 1} asks for a ball, and the skeleton {skeleton.name!r} has none",
                                    "Name a skeleton with one object", str(path), "bad-domain")
            if source.get("split", "train") not in SPLITS:
                raise KineliftError(f"'split' of source {index + 1} is {source['split']!r}", f"Write one of: {', '.join(SPLITS)}",
                                    str(path), "bad-domain")
        for table, joints in settings["joints"].items():
            missing = [joint for joint in skeleton.joints if joint not in joints]
            if missing:
                raise KineliftError(f"[joints.{table}] lacks {', '.join(missing)}", "Say which joints make them", str(path), "bad-domain")
        return cls(path.stem, path, settings, skeleton, widenings)

    def clips(self, data: Path, split: str) -> list[Clip]:
        """All clips of a split ("train" or "test") found under `data`; a file without a split counts as train."""
        found = []
        for index, source in enumerate(self.settings["sources"]):
            patterns = [source["files"]] if isinstance(source["files"], str) else source["files"]
            for path in sorted({path for pattern in patterns for path in data.glob(pattern)}):
                if not any(fnmatch.fnmatch(path.name, pattern) for pattern in source.get("exclude", [])):
                    clip = self._read(path, source, index, split)
                    if clip is not None:
                        found.append(clip)
        if not found:
            raise KineliftError(f"no {split} clip of the domain {self.name!r} was found",
                                "Point --data at the folder that holds the motion files", str(data), "missing-file")
        return found

    def _read(self, path: Path, source: dict, index: int, split: str) -> Clip | None:
        try:
            return self._read_arrays(path, source, index, split)
        except (OSError, ValueError, EOFError, KeyError, IndexError, zipfile.BadZipFile) as error:
            raise KineliftError(f"this is not a motion file with what the domain asks for ({error})",
                                "Write it as docs/architecture.md describes, or exclude it in the domain", str(path), "bad-motion") from error

    def _read_arrays(self, path: Path, source: dict, index: int, split: str) -> Clip | None:
        with np.load(path, allow_pickle=False) as data:
            if source.get("split", str(data["split"]) if "split" in data else "train") != split:
                return None
            names = [str(name) for name in data["joint_names"]]
            positions = data["positions"].astype(np.float64)
            turns = None
            recorded = len(self.skeleton.joints) + len(self.skeleton.objects)
            keypoints, seen = np.zeros((len(positions), recorded, 3)), np.ones(recorded, bool)
            table = self.settings["joints"][source["joints"]]
            for column, keypoint in enumerate(self.skeleton.joints):
                rule = table[keypoint]
                wanted = [rule["joint"]] if isinstance(rule, dict) else rule
                for joint in wanted:
                    if joint not in names:
                        raise KineliftError(f"joint {joint!r} of [joints.{source['joints']}] is not in the clip",
                                            "Correct the joint table", f"{self.path}, {path}", "bad-domain")
                keypoints[:, column] = np.mean([positions[:, names.index(joint)] for joint in wanted], axis=0)
                if isinstance(rule, dict):
                    if turns is None:
                        turns = data["rotations"], data["rest_rotations"]
                    joint = names.index(rule["joint"])
                    turn = Rotation.from_quat(turns[0][:, joint], scalar_first=True) * Rotation.from_quat(turns[1][joint], scalar_first=True).inv()
                    keypoints[:, column] += turn.apply(rule["offset"])
            for column, name in enumerate(self.skeleton.objects, len(self.skeleton.joints)):
                objects = [str(o) for o in data["object_names"]] if "object_names" in data else []
                if name in table and table[name]["object"] in objects:
                    keypoints[:, column] = data["object_positions"][:, objects.index(table[name]["object"])]
                else:
                    seen[column] = False
            cut = data["suspicious_frames"] if "suspicious_frames" in data and str(data["quality"]) == "suspicious" else []
            keypoints = _longest_run(keypoints, np.asarray(cut, int))
            keypoints = _resample(keypoints, float(data["fps"]), self.settings["fps"])
            named = {"performer": "performer", "period": "loop_period", "speed": "ground_speed"}
            about = {key: data[name].item() for key, name in named.items() if name in data}
        return Clip(f"{path.parent.name}/{path.stem}", keypoints, seen, index, **about)


def _read_toml(name_or_path: str, users: tuple[Path, ...] = ()) -> tuple[Path, dict]:
    """Path and content of a domain file; what it leaves out is that of the domain it is `based_on`."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = DOMAINS / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(entry.stem for entry in DOMAINS.glob("*.toml")))
        raise KineliftError("there is no such domain", f"Name a .toml file or one of: {known}", str(name_or_path), "missing-file")
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KineliftError(f"this is not valid TOML ({error})", "Correct that line", str(path), "bad-domain") from error
    if "based_on" not in settings:
        return path, settings
    if path.resolve() in users:
        raise KineliftError(f"it is based on {settings['based_on']!r}, which is based on it", "Correct 'based_on'", str(path), "bad-domain")
    return path, _merged(_read_toml(settings["based_on"], (*users, path.resolve()))[1], settings)


def _merged(base: dict, changes: dict) -> dict:
    """A table with the changes of another, which may reach into its tables but not into their lists."""
    both = {key: _merged(base[key], value) for key, value in changes.items() if isinstance(value, dict) and isinstance(base.get(key), dict)}
    return {**base, **changes, **both}


def _joint_table(name: str, tables: dict, path: Path, users: tuple[str, ...] = ()) -> dict:
    """The table [joints.NAME], and under it those it is `like`."""
    other = tables[name].get("like")
    if other is None:
        return tables[name]
    if other not in tables or other in (*users, name):
        raise KineliftError(f"[joints.{name}] is like {other!r}, which is no other joint table", "Correct 'like'", str(path), "bad-domain")
    return {**_joint_table(other, tables, path, (*users, name)), **tables[name]}


def _longest_run(frames: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """The longest stretch of frames without a cut one."""
    edges = np.concatenate([[-1], np.sort(cut[(cut >= 0) & (cut < len(frames))]), [len(frames)]])
    longest = int(np.argmax(np.diff(edges)))
    return frames[edges[longest] + 1 : edges[longest + 1]]


def _resample(frames: np.ndarray, fps: float, target: float) -> np.ndarray:
    """Every n-th frame where the rates divide, else band-limited resampling; frames [T,J,3]."""
    ratio = fps / target
    if abs(ratio - round(ratio)) < 1e-6 and ratio >= 1:
        return frames[:: round(ratio)]
    return resample_poly(frames, round(target * 100), round(fps * 100), axis=0, padtype="line")
