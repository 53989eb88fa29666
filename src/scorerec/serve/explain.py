"""Looking into a finished run: the prompts of one row, and recommendations with their evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import ITEM_ID, LABEL, SPLIT, USER_ID
from scorerec.core.errors import DataError
from scorerec.core.randomness import generator
from scorerec.experiment.run import Run
from scorerec.experiment.stand_ins import stand_ins
from scorerec.pipeline.chain import Chain
from scorerec.pipeline.forms.registry import FORMS, PAPER_FORM, filled, live
from scorerec.pipeline.recommend import Recommendation, Recommender
from scorerec.serve.live import interactions_by_now, known_interactions, opened_index


@dataclass(frozen=True)
class ShownPrompt:
    """One prompt as one model reads it.

    Attributes:
        name: P^r, P^b or P^s.
        reader: the model, and whose tokens are counted.
        text: special tokens and chat template included.
        n_tokens: its length.
    """

    name: str
    reader: str
    text: str
    n_tokens: int


@dataclass(frozen=True)
class Recommendations:
    """Recommendations for one user.

    Attributes:
        user_id: whose.
        n_liked: items that the user is known to have liked.
        latest: titles of the last of them.
        items: the best first.
        unread: ids of those among them whose titles argue, see ``Run.guarded``: the LLM was asked about no name.
    """

    user_id: str
    n_liked: int
    latest: list[str]
    items: list[Recommendation]
    unread: list[str]


def show_prompts(folder: Path, row_id: int | None) -> list[ShownPrompt]:
    """Return P^r, P^b and P^s of one row of the interactions, each exactly as its models see it.

    Args:
        folder: a finished run.
        row_id: of the interactions table; None: the first of the test rows.

    Raises:
        DataError: there is no such row.
        ArtifactError: the run has not come that far.
    """
    run = Run.open(folder)
    target, prompter = run.target(row_id), run.prompter
    basic = prompter.basic(target, run.queries)
    sources = {form: FORMS[form].stage for form in run.config.evidence.forms}
    augmented = prompter.with_evidence(target, run.queries, filled(run, sources))
    reranker = run.reranker()
    (by_sare,) = reranker.reader.texts(basic).values()
    (assessing,) = prompter.assessing_texts(target, run.queries)
    shown = []
    for name, stage, table in (("P^b", "tuned-llm", basic), ("P^s", "tuned-score", augmented)):
        scorer = run.lm(stage)
        ((text, n_tokens),) = scorer.as_text(table)
        shown.append(ShownPrompt(name, f"the LM ({scorer.backbone.describe()})", text, n_tokens))
    count = len(scorer.encoder.tokenizer(assessing, add_special_tokens=False)["input_ids"])
    return [
        ShownPrompt(
            "P^r",
            f"the assessor ({run.config.assess.assessor}; counted with the LM's tokenizer)",
            assessing,
            count,
        ),
        ShownPrompt("P^b", f"SARE ({run.config.sare.model})", by_sare, reranker.reader.count_tokens(by_sare)),
        *shown,
    ]


def recommend(folder: Path, user_ids: Sequence[str], count: int) -> list[Recommendations]:
    """Recommend items to users of the data from everything known of them, with the evidence behind each.

    Args:
        folder: a finished run.
        user_ids: whom; none draws a test user who has liked at least five items, by the run's seed.
        count: how many items each.

    Raises:
        DataError: the data has no such user.
        ArtifactError: the run has not come to its end.
    """
    run = Run.open(folder).guarded()
    chosen = user_ids or [_test_user(run.interactions, run.config.seed)]
    known = {user: known_interactions(run, user) for user in chosen}
    for user in (user for user, rows in known.items() if not rows.num_rows):
        raise DataError(f"no user {user!r} in the data of {folder}; user ids are text, as in the ratings")
    found = []
    with opened_recommender(run) as recommender:
        for user, rows in known.items():
            liked = rows.filter(pc.equal(rows[LABEL], 1))[ITEM_ID].to_pylist()
            items = recommender.recommend(user, liked, rows[ITEM_ID].to_pylist(), count)
            latest = [run.prompter.describer.title(item) for item in liked[-5:]]
            unread = [item.item_id for item in items if item.item_id in run.renamed]
            found.append(Recommendations(user, len(liked), latest, items, unread))
    return found


def read_stand_ins(folder: Path) -> list[str]:
    """Return which parts of a run stand in for what the paper used."""
    return stand_ins(Run.open(folder).config)


@contextmanager
def opened_recommender(run: Run) -> Iterator[Recommender]:
    """Load the trained parts of a finished run, and hold its index open during the block.

    Raises:
        ArtifactError: the run has not come to its end.
        DataError: the index was built with another retriever.
    """
    from scorerec.pipeline.expecting import KnownByNow  # its models take a second to import

    run = run.guarded()
    config, found_by, crm = run.config, run.finder(), run.crm()
    scorer = run.lm("tuned-score", config.scoring.exact_answers)
    reranker = run.reranker() if PAPER_FORM in config.evidence.forms else None
    with opened_index(run, found_by if reranker else None) as index:
        counts = config.evidence.n_candidates, config.evidence.n_context_users
        beside = live(KnownByNow(run, interactions_by_now(run)))
        chain = Chain(run.prompter, found_by, index, reranker, *counts, beside)
        yield Recommender(chain, scorer.score, scorer.encoder.as_read, crm, crm.catalogue.item_ids)


def _test_user(interactions: pa.Table, seed: int) -> str:
    liked = interactions.filter(pc.equal(interactions[LABEL], 1))
    counts = liked.group_by(USER_ID).aggregate([([], "count_all")]).to_pydict()
    often = {user for user, count in zip(counts[USER_ID], counts["count_all"], strict=True) if count >= 5}
    tested = set(interactions.filter(pc.equal(interactions[SPLIT], "test"))[USER_ID].to_pylist())
    users = sorted(tested & often) or sorted(tested)
    return users[int(generator(seed, "example user").integers(len(users)))]
