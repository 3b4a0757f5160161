"""Bring in motions of other programs as takes."""
