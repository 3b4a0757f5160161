"""HDF5: DeepLabCut's tables and SLEAP's analysis, and that no pickle is run."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import KineliftError
from backend.poses.sniffer import read_poses, sniff
from tests.poses import hdf_writers, writers
from tests.poses.failures import failure
from tests.poses.test_formats import assert_same, two
from tests.properties import patient

NAMES = writers.names("superanimal39")


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_deeplabcuts_table_of_several_animals(protocol: int, tmp_path: Path):
    poses = two("superanimal39")
    path = hdf_writers.deeplabcut_h5(tmp_path, poses, NAMES, ["mouse1", "mouse2"], protocol=protocol)
    assert sniff(path)[0].format == "deeplabcut"
    file, _ = read_poses(path)
    assert {track.id for track in file.tracks} == {"mouse1", "mouse2"}
    assert_same(file, poses, NAMES)


@pytest.mark.parametrize("write", [hdf_writers.deeplabcut_h5, hdf_writers.deeplabcut_fixed_h5])
def test_deeplabcuts_table_of_one_animal(write, tmp_path: Path):
    poses = two("superanimal39")[:1]
    file, _ = read_poses(write(tmp_path, poses, NAMES))
    assert [track.id for track in file.tracks] == ["1"]
    assert_same(file, poses, NAMES)


class Trap:
    """An object whose unpickling would run a command."""

    def __reduce__(self):
        return os.system, ("touch trapped",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_could_do_more_than_name_columns_is_refused(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    path = hdf_writers.deeplabcut_h5(tmp_path, two("superanimal39")[:1], NAMES, labels=[Trap()], protocol=protocol)
    with pytest.raises(KineliftError, match="unpickled") as caught:
        read_poses(path)
    assert caught.value.code == "needs-unpickling"
    assert "CSV" in caught.value.remedy
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("tracks", [None, ["male", "female"]])
def test_sleaps_analysis(tracks: list[str] | None, tmp_path: Path):
    poses = two("ap10k")
    path = hdf_writers.sleap(tmp_path, poses, writers.names("ap10k"), tracks)
    assert sniff(path)[0].format == "sleap"
    file, _ = read_poses(path)
    assert {track.id for track in file.tracks} == set(tracks or ["1", "2"])
    assert_same(file, poses, writers.names("ap10k"))


def test_a_sleap_project_and_other_hdf_files_are_refused(tmp_path: Path):
    with h5py.File(tmp_path / "project.slp", "w") as file:
        file["pred_points"] = np.zeros(3)
    with pytest.raises(KineliftError, match="Export Analysis HDF5"):
        read_poses(tmp_path / "project.slp")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = np.zeros(3)
    with pytest.raises(KineliftError, match="no known pose format"):
        read_poses(tmp_path / "other.h5")


def test_shapes_that_disagree_are_refused(tmp_path: Path):
    path = hdf_writers.sleap(tmp_path, two("ap10k"), writers.names("ap10k"))
    with h5py.File(path, "r+") as file:
        del file["node_names"]
        file["node_names"] = np.array(["a", "b"], "S")
    with pytest.raises(KineliftError, match=r"'tracks' has shape .* for 2 nodes"):
        read_poses(path)
    path = hdf_writers.deeplabcut_h5(tmp_path, two("superanimal39")[:1], NAMES[:3])
    with pytest.raises(KineliftError, match=r"117. values for 24 rows and 9 columns"):
        read_poses(path)


@patient
@given(st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    folder = tmp_path_factory.mktemp("damaged")
    poses = two("ap10k", 4)
    path = data.draw(st.sampled_from([
        lambda: hdf_writers.sleap(folder, poses, writers.names("ap10k")), lambda: hdf_writers.deeplabcut_h5(folder, poses[:1], writers.names("ap10k")),
        lambda: hdf_writers.deeplabcut_fixed_h5(folder, poses[:1], writers.names("ap10k"))]))()
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2, 600]))])
    error = failure(lambda: read_poses(path))
    assert error is None or error.remedy
