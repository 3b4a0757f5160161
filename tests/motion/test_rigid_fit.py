from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from backend.motion.motion3d import Motion3D
from backend.motion.rigid_fit import find_size, hold_rigid, keypoints_of, shape_of, things_of
from backend.mvlift.skeleton_fit import fit_skeleton
from backend.mvlift.views import intersect, ring, see
from rigs import load_skeleton

SKELETON = load_skeleton("openpose18-ball-box")
BOX, SIZE = SKELETON.things["Box"], np.array([0.5, 0.35, 0.28])
FRAMES = 40


def carried() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A person of the skeleton's points who stands, and a box that is turned and moved: points [T,24,3], middles [T,3], quaternions [T,4]."""
    rng, time = np.random.default_rng(0), np.linspace(0, 1, FRAMES)
    points = np.repeat(rng.normal(0, 0.4, (1, 24, 3)), FRAMES, 0)
    middles = np.stack([0.2 * time, -0.4 - 0.3 * time, 0.9 + 0.3 * np.sin(3 * time)], -1)
    turns = Rotation.from_euler("zxy", np.stack([2.9 * time, 0.5 * time, 0.3 * np.sin(5 * time)], -1))
    shape = np.array(list(SKELETON.rigid["Box"].values())) * SIZE
    points[:, BOX] = np.einsum("tij,pj->tpi", turns.as_matrix(), shape) + middles[:, None]
    return points, middles, turns.as_quat(scalar_first=True)


def as_batch(points: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(points)[None]


def test_things_are_balls_and_boxes():
    assert SKELETON.things == {"Ball": [18], "Box": [19, 20, 21, 22, 23]}
    assert load_skeleton("openpose18-object5").things == {f"ObjectPoint{number}": [17 + number] for number in range(1, 6)}
    swapped = [SKELETON.keypoints[SKELETON.mirror_order[column]] for column in BOX]
    assert swapped == ["BoxCentre", "BoxFrontRight", "BoxFrontLeft", "BoxBackRight", "BoxBackLeft"]


def test_a_box_has_its_size_and_its_turn():
    points, middles, turns = carried()
    found = things_of(points, np.ones(24, bool), SKELETON)
    assert found["object_names"] == ["Ball", "Box"]
    assert np.allclose(found["object_sizes"], [[0, 0, 0], SIZE], atol=1e-9)
    assert np.allclose(found["object_positions"][:, 0], points[:, 18])
    assert np.allclose(found["object_positions"][:, 1], middles, atol=1e-9)
    assert np.allclose(np.abs((found["object_rotations"][:, 1] * turns).sum(-1)), 1)
    assert ((found["object_rotations"][1:] * found["object_rotations"][:-1]).sum(-1) > 0).all()  # no sign jumps
    shape = shape_of(SKELETON.rigid["Box"], torch.zeros(1).double())
    assert np.allclose(things_of(points * [-1, 1, 1], np.ones(24, bool), SKELETON)["object_sizes"][1], SIZE)
    assert torch.allclose(find_size(as_batch(points[:, BOX]), shape, torch.tensor([7])), torch.from_numpy(SIZE)[None])


def test_the_points_of_things_come_back_from_a_motion():
    points, _, _ = carried()
    for seen in (np.ones(24, bool), np.arange(24) <= 18, np.arange(24) != 18, np.arange(24) < 18):
        motion = Motion3D(points[:, :18], list(SKELETON.joints), list(SKELETON.parents), 30.0, **things_of(points, seen, SKELETON))
        again = keypoints_of(motion, SKELETON)
        assert np.allclose(again[:, seen], points[:, seen], atol=1e-9)
        assert np.isnan(again[:, ~seen]).all()


def test_what_nobody_saw_is_left_out():
    points, _, _ = carried()
    seen = np.ones(24, bool)
    seen[BOX] = False
    found = things_of(points, seen, SKELETON)
    assert (found["object_names"], found["object_positions"].shape) == (["Ball"], (FRAMES, 1, 3))
    assert "object_rotations" not in found
    seen[18], seen[BOX[2]] = False, True  # one corner is enough to believe that there is a box
    assert things_of(points, seen, SKELETON)["object_names"] == ["Box"]
    seen[:] = False
    assert things_of(points, seen, SKELETON) == {"object_names": [], "object_positions": None}


def test_perfect_views_give_person_and_box_to_less_than_a_millimetre():
    """Exact pictures from four cameras: triangulated, fitted, and told as a thing, all is where it was."""
    points, middles, turns = carried()
    points[:, :18] = points[0, :18] + [0, 0.3, 0]
    middle = torch.tensor([0.1], dtype=torch.float64)
    axes, distance = ring(4, middle, 0.1), torch.tensor([5.0], dtype=torch.float64)
    pictures = see(as_batch(points), axes, distance)
    found, normal = intersect(pictures, axes, distance, torch.ones(pictures.shape[:-1], dtype=torch.float64))
    held = fit_skeleton(found, normal, SKELETON)[0].numpy()
    assert np.linalg.norm(held[:, BOX] - points[:, BOX], axis=-1).max() < 1e-3
    assert np.linalg.norm(held[:, 18] - points[:, 18], axis=-1).max() < 1e-3
    thing = things_of(held, np.ones(24, bool), SKELETON)
    assert np.linalg.norm(thing["object_positions"][:, 1] - middles, axis=-1).max() < 1e-3
    angle = 2 * np.arccos(np.abs((thing["object_rotations"][:, 1] * turns).sum(-1)).clip(max=1))
    assert angle.max() < np.radians(0.1)
    assert np.abs(thing["object_sizes"][1] - SIZE).max() < 1e-3


def test_a_box_is_held_in_shape_and_sure_points_stay():
    """Points off in depth, along Y, where nobody measures: the shape comes back, the picture keeps its place."""
    points, _, _ = carried()
    off = points[:, BOX].copy()
    off[..., 1] += np.random.default_rng(1).normal(0, 0.02, off.shape[:-1])
    shape, normal = shape_of(SKELETON.rigid["Box"], torch.zeros(1).double()), torch.diag(torch.tensor([1.0, 0.01, 1.0])).double()
    held = hold_rigid(as_batch(off), normal.expand(1, FRAMES, 5, 3, 3), shape)[0].numpy()
    assert find_size(as_batch(held), shape)[0].numpy() == pytest.approx(SIZE, abs=0.02)
    apart = np.linalg.norm(held[:, :, None] - held[:, None], axis=-1)
    assert apart.std(0).max() < 1e-9
    sideways = np.linalg.norm((held - off)[..., [0, 2]], axis=-1)
    alike = hold_rigid(as_batch(off), torch.eye(3).double().expand(1, FRAMES, 5, 3, 3), shape)[0].numpy()
    assert sideways.mean() < 0.7 * np.linalg.norm((alike - off)[..., [0, 2]], axis=-1).mean()
    error = np.linalg.norm(held - points[:, BOX], axis=-1).mean()
    assert error < 0.9 * np.linalg.norm(off - points[:, BOX], axis=-1).mean()
