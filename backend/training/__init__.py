"""From 3D or 2D motion files to a trained pack."""
