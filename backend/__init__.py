"""Kinelift's numerical side: everything that needs torch. Imports nothing, so that the add-on can reach the protocol."""

__version__ = "0.1.0"
