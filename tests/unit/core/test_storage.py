"""Faults of the place that is written to are told as such; others are left as they are."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from scorerec.core.errors import ArtifactError
from scorerec.core.storage import told_clearly


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Below /proc a new folder is refused with the words for a missing file."""
    folder = tmp_path / "none"
    with pytest.raises(ArtifactError, match=r"none: cannot be written .* choose another folder"), told_clearly(folder):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(folder))


def test_a_missing_file_in_a_folder_that_is_there_is_another_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), told_clearly(tmp_path):
        (tmp_path / "absent").read_bytes()
