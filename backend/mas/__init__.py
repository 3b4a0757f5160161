"""Multi-view Ancestral Sampling (Kapon et al., CVPR 2024)."""
