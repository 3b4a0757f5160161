"""Which joint set an array without names has: by its number of joints, and where several sets have that, by the body it draws."""

from __future__ import annotations

import numpy as np

from backend.poses.content import Options, refuse
from backend.poses.joint_sets import JointSet, joint_set, joint_set_names, roles_of, sets_of
from backend.poses.tracks import clean, in_shares

PERSON = {
    ("eye.L", "eye.R"): 0.06, ("nose", "eye.L"): 0.05, ("eye.L", "ear.L"): 0.09, ("shoulder.L", "shoulder.R"): 0.35, ("shoulder.L", "elbow.L"): 0.29,
    ("elbow.L", "wrist.L"): 0.26, ("shoulder.L", "hip.L"): 0.52, ("hip.L", "hip.R"): 0.2, ("hip.L", "knee.L"): 0.43, ("knee.L", "ankle.L"): 0.43,
    ("pelvis", "hip.L"): 0.1, ("pelvis", "neck"): 0.54, ("neck", "nose"): 0.2, ("neck", "shoulder.L"): 0.18, ("nose", "head_top"): 0.17,
}
QUADRUPED = {
    ("eye.L", "eye.R"): 0.2, ("nose", "eye.L"): 0.28, ("neck", "nose"): 0.7, ("neck", "tail_root"): 1.05, ("neck", "shoulder.L"): 0.28,
    ("shoulder.L", "shoulder.R"): 0.28, ("shoulder.L", "carpus.L"): 0.4, ("carpus.L", "front_foot.L"): 0.5, ("shoulder.L", "hip.L"): 0.75,
    ("hip.L", "hip.R"): 0.3, ("tail_root", "hip.L"): 0.35, ("hip.L", "hock.L"): 0.43, ("hock.L", "back_foot.L"): 0.55,
}
"""Lengths of bones, in metres of a person and in withers heights of a hoofed animal or dog. Only their ratios count."""

MARGIN = 1.25
"""The best set must fit by so much better than the next."""

SAMPLE = 300
"""Poses that are looked at."""


def joints_of(count: int, options: Options, place: object, usual: tuple[str, ...] = (), keypoints: np.ndarray | None = None,
              confidences: np.ndarray | None = None) -> tuple[str, ...]:
    """The joint names of an array of `count` joints.

    usual: the sets the format's program has, which win over others of that size; keypoints [N,J,2] and confidences [N,J], both raw,
    decide between sets of one size. Raises KineliftError where no set fits or several do.
    """
    if options.joints:
        chosen = joint_set(options.joints)
        if len(chosen.joints) != count:
            refuse(f"the poses have {count} joints, and {chosen.name} has {len(chosen.joints)}", "Choose another --joints", place, "bad-setting")
        return chosen.joints
    fitting = sets_of(count)
    fitting = [entry for entry in fitting if entry.name in usual] or fitting
    if not fitting:
        refuse(f"no joint set of {count} joints is known", f"Write the poses with joint names; known sets: {', '.join(joint_set_names())}", place,
               "unknown-joints")
    if len(fitting) > 1 and keypoints is not None:
        places, sure = clean(keypoints, confidences)
        if options.image_size and in_shares(places[sure > 0]):
            places = places * options.image_size
        misfits = {entry: misfit(places, sure, entry) for entry in fitting}
        fitting.sort(key=misfits.__getitem__)
        if misfits[fitting[0]] < misfits[fitting[1]] / MARGIN:
            fitting = fitting[:1]
    if len(fitting) > 1:
        refuse(f"{count} joints without names may be those of {fitting[0].name} or {fitting[1].name}",
               f"Say which: --joints {fitting[0].name} or --joints {fitting[1].name}", place, "ambiguous-joints")
    return fitting[0].joints


def misfit(keypoints: np.ndarray, confidences: np.ndarray, candidate: JointSet) -> float:
    """How far the bones that a joint set would draw are from those of a body: the mean absolute logarithm of the ratios of the lengths.

    Of each bone the 90th percentile over the poses is taken, which foreshortening leaves alone, and the common scale is removed.
    """
    chosen = np.linspace(0, len(keypoints) - 1, min(SAMPLE, len(keypoints))).astype(int)
    places, sure = keypoints[chosen], confidences[chosen]
    roles = roles_of(list(candidate.joints))
    logs = []
    for (a, b), length in (QUADRUPED if "tail_root" in roles else PERSON).items():
        for first, second in {(a, b), (a.replace(".L", ".R"), b.replace(".L", ".R"))}:
            if first in roles and second in roles and first != second:
                both = (sure[:, roles[first]] > 0) & (sure[:, roles[second]] > 0)
                if both.any():
                    seen = np.linalg.norm(places[both, roles[first]] - places[both, roles[second]], axis=-1)
                    logs.append(np.log(max(np.percentile(seen, 90), 1e-9) / length))
    return float(np.abs(np.array(logs) - np.median(logs)).mean()) if len(logs) > 3 else np.inf
