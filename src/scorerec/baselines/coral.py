"""CoRAL: a policy learns by reinforcement which users and items to tell a frozen LM about (Wu et al., 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array, csr_array

from scorerec.baselines.base import BASIC, TEXT_TUNED, Baseline, Inputs
from scorerec.baselines.coral_retrieval import Ask, CoRALConfig, Questions, Shelf, load_policy, retrieve
from scorerec.baselines.soft import one_size
from scorerec.core.config import Config
from scorerec.core.errors import ConfigError
from scorerec.core.tables import BEHAVIOURS, PROMPTS
from scorerec.crm.registry import load_crm
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import Scorer
from scorerec.text.features import Reactions, reacted


class CoRAL(Baseline):
    """P^b with what the retrieved users thought of the retrieved items, read by an LM that stays as it is.

    What was retrieved is not kept: its sentences name what several users thought, and none could be taken out of them.
    """

    key: ClassVar[str] = "coral"
    label: ClassVar[str] = "CoRAL"
    settings: ClassVar[type[Config]] = CoRALConfig
    builds_on: ClassVar[tuple[str, ...]] = ("crm", "neighbours", "backbone", BASIC, TEXT_TUNED)
    prompts_from: ClassVar[str | None] = BASIC
    trains: ClassVar[Any] = "policy"
    version: ClassVar[int] = 3

    @classmethod
    def stand_ins(cls, config: Any) -> list[str]:
        """Say that the frozen LM is no general one."""
        tuned = config.llm == "text-tuned"
        return ["CoRAL's frozen LM: the LM that was tuned on text, not a general LLM"] if tuned else []

    def train(self, prompts: pa.Table, out: Path) -> dict[str, Any]:
        """Learn the policy.

        Raises:
            ConfigError: the library is not installed.
        """
        try:  # here, because few need it
            from scorerec.baselines.coral_training import train_coral
        except ImportError as error:
            raise ConfigError(
                f"CoRAL needs a library that is not installed ({error.name}): pip install 'scorerec[rl]'"
            ) from None
        world = _World(self)
        train, valid = (world.asked(prompts, self.inputs.targets(split)) for split in ("train", "valid"))
        facts = train_coral(world.shelf, train, valid, self.config, out, self.inputs.seed)
        return {**facts, "environment": f"{self.config.llm} {world.frozen.backbone.describe()}"}

    def score(self, prompts: pa.Table, model: str | Path) -> tuple[pa.Table, dict[str, Any]]:
        """Let the policy retrieve, and the LM answer."""
        world, targets = _World(self), self.inputs.targets()
        places = pc.index_in(prompts["target_id"].combine_chunks(), targets["target_id"].combine_chunks())
        targets = targets.take(places)
        questions, ask = world.asked(prompts, targets)
        told = retrieve(load_policy(Path(model)), world.shelf, questions, self.config.rounds)
        p_yes = pa.array(ask(range(targets.num_rows), told), pa.float64())
        said = [[entry for entry in row if entry.liked_by or entry.not_liked_by] for row in told]
        items = targets["item_id"].to_pylist()
        on_target = sum(item in {entry.item_id for entry in row} for item, row in zip(items, said, strict=True))
        facts = {
            "mean_sentences": sum(map(len, said)) / max(1, len(said)),
            "share_of_rows_told_of_the_target": on_target / max(1, len(said)),
        }
        tokens = pa.nulls(targets.num_rows, pa.int32())
        return pa.table({"target_id": targets["target_id"], "p_yes": p_yes, "n_tokens": tokens}), facts

    def frozen(self) -> Scorer:
        """Return the LM that answers."""
        is_tuned = self.config.llm == "text-tuned"
        return self.scorer(self.inputs.model(TEXT_TUNED) if is_tuned else self.inputs.backbone)


class _World:
    """Shelf, rows and LM of one experiment."""

    def __init__(self, method: CoRAL):
        inputs = self._inputs = method.inputs
        crm = load_crm(inputs.model("crm"))
        behaviours, queries = inputs.table("neighbours", BEHAVIOURS), inputs.queries
        self._users = {user: place for place, user in enumerate(behaviours["user_id"].to_pylist())}
        self._items = {item: place for place, item in enumerate(inputs.item_ids)}
        self._queries = {query: place for place, query in enumerate(queries["query_id"].to_pylist())}
        self._owners = dict(zip(queries["query_id"].to_pylist(), queries["user_id"].to_pylist(), strict=True))
        users, items = crm.encode(behaviours["item_ids"].to_pylist()), crm.item_vectors(list(self._items))
        # Training alone tells what lies in the middle: no test row's history moves anybody on the shelf.
        self._states = one_size(inputs.of_queries(crm.encode), users)
        reactions = _reactions(inputs, self._users, self._items)
        self.shelf = Shelf(one_size(users, users), one_size(items, items), list(self._items), reactions)
        self.frozen = method.frozen()

    def asked(self, prompts: pa.Table, targets: pa.Table) -> tuple[Questions, Ask]:
        """Return targets as questions, and the LM that answers them."""
        places = dict(zip(prompts["target_id"].to_pylist(), range(prompts.num_rows), strict=True))
        basic = read_prompts(PROMPTS.check(prompts).take([places[name] for name in targets["target_id"].to_pylist()]))
        queries = targets["query_id"].to_pylist()
        questions = Questions(
            self._states[[self._queries[query] for query in queries]],
            self.shelf.items[[self._items[item] for item in targets["item_id"].to_pylist()]],
            np.array([self._users.get(self._owners[query], -1) for query in queries], np.int64),
            targets["label"].to_numpy().astype(np.int8),
        )
        describer, words = self._inputs.describer, self._inputs.words

        def ask(numbers: Sequence[int], told: Sequence[list[Reactions]]) -> npt.NDArray[np.float64]:
            written = [
                reacted(basic[number], reactions, describer, words)
                for number, reactions in zip(numbers, told, strict=True)
            ]
            return self.frozen.p_yes(self.frozen.encoder.encode(written).tokens)

        return questions, ask


def _reactions(inputs: Inputs, users: dict[str, int], items: dict[str, int]) -> csr_array:
    """Return the training rows of those users as a matrix: 1 liked, -1 not."""
    rated = inputs.interactions
    columns = (rated[name].to_pylist() for name in ("user_id", "item_id", "label", "split"))
    known = [
        (users[user], items[item], 1 if label == 1 else -1)
        for user, item, label, split in zip(*columns, strict=True)
        if split == "train" and user in users
    ]
    rows, places, values = np.array(known, np.int64).reshape(-1, 3).T
    return coo_array((values.astype(np.int8), (rows, places)), shape=(len(users), len(items))).tocsr()
