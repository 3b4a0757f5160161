"""Generate a motion with a model pack."""
