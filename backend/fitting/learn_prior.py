"""`learn-prior`: the pose prior of people (`backend.fitting.prior`), from the 3D clips that a domain names."""

from __future__ import annotations

import argparse
import fnmatch
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.fitting.ends import with_ends
from backend.fitting.kinematics import Rig
from backend.fitting.limits import hinges
from backend.fitting.prior import FEATURES, FILE, joint_turns, learn
from backend.motion.files import read_npz, write_npz
from backend.training.domain import Domain
from rigs.bones import Bones
from rigs.detection import detect

A_SECOND = 10
"""Poses that a second of a clip gives."""

MIRROR = np.diag([-1.0, 1.0, 1.0])


def read_clip(path: Path) -> tuple[Rig, np.ndarray, float] | None:
    """A recorded clip: its skeleton as a rig, the world turns [T,N,3,3] away from rest of the bones that play a role, and its rate; None for one of
    the test split. Raises KineliftError for a file that can't be used."""
    arrays = read_npz(path, "motion file", "Write it as the other clips of the domain", "bad-motion",
                      needed=("joint_names", "parents", "rest_positions", "rest_rotations", "rotations", "fps"))
    if str(arrays.get("split", "train")) != "train":
        return None
    names, parents, heads = [str(name) for name in arrays["joint_names"]], arrays["parents"].astype(int), arrays["rest_positions"].astype(float)
    tails = np.array([next((heads[child] for child, parent in enumerate(parents) if parent == joint), heads[joint] + [0, 0, 0.05])
                      for joint in range(len(names))])
    mapping = detect(Bones(names, parents.tolist(), [tuple(head) for head in heads], [tuple(tail) for tail in tails])).mapping
    if mapping.kind != "human" or mapping.missing:
        raise KineliftError(f"this is no human skeleton; it lacks {', '.join(mapping.missing)}", "Leave it out of the domain", str(path), "bad-motion")
    kept = [joint for joint, name in enumerate(names) if name in mapping.roles]

    def carrier(joint: int) -> int:
        above = parents[joint]
        while above >= 0 and above not in kept:
            above = parents[above]
        return kept.index(above) if above >= 0 else -1

    rig = Rig([names[joint] for joint in kept], [mapping.roles[names[joint]] for joint in kept], np.array([carrier(joint) for joint in kept]), heads[kept],
              np.where(np.linalg.norm(tails - heads, axis=1, keepdims=True) > 1e-3, tails, heads + [0, 0, 0.05])[kept],
              np.tile([1.0, 0, 0, 0], (len(kept), 1)), np.zeros(3))
    frames = np.setdiff1d(np.arange(len(arrays["rotations"])), arrays.get("suspicious_frames", []))
    posed, rest = (Rotation.from_quat(quaternions[..., kept, :].reshape(-1, 4), scalar_first=True).as_matrix().reshape(*quaternions.shape[:-2], -1, 3, 3)
                   for quaternions in (arrays["rotations"][frames], arrays["rest_rotations"]))
    return with_ends(rig), posed @ np.swapaxes(rest, -1, -2), float(arrays["fps"])


def mirrored(rig: Rig, world: np.ndarray) -> tuple[Rig, np.ndarray]:
    """The same body and poses seen in a mirror."""
    roles = [role[:-1] + {"L": "R", "R": "L"}[role[-1]] if role[-2:] in (".L", ".R") else role for role in rig.roles]
    return replace(rig, roles=roles, heads=rig.heads @ MIRROR, tails=rig.tails @ MIRROR), MIRROR @ world @ MIRROR


def poses(domain: Domain, data: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Of each source of a domain its share, and turns [T,F,3,3] of the joints in its training clips and in their mirror images."""
    for source in domain.settings["sources"]:
        patterns = [source["files"]] if isinstance(source["files"], str) else source["files"]
        found = []
        for path in sorted({path for pattern in patterns for path in data.glob(pattern)}):
            clip = None if any(fnmatch.fnmatch(path.name, pattern) for pattern in source.get("exclude", [])) else read_clip(path)
            if clip is None:
                continue
            rig, world, fps = clip
            world = world[:: max(1, round(fps / A_SECOND))]
            for seen in ((rig, world), mirrored(rig, world)):
                turns = joint_turns(seen[0], hinges(seen[0]), seen[1])
                lacking = [name for name in FEATURES if name not in turns]
                if lacking:
                    raise KineliftError(f"its skeleton lacks {', '.join(lacking)}", "Leave it out of the domain", str(path), "bad-motion")
                found.append(np.stack([turns[name] for name in FEATURES], axis=1))
        if not found:
            raise KineliftError(f"no training clip of {source['name']!r} was found", "Point --data at the folder that holds the motion files", str(data),
                                "missing-file")
        yield source["share"], np.concatenate(found)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--domain", default="human", help="domain, or file of a domain, whose 3D clips are of people (default: %(default)s)")
    parser.add_argument("--data", type=Path, required=True, help="the folder that the domain's paths start from")
    parser.add_argument("--to", type=Path, default=FILE, help="where to write the prior (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    domain = Domain.load(args.domain)
    shares, turns = zip(*poses(domain, args.data), strict=True)
    weights = np.concatenate([np.full(len(one), share / len(one)) for share, one in zip(shares, turns, strict=True)])
    means, covariance = learn(np.concatenate(turns), weights)
    provenance = {"command": f"python -m backend learn-prior --domain {args.domain} --data DATA", "poses": len(weights),
                  "sources": [{key: source[key] for key in ("name", "licence", "credit")} for source in domain.settings["sources"]]}
    path = write_npz(args.to, {"means": means.astype(np.float32), "covariance": covariance.astype(np.float32),
                               "provenance": np.array(json.dumps(provenance))})
    print(f"{path}: {len(weights)} poses")
    return 0
