"""scorerec: LLM recommendation with natural-language collaborative evidence (SCORE).

``fit`` and ``open_run`` are the Python interface; docs/python.md shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scorerec.serve.python import FittedModel, fit, open_run

__all__ = ["FittedModel", "fit", "open_run"]


def __getattr__(name: str) -> Any:
    """Load the interface when it is first used: ``import scorerec`` alone takes no time."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from scorerec.serve import python

    return getattr(python, name)
