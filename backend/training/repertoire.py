"""What the `[widening.NAME]` tables of a domain ask for, and motions made as they say."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from scipy.ndimage import gaussian_filter1d

from backend.errors import KineliftError
from backend.motion.planting import plant
from backend.training.acts import Act, perform
from backend.training.domain_file import (
    NUMBER,
    POSITIVE,
    POSITIVES,
    SWITCH,
    Check,
    DomainFile,
    is_number,
    is_table,
    is_text,
    is_texts,
    spelled,
)
from backend.training.widening import (
    at_rate,
    ballistic,
    bend,
    distances,
    facing_ahead,
    flights,
    lean,
    low,
    plant_drawn,
    random_curve,
    stances,
)
from rigs import Skeleton

MOST_SQUEEZE = 0.3  # by how much a curve may shorten what is on its inner side
SHORTEST_WAY = 1.0  # metres; a recording that goes less far is not laid along a curve
AFTER_SECONDS = 1.0  # longer than a jump
LOW_HEIGHT = 10  # percentile of a foot's heights in one clip at which it stands


@dataclass(frozen=True)
class ActSettings:
    """A `[widening.NAME.acts.ACT]` table: name patterns of its clips; how it is played and entered (see `Act`); speed in m/s,
    or the act it goes as fast as, where the clips don't say; opening: its weight to come first; next: weights of what may follow."""

    clips: list[str]
    stay: list[float] = field(default_factory=lambda: [1.0, 3.0])
    blend: float = 0.6
    speed: float | str | None = None
    opening: float = 1.0
    next: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Widening:
    """A `[widening.NAME]` table.

    rate, size: least and most; a larger body also moves slower by the root of its size, so that falls stay falls. build: standard
    deviation of the factors on width and height; curvature (1/m) and sideways (m/s²) of the sharpest curve; plant: keep standing
    feet in place; acts: what clips in place are chained into, none where clips stay as they are.
    """

    rate: list[float] = field(default_factory=lambda: [1.0, 1.0])
    size: list[float] = field(default_factory=lambda: [1.0, 1.0])
    build: float = 0.0
    curvature: float = 0.0
    sideways: float = 2.5
    plant: bool = False
    acts: dict[str, ActSettings] = field(default_factory=dict)

    @classmethod
    def parse(cls, table: Mapping, name: str, file: DomainFile) -> Widening:
        """From the table of a domain file. Raises KineliftError naming the file, the line and the remedy."""
        spot = ("widening", name)
        _check(cls, table, set(), file, *spot)
        for act, rest in table.get("acts", {}).items():
            _check(ActSettings, rest, {"clips"}, file, *spot, "acts", act)
        acts = {act: ActSettings(**rest) for act, rest in table.get("acts", {}).items()}
        for act, settings in acts.items():
            for other in [*settings.next, *([settings.speed] if isinstance(settings.speed, str) else [])]:
                if other not in acts:
                    raise file.mistake(f"[widening.{name}.acts.{act}] names the act {other!r}, which is not there", f"Write one of: {', '.join(acts)}",
                                       *spot, "acts", act, "next" if other in settings.next else "speed")
        return cls(**{**table, "acts": acts})


CHECKS: dict[str, Check] = {
    "rate": POSITIVES, "size": POSITIVES, "stay": POSITIVES, "build": NUMBER, "curvature": NUMBER, "sideways": NUMBER, "opening": NUMBER,
    "blend": POSITIVE, "plant": SWITCH, "clips": ("a list of name patterns", is_texts),
    "speed": ("a speed in m/s or the name of an act", lambda value: is_number(value) or is_text(value)),
    "next": ("a table of acts and their weights", lambda value: is_table(value) and all(map(is_number, value.values()))),
    "acts": ("a table of acts", lambda value: is_table(value) and all(map(is_table, value.values()))),
}


def _check(kind: type, table: Mapping, needed: set[str], file: DomainFile, *spot: str) -> None:
    known = [each.name for each in fields(kind)]
    for key in table:
        if key not in known:
            raise file.mistake(f"the entry {key!r}{spelled(spot)} means nothing", f"Write some of: {', '.join(known)}", *spot, key)
    file.check(table, {key: CHECKS[key] for key in known}, needed, *spot)


