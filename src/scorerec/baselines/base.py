"""What a baseline is: the prompts that it writes, what it learns from them, and how it scores. One file each.

The configuration imports them all: what needs torch is imported by the method that needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.artifacts import MODEL, Artifact
from scorerec.core.columns import ITEM_IDS, QUERY_ID, SPLIT
from scorerec.core.config import Config
from scorerec.core.tables import PROMPTS, TableSchema
from scorerec.llm.config import LLMConfig
from scorerec.text.describe import Describer
from scorerec.text.features import ChangePrompt
from scorerec.text.wording import DomainWords

if TYPE_CHECKING:
    from scorerec.llm.score import Scorer

Ties = Literal["file", "strict"]  # of rows of the same second: those that come first are earlier, or none is
BASIC = "prompts-llm"  # the stage that writes P^b
TEXT_TUNED = "tuned-llm"  # the stage that tunes the LM on P^b


class Experiment(Protocol):
    """What a baseline may use of a run: tables, models, settings. Only what its stages declare can be read."""

    @property
    def config(self) -> Any: ...  # noqa: D102 - as in ``experiment.run.Run``
    @property
    def interactions(self) -> pa.Table: ...  # noqa: D102
    @property
    def item_ids(self) -> list[str]: ...  # noqa: D102
    @property
    def queries(self) -> pa.Table: ...  # noqa: D102
    @property
    def all_targets(self) -> pa.Table: ...  # noqa: D102
    @property
    def prompter(self) -> Any: ...  # noqa: D102
    @property
    def backbone(self) -> str: ...  # noqa: D102
    def artifact(self, stage: str) -> Artifact: ...  # noqa: D102


@dataclass(frozen=True)
class Inputs:
    """What a baseline may use of an experiment.

    Attributes:
        run: ``data``, ``corpus``, and the stages that the baseline builds on: for prompts those of
            ``prompts_build_on``.
        tune: (LM, folder of the result) -> facts: tunes an LM on the baseline's prompts.
    """

    run: Experiment
    tune: Callable[[str | Path, Path], dict[str, Any]]

    @property
    def backbone(self) -> str:
        """Id or folder of the LM that is tuned; not for prompts."""
        return self.run.backbone

    @property
    def llm(self) -> LLMConfig:
        """How the LM is tuned, and what it reads; not for prompts, which every LM cuts to its own budget."""
        found: LLMConfig = self.run.config.llm
        return found

    @property
    def ties(self) -> Ties:
        """Whether rows of the same second are before each other."""
        found: Ties = self.run.config.data.ties
        return found

    @property
    def describer(self) -> Describer:
        """What writes titles."""
        found: Describer = self.run.prompter.describer
        return found

    @property
    def words(self) -> DomainWords:
        """Words of the domain."""
        found: DomainWords = self.run.prompter.words
        return found

    @property
    def device(self) -> str:
        """Where everything computes: auto, cpu, cuda, cuda:1, ..."""
        return str(self.run.config.device)

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.run.config.seed)

    def write(self, change: ChangePrompt) -> pa.Table:
        """Return PROMPTS: P^b of every target as a function changes it."""
        found: pa.Table = self.run.prompter.changed(self.run.all_targets, self.run.queries, change)
        return found

    @property
    def interactions(self) -> pa.Table:
        """INTERACTIONS."""
        return self.run.interactions

    @property
    def item_ids(self) -> list[str]:
        """All items, in the order in which their vectors and codes are numbered."""
        return sorted(self.run.item_ids)

    @property
    def queries(self) -> pa.Table:
        """QUERIES: the prefixes from which users' vectors and codes come, as everywhere."""
        return self.run.queries

    def parts_of_queries(self) -> list[npt.NDArray[np.int64]]:
        """Return the places of the queries of training rows, of others of validation rows, and of all others."""
        asked = self.queries[QUERY_ID].combine_chunks()
        part = np.full(len(asked), 2)
        for number, split in ((1, "valid"), (0, "train")):
            names = self.targets(split)[QUERY_ID].combine_chunks()
            part[pc.is_in(asked, value_set=names).to_numpy(zero_copy_only=False)] = number
        return [np.flatnonzero(part == number) for number in range(3)]

    def of_queries(self, compute: Callable[[list[list[str]]], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return what a model makes of the history of each query, (N, ...), in the order of ``queries``.

        Part by part: beside longer histories a sum may be rounded otherwise, and so even a test row that is only read
        in the same batch would decide a little of what is trained.

        Args:
            compute: histories of item ids, oldest first -> a row for each.
        """
        histories, parts = self.queries[ITEM_IDS].to_pylist(), self.parts_of_queries()
        found = [compute([histories[place] for place in places]) for places in parts if len(places)]
        return np.concatenate(found)[np.argsort(np.concatenate(parts))]

    def targets(self, *splits: str) -> pa.Table:
        """Return TARGETS of some splits, or all."""
        targets = self.run.all_targets
        return targets.filter(pc.is_in(targets[SPLIT], value_set=pa.array(splits))) if splits else targets

    @property
    def labels(self) -> pa.Table:
        """The rows that may be learned from and selected on."""
        return self.targets("train", "valid")

    def table(self, stage: str, schema: TableSchema) -> pa.Table:
        """Return a table of an earlier stage."""
        return self.run.artifact(stage).table(schema)

    def model(self, stage: str) -> Path:
        """Return the folder of the model that an earlier stage trained."""
        return self.run.artifact(stage).path / MODEL


class Baseline:
    """One LLM baseline. A subclass and its line in ``registry`` are all that an experiment needs of it.

    One that only writes other prompts says how (``prompts``): the LM is tuned on them and scores them. Others train
    something else (``train``), or score in another way (``scorer``, or ``score``).

    Its stages are ``prompts-<key>`` unless it reads those of another stage, ``tuned-<key>`` unless it trains nothing,
    and ``scores-<key>``.

    Args:
        config: its section of the configuration.
        inputs: the experiment.

    Attributes:
        key: names it in ``methods``, its stages, its section ``baselines.<key>`` and its row in Table 2.
        label: as tables show it.
        settings: the type of its section.
        section: of the configuration, where that is not the key.
        builds_on: earlier stages that training and scoring use beside ``data`` and ``corpus``.
        prompts_build_on: earlier stages that writing prompts uses.
        prompts_from: the stage whose prompts it reads; None: it writes its own.
        trains: what it trains, for estimates of time.
        heading: of its rows in Table 2.
        reads_dislikes: whether it reads what the user did not like.
        version: raise it when a change of code, or of the label, changes its results.
    """

    key: ClassVar[str]
    label: ClassVar[str]
    settings: ClassVar[type[Config]] = Config
    section: ClassVar[str | None] = None
    builds_on: ClassVar[tuple[str, ...]] = ("backbone",)
    prompts_build_on: ClassVar[tuple[str, ...]] = ()
    prompts_from: ClassVar[str | None] = None
    trains: ClassVar[Literal["LM", "encoder", "policy", "nothing"]] = "LM"
    heading: ClassVar[Literal["LLM-based models", "Encoders, no LLMs"]] = "LLM-based models"
    reads_dislikes: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def __init__(self, config: Any, inputs: Inputs):
        self.config, self.inputs = config, inputs

    @classmethod
    def section_name(cls) -> str:
        """Return the name of its section of the configuration."""
        return cls.section or cls.key

    @classmethod
    def stand_ins(cls, config: Any) -> list[str]:  # noqa: ARG003 - for those that have some
        """Say what stands in for something that the method's paper used."""
        return []

    def prompts(self) -> tuple[pa.Table, dict[str, Any]]:
        """Return PROMPTS for all targets, and facts for the manifest.

        No label of a test row may decide anything, and no row's own label its prompt, but through a model that was
        fitted to training rows and selected on validation rows, as BinLLM's codes are.
        """
        raise AssertionError(f"{self.key} reads the prompts of {self.prompts_from}")

    def train(self, prompts: pa.Table, out: Path) -> dict[str, Any]:  # noqa: ARG002 - ``tune`` knows them
        """Learn from the training rows, select on the validation rows, save into ``out``; return facts.

        Args:
            prompts: PROMPTS.
            out: folder of the result; what an interrupted call left there may be gone on from.
        """
        return self.inputs.tune(self.inputs.backbone, out)

    def score(self, prompts: pa.Table, model: str | Path) -> tuple[pa.Table, dict[str, Any]]:
        """Score rows.

        Args:
            prompts: PROMPTS of the rows.
            model: the folder that ``train`` saved into; the backbone where nothing is trained.

        Returns:
            target_id, p_yes (float64) and n_tokens (int32), in the order of ``prompts``; and facts.
        """
        return self.scorer(model).score(PROMPTS.check(prompts)), {}

    def scorer(self, model: str | Path) -> Scorer:
        """Return what reads its prompts and answers them."""
        from scorerec.llm.score import Scorer

        return Scorer.load(model, self.inputs.llm, self.inputs.device)
