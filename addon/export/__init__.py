"""Write takes and characters to files."""
