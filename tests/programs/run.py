"""Runs Blender, as a whole program or as the bpy wheel, isolated from the user's own settings.

Both runners share one contract: `run(...)` returns a CompletedProcess with text output, raises AssertionError with the
end of the output when the exit code is not the expected one, and kills the whole process group when time is up.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.programs.places import ROOT, program_folder, python_of, wheel_folder

INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "OMP_NUM_THREADS")
"""Variables that may reach Blender from outside; the rest would make tests depend on the shell they start from."""

SHOWN_LINES = 60


def run_watched(command: list[str], env: Mapping[str, str], timeout: float, expect: int | None = 0,
                cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `command` in its own process group. `expect` is the exit code that must come back; None accepts any."""
    __tracebackhide__ = True  # pytest then shows the test's line and the program's output
    process = subprocess.Popen(command, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_group(process)
        output, _ = process.communicate()
        raise AssertionError(f"still running after {timeout:.0f} s: {_shown(command)}\n{_end(output)}") from None
    if expect is not None and process.returncode != expect:
        raise AssertionError(f"exit code {process.returncode} instead of {expect}: {_shown(command)}\n{_end(output)}")
    return subprocess.CompletedProcess(command, process.returncode, output, "")


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kills a process started with start_new_session=True and everything it started."""
    if os.name == "nt":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _shown(command: list[str]) -> str:
    return " ".join(str(part) for part in command)[-400:]


def _end(output: str) -> str:
    return "\n".join(output.splitlines()[-SHOWN_LINES:])


def isolated_environment(user: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which Blender keeps settings, extensions and caches below `user`."""
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    resources = user / "blender"
    for folder in (resources, user / "home", user / "runtime"):
        folder.mkdir(parents=True, exist_ok=True)
    (user / "runtime").chmod(0o700)
    env.update(HOME=str(user / "home"), USERPROFILE=str(user / "home"), XDG_RUNTIME_DIR=str(user / "runtime"),
               BLENDER_USER_RESOURCES=str(resources), PYTHONDONTWRITEBYTECODE="1")
    env.update(extra or {})
    return env


@dataclass
class BpyWheel:
    """The interpreter of a bpy wheel. `user` is its isolated settings folder."""

    version: str
    user: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        return python_of(wheel_folder(self.version))

    def environment(self) -> dict[str, str]:
        return isolated_environment(self.user, self.env)

    def run(self, script: str | Path, *arguments: object, timeout: float = 300, expect: int | None = 0,
            ) -> subprocess.CompletedProcess[str]:
        """Runs a script file, or source text, with bpy; the checkout is the package `kinelift` there."""
        bootstrap = ROOT / "tests" / "programs" / "in_wheel.py"
        command = [str(self.python), str(bootstrap), str(_as_file(script, self.user)), *map(str, arguments)]
        return run_watched(command, self.environment(), timeout, expect)


@dataclass
class BlenderProgram:
    """A whole Blender extracted from Debian packages. `user` is its isolated settings folder."""

    version: str
    user: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return program_folder(self.version)

    def environment(self) -> dict[str, str]:
        usr, libraries = self.root / "usr", self.root / "usr/lib" / multiarch()
        env = isolated_environment(self.user, self.env)
        # The wrapper is first in PATH so that sys.executable inside Blender is a Python that runs: installing an
        # extension starts it.
        env.update(PATH=f"{self.root / 'wrap'}{os.pathsep}{env.get('PATH', os.defpath)}", PYTHONHOME=str(usr),
                   BLENDER_SYSTEM_RESOURCES=str(usr / "share/blender"),
                   BLENDER_SYSTEM_SCRIPTS=str(usr / "share/blender/scripts"),
                   BLENDER_SYSTEM_DATAFILES=str(usr / "share/blender/datafiles"),
                   LIBGL_DRIVERS_PATH=str(libraries / "dri"), GBM_BACKENDS_PATH=str(libraries / "gbm"),
                   __EGL_VENDOR_LIBRARY_DIRS=str(usr / "share/glvnd/egl_vendor.d"), LIBGL_ALWAYS_SOFTWARE="1")
        return env

    def command(self, *arguments: object) -> list[str]:
        """The command line that starts this Blender with `arguments`."""
        program = str(self.root / "usr/bin/blender")
        return [*loader(self.root), "--argv0", program, program, "--python-use-system-env", *map(str, arguments)]

    def run(self, *arguments: object, timeout: float = 300, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs Blender with `arguments` exactly as given (add `--background` yourself) and waits for its end."""
        return run_watched(self.command(*arguments), self.environment(), timeout, expect)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Starts Blender and returns at once, for tests that click in it, stop it or kill it."""
        return subprocess.Popen(self.command(*arguments), env=self.environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
                                errors="replace", start_new_session=True)

    def run_script(self, script: str | Path, *arguments: object, timeout: float = 300, expect: int | None = 0,
                   ) -> subprocess.CompletedProcess[str]:
        """Runs a script file, or source text, in background; an exception in it is exit code 1. Add-ons enabled in
        the isolated settings are enabled. The script finds `arguments` after '--' in sys.argv."""
        return self.run("--background", "--python-exit-code", 1, "--python", _as_file(script, self.user), "--",
                        *arguments, timeout=timeout, expect=expect)

    def install(self, extension_zip: Path) -> None:
        """Installs and enables the packaged extension as a user would, in the isolated settings."""
        self.run("--command", "extension", "install-file", "-r", "user_default", "-e", extension_zip)


def multiarch() -> str:
    """Debian's name for this machine in library folders."""
    return f"{'aarch64' if platform.machine() in ('aarch64', 'arm64') else 'x86_64'}-linux-gnu"


def loader(root: Path) -> list[str]:
    """The extracted system's own dynamic loader with its library path: its glibc may be newer than this system's."""
    libraries = root / "usr/lib" / multiarch()
    name = "ld-linux-aarch64.so.1" if multiarch().startswith("aarch64") else "ld-linux-x86-64.so.2"
    path = [libraries, root / "usr/lib", libraries / "blas", libraries / "lapack", libraries / "pulseaudio"]
    return [str(libraries / name), "--library-path", ":".join(map(str, path))]


def _as_file(script: str | Path, folder: Path) -> Path:
    if isinstance(script, Path):
        return script
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"script_{len(list(folder.glob('script_*.py')))}.py"
    path.write_text(script, encoding="utf-8")
    return path
