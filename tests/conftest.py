"""Fixtures shared by all tests. Run them with `python build.py test [pytest arguments]`, which first makes what they need.

Three kinds of tests, by what they ask for:

    def test_numbers(): ...                     plain Python (.venv: torch, numpy, scipy, pytest, hypothesis)

    def test_keys(bpy_python, tmp_path):        runs once for each bpy wheel: 4.2, 4.5, 5.0
        bpy_python.run(Path(__file__).parent / "blender/keys_play.py", tmp_path)      a script file with arguments, or
        bpy_python.run("import bpy, kinelift.addon.scene.keying as k\\nassert k", expect=0, timeout=60)     source text

        In the script the checkout is the package `kinelift`, so `from kinelift.addon.scene import keying` works and
        relative imports go as they do in Blender; `tests.motions` is importable too. A failed assert or any exception
        is exit code 1 and comes back as an AssertionError with the end of the output. The process ends with os._exit.
        `bpy_python.version` is "4.2" and so on, `bpy_python.env` a dict to add variables to.

    def test_command(blender_program, extension_zip, tmp_path):     runs once for each real Blender: 4.3, 5.2
        blender_program.install(extension_zip)          as a user would: extension install-file, enabled
        done = blender_program.run("--command", "kinelift", "generate", "--seconds", 2)      CompletedProcess, .stdout
        blender_program.run_script("import bpy\\nassert ...", "argument")      in background, after the install
        process = blender_program.start("--background", ...)        Popen, for tests that stop or kill it
        blender_program.user is its isolated settings folder, .env a dict to add variables to.

    def test_window(blender_program, extension_zip, xvfb, tmp_path):
        blender_program.env["DISPLAY"] = xvfb.name
        process = blender_program.start("--window-geometry", 0, 0, *xvfb.size)
        xvfb.click(x, y); xvfb.key("n"); xvfb.screenshot(tmp_path / "window.png")      x, y from the top left

`backend_python` is the interpreter that has torch; hand it to the add-on as the backend's Python. `repository` is the
checkout. Motions made by code are in `tests/motions.py`, and `walk_file` is one of them on disk.

Where Blender can't be had on this machine its tests are skipped and listed at the end of the run as NOT RUN; with the
variable CI set they fail instead. `-k "not 5.2"` leaves a version out; `-m "not blender"` leaves out all that need one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import packaging
from tests.programs.display import Display
from tests.programs.environments import is_ready
from tests.programs.places import ROOT, SUITES, WHEELS, program_folder, wheel_folder
from tests.programs.run import BlenderProgram, BpyWheel

BLENDER_FIXTURES = {"bpy_python", "blender_program", "extension_zip", "xvfb"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if BLENDER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.blender)


def cannot_run(reason: str) -> None:
    """Ends the test at hand: failed where everything is promised to be there, else skipped and listed at the end."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(f"NOT RUN: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missed = [report for report in terminalreporter.stats.get("skipped", []) if "NOT RUN: " in str(report.longrepr)]
    if not missed:
        return
    terminalreporter.section("NOT RUN on this machine", sep="!", red=True, bold=True)
    for report in missed:
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        terminalreporter.write_line(f"{report.nodeid}: {reason.split('NOT RUN: ')[-1]}")


@pytest.fixture(scope="session")
def repository() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def backend_python() -> Path:
    return Path(sys.executable)


@pytest.fixture(params=list(WHEELS))
def bpy_python(request: pytest.FixtureRequest, tmp_path: Path) -> BpyWheel:
    if not is_ready(wheel_folder(request.param)):
        cannot_run(f"the bpy wheel of Blender {request.param} is not installed; run `python build.py test`")
    return BpyWheel(request.param, tmp_path / "blender-user")


@pytest.fixture(params=list(SUITES))
def blender_program(request: pytest.FixtureRequest, tmp_path: Path) -> BlenderProgram:
    if not is_ready(program_folder(request.param)):
        cannot_run(f"there is no Blender {request.param} program; `python build.py test` makes it on Debian as root")
    return BlenderProgram(request.param, tmp_path / "blender-user")


@pytest.fixture(scope="session")
def extension_zip() -> Path:
    """The packaged extension, built and validated once a run."""
    if not is_ready(wheel_folder(packaging.TOOL_WHEEL)):
        cannot_run(f"the bpy wheel {packaging.TOOL_WHEEL}, whose tool packages the extension, is not installed; "
                   "run `python build.py test`")
    return packaging.package_extension()


@pytest.fixture
def xvfb() -> Iterator[Display]:
    missing = Display.missing_programs()
    if missing:
        cannot_run(f"{' and '.join(missing)} not installed; install the packages xvfb and xdotool")
    display = Display()
    yield display
    display.close()


@pytest.fixture
def walk_file(tmp_path: Path) -> Path:
    """A motion file of two seconds of walking with a dribbled ball."""
    from tests.motions import walk_with_ball, write_motion

    return write_motion(tmp_path / "walk.npz", walk_with_ball(seconds=2.0))
