"""Every error that scorerec raises on purpose.

ScorerecError
├── ConfigError      a setting is unknown, has the wrong type, or contradicts another
├── DataError        an input file or a row of it cannot be used
├── ArtifactError    something a stage wrote is missing, damaged or of another version, or cannot be written
├── AssessmentError  an assessor refused, failed or answered with nothing usable
└── ModelError       a model cannot be loaded, or computed something that is not a number

A message says what was wanted, what came (with file and row where there is one), and what to do.
"""


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
