"""The packaged extension in real Blender programs, installed as a user would, without a window."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.motion.bvh_files import names_of, write_bvh
from tests.programs.run import kill_group
from tests.tiny_pack import make_tiny_pack

HERE = Path(__file__).parent


@pytest.fixture
def blender(blender_program, extension_zip, backend_python, repository, tmp_path):
    """Blender with the extension, a backend and the pack "tiny"; scripts can import `tests`."""
    make_tiny_pack(tmp_path / "packs")
    blender_program.env.update(KINELIFT_PYTHON=str(backend_python), KINELIFT_PACKS=str(tmp_path / "packs"), PYTHONPATH=str(repository))
    blender_program.install(extension_zip)
    return blender_program


@pytest.fixture
def plain_python(tmp_path):
    """A Python without torch."""
    import venv

    venv.create(tmp_path / "plain", with_pip=False)
    return tmp_path / "plain" / "bin" / "python"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_registering_twice(blender):
    blender.run_script(HERE / "register_twice.py")


def test_generate_makes_takes_that_play(blender, tmp_path):
    blender.run_script(HERE / "generate_takes.py", tmp_path / "takes.blend")
    assert (tmp_path / "takes.blend").is_file()


def test_motions_of_other_programs_come_in_and_go_out(blender, walk_file, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    bvh = write_bvh(folder / "bvh walk.bvh", names_of("mixamo", "mixamorig:"))
    results = folder / "results.npy"
    motions = np.random.default_rng(0).normal(size=(2, 20, 16, 3)).astype(np.float32)
    np.save(results, {"motions": motions, "model_kwargs": {"y": {"lengths": np.array([20, 15])}}}, allow_pickle=True)
    np.savez(folder / "poses.npz", keypoints=np.zeros((1, 2, 3, 2)))
    done = blender.run_script(HERE / "import_motions.py", bvh, results, walk_file, folder / "poses.npz", folder)
    assert "motions come in" in done.stdout


def test_the_bones_of_a_target_are_the_users_own_to_correct(blender, tmp_path):
    assert "own mapping works" in blender.run_script(HERE / "own_mapping.py", tmp_path).stdout


def test_a_killed_or_cancelled_job_harms_nothing(blender, plain_python):
    blender.run_script(HERE / "broken_jobs.py", plain_python)


def test_the_backend_ends_when_blender_is_killed(blender, tmp_path):
    process = blender.start("--background", "--python", HERE / "long_job.py", "--", tmp_path / "pid")
    try:
        end = time.monotonic() + 120
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < end, "no job in two minutes"
            time.sleep(0.1)
        pid = int((tmp_path / "pid").read_text())
        assert is_alive(pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        end = time.monotonic() + 10
        while is_alive(pid) and time.monotonic() < end:
            time.sleep(0.1)
        assert not is_alive(pid), "the backend outlives Blender"
    finally:
        kill_group(process)


def test_command_line_from_generate_to_fbx_and_back(blender, tmp_path):
    scene, out = tmp_path / "scene.blend", tmp_path / "out"
    blender.run_script(HERE / "human_scene.py", scene)
    done = blender.run("--background", "--command", "kinelift", "generate", "--pack", "tiny", "--seconds", 1, "--seed", 3,
                       "--blend", scene, "--target", "Player", "--out", out)
    names = {path.name for path in out.iterdir()}
    assert names == {"tiny_1s_seed3.npz", "tiny_1s_seed3.fbx", "tiny_1s_seed3_Player.fbx", "tiny_1s_seed3.blend"}, done.stdout
    result = out / "tiny_1s_seed3.blend"
    blender.run_script(HERE / "round_trip.py", result, out / "tiny_1s_seed3.fbx", "tiny 3", "tiny 3 Ball")
    blender.run_script(HERE / "round_trip.py", result, out / "tiny_1s_seed3_Player.fbx", "Player", "Player Ball")

    for name, more in (("again.fbx", ()), ("unity.fbx", ("--format", "fbx_unity")), ("again.bvh", ()), ("again.glb", ())):
        blender.run("--background", "--command", "kinelift", "export", "--blend", result, "--take", "tiny 3", "--to", out / name, *more)
        blender.run_script(HERE / "round_trip.py", result, out / name, "tiny 3", "tiny 3 Ball")


def test_command_line_retargets_a_motion_file(blender, walk_file, tmp_path):
    scene, out = tmp_path / "scene.blend", tmp_path / "out"
    blender.run_script(HERE / "human_scene.py", scene)
    blender.run("--background", "--command", "kinelift", "retarget", "--motion", walk_file, "--blend", scene, "--target", "Player",
                "--out", out, "--formats", "blend,fbx")
    assert {path.name for path in out.iterdir()} == {"walk.blend", "walk_Player.fbx"}
    blender.run_script(HERE / "round_trip.py", out / "walk.blend", out / "walk_Player.fbx", "Player", "Player Ball")


def test_command_line_keys_as_it_is_told(blender, walk_file, tmp_path):
    scene, out = tmp_path / "scene.blend", tmp_path / "out"
    blender.run_script(HERE / "human_scene.py", scene)
    done = blender.run("--background", "--command", "kinelift", "retarget", "--motion", walk_file, "--blend", scene, "--target", "Player",
                       "--controls", "ik", "--layer", "nla", "--start", 40, "--thin", 1, 5, "--root-motion", "object", "--contacts", "grounding",
                       "--out", out, "--formats", "blend,fbx")
    assert "No IK controls are known for this rig" in done.stdout and "Standing feet slide" in done.stdout
    blender.run_script(HERE / "keyed_from_outside.py", out / "walk.blend")


def test_command_line_retargets_a_bvh_file(blender, tmp_path):
    scene, out = tmp_path / "scene.blend", tmp_path / "out"
    blender.run_script(HERE / "human_scene.py", scene)
    bvh = write_bvh(tmp_path / "walk.bvh", names_of("cmu-motionbuilder"), 0.0254 / 0.45)
    done = blender.run("--background", "--command", "kinelift", "retarget", "--motion", bvh, "--blend", scene, "--target", "Player",
                       "--out", out, "--formats", "bvh,glb")
    assert "CMU library" in done.stdout
    assert {path.name for path in out.iterdir()} == {"walk_Player.bvh", "walk_Player.glb"}


@pytest.mark.parametrize(("arguments", "code", "text"), [
    (["export", "--blend", "none.blend", "--take", "x", "--to", "x.obj"], 1, "none.blend"),
    (["generate", "--pack", "none", "--out", "."], 1, "none"),
    (["generate", "--pack", "tiny", "--out", ".", "--seconds", "900"], 1, "Ask for at most"),
    (["generate", "--pack", "tiny", "--out", ".", "--target", "Nobody"], 1, "no armature 'Nobody'"),
    (["retarget", "--motion", "m.npz", "--blend", "b.blend", "--target", "x", "--layer", "top", "--out", "."], 2, "--layer"),
    (["export", "--blend", "none.blend", "--take", "x", "--to", "x.fbx"], 1, "none.blend"),
    (["generate", "--out", "."], 2, "--pack"),
    (["dance"], 2, "dance"),
])
def test_command_line_errors_name_what_is_wrong(blender, arguments, code, text):
    done = blender.run("--background", "--command", "kinelift", *arguments, expect=code)
    assert text in done.stdout and "Traceback" not in done.stdout


def test_command_line_takes_the_backends_python(blender, backend_python, tmp_path):
    del blender.env["KINELIFT_PYTHON"]
    common = ["--background", "--command", "kinelift", "generate", "--pack", "tiny", "--seconds", 1,
              "--out", tmp_path / "out", "--formats", "npz"]
    refused = blender.run(*common, expect=1)
    assert "not set up" in refused.stdout and "preferences" in refused.stdout
    blender.run(*common, "--python", backend_python)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tiny_1s_seed0.npz"]
