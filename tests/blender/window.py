"""A Blender window that tests look at and click in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

from tests.programs.display import Display
from tests.programs.run import BlenderProgram, kill_group

SCRIPT = Path(__file__).with_name("window_state.py")
STRIP_FROM_RIGHT = 10
STEP = 16
"""Pixels; buttons are 20 high."""

START_TIMEOUT = 300.0
"""Seconds: drawing in software on a busy machine starts slowly."""


def start_window(blender: BlenderProgram, display: Display, script: Path, *arguments: object) -> Popen[str]:
    """Starts a Blender whose window fills a display and which runs a script there; the splash doesn't cover it."""
    blender.env["DISPLAY"] = display.name
    return blender.start("--window-geometry", 0, 0, *display.size, "--python-exit-code", 1,
                         "--python-expr", "import bpy; bpy.context.preferences.view.show_splash = False", "--python", script, "--", *arguments)


class Window:
    """A started Blender on a virtual display. Points are pixels from the top left."""

    def __init__(self, blender: BlenderProgram, display: Display, folder: Path, **settings: object):
        self.display, self.file = display, folder / "state.json"
        self.file.unlink(missing_ok=True)
        given = [f"{name}={value}" for name, value in settings.items()]
        self.process = start_window(blender, display, SCRIPT, self.file, *given)

    def state(self) -> dict:
        """What Blender last wrote."""
        if self.process.poll() is not None:
            raise AssertionError(f"Blender ended with exit code {self.process.returncode}: {self.process.stdout.read()[-3000:]}")
        try:
            return json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def wait(self, condition: Callable[[dict], object], timeout: float, what: str) -> dict:
        """The first state for which `condition` holds."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            state = self.state()
            if state and condition(state):
                return state
            time.sleep(0.01)
        raise AssertionError(f"not seen within {timeout:.0f} s: {what}; the last state was {self.state()}")

    def settled(self) -> dict:
        """A state written after Blender has had time for what was done before."""
        count = self.state()["count"]
        return self.wait(lambda state: state["count"] > count + 1, 60, "a sign of life")

    def open_tab(self, name: str) -> None:
        """Clicks down the strip of tabs until the sidebar says it shows `name`."""
        state = self.wait(lambda state: state["sidebar"][2] > 50, START_TIMEOUT, "the sidebar")
        left, bottom, width, height = state["sidebar"]
        x, top = left + width - STRIP_FROM_RIGHT, state["window"][1] - bottom - height
        for y in range(top + 20, top + height - 20, 24):
            self.display.click(x, y)
            if self.settled()["tab"] == name:
                return
        raise AssertionError(f"no tab {name!r} in the sidebar")

    def find_button(self, command: str) -> tuple[int, int]:
        """Where in the sidebar the button is that runs `command`: Blender copies the command of the button under the
        mouse on Ctrl+C."""
        return self._find(command, "ctrl+c")

    def find_field(self, path: str) -> tuple[int, int]:
        """Where in the sidebar the field of the property is whose path ends so: Blender copies it on Shift+Ctrl+C."""
        return self._find(path, "ctrl+shift+c")

    def fill(self, path: str, text: str) -> None:
        """Types a text into a field of the sidebar, as its new value."""
        x, y = self.find_field(path)
        self.display.click(x, y)
        self.settled()
        self.display.key("ctrl+a")
        self.display.xdotool("type", "--delay", 30, text)
        self.display.key("Return")

    def _find(self, text: str, keys: str) -> tuple[int, int]:
        for x, y in self._points():
            self.display.move(x, y)
            self.display.key(keys)
            if self.settled()["clipboard"].startswith(text):
                return x, y
        raise AssertionError(f"nothing for {text} in the sidebar")

    def _points(self) -> Iterator[tuple[int, int]]:
        state = self.state()
        left, bottom, width, height = state["sidebar"]
        top = state["window"][1] - bottom - height
        for y in range(top + 30, top + height - 10, STEP):
            yield left + (width - 20) // 2, y

    def close(self) -> None:
        kill_group(self.process)
        self.process.communicate()
