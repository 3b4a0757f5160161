"""Runs one script in the interpreter of a bpy wheel: `python in_wheel.py SCRIPT ARGS...`.

The checkout is importable as the package `kinelift`, as in Blender, and as the root of `tests`.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def add_checkout() -> None:
    """Makes `import kinelift` find the checkout, whatever its folder is called."""
    spec = importlib.util.spec_from_file_location("kinelift", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules["kinelift"] = module
    sys.path.insert(0, str(ROOT))
    import bpy  # noqa: F401  the wheel makes mathutils and its friends importable only after this

    spec.loader.exec_module(module)


def run(script: str) -> int:
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    add_checkout()
    status = run(sys.argv[0])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the wheel crashes or hangs at a normal exit while classes or timers are still registered
