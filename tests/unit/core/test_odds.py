"""Log odds are those of the definition, and finite where they are asked to be."""

from __future__ import annotations

import numpy as np
import pytest

from scorerec.core.odds import log_odds


def test_by_hand() -> None:
    np.testing.assert_allclose(log_odds([[0.2, 0.5], [0.9, 1e-15]]), [[np.log(0.25), 0], [np.log(9), -34.538776]])


@pytest.mark.parametrize("closest", [1e-9, 1e-3])
def test_what_is_sure_is_finite_where_that_is_wanted(closest: float) -> None:
    least = np.log(closest / (1 - closest))
    assert log_odds([0.0, 1.0], closest) == pytest.approx([least, -least], rel=1e-6)
