"""What the embedded LM reads: early rows only, no label, other users only, the same for the same seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from scorerec.core.tables import CANDIDATES
from scorerec.data.corpus import Corpus
from scorerec.pipeline.chain import Chain
from scorerec.pipeline.prompting import ranked
from scorerec.pipeline.reading import Producer, ReadingConfig, ReadingMatter, early_rows
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
def matter(
    corpora: dict[str, Corpus], chain_over: Callable[[str], Chain], early: pa.Table, retrieved: Producer
) -> ReadingMatter:
    return reading_matter(corpora, chain_over, early, [retrieved])


def reading_matter(
    corpora: dict[str, Corpus],
    chain_over: Callable[[str], Chain],
    early: pa.Table,
    producers: Sequence[Producer],
    budget: Budget = BUDGET,
) -> ReadingMatter:
    return ReadingMatter(chain_over("train").prompter, early, corpora["train"].queries, producers, budget)


def config(**settings: Any) -> ReadingConfig:
    return ReadingConfig(**{"share": SHARE, "n_texts": N_TEXTS, **settings})


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


def test_nothing_later_than_the_early_block_appears(
    world: Any, matter: ReadingMatter, early: pa.Table
) -> None:
    """A title is shown only where some row of the early block is about it."""
    title = matter.prompter.describer.title
    known = {title(item) for item in early["item_id"].to_pylist()}
    everything = {title(item) for item in world.prepared().interactions["item_id"].to_pylist()}
    shown = {name for text in matter.draw(config(), seed=0) for name in titles_in(text)}
    assert shown <= known
    assert len(shown) > len(known) / 2
    assert everything - known  # there is something later that could have appeared


def test_known_behaviours_end_before_the_last_early_row(
    world: Any, matter: ReadingMatter, early: pa.Table
) -> None:
    rows = world.prepared().interactions.to_pylist()
    last = max(early["row_id"].to_pylist())
    for user, behaviour in matter.behaviours.items():
        liked = [r["item_id"] for r in rows if r["user_id"] == user and r["label"] and r["row_id"] < last]
        assert list(behaviour) == liked[: len(behaviour)]


def test_no_text_tells_a_label(matter: ReadingMatter) -> None:
    for text in matter.draw(config(), seed=0):
        assert text.endswith("]") or QUESTION.search(text)
        rest = text.removesuffix("Respond with either 'Yes' or 'No'.")
        assert not re.search(r"\b(Yes|No)\b", rest)


def test_labels_decide_nothing(
    corpora: dict[str, Corpus],
    chain_over: Callable[[str], Chain],
    early: pa.Table,
    retrieved: Producer,
    matter: ReadingMatter,
) -> None:
    place = early.column_names.index("label")
    turned = pc.subtract(pa.scalar(1, pa.int8()), early["label"])
    other = reading_matter(corpora, chain_over, early.set_column(place, "label", turned), [retrieved])
    assert other.draw(config(), seed=0) == matter.draw(config(), seed=0)


def test_texts_are_of_three_kinds_in_their_shares(matter: ReadingMatter) -> None:
    texts = matter.draw(config(n_texts=1000, behaviours=0.3, with_evidence=0.5), seed=0)
    prompts = [text for text in texts if QUESTION.search(text)]
    with_evidence = [text for text in prompts if "Other users with similar preferences" in text]
    assert 0.25 < 1 - len(prompts) / len(texts) < 0.35
    # A little below one half: the first rows have no history, so nobody is found for them.
    assert 0.38 < len(with_evidence) / len(prompts) < 0.52
    assert not any(QUESTION.search(text) for text in matter.draw(config(behaviours=1.0), seed=0))
    assert not any("Other users" in text for text in matter.draw(config(with_evidence=0.0), seed=0))


@pytest.mark.parametrize("n_producers", [0, 1])
def test_own_user_is_never_evidence(
    corpora: dict[str, Corpus], chain_over: Callable[[str], Chain], early: pa.Table, n_producers: int
) -> None:
    """Every producer here names the query's own user first, and the same other user after it."""
    queries = corpora["train"].queries
    owners = dict(zip(queries["query_id"].to_pylist(), queries["user_id"].to_pylist(), strict=True))
    selfish = {query: [user, "u0000", "u0001", "u0002"] for query, user in owners.items()}
    matter = reading_matter(corpora, chain_over, early, [selfish] * n_producers)
    behaviour = matter.prompter.describer.behaviour
    written: dict[str, set[str]] = {}
    for user, items in matter.behaviours.items():
        written.setdefault(behaviour(items[-8:]), set()).add(user)
    seen = 0
    for text in matter.draw(config(behaviours=0.0, with_evidence=1.0), seed=1):
        head, _, evidence = text.partition("Other users with similar preferences have given high ratings to")
        own = re.search(r"\[.*?\]", head)
        assert own is not None
        for shown in re.findall(r"\[.*?\]", evidence):
            assert shown in written
            # A history is a prefix of its user's behaviour: whoever wrote it is not whom it is shown to.
            candidates = written[shown]
            asking = {
                user
                for _, user, history, _ in matter.rows
                if behaviour(history[-10:]) == own.group() and history
            }
            assert not asking or asking - candidates or len(candidates) > 1
            seen += 1
    assert seen > N_TEXTS / 2


