"""What the toy LM reads: early rows only, no label, other users only, the same for the same seed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from scorerec.core.tables import CANDIDATES, ITEMS, QUERIES, TARGETS
from scorerec.data.corpus import Corpus
from scorerec.pipeline.chain import Chain
from scorerec.pipeline.mixture import Mixture, MixtureConfig, Producer, early_rows
from scorerec.pipeline.prompting import PromptConfig, Prompter, ranked
from scorerec.text.budget import Budget

BUDGET = Budget(history_titles=10, evidence_titles=8, evidence_users=2)
SHARE = 0.5
N_TEXTS = 400
QUESTION = re.compile(r"titled (['\"].*['\"])\. Respond with either 'Yes' or 'No'\.$")


@pytest.fixture(scope="module")
def early(corpora: dict[str, Corpus]) -> pa.Table:
    targets = corpora["train"].targets
    return early_rows(targets.filter(pc.equal(targets["split"], "train")), SHARE)


@pytest.fixture(scope="module")
def retrieved(corpora: dict[str, Corpus], chain_over: Callable[[str], Chain]) -> Producer:
    """CAR's candidates; a behaviour of the train corpus is called like its user."""
    return ranked(chain_over("train").candidates(corpora["train"].queries), "query_id")


@pytest.fixture(scope="module")
def mixture(
    corpora: dict[str, Corpus], chain_over: Callable[[str], Chain], early: pa.Table, retrieved: Producer
) -> Mixture:
    return reading_matter(corpora, chain_over, early, [retrieved])


def reading_matter(
    corpora: dict[str, Corpus],
    chain_over: Callable[[str], Chain],
    early: pa.Table,
    producers: Sequence[Producer],
) -> Mixture:
    return Mixture(chain_over("train").prompter, early, corpora["train"].queries, producers, BUDGET)


def config(**settings: Any) -> MixtureConfig:
    return MixtureConfig(**{"share": SHARE, "n_texts": N_TEXTS, **settings})


def titles_in(text: str) -> list[str]:
    """Return the titles of this world, which have no quotes, wherever they stand in a text."""
    return re.findall(r"'([^']+ \(\d{4}\))'", text)


def test_the_early_block_is_the_first_share_in_order_of_time(corpora: dict[str, Corpus]) -> None:
    targets = corpora["train"].targets
    shuffled = targets.take(list(range(targets.num_rows))[::-1])
    n_early = targets.num_rows // 4
    assert early_rows(shuffled, 0.25)["row_id"].to_pylist() == list(range(n_early))
    assert early_rows(shuffled, 1.0).num_rows == targets.num_rows
    assert early_rows(shuffled, 1e-9)["row_id"].to_pylist() == [0]


def test_nothing_later_than_the_early_block_appears(world: Any, mixture: Mixture, early: pa.Table) -> None:
    """A title is shown only where some row of the early block is about it."""
    title = mixture.prompter.describer.title
    known = {title(item) for item in early["item_id"].to_pylist()}
    everything = {title(item) for item in world.prepared().interactions["item_id"].to_pylist()}
    shown = {name for text in mixture.draw(config(), seed=0) for name in titles_in(text)}
    assert shown <= known
    assert len(shown) > len(known) / 2
    assert everything - known  # there is something later that could have appeared


def test_known_behaviours_end_before_the_last_early_row(world: Any, mixture: Mixture, early: pa.Table) -> None:
    rows = world.prepared().interactions.to_pylist()
    last = max(early["row_id"].to_pylist())
    for user, behaviour in mixture.behaviours.items():
        liked = [r["item_id"] for r in rows if r["user_id"] == user and r["label"] and r["row_id"] < last]
        assert list(behaviour) == liked[: len(behaviour)]


def test_no_text_tells_a_label(mixture: Mixture) -> None:
    for text in mixture.draw(config(), seed=0):
        assert text.endswith("]") or QUESTION.search(text)
        rest = text.removesuffix("Respond with either 'Yes' or 'No'.")
        assert not re.search(r"\b(Yes|No)\b", rest)


def test_labels_decide_nothing(
    corpora: dict[str, Corpus],
    chain_over: Callable[[str], Chain],
    early: pa.Table,
    retrieved: Producer,
    mixture: Mixture,
) -> None:
    place = early.column_names.index("label")
    turned = pc.subtract(pa.scalar(1, pa.int8()), early["label"])
    other = reading_matter(corpora, chain_over, early.set_column(place, "label", turned), [retrieved])
    assert other.draw(config(), seed=0) == mixture.draw(config(), seed=0)


def test_texts_are_of_three_kinds_in_their_shares(mixture: Mixture) -> None:
    texts = mixture.draw(config(n_texts=1000, behaviours=0.3, with_evidence=0.5), seed=0)
    prompts = [text for text in texts if QUESTION.search(text)]
    with_evidence = [text for text in prompts if "Other users with similar preferences" in text]
    assert 0.25 < 1 - len(prompts) / len(texts) < 0.35
    # A little below one half: the first rows have no history, so nobody is found for them.
    assert 0.38 < len(with_evidence) / len(prompts) < 0.52
    assert not any(QUESTION.search(text) for text in mixture.draw(config(behaviours=1.0), seed=0))
    assert not any("Other users" in text for text in mixture.draw(config(with_evidence=0.0), seed=0))


USERS = ["ann", "bob", "cat", "dan", "eve"]


