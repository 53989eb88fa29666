"""What a stage is: what it reads, which settings decide its result, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal, TypeAlias

from scorerec.core.artifacts import Draft
from scorerec.experiment.settings import EVERYTHING
from scorerec.pipeline.forms.registry import FORMS

# What a file or folder beside the tables holds of users, and hence what forgetting does with it (ADR 0020):
# "index": their behaviours, which are taken out; "model": what was learnt from them, which is named; "page": single
# users, so that it is deleted and made anew; "nobody": numbers over all users.
Holds: TypeAlias = Literal["index", "model", "page", "nobody"]
_WORK = "scorerec.experiment.stages"

# What may teach an LM beside the labels -> the stage that scores the training rows by it.
TEACHERS = {"counts": "teacher", "expectation": "expectation"}


@dataclass(frozen=True)
class Stage:
    """One step of an experiment.

    Attributes:
        name: also the folder's name.
        reads: stages whose artifacts it uses.
        settings: the part of the configuration that decides its result: ``car``, ``prompt.domain``. It can read these
            alone.
        work: a function of the run, the draft that it writes the result into, and ``given``; or
            ``module:function`` below ``experiment.stages``, imported when the stage runs: that may take seconds.
        given: further arguments.
        writes: names of the tables that it writes.
        leaves: files and folders that it leaves beside them, and what they hold of users. It can leave nothing else.
        seeded: whether the seed decides the result too.
        version: raise it when the code changes the result.
        forms: form of evidence -> the stage that fills it; or who teaches beside the labels, of
            ``TEACHERS`` -> the stage that asks them.
            Of these ``ExperimentConfig.shown`` chooses; they and their settings are what it reads beyond ``reads``
            and ``settings``, and the last thing that it is given.
        shown: of the forms, those that ``showing`` chose.
        effort: the function of ``experiment.effort`` that says what its transformer will do; empty: it has none.
    """

    name: str
    reads: tuple[str, ...]
    settings: tuple[str, ...]
    work: str | Callable[..., None]
    given: tuple[Any, ...] = ()
    writes: tuple[str, ...] = ()
    leaves: Mapping[str, Holds] = field(default_factory=dict)
    seeded: bool = True
    version: int = 1
    forms: Mapping[str, str] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    effort: str = ""

    def showing(self, forms: Iterable[str]) -> Stage:
        """Return the stage as it is where these forms of evidence are shown, and where there is a teacher."""
        if not self.forms:
            return self
        sources = {form: self.forms[form] for form in forms if form in self.forms}
        shown = tuple(form for form in sources if form in FORMS)
        settings = (setting for form in shown for setting in FORMS[form].settings)
        return replace(
            self,
            reads=tuple(dict.fromkeys((*self.reads, *sources.values()))),
            settings=tuple(dict.fromkeys((*self.settings, *settings))),
            given=(*self.given, sources),
            forms={},
            shown=shown,
        )

    @property
    def readable(self) -> tuple[str, ...]:
        """The settings that it can read."""
        return (*self.settings, "seed") if self.seeded and EVERYTHING not in self.settings else self.settings

    def run(self, run: Any, draft: Draft) -> None:
        """Write the result into the draft.

        Args:
            run: an ``experiment.run.Run`` with what the stage declares.
            draft: of the stage.
        """
        self.function(run, draft, *self.given)

    @property
    def function(self) -> Callable[..., None]:
        """What it does."""
        if not isinstance(self.work, str):
            return self.work
        module, _, name = self.work.partition(":")
        found: Callable[..., None] = getattr(import_module(f"{_WORK}.{module}"), name)
        return found


def ancestors(stage: str, reads: Mapping[str, Iterable[str]]) -> list[str]:
    """Return what a method that ends in ``stage`` would have to run alone, in order: what its seconds are.

    Data and corpus are not counted. The backbone is, without what its texts were made with: it is there for all.

    Args:
        stage: its name.
        reads: stage -> the stages that it reads.
    """
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in found or name in ("data", "corpus"):
            return
        for above in () if name == "backbone" else reads[name]:
            visit(above)
        found[name] = None

    visit(stage)
    return list(found)
