"""Every error that scorerec raises on purpose.

ScorerecError
├── ConfigError      a setting is unknown, has the wrong type, or contradicts another
├── DataError        an input file or a row of it cannot be used
│   └── UnclearError it does not tell something that has to be known
├── ArtifactError    something a stage wrote is missing, damaged or of another version, or cannot be written
├── AssessmentError  an assessor refused, failed or answered with nothing usable
└── ModelError       a model cannot be loaded, or computed something that is not a number

A message says what was wanted, what came (with file and row where there is one), and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


class ScorerecError(Exception):
    """Base of every error that scorerec raises on purpose."""


class ConfigError(ScorerecError):
    """A setting is unknown, has the wrong type, or contradicts another."""


class DataError(ScorerecError):
    """An input file, or a row of it, cannot be used."""


class ArtifactError(ScorerecError):
    """Something that a stage wrote is missing, damaged or of another version, or cannot be written."""


class AssessmentError(ScorerecError):
    """An assessor refused, failed, or answered with nothing usable."""


class ModelError(ScorerecError):
    """A model cannot be loaded, or computed something that is not a number."""


class UnclearError(DataError):
    """Something that the files do not tell.

    Attributes:
        key: what the answer is called: see ``data.form.ANSWERS``.
        question: what is to be said.
        options: the answers; empty where anything may be one.
    """

    def __init__(self, key: str, question: str, options: Sequence[str] = ()) -> None:
        ways = [f"--take {key}={option}" for option in options] or [f"--take {key}=..."]
        super().__init__(f"{question}? Say so: {' or '.join(ways)}")
        self.key, self.question, self.options = key, question, tuple(options)