def private_world(n_rows_each: int = 6) -> tuple[Prompter, pa.Table, pa.Table]:
    """Return a prompter, TARGETS and QUERIES of users who each like items of their own, all in turn."""
    rows = [(user, number) for number in range(n_rows_each) for user in USERS]
    items = {"item_id": [f"{user}{number}" for user, number in rows]}
    catalogue = pa.table({**items, "title": [f"{user} {number} (2000)" for user, number in rows]})
    queries = pa.table(
        {
            "query_id": items["item_id"],
            "user_id": [user for user, _ in rows],
            "n_before": [number for _, number in rows],
            "snapshot": [0] * len(rows),
            "item_ids": [[f"{user}{earlier}" for earlier in range(number)] for user, number in rows],
        }
    )
    targets = pa.table(
        {
            "target_id": items["item_id"],
            "query_id": items["item_id"],
            "item_id": items["item_id"],
            "row_id": range(len(rows)),
            "label": [1] * len(rows),
            "split": ["train"] * len(rows),
        }
    )
    return Prompter(ITEMS.check(catalogue), PromptConfig()), TARGETS.check(targets), QUERIES.check(queries)


def evidence_in(mixture: Mixture, seed: int = 0) -> list[tuple[str, list[str]]]:
    """Return (own user, users shown) of each prompt that is drawn."""
    found = []
    for text in mixture.draw(config(behaviours=0.0, with_evidence=1.0), seed):
        _, _, evidence = text.partition("Other users")
        own = QUESTION.search(text)
        assert own is not None
        lists = [titles_in(part) for part in re.findall(r"\[.*?\]", evidence)]
        assert all(len({title[:3] for title in titles}) == 1 for titles in lists)
        found.append((own.group(1)[1:4], [titles[0][:3] for titles in lists]))
    return found


@pytest.mark.parametrize("n_producers", [0, 1, 2])
def test_own_user_is_never_evidence(n_producers: int) -> None:
    prompter, targets, queries = private_world()
    owners = dict(zip(queries["query_id"].to_pylist(), queries["user_id"].to_pylist(), strict=True))
    own_first = {query: [user, *USERS] for query, user in owners.items()}
    found = evidence_in(Mixture(prompter, targets, queries, [own_first] * n_producers, BUDGET))
    assert all(own not in shown for own, shown in found)
    assert all(len(set(shown)) == 2 for _, shown in found)
    # Random users are among the producers, so everybody is shown to everybody.
    assert {(own, user) for own, shown in found for user in shown} == {
        (own, user) for own in USERS for user in USERS if own != user
    }


def test_evidence_has_the_order_of_its_producer() -> None:
    prompter, targets, queries = private_world()
    orders = [["eve", "bob", "ann", "dan"], ["cat", "ann", "eve", "bob"]]
    producers = [dict.fromkeys(queries["query_id"].to_pylist(), order) for order in orders]
    found = evidence_in(Mixture(prompter, targets, queries, producers, BUDGET))
    wanted = {own: {tuple([user for user in order if user != own][:2]) for order in orders} for own in USERS}
    for own in USERS:
        drawn = Counter(tuple(shown) for user, shown in found if user == own)
        # Each of the two producers has a third of the prompts, random users share the last third.
        assert {order for order, _ in drawn.most_common(2)} == wanted[own]


def test_the_budget_bounds_users_and_titles() -> None:
    prompter, targets, queries = private_world()
    budget = Budget(history_titles=3, evidence_titles=2, evidence_users=1)
    mixture = Mixture(prompter, targets, queries, [], budget)
    texts = mixture.draw(config(behaviours=0.0, with_evidence=1.0), seed=0)
    sizes = [[len(titles_in(part)) for part in re.findall(r"\[.*?\]", text)] for text in texts]
    assert {len(lists) for lists in sizes} == {2}
    assert {lists[0] for lists in sizes} == {0, 1, 2, 3}
    assert {lists[1] for lists in sizes} == {2}
    behaviours = mixture.draw(config(behaviours=1.0), seed=0)
    assert {len(titles_in(text)) for text in behaviours} == {0, 1, 2, 3}


def test_a_user_without_a_known_behaviour_is_not_shown() -> None:
    prompter, targets, queries = private_world()
    strangers = {query: ["stranger"] for query in queries["query_id"].to_pylist()}
    mixture = Mixture(prompter, targets.slice(0, 5), queries, [strangers], BUDGET)  # no history yet
    assert all(shown == [] for _, shown in evidence_in(mixture))


def test_the_seed_decides(mixture: Mixture) -> None:
    assert mixture.draw(config(), seed=3) == mixture.draw(config(), seed=3)
    assert mixture.draw(config(), seed=3) != mixture.draw(config(), seed=4)


def test_rows_are_used_equally_often() -> None:
    prompter, targets, queries = private_world()
    mixture = Mixture(prompter, targets, queries, [], BUDGET)
    n_rows = targets.num_rows
    texts = mixture.draw(config(n_texts=2 * n_rows + 1, behaviours=0.0, with_evidence=0.0), seed=0)
    assert sorted(Counter(texts).values()) == [2] * (n_rows - 1) + [3]


def test_as_of_candidates_name_users_too(corpora: dict[str, Corpus], chain_over: Callable[[str], Chain]) -> None:
    """The producer speaks of users: behaviours of an as-of corpus carry their snapshot in the name."""
    candidates = CANDIDATES.check(chain_over("as-of").candidates(corpora["as-of"].queries))
    behaviours = corpora["as-of"].behaviours
    owners = dict(zip(behaviours["behaviour_id"].to_pylist(), behaviours["user_id"].to_pylist(), strict=True))
    producer = {query: [owners[name] for name in names] for query, names in ranked(candidates, "query_id").items()}
    targets = corpora["as-of"].targets
    early = early_rows(targets.filter(pc.equal(targets["split"], "train")), SHARE)
    mixture = Mixture(chain_over("as-of").prompter, early, corpora["as-of"].queries, [producer], BUDGET)
    texts = mixture.draw(config(behaviours=0.0, with_evidence=1.0), seed=0)
    assert sum("Other users" in text for text in texts) > N_TEXTS / 2
