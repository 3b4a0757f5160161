"""Makes, starts and drives the Blender programs that build.py and the tests use. Standard library only."""
