"""A display without a screen: Xvfb, with the mouse, the keyboard and pictures of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SIZE = (1600, 1000)


class Display:
    """One Xvfb. `name` goes into DISPLAY of the program under test; coordinates are pixels from the top left."""

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        read, write = os.pipe()
        self.size = size
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size[0]}x{size[1]}x24", "+extension", "GLX", "-nolisten", "tcp"],
            pass_fds=(write,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as numbers:
            number = numbers.readline().strip()
        if not number:
            raise RuntimeError(f"Xvfb ended with code {self._server.wait()} before it had a display. Run `Xvfb :99` to see why.")
        self.name = f":{number}"

    @staticmethod
    def missing_programs() -> list[str]:
        """The programs this class needs that are not installed."""
        return [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]

    def xdotool(self, *arguments: object) -> str:
        """Runs one xdotool command on this display and returns what it prints."""
        done = subprocess.run(["xdotool", *map(str, arguments)], env={**os.environ, "DISPLAY": self.name},
                              capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.strip()

    def move(self, x: float, y: float) -> None:
        self.xdotool("mousemove", "--sync", round(x), round(y))

    def click(self, x: float, y: float, button: int = 1) -> None:
        """Moves there, lets the program see the movement, and clicks. Blender acts on where it last saw the mouse."""
        self.move(x - 2, y - 2)
        self.move(x, y)
        self.xdotool("sleep", 0.2, "mousedown", button, "sleep", 0.1, "mouseup", button)

    def key(self, *names: str) -> None:
        self.xdotool("key", *names)

    def screenshot(self, path: Path) -> Path:
        """Writes a PNG of the whole display."""
        from PIL import ImageGrab

        path.parent.mkdir(parents=True, exist_ok=True)
        ImageGrab.grab(xdisplay=self.name).save(path)
        return path

    def close(self) -> None:
        self._server.terminate()
        self._server.wait(timeout=10)
