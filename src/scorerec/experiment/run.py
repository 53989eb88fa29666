"""Typed access to what the stages of a run made: the one way for stages, and for whoever uses a finished run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from scorerec.assess.store import ReplyStore
from scorerec.core.artifacts import MODEL, Artifact, ArtifactStore
from scorerec.core.columns import ARGUES, ITEM_ID, METHOD, ROW_ID, SPLIT, TARGET_ID
from scorerec.core.errors import ArtifactError, DataError
from scorerec.core.tables import (
    BEHAVIOURS,
    INTERACTIONS,
    ITEMS,
    PROMPTS,
    QUERIES,
    SCORES,
    TARGETS,
    TITLE_AUDIT,
    TableSchema,
)
from scorerec.evaluate.results import Moves, Signal
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.settings import UndeclaredError
from scorerec.llm.config import TOY
from scorerec.pipeline.prompting import Prompter
from scorerec.retrieve.index import BehaviourIndex

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from scorerec.crm.base import ConventionalRecommender
    from scorerec.llm.score import Scorer
    from scorerec.pipeline.finding import Finder, TasteFinder
    from scorerec.rerank.models import Reranker
    from scorerec.retrieve.similarity import Similarity

RECORD = "run.json"
REPLIES = "replies.sqlite"  # below the folder of all runs, since paid replies outlive a run
SIGNAL = "signal.json"
MOVES = "moves.json"
NEUTRAL = "neutral"  # in the facts of the titles' audit: what stands for those that argue
INDEX = "index.sqlite"


@dataclass(frozen=True, eq=False)
class Run:
    """What stages made, as tables and trained parts. What loads a model imports it first, which takes seconds.

    A stage has one of what it declared: another artifact is refused, as another setting is.

    Attributes:
        config: the experiment.
        artifacts: stage -> what it made.
        root: the folder of all runs.
        folder: the run's own, in ``root``; None for a stage.
        stage: whose it is; None: a run that was opened.
        renamed: item_id -> what prompts call it in place of its title and metadata.
        read: stages that were asked for so far.
    """

    config: ExperimentConfig
    artifacts: Mapping[str, Artifact]
    root: Path
    folder: Path = Path()
    stage: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open the run in ``folder``.

        Raises:
            ArtifactError: there is no run, its record is damaged or of another version, or one of its artifacts is
                damaged or gone.
        """
        path = folder / RECORD
        if not path.is_file():
            raise ArtifactError(f"{folder}: no run here (no {RECORD}); give the folder that `scorerec run` named")
        record = _read_record(path)
        store = ArtifactStore(folder.parent / "artifacts")
        artifacts = {}
        for name, location in record["artifacts"].items():
            artifact = store.find(name, Path(location).name)
            if artifact is None:
                raise ArtifactError(f"{store.root / location}: gone; run the experiment again")
            artifacts[name] = artifact
        try:
            config = ExperimentConfig.model_validate(record["config"])
        except ValidationError as error:
            fault = error.errors(include_input=False, include_context=False)[0]
            raise ArtifactError(
                f"{path}: its settings are not those of this version ({'.'.join(map(str, fault['loc']))}: "
                f"{fault['msg']}); run the experiment again, or delete this folder"
            ) from None
        return cls(config, artifacts, folder.parent, folder)

    def artifact(self, stage: str) -> Artifact:
        """Return the artifact of ``stage``.

        Raises:
            ArtifactError: the run has not come that far.
            UndeclaredError: a stage asks for what it does not declare.
        """
        if stage not in self.artifacts:
            if self.stage is not None:
                raise UndeclaredError(f"stage {self.stage} reads {stage}, which it does not declare")
            raise ArtifactError(f"{self.folder}: stage {stage!r} has not run; `scorerec run --to {stage}` first")
        self.read.add(stage)
        return self.artifacts[stage]

    def table(self, stage: str, schema: TableSchema) -> pa.Table:
        """Return a table that a stage wrote."""
        return self.artifact(stage).table(schema)

    def model(self, stage: str) -> Path:
        """Return the folder of the model that a stage trained."""
        return self.artifact(stage).path / MODEL

    @cached_property
    def interactions(self) -> pa.Table:
        """INTERACTIONS."""
        return self.table("data", INTERACTIONS)

    @cached_property
    def items(self) -> pa.Table:
        """ITEMS."""
        return self.table("data", ITEMS)

    @cached_property
    def item_ids(self) -> list[str]:
        """The ids of the catalogue, in the order of ITEMS."""
        return self.items[ITEM_ID].to_pylist()

    @cached_property
    def behaviours(self) -> pa.Table:
        """BEHAVIOURS that may be retrieved."""
        return self.table("corpus", BEHAVIOURS)

    @cached_property
    def queries(self) -> pa.Table:
        """QUERIES."""
        return self.table("corpus", QUERIES)

    @cached_property
    def all_targets(self) -> pa.Table:
        """TARGETS."""
        return self.table("corpus", TARGETS)

    def targets(self, *splits: str) -> pa.Table:
        """Return the TARGETS of some splits, in their order."""
        return self.all_targets.filter(pc.is_in(self.all_targets[SPLIT], value_set=pa.array(sorted(splits))))

    def target(self, row_id: int | None) -> pa.Table:
        """Return the one target of a row of the interactions; of the first test row where none is given.

        Raises:
            DataError: there is none.
        """
        if row_id is None:
            return self.targets("test").sort_by(ROW_ID).slice(0, 1)
        found = self.all_targets.filter(pc.equal(self.all_targets[ROW_ID], row_id))
        if found.num_rows:
            return found
        test = self.targets("test").sort_by(ROW_ID)[ROW_ID]
        raise DataError(
            f"no row {row_id} is asked about: wanted a row_id of the interactions table, such as {test[0]} or "
            f"{test[-1]}, the first and the last of the test rows; `scorerec scores` writes all that are judged"
        )

    def prompts(self, stage: str, *splits: str) -> pa.Table:
        """Return the PROMPTS that a stage wrote for the targets of some splits."""
        prompts = self.table(stage, PROMPTS)
        return prompts.filter(pc.is_in(prompts[TARGET_ID], self.targets(*splits)[TARGET_ID].combine_chunks()))

    def scores(self, stage: str, method: str) -> pa.Table:
        """Return the SCORES of one method, by its key; a stage may score several."""
        scores = self.table(stage, SCORES)
        return scores.filter(pc.equal(scores[METHOD], method))

    def signal(self, stage: str = "signal") -> Signal:
        """Return what a stage found of the signal."""
        return Signal.model_validate_json((self.artifact(stage).path / SIGNAL).read_text(encoding="utf-8"))

    def moves(self, stage: str) -> Moves:
        """Return how scores move, as a stage measured it."""
        return Moves.model_validate_json((self.artifact(stage).path / MOVES).read_text(encoding="utf-8"))

    def guarded(self) -> Run:
        """Return the run with a neutral name, in prompts, for each item whose title argues, where titles were audited.

        For answers to people: what was recorded of judged rows was read with their own titles.
        """
        if "title-audit" not in self.artifacts:
            return self
        audit = self.artifact("title-audit")
        table = audit.table(TITLE_AUDIT)
        arguing = table.filter(table[ARGUES])[ITEM_ID].to_pylist()
        return replace(self, renamed=dict.fromkeys(arguing, audit.facts[NEUTRAL]))

    @cached_property
    def prompter(self) -> Prompter:
        """What writes texts and prompts for this catalogue."""
        return Prompter(self.items, self.config.prompt, self.renamed)

    def compute(self) -> None:
        """Let models compute as the configuration says from now on, in this process."""
        from scorerec.nn.devices import use_threads

        use_threads(self.config.threads)

    def crm(self) -> ConventionalRecommender:
        """Load the recommender."""
        from scorerec.crm.registry import load_crm

        self.compute()
        return load_crm(self.model("crm"))

    def crm_beside(self, name: str) -> ConventionalRecommender:
        """Load a recommender that chooses neighbours beside the recommender."""
        from scorerec.crm.registry import load_crm

        return load_crm(self.model("crm-beside") / name)

    def similarity(self) -> Similarity:
        """Load what is done to the recommender's vectors for Eq. 4."""
        from scorerec.retrieve.similarity import Similarity

        return Similarity.load(self.artifact("neighbours").path)

    def finder(self) -> Finder:
        """Load CAR, and the recommender beside it where it has a share: what finds candidates."""
        from scorerec.pipeline.finding import Finder

        folder = str(self.model("car"))
        crm = (self.crm(), self.similarity()) if self.config.finding.crm_share else None
        return Finder(replace(self, renamed={}).prompter, lambda: self._encoder(folder), self.config.finding, crm)

    def untuned_finder(self) -> Finder:
        """Load the encoder that CAR starts from."""
        from scorerec.pipeline.finding import Finder

        car = self.config.car
        return Finder(self.prompter, lambda: self._encoder(car.model, car.max_length))

    def _encoder(self, name: str, max_length: int | None = None) -> SentenceTransformer:
        from scorerec.nn.encoders import load_encoder

        self.compute()
        return load_encoder(name, max_length, self.device)

    def taste_finder(self) -> TasteFinder:
        """Load what finds users by the recommender alone."""
        from scorerec.pipeline.finding import TasteFinder

        of_vectors = self.artifact("neighbours").fingerprint
        return TasteFinder(self.crm(), self.similarity(), of_vectors, self.config.finding.activity)

    def index(self, path: Path | None = None, encoder: str | None = None) -> BehaviourIndex:
        """Open the index of behaviours that candidates are retrieved from, or a copy of it; to be used with ``with``.

        Args:
            path: of the copy; None: the run's own.
            encoder: fingerprint of what will search it; None to take any.

        Raises:
            ArtifactError: there is no index, or it is of another version or encoder.
        """
        return open_index(path or self.artifact("candidates").path / INDEX, encoder)

    def reranker(self) -> Reranker:
        """Load SARE."""
        from scorerec.rerank.models import load_reranker

        self.compute()
        return load_reranker(self.model("sare"), self.config.sare, self.config.device)

    def lm(self, stage: str, is_exact: bool = False) -> Scorer:
        """Load the LM that a stage tuned.

        Args:
            stage: that tuned it.
            is_exact: whether the logits of its answers are computed in fp32.
        """
        from scorerec.llm.score import Scorer

        self.compute()
        return Scorer.load(self.model(stage), self.config.llm, self.config.device, is_exact)

    @property
    def device(self) -> str:
        """Where models compute.

        Raises:
            ConfigError: this machine has no such device.
        """
        from scorerec.nn.devices import choose_device

        return str(choose_device(self.config.device))

    @property
    def backbone(self) -> str:
        """The LM that is tuned: an id or folder, or the toy LM of this run."""
        name = self.config.llm.backbone
        return str(self.model("backbone")) if name == TOY else name

    @property
    def replies_path(self) -> Path:
        """The store of replies that all runs share; it may not be there yet."""
        return self.root / REPLIES

    @contextmanager
    def replies(self) -> Iterator[ReplyStore]:
        """Open the store of replies during the block."""
        with ReplyStore(self.replies_path) as store:
            yield store


def open_index(path: Path, encoder: str | None = None) -> BehaviourIndex:
    """Open an index of behaviours; to be used with ``with``.

    Raises:
        ArtifactError: there is no index, or it is of another version or encoder.
    """
    return BehaviourIndex.open(path, encoder)


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {"config": record["config"], "artifacts": dict(record["artifacts"])}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error!r}); run the experiment again to have it written anew"
        ) from None
