"""What the preset of the paper sets, all of it, beside the committed ``ml-1m-paper.txt``: a default that moves is seen.

After a wanted change, write it anew with ``SCOREREC_REGENERATE_GOLDEN=1 pytest tests/golden/test_paper_preset.py``
and read the difference: a new setting has to leave what the paper did as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scorerec.experiment.config import load_experiment

GOLDEN = Path(__file__).with_name("ml-1m-paper.txt")


def lines(settings: Mapping[str, Any], section: str = "") -> Iterator[str]:
    """Each setting on a line, as ``--set`` would name it."""
    for name, value in sorted(settings.items()):
        if isinstance(value, Mapping) and value:
            yield from lines(value, f"{section}{name}.")
        else:
            yield f"{section}{name} = {json.dumps(value)}"


def test_the_preset_of_the_paper_is_what_it_was() -> None:
    settings = load_experiment("ml-1m-paper").model_dump(mode="json")
    text = "\n".join(lines({name: value for name, value in settings.items() if name != "toy_lm"})) + "\n"
    if os.environ.get("SCOREREC_REGENERATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")
