"""The server as the add-on meets it: a process on two pipes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.service import protocol
from backend.service.protocol import Failure, Notification, Request, Response

ROOT = Path(__file__).parents[2]
SLOW_SERVER = [sys.executable, str(Path(__file__).with_name("slow_server.py"))]
REAL_SERVER = [sys.executable, "-m", "backend", "serve"]


class Client:
    """A server process and the line to it."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})

    def send(self, id, method, /, **params):
        self.send_line(protocol.encode(Request(id, method, params)))

    def send_line(self, line):
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def next(self):
        """The next message. A line that is none fails the test."""
        line = self.process.stdout.readline()
        assert line, f"the server ended: {self.process.stderr.read().decode()}"
        return protocol.decode(line)

    def answer(self):
        """The next message that is no progress, and the progress before it."""
        progress = []
        while isinstance(message := self.next(), Notification):
            progress.append(message.params)
        return message, progress

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def slow():
    client = Client(SLOW_SERVER)
    yield client
    client.close()


@pytest.fixture
def real():
    client = Client(REAL_SERVER)
    yield client
    client.close()


def test_a_job_reports_progress_and_answers(slow):
    slow.send(1, "count", steps=10, pause=0.15)
    answer, progress = slow.answer()
    assert answer == Response(1, {"steps": 10})
    fractions = [note["fraction"] for note in progress]
    assert fractions == sorted(fractions) and len(fractions) == 10
    assert progress[0]["seconds_left"] is None and 0 < progress[-1]["seconds_left"] < 1


def test_progress_is_throttled(slow):
    slow.send(1, "count", steps=1, pause=0)
    slow.answer()
    start = time.monotonic()
    for id in range(2, 22):
        slow.send(id, "count", steps=1, pause=0)
        slow.answer()
    assert time.monotonic() - start < 2


def test_cancel_stops_the_job_and_leaves_the_line_in_step(slow):
    slow.send(1, "count", steps=1000, pause=0.02)
    slow.send(2, "count", steps=1, pause=0)
    assert isinstance(slow.next(), Notification)
    slow.send(3, protocol.CANCEL, id=1)
    confirmed, _ = slow.answer()
    assert confirmed == Response(3, True)
    cancelled, _ = slow.answer()
    assert isinstance(cancelled, Failure) and cancelled.id == 1 and cancelled.error.kind == "cancelled"
    assert slow.answer()[0] == Response(2, {"steps": 1})


def test_a_job_that_waits_can_be_cancelled(slow):
    slow.send(1, "count", steps=10, pause=0.05)
    slow.send(2, "count", steps=1, pause=0)
    slow.send(3, protocol.CANCEL, id=2)
    assert slow.answer()[0] == Response(3, True)
    assert slow.answer()[0] == Response(1, {"steps": 10})
    answer, progress = slow.answer()
    assert answer.id == 2 and answer.error.kind == "cancelled" and not progress


def test_cancel_of_an_ended_job_does_nothing(slow):
    slow.send(1, "count", steps=1, pause=0)
    slow.answer()
    slow.send(2, protocol.CANCEL, id=1)
    assert slow.answer()[0] == Response(2, False)
    slow.send(3, "count", steps=1, pause=0)
    assert slow.answer()[0] == Response(3, {"steps": 1})


def test_the_process_ends_when_the_line_closes_in_the_middle_of_a_job(slow):
    slow.send(1, "count", steps=1000, pause=1)
    assert isinstance(slow.next(), Notification)
    slow.process.stdin.close()
    assert slow.process.wait(timeout=5) == 0


def test_the_process_ends_when_nobody_listens(slow):
    slow.process.stdout.close()
    slow.send(1, "count", steps=1000, pause=0.02)
    assert slow.process.wait(timeout=5) == 0


def test_stray_output_goes_to_the_log(slow):
    slow.send(1, "chatter")
    assert slow.answer()[0] == Response(1, {"stdin": ""})
    slow.send(2, protocol.SHUTDOWN)
    assert slow.answer()[0] == Response(2, None)
    log = slow.process.stderr.read().decode()
    assert all(word in log for word in ("stray print", "stray child", "stray write"))


def test_an_error_carries_its_remedy(slow):
    slow.send(1, "fail")
    error = slow.answer()[0].error
    assert (error.code, error.kind, error.message) == (protocol.JOB_FAILED, "bad-file", "The clip is empty")
    assert (error.remedy, error.place) == ("Choose a longer clip.", "clip.npz")


