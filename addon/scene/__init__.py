"""Plain functions on Blender data."""
