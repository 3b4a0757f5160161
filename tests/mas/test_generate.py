from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend import __version__
from backend.__main__ import main
from backend.errors import Cancelled, KineliftError
from backend.mas.generate import MAX_SEED, GenerateSettings, generate, to_motion
from backend.motion.bones import bone_lengths
from backend.motion.motion3d import Motion3D
from backend.packs.model import MasModel
from rigs import load_skeleton
from tests.tiny_pack import STANDING


def quick(pack: Path, **changes) -> GenerateSettings:
    return GenerateSettings(**{"pack": str(pack), "seconds": 0.5, "calls": 4, "views": 3, "device": "cpu", **changes})


def test_motion_files_tell_how_they_were_made(tiny_folder: Path, tmp_path: Path):
    paths = generate(quick(tiny_folder, seed=7, variants=2), tmp_path)
    assert [path.name for path in paths] == ["tiny_0.5s_seed7.npz", "tiny_0.5s_seed8.npz"]
    first, second = map(Motion3D.load, paths)
    assert (first.frames, first.fps, first.skeleton, first.object_names) == (15, 30.0, "nba16-ball", ["Ball"])
    assert first.provenance["kinelift"] == __version__
    assert (first.provenance["seed"], second.provenance["seed"]) == (7, 8)
    assert first.provenance["sampler"]["calls"] == 4
    assert np.abs(first.positions - second.positions).max() > 1e-3
    assert np.allclose(bone_lengths(first.positions, first.parents).std(0), 0, atol=1e-6)


def test_a_variant_is_the_motion_of_its_seed(tiny_folder: Path, tmp_path: Path):
    several = generate(quick(tiny_folder, seed=3, variants=3), tmp_path / "a")
    alone = generate(quick(tiny_folder, seed=5), tmp_path / "b")
    assert np.allclose(Motion3D.load(several[2]).positions, Motion3D.load(alone[0]).positions, atol=1e-3)


def test_seeds_go_around_at_the_end(tiny_folder: Path, tmp_path: Path):
    paths = generate(quick(tiny_folder, seed=MAX_SEED, variants=2), tmp_path)
    assert [Motion3D.load(path).provenance["seed"] for path in paths] == [MAX_SEED, 0]


def standing_sample(model: MasModel, frames: int = 45, sunk: float = 0.05) -> np.ndarray:
    """A player [T,18,3] who stands in the pack's coordinates, sunk into the floor, and sways."""
    pose = np.array([(x, 0, up) for x, up in (STANDING[point] for point in model.skeleton.keypoints)])
    knees = [model.skeleton.joints.index(name) for name in ("RKnee", "LKnee")]
    pose[knees] -= [0, 0.08, 0]
    points = np.repeat(pose[None] - [0, 0, sunk], frames, axis=0)
    feet = [model.skeleton.joints.index(name) for name in model.skeleton.feet]
    points[:, feet] += 0.02 * np.sin(np.arange(frames) / 6)[:, None, None]
    return points


def test_in_place_leaves_the_root_over_the_origin(tiny: MasModel):
    points = standing_sample(tiny)
    stays, goes = (to_motion(points, tiny, in_place, {}) for in_place in (True, False))
    assert np.allclose(stays.positions[:, 0, :2], 0, atol=1e-9)
    path = goes.positions[:, 0] - stays.positions[:, 0]
    assert np.allclose(path[:, 2], 0)
    assert np.allclose(goes.positions - stays.positions, path[:, None])
    assert np.allclose(goes.object_positions[:, 0] - stays.object_positions[:, 0], path)


def test_a_fold_does_not_reach_the_user(tiny: MasModel):
    """Shoulders that change sides for a few frames of a sample don't in the motion that is delivered."""
    sample, joints = standing_sample(tiny), tiny.skeleton.joints
    pair = [joints.index("LShoulder"), joints.index("RShoulder")]
    sample[20:25, pair] = sample[20:25, pair[::-1]]
    delivered = to_motion(sample, tiny, in_place=True, provenance={}).positions
    across = delivered[:, pair[0]] - delivered[:, pair[1]]
    assert (across * across[0]).sum(-1).min() > 0.9 * (across[0] ** 2).sum()


