#!/usr/bin/env python3
"""Kinelift's command line for people. Needs Python 3.11 and nothing else; makes whatever it needs and says so.

    python build.py demo                    a basketball motion on two Rigify humans: .blend, .fbx and a picture
    python build.py test [pytest options]   all tests, in three bpy wheels and two whole Blender programs
    python build.py package                 the extension as a .zip, checked by Blender's validator
    python build.py bench mas [options]     the sampler against the paper's own way, on one network
    python build.py bench lift [options]    the lift against the paper's own way, likewise
    python build.py bench retarget --data FOLDER [--characters FOLDER] [options]
                                            how good recorded motions sit on Rigify's rigs and on glTF characters
    python build.py bench retarget --clicks [--write PAGE]
                                            what a retarget costs in Blender from the click to the last key
    python build.py pictures --characters FOLDER
                                            the pictures of docs/rigs.md: motions beside the rigs they were put on
    python build.py footage --pack PACK --poses FILE --to PICTURE [options]
                                            a picture of a lifted video: the rig over the footage, and from another side
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  people run this with whatever Python they have
    sys.exit(f"build.py needs Python 3.11 or newer, and this is {sys.version.split()[0]}\n  -> Run it with python3.11")

ROOT = Path(__file__).resolve().parent
sys.dont_write_bytecode = True

from tests.programs import debian, environments, packaging  # noqa: E402  the version check comes first
from tests.programs.places import BUILD, DEMO_WHEEL, SUITES, VENV, WHEELS, python_of  # noqa: E402
from tests.programs.run import BpyWheel  # noqa: E402
from tests.programs.steps import SetupError, step  # noqa: E402

DEMO_TIMEOUT = 3600


def demo(options: list[str]) -> int:
    return in_wheel("demo", "addon/demo/make_demo.py", ["--out", str(BUILD / "demo"), *options])


def in_wheel(name: str, script: str, options: list[str]) -> int:
    """Runs a script of the project with the packaged extension in Blender as a module; `name`: of its folder in .build."""
    debian.ensure_packages(tools=False)
    environments.ensure(environments.development())
    environments.ensure(environments.wheel(DEMO_WHEEL))
    with step("extension package"):
        package = packaging.package_extension()
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    wheel = BpyWheel(DEMO_WHEEL, folder / "blender-user")
    command = [str(wheel.python), str(ROOT / "tests/programs/in_wheel.py"), str(ROOT / script), "--package", str(package), "--python", str(python_of(VENV)),
               *options]
    return subprocess.run(command, env=wheel.environment(), stdin=subprocess.DEVNULL, timeout=DEMO_TIMEOUT).returncode


def test(options: list[str]) -> int:
    reason = debian.why_no_programs()
    debian.ensure_packages(tools=not reason)
    environments.ensure(environments.development())
    for version in WHEELS:
        environments.ensure(environments.wheel(version))
    if reason:
        announce_missing_programs(reason)
    else:
        for version in SUITES:
            environments.ensure(environments.program(version))
    sys.stdout.flush()
    return subprocess.run([str(python_of(VENV)), "-m", "pytest", *options], cwd=ROOT).returncode


def announce_missing_programs(reason: str) -> None:
    """In CI everything must run; on a person's machine the rest of the tests is worth having."""
    versions = " and ".join(SUITES)
    if os.environ.get("CI"):
        raise SetupError(f"no Blender {versions} programs: {reason}", "Run the tests on Debian as root")
    print(f"[build] ATTENTION: tests in the Blender programs {versions} will not run: {reason}.\n"
          "  -> Run the tests on Debian as root to have them all. What did not run is listed at the end.", file=sys.stderr)


def package(_options: list[str]) -> int:
    debian.ensure_packages(tools=False)
    environments.ensure(environments.wheel(packaging.TOOL_WHEEL))
    with step("extension package"):
        archive = packaging.package_extension()
    print(f"[build] {archive.relative_to(ROOT)}: {archive.stat().st_size / 1e6:.1f} MB, valid", flush=True)
    return 0


def bench(options: list[str]) -> int:
    if options[:1] == ["retarget"] and "--clicks" in options:
        return in_wheel("clicks", "addon/benchmark/time_clicks.py", [option for option in options[1:] if option != "--clicks"])
    environments.ensure(environments.development())
    if options[:1] == ["retarget"] and "--rigs" not in options and not {"-h", "--help"} & set(options):
        options = with_rigs(options)
    sys.stdout.flush()
    return subprocess.run([str(python_of(VENV)), "-m", "backend", "bench", *options], cwd=ROOT).returncode


def with_rigs(options: list[str]) -> list[str]:
    """The options with a folder of armature files, which Blender writes: the backend reads no armatures itself."""
    debian.ensure_packages(tools=False)
    environments.ensure(environments.wheel(DEMO_WHEEL))
    parser = argparse.ArgumentParser(prog="build.py bench", add_help=False)
    parser.add_argument("--characters", help="folder with glTF characters (.glb) to measure on too")
    own, rest = parser.parse_known_args(options)
    folder = BUILD / "rigs"
    wheel = BpyWheel(DEMO_WHEEL, folder / "blender-user")
    command = [str(wheel.python), str(ROOT / "tests/programs/in_wheel.py"), str(ROOT / "addon/benchmark/write_rigs.py"), "--to", str(folder),
               *(["--characters", own.characters] if own.characters else [])]
    with step("armature files"):
        done = subprocess.run(command, env=wheel.environment(), stdin=subprocess.DEVNULL, timeout=DEMO_TIMEOUT)
    if done.returncode:
        raise SetupError("the armature files were not written", "Look at the lines above, and run it again")
    return [*rest, "--rigs", str(folder.relative_to(ROOT))]


def pictures(options: list[str]) -> int:
    return program("pictures", options)


def footage(options: list[str]) -> int:
    return program("footage", options)


def program(name: str, options: list[str]) -> int:
    """Runs a program of tests/programs that makes pictures."""
    debian.ensure_packages(tools=False)
    environments.ensure(environments.development())
    environments.ensure(environments.wheel(DEMO_WHEEL))
    sys.stdout.flush()
    return subprocess.run([str(python_of(VENV)), "-m", f"tests.programs.{name}", *options], cwd=ROOT).returncode


COMMANDS = {"demo": demo, "test": test, "package": package, "bench": bench, "pictures": pictures, "footage": footage}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("options", nargs=argparse.REMAINDER, help="handed on to the command")
    arguments = parser.parse_args()
    start = time.monotonic()
    try:
        status = COMMANDS[arguments.command](arguments.options)
    except SetupError as error:
        print(f"[build] error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if arguments.command != "test":  # there pytest's closing line, with its own seconds, stays the last one
        print(f"[build] {arguments.command}: {time.monotonic() - start:.1f} s in all", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