class Repertoire:
    """The acts of a source's performers, and performances of them. clips: those of one source, in place, facing -Y."""

    def __init__(self, clips: Sequence, settings: Widening, skeleton: Skeleton, fps: float):
        self.settings, self.fps, self.parents = settings, fps, skeleton.parents
        self.legs = legs(skeleton)
        self.opening = {name: act.opening for name, act in settings.acts.items() if act.opening}
        names = sorted({clip.performer for clip in clips})
        cast = [self._cast([clip for clip in clips if clip.performer == name]) for name in names]
        self.performers = [(acts, standing) for acts, standing in cast if any(acts[name] for name in self.opening)]
        if not self.performers:
            raise KineliftError(f"none of {len(clips)} clips belongs to an act that can come first",
                                "Correct 'clips' or 'opening' of the acts", ", ".join(clip.name for clip in clips[:3]), "bad-domain")

    def _cast(self, clips: Sequence) -> tuple[dict[str, list[Act]], np.ndarray]:
        """One performer's acts by name, and the heights [F] at which its feet stand."""
        clips = [clip for clip in clips if len(clip.keypoints) > 1]
        chosen = {name: [clip for clip in clips if any(fnmatch.fnmatch(clip.name.rpartition("/")[2], pattern) for pattern in act.clips)]
                  for name, act in self.settings.acts.items()}
        acts = {}
        for name, act in self.settings.acts.items():
            leader = chosen[act.speed] if isinstance(act.speed, str) else []
            speed = float(np.mean([clip.speed for clip in leader])) if leader else act.speed
            acts[name] = [Act.of(clip.keypoints, self.fps, clip.period, stay=tuple(act.stay), blend=act.blend, after=act.next,
                                 speed=speed if isinstance(speed, (int, float)) else clip.speed) for clip in chosen[name]]
        used = [clip.keypoints for played in chosen.values() for clip in played]
        return acts, standing_heights(used, self.legs) if used else np.zeros(len(self.legs))

    def motion(self, frames: int, rng: np.random.Generator) -> np.ndarray:
        """A performance [T,J,3] of at most `frames` frames that goes somewhere, varied and with its feet on the floor."""
        settings = self.settings
        acts, standing = self.performers[int(rng.integers(len(self.performers)))]
        rate, factors = draw(settings, rng)
        longer = frames + round(AFTER_SECONDS * self.fps)  # the last frame may lie within a jump or a stance
        keypoints, speed = perform(acts, self.opening, self.parents, longer, rate / self.fps, rng)
        keypoints, speed, standing = keypoints * factors, speed * rate * factors[1], standing * factors[2]
        gone = distances(speed, self.fps)
        keypoints[..., 1] -= gone[:, None]
        carrying = stances(keypoints, self.legs, standing, self.fps)
        keypoints = ballistic(keypoints, flights(carrying | low(keypoints, self.legs, standing), self.fps), self.fps)
        if settings.plant:
            keypoints = plant_drawn(keypoints, self.legs, standing, carrying)
        return wind(keypoints, gone, speed, float(standing.max()), settings, rng)[:frames]


def wind(keypoints: np.ndarray, gone: np.ndarray, speed: np.ndarray, floor: float, settings: Widening,
         rng: np.random.Generator) -> np.ndarray:
    """A motion [T,J,3] along -Y laid along a random curve and leaned into it. gone [T]: where its body is, metres; speed [T]: m/s."""
    if not settings.curvature:
        return keypoints
    sharpest = min(settings.curvature, MOST_SQUEEZE / max(float(np.abs(keypoints[..., 0]).max()), MOST_SQUEEZE))
    places, curvature = random_curve(gone, speed, sharpest, settings.sideways, rng)
    return bend(lean(keypoints, speed**2 * np.interp(gone, places, curvature), floor), places, curvature)


def vary(keypoints: np.ndarray, settings: Widening, skeleton: Skeleton, fps: float, rng: np.random.Generator) -> np.ndarray:
    """A recording [T,J,3] at another pace, size and build."""
    rate, factors = draw(settings, rng)
    keypoints = at_rate(keypoints * factors, rate)
    if len(keypoints) < 2:
        return keypoints
    if settings.plant:
        joints = len(skeleton.joints)
        body, shift = plant(keypoints[:, :joints], skeleton, fps)
        keypoints = np.concatenate([body, keypoints[:, joints:] + shift[:, None]], 1)
    way = keypoints[..., :2].mean(1)
    if not settings.curvature or np.linalg.norm(way[-1] - way[0]) < SHORTEST_WAY:
        return keypoints
    keypoints = facing_ahead(keypoints)
    gone = -keypoints[..., 1].mean(1)
    speed = gaussian_filter1d(np.gradient(gone), 0.3 * fps, mode="nearest") * fps
    return wind(keypoints, gone, speed, float(standing_heights([keypoints], legs(skeleton)).max()), settings, rng)


def draw(settings: Widening, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """A rate, and factors [3] on width, depth and height."""
    size = float(rng.uniform(*settings.size))
    build = np.exp(settings.build * rng.standard_normal(2))
    return float(rng.uniform(*settings.rate)) / np.sqrt(size), size * build[[0, 0, 1]]


def legs(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """Joint indices (hip, knee, foot) of each of the skeleton's feet."""
    found = []
    for name in skeleton.feet:
        foot = skeleton.joints.index(name)
        knee = skeleton.parents[foot]
        found.append((skeleton.parents[knee], knee, foot))
    return found


def standing_heights(motions: Sequence[np.ndarray], limbs: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Heights [F] of the feet on the floor: low in each motion [T,J,3], and the median of the motions, since an animal may rear."""
    feet = [leg[2] for leg in limbs]
    return np.median([np.percentile(motion[:, feet, 2], LOW_HEIGHT, axis=0) for motion in motions], axis=0)
