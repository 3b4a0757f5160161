"""Metrics, the feature VAE, the papers' tables and benchmarks."""
