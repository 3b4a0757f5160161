"""How alike two sets of motion features are: FID, diversity, precision and recall, as the MAS paper's tables measure them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

DIVERSITY_PAIRS = 200
NEIGHBOURS = 3


def frechet_distance(generated: np.ndarray, real: np.ndarray) -> float:
    """Frechet distance of the Gaussians fitted to features [N,D] and [M,D] (FID; Heusel et al. 2017)."""
    shift = generated.mean(0) - real.mean(0)
    first, second = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (generated, real))
    root = sqrtm(first @ second)
    if not np.isfinite(root).all():
        ridge = 1e-6 * np.eye(len(first))
        root = sqrtm((first + ridge) @ (second + ridge))
    return float(shift @ shift + np.trace(first) + np.trace(second) - 2 * np.trace(root.real))


def diversity(features: np.ndarray, rng: np.random.Generator) -> float:
    """Mean distance of random pairs of features [N,D]: two draws of up to 200 rows each, without replacement within a draw."""
    pairs = min(len(features) - 1, DIVERSITY_PAIRS)
    first, second = (rng.choice(len(features), pairs, replace=False) for _ in range(2))
    return float(np.linalg.norm(features[first] - features[second], axis=1).mean())


def coverage(inside: np.ndarray, of: np.ndarray, neighbours: int = NEIGHBOURS) -> float:
    """Share of the features `inside` [N,D] that lie within the ball to the `neighbours`-th nearest fellow around any of the
    features `of` [M,D] (Kynkaanniemi et al. 2019)."""
    neighbours = min(neighbours, len(of) - 1)
    radii = np.partition(cdist(of, of), neighbours, axis=1)[:, neighbours]  # the nearest is the feature itself
    return float((cdist(inside, of) <= radii).any(1).mean())


def precision(generated: np.ndarray, real: np.ndarray) -> float:
    """Share of generated features [N,D] that real ones [M,D] cover: are generated motions real?"""
    return coverage(generated, real)


def recall(generated: np.ndarray, real: np.ndarray) -> float:
    """Share of real features [M,D] that generated ones [N,D] cover: is everything real generated?"""
    return coverage(real, generated)


def all_metrics(generated: np.ndarray, real: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """FID, diversity, precision and recall of features [N,D] against real ones [M,D]."""
    return {"fid": frechet_distance(generated, real), "diversity": diversity(generated, rng),
            "precision": precision(generated, real), "recall": recall(generated, real)}


def with_intervals(repetitions: Sequence[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Mean and half width of the 95 % interval, 1.96 std / sqrt(n), of each metric over the repetitions."""
    return {name: (float(np.mean(values)), 1.96 * float(np.std(values)) / math.sqrt(len(values)))
            for name in repetitions[0] for values in [[repetition[name] for repetition in repetitions]]}
