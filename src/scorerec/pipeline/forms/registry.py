"""The forms of evidence that there are; a new one is one line here. What fills a form is imported when it is filled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import METHOD
from scorerec.core.errors import ConfigError
from scorerec.crm.config import EXPECTING
from scorerec.pipeline.experiment import Experiment
from scorerec.pipeline.prompting import Filled

if TYPE_CHECKING:
    from scorerec.pipeline.expecting import KnownByNow

Fill = Callable[[pa.Table, pa.Table], Filled]  # TARGETS, QUERIES -> a form of evidence for them


@dataclass(frozen=True)
class Form:
    """One form.

    Attributes:
        name: in ``evidence.forms``; also the module below ``pipeline.forms``, which has ``fill(run, stage)`` and,
            but for titles, ``live(known)``, with what is known by now.
        stage: that fills it, where a method has no other one.
        settings: that decide its words, beside those of P^b.
        controls: keys of the methods that know the same without an LM, rows of every table that has the form.
        knows_dislikes: whether it tells of what the user did not like: ``evidence.own_dislikes`` must allow it.
        tokens: that it takes, about, for estimates; titles are counted there.
        asks: stages that it reads when a request comes.
    """

    name: str
    stage: str
    settings: tuple[str, ...]
    controls: tuple[str, ...] = ()
    knows_dislikes: bool = False
    tokens: int = 0
    asks: tuple[str, ...] = ()


PAPER_FORM = "titles"
OPINION = "opinion"  # the one that tells a probability
# In the order in which prompts show them.
FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form(PAPER_FORM, "contexts", ("prompt.evidence_titles", "prompt.evidence_window")),
        Form("consensus", "consensus", ("consensus.n_groups",), tokens=35, asks=("consensus",)),
        Form("shared", "shared", (), controls=("counts",), tokens=45),
        Form("verdicts", "verdicts", ("verdicts.numbers",), controls=("counts",), tokens=25),
        Form("about", "knowledge", (), controls=EXPECTING, tokens=35),
        Form("record", "knowledge", ("record",), controls=EXPECTING, knows_dislikes=True, tokens=20),
        Form(OPINION, "expectation", ("opinion",), controls=EXPECTING, tokens=20, asks=("knowledge",)),
    )
}


def choose_forms(names: Iterable[str]) -> tuple[str, ...]:
    """Return forms in the order of prompts, each once.

    Raises:
        ConfigError: a form is not known.
    """
    wanted = set(names)
    if unknown := wanted - set(FORMS):
        raise ConfigError(f"evidence.forms: no {', '.join(sorted(unknown))}; there are {', '.join(FORMS)}")
    return tuple(name for name in FORMS if name in wanted)


def live(known: KnownByNow) -> list[Fill]:
    """Return what finds the forms of a run for whatever is asked about; titles are the chain's own.

    Args:
        known: what is known by now, of the run whose forms and settings count.
    """
    forms = (form for form in known.run.config.evidence.forms if form != PAPER_FORM)
    return [_module(form).live(known) for form in forms]


def filled(run: Experiment, sources: Mapping[str, str]) -> list[Filled]:
    """Return forms with what stages found for each target.

    Args:
        run: with these stages.
        sources: form -> stage.
    """
    return [_module(form).fill(run, stage) for form, stage in sources.items()]


def of_method(scores: pa.Table, method: str) -> pa.Table:
    """Return the SCORES of one method."""
    return scores.filter(pc.equal(scores[METHOD], method))


def _module(form: str) -> Any:
    return import_module(f"scorerec.pipeline.forms.{form}")
