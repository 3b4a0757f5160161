"""Makes the checkout importable as the package `kinelift`; what these tests import needs no bpy."""

import tests.runtime.conftest  # noqa: F401
