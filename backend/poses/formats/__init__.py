"""One reader a 2D pose format: TITLE, looks(source) and read(source, options)."""
