"""The border between the add-on and the backend. Imports nothing, so that the add-on can import the protocol."""
