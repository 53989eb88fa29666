"""Looking into a finished run: the prompts of one row, and recommendations with their evidence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.artifacts import MODEL
from scorerec.core.errors import DataError
from scorerec.core.randomness import generator
from scorerec.core.tables import BEHAVIOURS, CONTEXTS, INTERACTIONS, ITEMS, QUERIES, TARGETS
from scorerec.crm.registry import load_crm
from scorerec.experiment.live import index_path, known_interactions
from scorerec.experiment.runner import Run
from scorerec.experiment.stages.evaluation import stand_ins
from scorerec.experiment.stages.parts import finder
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import Scorer
from scorerec.nn.devices import use_threads
from scorerec.pipeline.chain import Chain, item_lists
from scorerec.pipeline.prompting import Prompter
from scorerec.pipeline.recommend import Recommendation, Recommender
from scorerec.rerank.score import load_reranker
from scorerec.retrieve.index import BehaviourIndex
from scorerec.text.segments import render


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
    """Recommendations for one user, and lines that stand above them."""

    headlines: list[str]
    items: list[Recommendation]


def show_prompts(folder: Path, row_id: int) -> list[ShownPrompt]:
    """Return P^r, P^b and P^s of one row of the interactions, each exactly as its models see it.

    Raises:
        DataError: there is no such row.
        ArtifactError: the run has not come that far.
    """
    run = Run.open(folder)
    corpus, prompter = run.artifact("corpus"), _prompter(run)
    queries = corpus.table(QUERIES)
    target = _row(corpus.table(TARGETS), row_id)
    behaviours = item_lists(corpus.table(BEHAVIOURS))
    contexts = run.artifact("contexts").table(CONTEXTS)
    basic = prompter.basic(target, queries)
    augmented = prompter.augmented(target, queries, contexts, behaviours)
    reranker = load_reranker(run.artifact("sare").path / MODEL, run.config.sare, run.config.device)
    by_sare = render(next(iter(reranker.reader.read(basic).values())))
    assessing = render(prompter.self_assessing(target, queries)[0][1])
    shown = []
    for name, stage, table in (("P^b", "tuned-llm", basic), ("P^s", "tuned-score", augmented)):
        scorer = Scorer.load(run.artifact(stage).path / MODEL, run.config.llm, run.config.device)
        tokens = scorer.encoder.encode(read_prompts(table)).tokens[0]
        text = scorer.encoder.tokenizer.decode(tokens, skip_special_tokens=False)
        shown.append(ShownPrompt(name, f"the LM ({scorer.backbone.describe()})", text, len(tokens)))
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


def recommend(folder: Path, user_id: str | None, count: int) -> Recommendations:
    """Recommend items to a user of the data from everything known of them, with the evidence behind each.

    Args:
        folder: a finished run.
        user_id: None draws a test user who has liked at least five items, by the run's seed.
        count: how many items.

    Raises:
        DataError: the data has no such user.
        ArtifactError: the run has not come to its end.
    """
    run = Run.open(folder)
    use_threads(run.config.threads)
    interactions = run.artifact("data").table(INTERACTIONS)
    chosen = _test_user(interactions, run.config.seed) if user_id is None else user_id
    mine = known_interactions(run, chosen)
    if not mine.num_rows:
        raise DataError(f"no user {chosen!r} in the data of {folder}; user ids are text, as in the ratings")
    history = mine.filter(pc.equal(mine["label"], 1))["item_id"].to_pylist()
    with opened_recommender(run) as recommender:
        found = recommender.recommend(chosen, history, mine["item_id"].to_pylist(), count)
    titles = [_prompter(run).describer.title(item) for item in history[-5:]]
    return Recommendations(
        [
            f"User {chosen} liked {len(history)} items, the latest: {', '.join(titles) or 'none'}",
            *(f"Stand-in: {line}" for line in stand_ins(run.config)),
        ],
        found,
    )


@contextmanager
def opened_recommender(run: Run) -> Iterator[Recommender]:
    """Load the trained parts of a finished run, and hold its index open during the block.

    Raises:
        ArtifactError: the run has not come to its end.
        DataError: the index was built with another retriever.
    """
    config = run.config
    found_by = finder(config, run.artifacts)
    crm = load_crm(run.artifact("crm").path / MODEL)
    reranker = load_reranker(run.artifact("sare").path / MODEL, config.sare, config.device)
    scorer = Scorer.load(run.artifact("tuned-score").path / MODEL, config.llm, config.device)
    with BehaviourIndex.open(index_path(run)) as index:
        if found_by.fingerprint != index.encoder:
            raise DataError(f"{index.path}: built with another retriever than {run.artifact('car').path}; run again")
        counts = config.evidence.n_candidates, config.evidence.n_context_users
        chain = Chain(found_by, index, reranker, *counts)
        yield Recommender(chain, scorer.score, crm, crm.catalogue.item_ids, config.llm.evidence_titles)


def _prompter(run: Run) -> Prompter:
    return Prompter(run.artifact("data").table(ITEMS), run.config.prompt)


def _row(targets: pa.Table, row_id: int) -> pa.Table:
    found = targets.filter(pc.equal(targets["row_id"], row_id))
    if not found.num_rows:
        raise DataError(f"no row {row_id}; the interactions have rows 0 to {targets.num_rows - 1}")
    return found


def _test_user(interactions: pa.Table, seed: int) -> str:
    liked = interactions.filter(pc.equal(interactions["label"], 1))
    counts = liked.group_by("user_id").aggregate([([], "count_all")]).to_pydict()
    often = {user for user, count in zip(counts["user_id"], counts["count_all"], strict=True) if count >= 5}
    tested = set(interactions.filter(pc.equal(interactions["split"], "test"))["user_id"].to_pylist())
    users = sorted(tested & often) or sorted(tested)
    return users[int(generator(seed, "example user").integers(len(users)))]
