"""Motions as data: 2D and 3D files, cameras, contacts, root paths."""
