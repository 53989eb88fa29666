"""Stages of CoRAL: the policy, and scores of a frozen LM that is told what the policy retrieved.

What was retrieved is not kept: its sentences name what several users thought, and none could be taken out of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array

from scorerec.baselines.coral import Ask, Questions, Shelf, load_policy, retrieve
from scorerec.core.artifacts import Draft
from scorerec.core.errors import ConfigError
from scorerec.core.tables import BEHAVIOURS, INTERACTIONS, QUERIES, SCORES, TARGETS
from scorerec.crm.registry import load_crm
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import ALL_METHODS
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.baselines import item_ids, one_size
from scorerec.experiment.stages.judged import JUDGED, in_splits, with_users
from scorerec.experiment.stages.language_model import prompt_settings, settings_without_evidence
from scorerec.experiment.stages.parts import MODEL, backbone, model_folder, prompter
from scorerec.llm.score import Scorer
from scorerec.pipeline.prompting import requests
from scorerec.text.features import Reactions


class _World:
    """Shelf, rows and LM of one experiment."""

    def __init__(self, context: Context):
        self._context = context
        self._crm = load_crm(model_folder(context, "crm"))
        behaviours = context.inputs["neighbours"].table(BEHAVIOURS)
        self._users = {user: place for place, user in enumerate(behaviours["user_id"].to_pylist())}
        self._items = {item: place for place, item in enumerate(item_ids(context))}
        corpus = context.inputs["corpus"]
        self._queries = {query: place for place, query in enumerate(corpus.table(QUERIES)["query_id"].to_pylist())}
        states = self._crm.encode([*behaviours["item_ids"].to_pylist(), *corpus.table(QUERIES)["item_ids"].to_pylist()])
        self._states = one_size(states)  # first users, then queries
        vectors = one_size(self._crm.item_vectors(list(self._items)))
        self.shelf = Shelf(self._states[: len(self._users)], vectors, list(self._items), self._reactions())
        settings = context.config.baselines.coral
        is_tuned = settings.llm == "text-tuned"
        model = model_folder(context, "tuned-llm") if is_tuned else backbone(context)
        self.scorer = Scorer.load(model, context.config.llm)

    def _reactions(self) -> Any:
        rated = in_splits(self._context.inputs["data"].table(INTERACTIONS), ("train",))
        known = [user in self._users for user in rated["user_id"].to_pylist()]
        rated = rated.filter(pa.array(known))
        rows = [self._users[user] for user in rated["user_id"].to_pylist()]
        columns = [self._items[item] for item in rated["item_id"].to_pylist()]
        values = np.where(rated["label"].to_numpy() == 1, 1, -1).astype(np.int8)
        shape = (len(self._users), len(self._items))
        return coo_array((values, (rows, columns)), shape=shape, dtype=np.int8).tocsr()

    def asked(self, splits: Sequence[str]) -> tuple[pa.Table, Questions, Ask]:
        """Return the targets of some splits, as questions, and the LM that answers them."""
        corpus, writer = self._context.inputs["corpus"], prompter(self._context)
        targets = in_splits(corpus.table(TARGETS), splits)
        queries = corpus.table(QUERIES)
        rows = list(requests(targets, queries))
        users = with_users(targets, queries)["user_id"].to_pylist()
        places = [self._queries[query] + len(self._users) for query in targets["query_id"].to_pylist()]
        questions = Questions(
            self._states[places],
            self.shelf.items[[self._items[item] for _, _, item in rows]],
            np.array([self._users.get(user, -1) for user in users], np.int64),
            targets["label"].to_numpy().astype(np.int8),
        )

        def ask(numbers: Sequence[int], told: Sequence[list[Reactions]]) -> npt.NDArray[np.float64]:
            prompts = [
                writer.reacted(rows[number][1], rows[number][2], reactions)
                for number, reactions in zip(numbers, told, strict=True)
            ]
            return self.scorer.p_yes(self.scorer.encoder.encode(prompts).tokens)

        return targets, questions, ask


def _policy(context: Context, draft: Draft) -> None:
    try:  # here, because few need it
        from scorerec.baselines.coral_training import train_coral
    except ImportError as error:
        raise ConfigError(
            f"CoRAL needs a library that is not installed ({error.name}): pip install 'scorerec[rl]'"
        ) from None
    world, settings = _World(context), context.config.baselines.coral
    train, valid = (world.asked((split,))[1:] for split in ("train", "valid"))
    facts = train_coral(world.shelf, train, valid, settings, draft.path / MODEL, context.config.seed)
    draft.facts.update({**facts, "environment": f"{settings.llm} {world.scorer.backbone.describe()}"})


def _scores(context: Context, draft: Draft) -> None:
    world, settings = _World(context), context.config.baselines.coral
    targets, questions, ask = world.asked(JUDGED)
    told = retrieve(load_policy(model_folder(context, "policy-coral")), world.shelf, questions, settings.rounds)
    p_yes = ask(range(targets.num_rows), told)
    n_said = sum(bool(entry.liked_by or entry.not_liked_by) for row in told for entry in row)
    draft.write(
        SCORES,
        SCORES.check(
            pa.table(
                {
                    "target_id": targets["target_id"],
                    "method": pa.array([ALL_METHODS["coral"].name] * targets.num_rows, pa.string()),
                    "p_yes": pa.array(p_yes, pa.float64()),
                    "n_tokens": pa.nulls(targets.num_rows, pa.int32()),
                }
            )
        ),
    )
    draft.facts["mean_sentences"] = n_said / max(1, targets.num_rows)


def _settings(config: ExperimentConfig) -> dict[str, Any]:
    return {
        "coral": config.baselines.coral.model_dump(mode="json"),
        "llm": settings_without_evidence(config),
        "prompts": prompt_settings("history_titles")(config),
    }


_READS = ("data", "corpus", "crm", "neighbours", "backbone", "tuned-llm")
STAGES = (
    Stage("policy-coral", _READS, _settings, _policy),
    Stage("scores-coral", (*_READS, "policy-coral"), _settings, _scores),
)
