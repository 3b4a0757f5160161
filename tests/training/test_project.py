from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.__main__ import main
from backend.motion.motion2d import Motion2DSet
from backend.training.domain import Clip, Domain
from backend.training.project import centre, film, project
from backend.training.stitching import MotionGraph
from rigs import load_skeleton
from tests.training.clips import TOML, walks, write_clips, write_domain


def test_centring_keeps_heights_where_the_domain_says_so():
    keypoints = np.random.default_rng(0).normal(size=(5, 3, 3))
    kept = centre(keypoints, 0, {"centring": "root-horizontal", "centre_height": 0.9})
    assert np.allclose(kept[:, 0, :2], 0)
    assert np.allclose(kept[..., 2], keypoints[..., 2] - 0.9)
    assert np.allclose(centre(keypoints, 0, {"centring": "root"})[:, 0], 0)


def test_a_view_is_what_a_detector_reports(tmp_path: Path):
    domain = walks(tmp_path)
    write_clips(tmp_path)
    clip = domain.clips(tmp_path, "train")[0]
    flat, confidence = film(clip.keypoints, clip.seen, domain, np.random.default_rng(0))
    assert (flat.shape, confidence.shape) == ((60, 18, 2), (60, 18))
    assert (flat[confidence == 0] == 0).all()
    assert 0.9 < (confidence > 0).mean() < 1
    head, ankle = domain.skeleton.joints.index("Head"), domain.skeleton.joints.index("RAnkle")
    shown = (confidence[:, head] > 0) & (confidence[:, ankle] > 0)
    assert (flat[shown, head, 1] - flat[shown, ankle, 1]).min() > 1.0  # y is up


def test_a_missing_and_a_far_ball_have_no_confidence(tmp_path: Path):
    domain = walks(tmp_path)
    write_clips(tmp_path)
    clip = domain.clips(tmp_path, "train")[0]
    ball = domain.skeleton.keypoints.index("Ball")
    seen = clip.seen.copy()
    seen[ball] = False
    assert not film(clip.keypoints, seen, domain, np.random.default_rng(0))[1][:, ball].any()
    clip.keypoints[30:, ball] += 10
    confidence = film(clip.keypoints, clip.seen, domain, np.random.default_rng(0))[1][:, ball]
    assert confidence[:30].any()
    assert not confidence[30:].any()


def test_a_ball_is_played_along_where_a_source_asks_for_it(tmp_path: Path):
    text = TOML.replace('Ball = { object = "Ball" }', "").replace("stitch = true", "ball = true")
    write_clips(tmp_path, object_names=None, object_positions=None, object_contact=None)
    domain = Domain.load(str(write_domain(tmp_path, text)))
    motions = project(domain, domain.clips(tmp_path, "train"), 4, 0, stitch=True)
    ball = domain.skeleton.keypoints.index("Ball")
    assert (motions.confidences[:, :30, ball] > 0).mean() > 0.9
    assert np.ptp(motions.keypoints[0, :30, ball, 1]) > 0.02


def test_a_walk_through_the_graph_has_no_jumps(tmp_path: Path):
    """Clips are 2 s long; longer walks must join them without anything moving faster than it does in the clips."""
    domain = walks(tmp_path)
    write_clips(tmp_path)
    clips = domain.clips(tmp_path, "train")
    graph, rng = MotionGraph(clips, domain.skeleton), np.random.default_rng(0)
    fastest = max(np.linalg.norm(np.diff(clip.keypoints, axis=0), axis=-1).max() for clip in clips)
    lengths = []
    for _ in range(10):
        walk = graph.walk(120, rng)
        lengths.append(len(walk))
        assert np.linalg.norm(np.diff(walk, axis=0), axis=-1).max() < fastest + 0.05
        assert np.linalg.norm(np.diff(walk, 2, axis=0), axis=-1).max() < 0.2
    assert max(lengths) == 120


def test_a_clip_without_a_way_out_ends(tmp_path: Path):
    domain = walks(tmp_path)
    rng = np.random.default_rng(0)
    clip = Clip("noise", rng.normal(size=(60, 17, 3)), np.ones(17, bool), 0)
    assert len(MotionGraph([clip], domain.skeleton).walk(200, rng)) <= 60


def test_a_projection_is_reproducible_and_padded(tmp_path: Path):
    domain = walks(tmp_path)
    write_clips(tmp_path)
    clips = domain.clips(tmp_path, "train")
    first, again, other = (project(domain, clips, 6, seed, stitch=True) for seed in (0, 0, 1))
    assert np.array_equal(first.keypoints, again.keypoints)
    assert not np.array_equal(first.keypoints, other.keypoints)
    assert first.keypoints.shape == (6, 90, 18, 2)
    assert (first.lengths >= 30).all()
    for row, length in enumerate(first.lengths):
        assert not first.keypoints[row, length:].any()
        assert not first.confidences[row, length:].any()


