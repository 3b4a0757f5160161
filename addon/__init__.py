"""The Blender side of Kinelift. Importing it touches no bpy; registering does."""

from importlib import import_module

FEATURES = (
    "preferences", "runtime.panel",
    "scene.takes",
    "generate.properties", "lift.properties", "retarget.properties", "export.properties",
    "generate.operators", "lift.operators", "sources.operators", "retarget.operators", "export.operators",
    "generate.panel", "lift.panel", "retarget.panel", "retarget.keys", "export.panel",
    "cli",
)
"""Modules with register() and unregister(), those that others build on first."""

_registered: list[str] = []


def register() -> None:
    """Adds everything to Blender; a second call does nothing. When a part fails, the parts before it are taken back."""
    if _registered:
        return
    try:
        for name in FEATURES:
            import_module(f".{name}", __package__).register()
            _registered.append(name)
    except Exception:
        unregister()
        raise


def unregister() -> None:
    """Stops the backend and removes everything from Blender; a second call does nothing."""
    if _registered:
        import_module(".runtime.session", __package__).stop()
    while _registered:
        import_module(f".{_registered.pop()}", __package__).unregister()
