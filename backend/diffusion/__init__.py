"""Noise schedule, denoiser and samplers."""
