"""Loading and saving models without the libraries' own bars and remarks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Switch off the library's own progress bars, and what it has to say to peft rather than to us."""
    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # Newer releases have other names for it, which older ones lack.
            warnings.filterwarnings("ignore", "`.*gradient_checkpointing.*` is deprecated", FutureWarning)
            yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()