@pytest.mark.parametrize(("method", "kind"), [("crash", "internal"), ("out_of_memory", "out-of-memory"), ("not_a_number", "internal")])
def test_the_server_outlives_a_broken_job(slow, method, kind):
    slow.send(1, method)
    failure, _ = slow.answer()
    assert failure.error.kind == kind and failure.error.remedy
    slow.send(2, "count", steps=1, pause=0)
    assert slow.answer()[0] == Response(2, {"steps": 1})


@pytest.mark.parametrize(("line", "id", "code"), [
    (b"\xff\xfe garbage\n", None, protocol.PARSE_ERROR),
    (b"[]\n", None, protocol.INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":7,"method":"dance"}\n', 7, protocol.METHOD_NOT_FOUND),
    (b'{"jsonrpc":"2.0","id":7,"method":"cancel","params":{}}\n', 7, protocol.INVALID_PARAMS),
    (b'{"jsonrpc":"2.0","id":7,"method":"fit","params":[1]}\n', 7, protocol.INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":7,"method":"generate","params":{"job_dir":"x","pack":3}}\n', 7, protocol.INVALID_PARAMS),
])
def test_a_bad_line_is_answered_and_forgotten(slow, line, id, code):
    slow.send_line(line)
    failure, _ = slow.answer()
    assert isinstance(failure, Failure) and failure.id == id and failure.error.code == code and failure.error.remedy
    slow.send(8, "count", steps=1, pause=0)
    assert slow.answer()[0] == Response(8, {"steps": 1})


def test_an_id_in_use_is_refused(slow):
    slow.send(1, "count", steps=5, pause=0.05)
    slow.send(1, "count", steps=1, pause=0)
    first, _ = slow.answer()
    assert first.error.code == protocol.INVALID_REQUEST
    assert slow.answer()[0] == Response(1, {"steps": 5})


def test_the_handshake_tells_the_versions(real):
    real.send(1, protocol.INITIALIZE, protocol=protocol.PROTOCOL_VERSION, client="test")
    result = real.answer()[0].result
    assert result["protocol"] == protocol.PROTOCOL_VERSION and result["torch"] and result["version"] and result["python"]
    real.send(2, protocol.DEVICE)
    assert real.answer()[0].result["device"] in ("cpu", "cuda", "mps")


LIGHT = ("backend.service.server", "backend.fitting.fit", "backend.poses.import_poses", "backend.motion.import_motion")


def test_what_needs_no_torch_does_not_wait_for_it():
    code = f"import sys, {', '.join(LIGHT)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_another_protocol_is_refused_with_a_remedy(real):
    real.send(1, protocol.INITIALIZE, protocol=0)
    error = real.answer()[0].error
    assert error.kind == "version-mismatch" and "Restart Blender" in error.remedy


def test_a_missing_motion_file_is_an_error_with_a_remedy(real, tmp_path):
    real.send(1, protocol.FIT, job_dir=str(tmp_path), motion=str(tmp_path / "none.npz"), armature=str(tmp_path / "none.npz"))
    error = real.answer()[0].error
    assert error.code == protocol.JOB_FAILED and "none.npz" in error.message + error.place and error.remedy


def test_a_pose_file_is_told_and_written(real, tmp_path):
    frames = [{"image_id": f"{frame}.jpg", "category_id": 1, "score": 1.0, "idx": 7, "box": [1, 1, 9, 9],
               "keypoints": [value for joint in range(17) for value in (100 + 20 * (joint % 5) + frame, 100 + 30 * joint, 0.9)]} for frame in range(9)]
    (tmp_path / "alphapose-results.json").write_text(json.dumps(frames))
    asked = {"file": str(tmp_path / "alphapose-results.json"), "joints": "coco17"}
    real.send(1, protocol.POSES, **asked)
    found = real.answer()[0].result
    assert (found["format"], [track["id"] for track in found["tracks"]], found["missing"]) == ("alphapose", ["7"], ["fps", "image_size"])
    real.send(2, protocol.POSES, **asked, fps=30, width=640, height=640, skeleton="openpose18", tracks=["7"], job_dir=str(tmp_path / "job"))
    assert real.answer()[0].result["poses"] == str(tmp_path / "job" / "alphapose-results.npz")
    assert (tmp_path / "job" / "alphapose-results.npz").is_file()
    real.send(3, protocol.POSES, **asked, tracks="7")
    assert real.answer()[0].error.kind == "bad-params"
