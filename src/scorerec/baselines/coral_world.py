"""What CoRAL acts in: the users and items of one experiment, and the frozen LM that is asked about its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array, csr_array

from scorerec.baselines.base import Inputs
from scorerec.baselines.coral_retrieval import Lesson, Questions, Shelf
from scorerec.baselines.soft import one_size
from scorerec.core.columns import ITEM_ID, ITEM_IDS, LABEL, QUERY_ID, SPLIT, TARGET_ID, USER_ID
from scorerec.core.tables import BEHAVIOURS, PROMPTS
from scorerec.crm.registry import load_crm
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import Scorer
from scorerec.text.features import Reactions, reacted


class World:
    """Shelf, rows and LM of one experiment.

    Args:
        inputs: the experiment.
        frozen: the LM that answers.
    """

    def __init__(self, inputs: Inputs, frozen: Scorer):
        self._inputs, self.frozen = inputs, frozen
        crm = load_crm(inputs.model("crm"))
        behaviours, queries = inputs.table("neighbours", BEHAVIOURS), inputs.queries
        self._users = {user: place for place, user in enumerate(behaviours[USER_ID].to_pylist())}
        self._items = {item: place for place, item in enumerate(inputs.item_ids)}
        self._queries = {query: place for place, query in enumerate(queries[QUERY_ID].to_pylist())}
        self._owners = dict(zip(queries[QUERY_ID].to_pylist(), queries[USER_ID].to_pylist(), strict=True))
        users, items = crm.encode(behaviours[ITEM_IDS].to_pylist()), crm.item_vectors(list(self._items))
        # Training alone tells what lies in the middle: no test row's history moves anybody on the shelf.
        self._states = one_size(inputs.of_queries(crm.encode), users)
        reactions = _reactions(inputs, self._users, self._items)
        self.shelf = Shelf(one_size(users, users), one_size(items, items), list(self._items), reactions)

    def asked(self, prompts: pa.Table, targets: pa.Table) -> Lesson:
        """Return targets as questions, and the LM that answers them."""
        places = dict(zip(prompts[TARGET_ID].to_pylist(), range(prompts.num_rows), strict=True))
        basic = read_prompts(PROMPTS.check(prompts).take([places[name] for name in targets[TARGET_ID].to_pylist()]))
        queries = targets[QUERY_ID].to_pylist()
        questions = Questions(
            self._states[[self._queries[query] for query in queries]],
            self.shelf.items[[self._items[item] for item in targets[ITEM_ID].to_pylist()]],
            np.array([self._users.get(self._owners[query], -1) for query in queries], np.int64),
            targets[LABEL].to_numpy().astype(np.int8),
        )
        describer, words = self._inputs.describer, self._inputs.words

        def ask(numbers: Sequence[int], told: Sequence[list[Reactions]]) -> npt.NDArray[np.float64]:
            written = [
                reacted(basic[number], reactions, describer, words)
                for number, reactions in zip(numbers, told, strict=True)
            ]
            return self.frozen.p_yes(self.frozen.encoder.encode(written).tokens)

        return Lesson(questions, ask)


def _reactions(inputs: Inputs, users: dict[str, int], items: dict[str, int]) -> csr_array:
    """Return the training rows of those users as a matrix: 1 liked, -1 not."""
    rated = inputs.interactions
    columns = (rated[name].to_pylist() for name in (USER_ID, ITEM_ID, LABEL, SPLIT))
    known = [
        (users[user], items[item], 1 if label == 1 else -1)
        for user, item, label, split in zip(*columns, strict=True)
        if split == "train" and user in users
    ]
    rows, places, values = np.array(known, np.int64).reshape(-1, 3).T
    return coo_array((values.astype(np.int8), (rows, places)), shape=(len(users), len(items))).tocsr()
