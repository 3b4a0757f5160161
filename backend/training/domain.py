"""A domain: which clips a pack learns from, how their joints become keypoints, and how cameras see them. A TOML file."""

from __future__ import annotations

import fnmatch
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.training.ball_play import PLAYERS
from backend.training.box_handling import HANDLERS
from backend.training.domain_file import (
    FILMED,
    NEEDED,
    NEEDED_OF_FILMED,
    NEEDED_OF_SOURCE,
    OBJECT_DETECTOR,
    SOURCE,
    TABLE,
    TABLES,
    TOP,
    DomainFile,
    is_signed,
    is_text,
    is_texts,
    read_domain_file,
)
from backend.training.repertoire import Widening
from rigs import Skeleton, load_skeleton, read_skeleton, skeleton_names


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
    `widenings` its [widening.NAME] tables; `skeleton_file` the user's own skeleton, None for a shipped one."""

    name: str
    path: Path
    settings: dict
    skeleton: Skeleton
    widenings: dict[str, Widening] = field(default_factory=dict)
    skeleton_file: Path | None = None

    @classmethod
    def load(cls, name_or_path: str) -> Domain:
        """Reads a shipped domain by name or a user's file by path. Raises KineliftError naming the file, the line and the remedy."""
        file = read_domain_file(name_or_path)
        settings = file.settings
        filmed = any("files" in source for source in settings["sources"]) if TOP["sources"][1](settings.get("sources")) else False
        file.check(settings, TOP, NEEDED | FILMED if filmed else NEEDED)
        own = file.path.parent / settings["skeleton"] if settings["skeleton"].endswith(".toml") else None
        if own and own.stem in skeleton_names():
            raise file.mistake(f"the skeleton {own.stem!r} has the name of a shipped one", "Name the file otherwise", "skeleton")
        try:
            skeleton = read_skeleton(own) if own else load_skeleton(settings["skeleton"])
        except ValueError as error:
            raise file.mistake(str(error).rstrip("."), "Correct 'skeleton'", "skeleton") from error
        for name, checks in TABLES.items():
            if name in settings:
                file.check(settings[name], checks, set(checks), name)
        if filmed and skeleton.objects:
            file.check(settings["detector"], OBJECT_DETECTOR, set(OBJECT_DETECTOR), "detector")
        for index, source in enumerate(settings["sources"]):
            file.check(source, SOURCE, NEEDED_OF_SOURCE | (NEEDED_OF_FILMED if filmed else set()), "sources", index)
        widenings = {name: Widening.parse(table, name, file) for name, table in settings.get("widening", {}).items()}
        if filmed:
            settings["joints"] = _joint_tables(file)
            _check_sources(file, skeleton, widenings)
        return cls(file.path.stem, file.path, settings, skeleton, widenings, own)

    def clips(self, data: Path, split: str) -> list[Clip]:
        """All clips of a split ("train" or "test") found under `data`; a file without a split counts as train."""
        found = []
        for index, source in enumerate(self.settings["sources"]):
            if "files" not in source:
                raise KineliftError("the domain names no 3D clips", "Give 'files' to every source, or train on the 2D motions themselves",
                                    str(self.path), "bad-domain")
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
                carrier = rule.get("turned_by", rule["joint"]) if isinstance(rule, dict) else wanted[0]
                for joint in (*wanted, carrier):
                    if joint not in names:
                        raise KineliftError(f"joint {joint!r} of [joints.{source['joints']}] is not in the clip",
                                            "Correct the joint table", f"{self.path}, {path}", "bad-domain")
                keypoints[:, column] = np.mean([positions[:, names.index(joint)] for joint in wanted], axis=0)
                if isinstance(rule, dict):
                    if turns is None:
                        turns = data["rotations"], data["rest_rotations"]
                    joint = names.index(carrier)
                    turn = Rotation.from_quat(turns[0][:, joint], scalar_first=True) * Rotation.from_quat(turns[1][joint], scalar_first=True).inv()
                    keypoints[:, column] += turn.apply(rule["offset"])
            for column, name in enumerate(self.skeleton.objects, len(self.skeleton.joints)):
                objects = [str(o) for o in data["object_names"]] if "object_names" in data else []
                if name in table and table[name]["object"] in objects:
                    keypoints[:, column] = data["object_positions"][:, objects.index(table[name]["object"])]
                else:
                    seen[column] = False
                    keypoints[:, column] = keypoints[:, : len(self.skeleton.joints)].mean(1)  # goes with the body, and says nothing
            cut = data["suspicious_frames"] if "suspicious_frames" in data and str(data["quality"]) == "suspicious" else []
            keypoints = _longest_run(keypoints, np.asarray(cut, int))
            keypoints = _resample(keypoints, float(data["fps"]), self.settings["fps"])
            named = {"performer": "performer", "period": "loop_period", "speed": "ground_speed"}
            about = {key: data[name].item() for key, name in named.items() if name in data}
        return Clip(f"{path.parent.name}/{path.stem}", keypoints, seen, index, **about)