def test_the_command_writes_both_splits(tmp_path: Path, capsys):
    domain = walks(tmp_path)
    write_clips(tmp_path)
    done = main(["project", "--domain", str(domain.path), "--data", str(tmp_path), "--to", str(tmp_path / "2d"), "--motions", "5", "--test-motions", "2"])
    assert done == 0
    assert [len(Motion2DSet.load(tmp_path / "2d" / f"{split}.npz")) for split in ("train", "test")] == [5, 2]
    assert "train: 3 clips -> 5 motions" in capsys.readouterr().out


def test_without_test_clips_the_command_says_so(tmp_path: Path, capsys):
    domain = walks(tmp_path)
    write_clips(tmp_path, test=False)
    assert main(["project", "--domain", str(domain.path), "--data", str(tmp_path), "--to", str(tmp_path / "2d"), "--motions", "2"]) == 1
    assert "no test clip" in capsys.readouterr().err


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_half_of_the_views_are_mirrored(seed: int, tmp_path: Path):
    """A mirrored walk dribbles with the left hand."""
    domain = walks(tmp_path)
    write_clips(tmp_path)
    clips = domain.clips(tmp_path, "train")
    motions = project(domain, clips, 40, seed, stitch=False)
    names = domain.skeleton.keypoints
    ball, left, right = (motions.keypoints[..., names.index(name), :] for name in ("Ball", "LWrist", "RWrist"))
    shown = (motions.confidences[..., [names.index(name) for name in ("Ball", "LWrist", "RWrist")]] > 0).all(-1)
    leftish = np.array([np.median(np.abs(ball - left)[row][shown[row]].sum(-1)) < np.median(np.abs(ball - right)[row][shown[row]].sum(-1))
                        for row in range(40)])
    assert 0.2 < leftish.mean() < 0.8


def test_a_root_on_one_side_is_centred_in_mirrored_views_too(tmp_path: Path):
    skeleton = load_skeleton("coco17-travel")
    table = "\n".join(f'{name} = ["Hip"]' for name in skeleton.joints)
    text = TOML.replace("nba16-ball", skeleton.name).split("[joints.walk]")[0] + f"[joints.walk]\n{table}\n"
    domain = Domain.load(str(write_domain(tmp_path, text)))
    body = np.random.default_rng(0).normal(size=(20, 17, 3))
    for seed in range(6):
        flat, confidence = film(body, np.ones(17, bool), domain, np.random.default_rng(seed))
        shown = confidence[:, 0] > 0
        assert np.abs(flat[shown, 0, 0]).max() < 0.02
        assert flat.shape == (20, 18, 2)


def test_animations_in_place_become_motions_that_go_somewhere(tmp_path: Path):
    acts = ('[widening.more]\ncurvature = 0.2\nplant = true\n'
            '[widening.more.acts.walk]\nclips = ["walk_*"]\nstay = [0.3, 0.6]\nnext = { walk = 1 }\n')
    text = TOML.replace("share = 1.0", 'share = 1.0\nwiden = "more"').replace("[joints.walk]", acts + "[joints.walk]")
    domain = Domain.load(str(write_domain(tmp_path, text)))
    write_clips(tmp_path, loop_period=np.float32(1.0), ground_speed=np.float32(1.2))
    clips = domain.clips(tmp_path, "train")
    for clip in clips:
        clip.keypoints[..., 1] += 1.2 * np.arange(len(clip.keypoints))[:, None] / 30
    motions, again = (project(domain, clips, 12, 0, stitch=True) for _ in range(2))
    assert np.array_equal(motions.keypoints, again.keypoints)
    assert (motions.lengths == 90).all()
    assert set(motions.sources) == {"walks"}
    travel = motions.keypoints[:, :, domain.skeleton.keypoints.index("Travel"), 0]
    assert 0.15 < np.abs(travel).max() < 0.8  # it trails by a third of a second of 1.2 m/s


def test_recordings_are_varied_when_the_domain_says_so(tmp_path: Path):
    text = TOML.replace("share = 1.0", 'share = 1.0\nwiden = "more"')
    text = text.replace("[joints.walk]", "[widening.more]\nrate = [2.0, 2.0]\nplant = true\n[joints.walk]")
    domain = Domain.load(str(write_domain(tmp_path, text)))
    write_clips(tmp_path)
    motions = project(domain, domain.clips(tmp_path, "train"), 4, 0, stitch=False)
    assert (motions.lengths == 30).all()