def test_evidence_has_the_order_of_its_producer_and_the_budget_of_the_prompt(
    corpora: dict[str, Corpus], chain_over: Callable[[str], Chain], early: pa.Table
) -> None:
    queries = corpora["train"].queries["query_id"].to_pylist()
    users = ["u0005", "u0003", "u0009", "u0001"]
    matter = reading_matter(corpora, chain_over, early, [dict.fromkeys(queries, users)])
    written = {matter.prompter.describer.behaviour(matter.behaviours[user][-8:]): user for user in users}
    orders = set()
    for text in matter.draw(config(behaviours=0.0, with_evidence=1.0), seed=0):
        _, _, evidence = text.partition("Other users")
        shown = [written.get(part) for part in re.findall(r"\[.*?\]", evidence)]
        assert len(shown) <= 2
        if None not in shown:
            orders.add(tuple(shown))
    # The first two that are not the user itself, or two random users that happen to be among the four.
    assert ("u0005", "u0003") in orders


def test_a_user_without_a_known_behaviour_is_not_shown(
    corpora: dict[str, Corpus], chain_over: Callable[[str], Chain], early: pa.Table
) -> None:
    queries = corpora["train"].queries["query_id"].to_pylist()
    matter = reading_matter(corpora, chain_over, early.slice(0, 1), [dict.fromkeys(queries, ["stranger"])])
    texts = matter.draw(config(n_texts=20, behaviours=0.0, with_evidence=1.0), seed=0)
    assert not any("Other users" in text for text in texts)


def test_the_seed_decides(matter: ReadingMatter) -> None:
    assert matter.draw(config(), seed=3) == matter.draw(config(), seed=3)
    assert matter.draw(config(), seed=3) != matter.draw(config(), seed=4)


def test_rows_are_used_equally_often(matter: ReadingMatter, early: pa.Table) -> None:
    n_rows = early.num_rows
    texts = matter.draw(config(n_texts=2 * n_rows + 1, behaviours=0.0, with_evidence=0.0), seed=0)
    counts = {text: texts.count(text) for text in set(texts)}
    assert len(texts) == 2 * n_rows + 1
    assert len(counts) == n_rows  # every user rates an item once, so every row has a prompt of its own
    assert sorted(counts.values()) == [2] * (n_rows - 1) + [3]


def test_as_of_candidates_name_users_too(
    corpora: dict[str, Corpus], chain_over: Callable[[str], Chain]
) -> None:
    """The producer speaks of users: behaviours of an as-of corpus carry their snapshot in the name."""
    candidates = CANDIDATES.check(chain_over("as-of").candidates(corpora["as-of"].queries))
    behaviours = corpora["as-of"].behaviours
    owners = dict(
        zip(behaviours["behaviour_id"].to_pylist(), behaviours["user_id"].to_pylist(), strict=True)
    )
    producer = {query: [owners[name] for name in names] for query, names in ranked(candidates, "query_id").items()}
    targets = corpora["as-of"].targets
    early = early_rows(targets.filter(pc.equal(targets["split"], "train")), SHARE)
    matter = ReadingMatter(chain_over("as-of").prompter, early, corpora["as-of"].queries, [producer], BUDGET)
    texts = matter.draw(config(behaviours=0.0, with_evidence=1.0), seed=0)
    assert sum("Other users" in text for text in texts) > N_TEXTS / 2
