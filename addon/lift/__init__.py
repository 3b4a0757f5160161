"""Lift the 2D poses of a video to motions in the world, filmed by one camera."""
