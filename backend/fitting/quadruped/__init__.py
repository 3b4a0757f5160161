"""The part of a fit that knows four-legged animals."""
