"""Makes the checkout importable as the package `kinelift`, as it is in Blender; what these tests import needs no bpy."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

if "kinelift" not in sys.modules:
    spec = importlib.util.spec_from_file_location("kinelift", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules["kinelift"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["kinelift"])
