"""A bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios

import pytest

from scorerec.core.progress import progress


def test_a_terminal_is_told_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert list(progress(range(3), "tuning", 3, unit="step")) == [0, 1, 2]
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "tuning" in shown
    assert "0/3" in shown
    assert "step/s" in shown


def test_a_file_is_told_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(progress(range(3), "tuning", 3)) == [0, 1, 2]
    assert capfd.readouterr() == ("", "")