def test_a_box_keeps_its_shape(tiny: MasModel):
    """The corners of a sample's box tremble; the motion has one size, and turns and places of its own for every frame."""
    skeleton, size, frames = load_skeleton("coco17-box-travel"), np.array([0.5, 0.4, 0.3]), 60
    box = Rotation.from_euler("z", np.linspace(0, 0.6, frames)[:, None])
    places = np.array(list(skeleton.rigid["Box"].values())) * size
    corners = np.einsum("tij,pj->tpi", box.as_matrix(), places) + [0, -0.45, 0.1]
    head = dict.fromkeys(("Nose", "LeftEye", "RightEye", "LeftEar", "RightEar"), (0.0, 0.66))
    pose = {**head, **{long: STANDING[long[0] + long.removeprefix("Left").removeprefix("Right")] for long in skeleton.joints if long not in head}}
    body = np.tile([(x, 0, up) for x, up in pose.values()], (frames, 1, 1))[:, [list(pose).index(name) for name in skeleton.joints]]
    points = np.concatenate([body, corners, body[:, :1] * [1, 1, 0] - [0, 0, 0.9]], 1)
    points[:, 17:22] += np.random.default_rng(0).normal(0, 0.004, (frames, 5, 3))
    motion = to_motion(points, replace(tiny, skeleton=skeleton), in_place=False, provenance={})
    assert motion.object_names == ["Box"]
    assert motion.object_sizes[0] == pytest.approx(size, abs=0.02)
    apart = Rotation.from_quat(motion.object_rotations[:, 0], scalar_first=True) * box.inv()
    assert apart.magnitude().max() < 0.04
    assert np.linalg.norm(np.diff(motion.object_positions[:, 0] - motion.positions[:, 0], axis=0), axis=-1).max() < 0.01


def test_feet_stand_at_the_height_the_pack_learned(tiny: MasModel):
    learned = replace(tiny, card={**tiny.card, "standing_height": 0.1})
    points = standing_sample(tiny)
    motion = to_motion(points, learned, False, {})
    feet = [tiny.skeleton.joints.index(name) for name in tiny.skeleton.feet]
    assert np.allclose(motion.positions[:, feet, 2], 0.1, atol=1e-6)
    assert np.ptp(motion.positions[:, feet], axis=0).max() < 1e-6
    raised = motion.positions[:, 0] - to_motion(points, tiny, False, {}).positions[:, 0]
    assert raised[:, 2].min() > 0.02
    carried = motion.object_positions[:, 0] - motion.positions[:, 0]
    assert np.allclose(carried, points[:, 16] - points[:, 0], atol=1e-6)


@pytest.mark.parametrize(("changes", "said"), [
    ({"mode": "slow"}, "no mode 'slow'"),
    ({"seconds": 0.0}, "0.0 seconds"),
    ({"seconds": float("nan")}, "nan seconds"),
    ({"seconds": 60.0}, "longer than the pack"),
    ({"seed": -1}, "seed -1"),
    ({"seed": MAX_SEED + 1}, "out of range"),
    ({"variants": 0}, "0 variants"),
    ({"views": 1}, "1 views"),
    ({"calls": 1}, "1 network calls"),
    ({"calls": 100}, "100 network calls"),
    ({"device": "abacus"}, "device 'abacus'"),
])
def test_settings_that_mean_nothing_are_named(changes: dict, said: str, tiny_folder: Path, tmp_path: Path):
    with pytest.raises(KineliftError, match=said) as caught:
        generate(quick(tiny_folder, **changes), tmp_path)
    assert caught.value.remedy
    assert not list(tmp_path.iterdir())


def test_a_cancelled_job_leaves_no_file(tiny_folder: Path, tmp_path: Path):
    def report(fraction: float, message: str) -> None:
        if fraction > 0.4:
            raise Cancelled

    with pytest.raises(Cancelled):
        generate(quick(tiny_folder), tmp_path, report)
    assert not list(tmp_path.iterdir())


def test_the_command(tiny_folder: Path, tmp_path: Path, capsys):
    assert main(["generate", "--pack", str(tiny_folder), "--seconds", "0.5", "--calls", "3", "--in-place", "--to", str(tmp_path), "--device", "cpu"]) == 0
    assert Motion3D.load(capsys.readouterr().out.strip()).provenance["in_place"] is True
    assert main(["generate", "--pack", "nowhere", "--to", str(tmp_path)]) == 1
    assert "there is no pack 'nowhere'" in capsys.readouterr().err
