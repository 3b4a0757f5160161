"""SLEAP: the analysis HDF5 file (File > Export Analysis HDF5, or `sleap-convert --format analysis`)."""

from __future__ import annotations

import numpy as np

from backend.poses.assembly import from_arrays
from backend.poses.content import Options, Source, refuse
from backend.poses.hdf import opened
from backend.poses.layouts import joints_of
from backend.poses.tracks import PoseFile

TITLE = "SLEAP"


def looks(source: Source) -> tuple[float, str]:
    if not source.head.startswith(b"\x89HDF"):
        return 0.0, ""
    with opened(source.path) as file:
        if "tracks" in file and "node_names" in file:
            return 0.97, "tracks and node_names"
        return (0.6, "a SLEAP project") if "pred_points" in file else (0.0, "")


def read(source: Source, options: Options) -> PoseFile:
    """tracks are stored as (track, x and y, node, frame); NaN is missed. point_scores may be missing (labelled by hand)."""
    with opened(source.path) as file:
        if "tracks" not in file or "node_names" not in file:
            refuse("this is a SLEAP project, not its analysis", "Export it: File > Export Analysis HDF5", source.path)
        tracks = file["tracks"][:]
        names, ids = _texts(file["node_names"][:]), _texts(file["track_names"][:]) if "track_names" in file else []
        scores = file["point_scores"][:] if "point_scores" in file else None
    if tracks.ndim != 4 or tracks.shape[1] != 2 or tracks.shape[2] != len(names) or not np.issubdtype(tracks.dtype, np.number):
        refuse(f"'tracks' has shape {list(tracks.shape)} for {len(names)} nodes", "Export the analysis again; it is (tracks, 2, nodes, frames)", source.path)
    keypoints = tracks.astype(np.float64).transpose(0, 3, 2, 1)
    confidences = np.isfinite(keypoints).all(-1).astype(float)
    if scores is not None:
        if scores.shape != (len(tracks), len(names), tracks.shape[3]) or not np.issubdtype(scores.dtype, np.number):
            refuse(f"'point_scores' has shape {list(scores.shape)}, not {[len(tracks), len(names), tracks.shape[3]]}", "Export the analysis again",
                   source.path)
        scores = scores.astype(np.float64).transpose(0, 2, 1)
        confidences *= np.where(np.isfinite(scores), scores, 1.0)  # hand-labelled points of a predicted video have no score
    ids = ids if len(ids) == len(tracks) and len(set(ids)) == len(ids) else [str(index + 1) for index in range(len(tracks))]
    joints = list(joints_of(len(names), options, source.path)) if options.joints else names
    return from_arrays("sleap", source.path, keypoints, confidences, ids, joints, options)


def _texts(values) -> list[str]:
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]
