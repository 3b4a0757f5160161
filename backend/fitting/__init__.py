"""Fitting joint positions to an armature's rest pose."""
