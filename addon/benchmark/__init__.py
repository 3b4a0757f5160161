"""What `build.py bench` needs of Blender."""
