"""Probabilities as log odds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from scorerec.core.metrics import Floats


def log_odds(probability: ArrayLike, closest: float = 0.0) -> Floats:
    """Return log(p / (1 - p)) of probabilities, in the same shape.

    Args:
        probability: in [0, 1].
        closest: how near to 0 and 1 they may come; those that are nearer are taken to be there. 0: as they are, and 0
            and 1 have no finite odds.

    >>> log_odds([0.5, 1.0], closest=0.1).round(4)
    array([0.    , 2.1972])
    """
    safe = np.clip(np.asarray(probability, np.float64), closest, 1 - closest)
    return np.asarray(np.log(safe) - np.log1p(-safe), np.float64)