def _joint_tables(file: DomainFile) -> dict[str, dict]:
    """The tables [joints.NAME], each with what it takes from others; those of another domain where `joints` names one."""
    settings = file.settings
    if isinstance(settings["joints"], str):
        return _joint_tables(read_domain_file(settings["joints"]))
    return {name: _joint_table(name, file) for name in settings["joints"]}


def _joint_table(name: str, file: DomainFile, users: tuple[str, ...] = ()) -> dict:
    """The table [joints.NAME], and under it those it is `like`."""
    tables = file.settings["joints"]
    file.check(tables, {name: TABLE}, set(), "joints")
    other = tables[name].get("like")
    if other is None:
        return tables[name]
    if other not in tables or other in (*users, name):
        raise file.mistake(f"[joints.{name}] is like {other!r}, which is no other joint table", "Correct 'like'", "joints", name, "like")
    return {**_joint_table(other, file, (*users, name)), **tables[name]}


def _check_sources(file: DomainFile, skeleton: Skeleton, widenings: dict[str, Widening]) -> None:
    """Raises KineliftError for sources that ask for what isn't there, and for joint tables that don't make the skeleton."""
    tables = file.settings["joints"]
    for index, source in enumerate(file.settings["sources"]):
        if source["joints"] not in tables:
            raise file.mistake(f"source {index + 1} uses the joint table {source['joints']!r}, which is not there", f"Add [joints.{source['joints']}]",
                               "sources", index, "joints")
        if "widen" in source and source["widen"] not in widenings:
            raise file.mistake(f"source {index + 1} is widened by {source['widen']!r}, which is not there", f"Add [widening.{source['widen']}]",
                               "sources", index, "widen")
        for kind, found, roles in (("ball", len(skeleton.things) - len(skeleton.rigid), PLAYERS), ("box", len(skeleton.rigid), HANDLERS)):
            missing = [role for role in roles if role not in skeleton.roles.values()]
            if source.get(kind) and found == 1 and missing:
                raise file.mistake(f"source {index + 1} asks for a {kind}, and the skeleton {skeleton.name!r} has no {', '.join(missing)} to hold it",
                                   f"Leave '{kind}' out, or give joints these roles", "sources", index, kind)
            if source.get(kind) and found != 1:
                raise file.mistake(f"source {index + 1} asks for a {kind}, and the skeleton {skeleton.name!r} has {found or 'none'}",
                                   f"Name a skeleton with one {kind}", "sources", index, kind)
        if source.get("ball") and source.get("box"):
            raise file.mistake(f"source {index + 1} asks for a ball and a box", "Make two sources of it", "sources", index, "box")
    for name, table in tables.items():
        missing = [joint for joint in skeleton.joints if joint not in table]
        if missing:
            raise file.mistake(f"[joints.{name}] lacks {', '.join(missing)}", "Say which joints make them", "joints", name)
        for joint in skeleton.joints:
            if not _is_rule(table[joint]):
                raise file.mistake(f"'{joint}' of [joints.{name}] is {table[joint]!r}",
                                   'Write a list of joints, or { joint = "NAME", offset = [x, y, z] }, if need be with turned_by = "NAME"',
                                   "joints", name, joint)


def _is_rule(value: object) -> bool:
    if not isinstance(value, dict):
        return is_texts(value)
    offset = value.get("offset")
    return (is_text(value.get("joint")) and is_text(value.get("turned_by", value.get("joint"))) and isinstance(offset, list) and len(offset) == 3
            and all(map(is_signed, offset)))


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
