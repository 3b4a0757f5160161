"""HDF5 files as pandas (through PyTables) and SLEAP write them, made with h5py alone."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np

from tests.poses.writers import deeplabcut_columns


def deeplabcut_h5(folder: Path, poses: np.ndarray, names: list[str], individuals: list[str] | None = None, labels: object = None, protocol: int = 0) -> Path:
    """DeepLabCut's own: a data frame in pandas' appendable format. The labels of the columns are in a pickled attribute."""
    columns = deeplabcut_columns(individuals, names) if labels is None else labels
    values = poses.transpose(1, 0, 2, 3).reshape(poses.shape[1], -1)
    rows = np.zeros(len(values), [("index", "<i8"), ("values_block_0", "<f8", (values.shape[1],))])
    rows["index"], rows["values_block_0"] = np.arange(len(values)), values
    path = folder / "videoDLC_resnet50.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"], group.attrs["table_type"] = np.bytes_("frame_table"), np.bytes_("appendable_frame")
        table = group.create_dataset("table", data=rows)
        table.attrs["values_block_0_kind"] = np.void(data) if b"\0" in (data := pickle.dumps(columns, protocol)) else np.bytes_(data)
        group.create_group("_i_table")
    return path


def deeplabcut_fixed_h5(folder: Path, poses: np.ndarray, names: list[str]) -> Path:
    """The same in pandas' fixed format: level values, and for each column numbers into them."""
    columns = deeplabcut_columns(None, names)
    path = folder / "fixed.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"], group.attrs["nblocks"], group.attrs["block0_items_nlevels"] = np.bytes_("frame"), 1, 3
        for level in range(3):
            values = list(dict.fromkeys(column[level] for column in columns))
            group[f"block0_items_level{level}"] = np.array(values, "S")
            group[f"block0_items_label{level}"] = np.array([values.index(column[level]) for column in columns], np.int8)
        group["block0_values"] = poses.transpose(1, 0, 2, 3).reshape(poses.shape[1], -1)
        group["axis1"] = np.arange(poses.shape[1])
    return path


def sleap(folder: Path, poses: np.ndarray, names: list[str], tracks: list[str] | None = None) -> Path:
    """The analysis file: (track, x and y, node, frame), NaN where missed."""
    places = np.where(poses[..., 2:] > 0, poses[..., :2], np.nan)
    path = folder / "labels.v001.000_video.analysis.h5"
    with h5py.File(path, "w") as file:
        file["tracks"] = places.transpose(0, 3, 2, 1)
        file["point_scores"] = np.where(poses[..., 2] > 0, poses[..., 2], np.nan).transpose(0, 2, 1)
        file["node_names"] = np.array(names, "S")
        file["track_names"] = np.array(tracks or [], "S")
        file["track_occupancy"] = (poses[..., 2] > 0).any(-1).T.astype(np.uint8)
        file["edge_inds"] = np.zeros((0, 2), int)
    return path
