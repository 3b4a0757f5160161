"""2D poses of other programs: their files, and how they become tracks on a skeleton."""
