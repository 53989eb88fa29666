"""A finished run that answers: what somebody would like, why, and what is known of them.

One thread asks at a time. What was added or forgotten, by whichever process, is known at the next request.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import ITEM_ID, LABEL, P_YES, TARGET_ID, TIMESTAMP
from scorerec.core.errors import ArtifactError, ConfigError
from scorerec.experiment.plan import AUDIT, stages_of
from scorerec.experiment.run import RECORD, Run
from scorerec.experiment.runner import Runner
from scorerec.experiment.stand_ins import stand_ins
from scorerec.pipeline.chain import Chain
from scorerec.pipeline.forms.registry import FORMS, PAPER_FORM, live
from scorerec.pipeline.opinions import own_of
from scorerec.pipeline.reasons import explained
from scorerec.pipeline.recommend import Read, Recommendation, Recommender, Request
from scorerec.serve.asked import Explanation, Person, Proposed, Versions, Wish
from scorerec.serve.catalogue import ItemList, NotThereError, popularity
from scorerec.serve.config import ServeConfig
from scorerec.serve.live import UserRows, alone, interactions_by_now, opened_index, state_of
from scorerec.serve.scoring import LM, RememberedScores, distant, own_lm
from scorerec.text.parts import parts, without
from scorerec.text.segments import Segment

if TYPE_CHECKING:
    from scorerec.pipeline.expecting import KnownByNow

_PATIENCE = 5.0  # seconds to wait for who is forgetting or adding elsewhere: others wait for this one
_OF_ONE_RATER = "shared"  # a form that tells of single raters


@dataclass
class Watched:
    """Seconds of what a service did, by stage; whoever measures takes them out."""

    seconds: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a block."""
        begin = time.perf_counter()
        yield
        self.seconds.append((name, time.perf_counter() - begin))


class Service:
    """A run, loaded; see ``load``.

    Args:
        run: a finished one.
        config: how it is served.
        lm: that scores; None: the run's own, in this process.

    Raises:
        ArtifactError: the run has not come to its end.
        ConfigError: its evidence cannot be told over ``config.min_users`` users.
        DataError: the index was built with another retriever.
    """

    def __init__(self, run: Run, config: ServeConfig, lm: LM | None = None):
        if _OF_ONE_RATER in run.config.evidence.forms and config.min_users > 1:
            raise ConfigError(
                f"evidence.forms of {run.folder} has {_OF_ONE_RATER!r}, which tells what single raters thought; serve "
                "a run without it, or, where raters may know each other's taste, set serve.min_users=1"
            )
        self.run, self.config, self.watched = run, config, Watched()
        self.record = (run.folder / RECORD).read_bytes()
        self._shows_titles = PAPER_FORM in run.config.evidence.forms
        self._finder, self._crm = run.finder(), run.crm()
        self._reranker = run.reranker() if self._shows_titles else None
        self.scores = RememberedScores(lm or own_lm(run, config), config.cached_scores)
        self.items = ItemList(run.items, popularity(run.interactions))
        self._state = state_of(run.folder)
        self._know(run, None)

    @classmethod
    def load(cls, folder: Path, config: ServeConfig) -> Service:
        """Load the trained parts of a finished run; counts that went when somebody was forgotten are made anew.

        Args:
            folder: of the run.
            config: how it is served; where its LM is served elsewhere, that one is asked.
        """
        with alone(folder.parent, "making"):  # nobody is being forgotten meanwhile
            run = with_asked(Run.open(folder))
        return cls(run, config, distant(run, config) if config.lm_url else None)

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    @cached_property
    def stand_ins(self) -> list[str]:
        """Which parts stand in for what the paper used."""
        return stand_ins(self.run.config)

    @property
    def is_audited(self) -> bool:
        """Whether titles that argue are known, and not read."""
        return AUDIT.name in self.run.artifacts

    def title(self, item_id: str) -> str:
        """Return a title as people are told it beside what was read: with a note, where the LM read a neutral name."""
        unread = " (its title was not read)" if item_id in self.run.renamed else ""
        return f"{self.items.title(item_id)}{unread}"

    @property
    def versions(self) -> Versions:
        """What every answer names."""
        added = f"+{self._state[:8]}" if self._state else ""
        corpus = self.run.artifact("corpus").fingerprint + added
        return Versions(self.run.artifact("tuned-score").fingerprint, corpus, self._snapshot)

    @property
    def n_behaviours(self) -> int:
        """How many behaviours may be evidence."""
        return len(self._index)

    def refresh(self) -> bool:
        """Learn what was added or forgotten since the last request; return whether something was.

        Where that fails, what was known before is known still, and it is tried again at the next request.

        Raises:
            ArtifactError: what is needed cannot be read.
        """
        state = state_of(self.run.folder)
        if state == self._state:
            return False
        # Its own artifacts, never those of a run that was made anew: ``load`` is for that.
        there = {name: one for name, one in self.run.artifacts.items() if one.path.is_dir()}
        before, run = self._index, with_asked(replace(self.run, artifacts=there))
        self._know(run, self._known)
        before.close()
        self.run, self._state = run, state
        self.scores.forget()  # prompts, if only their hashes, of somebody who may be forgotten
        return True

    def _know(self, run: Run, earlier: KnownByNow | None) -> None:
        """Read what is known by now; nothing is changed where that fails."""
        from scorerec.pipeline.expecting import KnownByNow, of_many_users  # its models take a second to import

        config = run.config
        interactions = interactions_by_now(run)
        known = (
            KnownByNow(run, interactions, self.config.min_users)
            if earlier is None
            else earlier.later(run, interactions)
        )
        index = opened_index(run, self._finder if self._shows_titles else None)
        likes = interactions.filter(pc.equal(interactions[LABEL], 1))
        tellable = frozenset(of_many_users(likes, self.config.min_users)[ITEM_ID].to_pylist())
        counts = config.evidence.n_candidates, config.evidence.n_context_users
        chain = Chain(run.prompter, self._finder, index, self._reranker, *counts, live(known), tellable)
        encoder = self.scores.scorer.encoder
        self._recommender = Recommender(chain, self._scored, encoder.as_read, self._crm, self._crm.catalogue.item_ids)
        self._known, self._index, self._rows = known, index, UserRows(interactions)
        self._snapshot = int(pc.max(interactions[TIMESTAMP]).as_py() or 0)

    def _scored(self, prompts: pa.Table) -> pa.Table:
        with self.watched.stage("lm"):
            return self.scores.table(prompts)

    def warming(self) -> Iterator[None]:
        """Compute what the first request would wait for, and then, part by part, what others after it would."""
        history = list(self._crm.catalogue.item_ids[:1])
        self._recommender.answer([Request(_nobody(history), history, list(self._crm.catalogue.item_ids[1:2]))])
        yield
        yield from self._known.warming()

    def check(self) -> float | None:
        """Return how far p(Yes) of pinned rows lies from what the run itself wrote down: the median.

        Prompts of some rows may have lost somebody who was forgotten; another model differs in all.

        Returns:
            None where the run has no prompts any more: they went with somebody who was forgotten.
        """
        run = self.run
        if not {"scores-score", "prompts-score"} <= run.artifacts.keys():
            return None
        prompts = run.prompts("prompts-score", run.config.evaluation.split)
        scores = run.scores("scores-score", "score")
        places = pc.index_in(scores[TARGET_ID], prompts[TARGET_ID].combine_chunks())
        pinned = scores.filter(pc.is_valid(places)).slice(0, self.config.pinned_rows)
        if not pinned.num_rows:
            return None
        found = self.scores.table(prompts.take(places.drop_null().slice(0, self.config.pinned_rows)))
        return float(np.median(np.abs(found[P_YES].to_numpy() - pinned[P_YES].to_numpy())))

    def require_sound(self) -> None:
        """Refuse to serve a run that is not at its end, or whose model scores other than it did.

        Raises:
            ArtifactError: it has no scores yet; or those of pinned rows lie further off than ``config.tolerance``.
        """
        if "scores-score" not in self.run.artifacts:
            raise ArtifactError(f"{self.run.folder}: has not come to its scores; let `scorerec run` end")
        apart = self.check()
        if apart is not None and apart > self.config.tolerance:
            raise ArtifactError(
                f"{self.run.folder}: p(Yes) of pinned rows lies {apart:.3f} from what the run wrote down (allowed: "
                f"{self.config.tolerance}); its model has changed since: run it again"
            )

    def person(self, user_id: str | None, history: Sequence[str] | None, disliked: Sequence[str] = ()) -> Person:
        """Return who is asked for.

        Args:
            user_id: a user of the data, or of what was added; None: nobody who is known.
            history: ids of liked items, oldest first, in place of what is known of them.
            disliked: ids of items that somebody who is not known did not like, oldest first; liked ones are none.

        Raises:
            NotThereError: nothing is known of them, and no history is given; or an item of it is unknown.
        """
        if history is not None:
            self.items.require(history, "history")
            self.items.require(disliked, "dislikes")
            seen = self._rows.of(user_id) if user_id else None
            rated = seen[ITEM_ID].to_pylist() if seen is not None else []
            disliked = [item for item in disliked if item not in history]
            name = user_id or _nobody(history, disliked)
            return Person(name, list(history), frozenset([*rated, *history, *disliked]), disliked)
        mine = self.known_of(user_id or "")
        liked = mine.filter(pc.equal(mine[LABEL], 1))[ITEM_ID].to_pylist()
        return Person(user_id or "", liked, frozenset(mine[ITEM_ID].to_pylist()))

    def known_of(self, user_id: str) -> pa.Table:
        """Return all that a user is known to have done, oldest first (INTERACTIONS).

        Raises:
            NotThereError: that is nothing.
        """
        mine = self._rows.of(user_id)
        if mine is None:
            remedy = "give a history, or another user_id"
            raise NotThereError(f"nothing is known of a user {user_id!r}", "user_id", remedy)
        return mine

    def score(self, asked: Sequence[tuple[Person, Sequence[str]]]) -> list[list[Recommendation]]:
        """Score items for people, those of all in one pass; each with what the LM read of others.

        Raises:
            NotThereError: the catalogue lacks an item.
        """
        for _, items in asked:
            self.items.require(items, "items")
        return self._answer(asked)

    def _answer(self, asked: Sequence[tuple[Person, Sequence[str]]]) -> list[list[Recommendation]]:
        with self.watched.stage("evidence"):
            read = self._read(asked)
        return self._recommender.scored(read)

    def _read(self, asked: Sequence[tuple[Person, Sequence[str]]]) -> Read:
        said = self._known.said
        said.clear()
        said.update((one.user_id, own_of(one.history, one.disliked)) for one, _ in asked if one.disliked)
        return self._recommender.read([Request(one.user_id, one.history, items) for one, items in asked])

    def recommend(self, wishes: Sequence[Wish]) -> list[list[Proposed]]:
        """Return the best items for each wish, those of all scored together as far as their time budget goes.

        Raises:
            NotThereError: a wish names an item or a column that is not there.
        """
        until = time.perf_counter() + self.config.seconds
        with self.watched.stage("shortlist"):
            short = [self._shortlist(wish) for wish in wishes]
        found: list[list[Recommendation]] = [[] for _ in wishes]
        for start in range(0, max(map(len, short), default=0), self.config.chunk):
            if start and time.perf_counter() > until:
                break
            parts_of = [items[start : start + self.config.chunk] for items in short]
            asked = [(wish.person, some) for wish, some in zip(wishes, parts_of, strict=True)]
            for own, more in zip(found, self._answer(asked), strict=True):
                own += more
        return [self._ranked(wish, items, own) for wish, items, own in zip(wishes, short, found, strict=True)]

    def _shortlist(self, wish: Wish) -> list[str]:
        person, among = wish.person, self.items.chosen(wish.filters)
        self.items.require(wish.exclude, "exclude")
        left_out = {*wish.exclude, *(() if wish.again else person.seen)}
        count = max(self.config.shortlist, wish.n_items)
        return self._recommender.shortlist(person.history, left_out, count, among)

    def _ranked(self, wish: Wish, short: Sequence[str], scored: Sequence[Recommendation]) -> list[Proposed]:
        best = [Proposed(item, True) for item in sorted(scored, key=lambda item: -item.p_yes)]
        rest = (Proposed(Recommendation(item, self.items.title(item), 0.0, ()), False) for item in short[len(scored) :])
        return [*best, *rest][: wish.n_items]

    def explain(self, asked: Sequence[tuple[Person, str]], left_out: Sequence[int] = ()) -> list[Explanation]:
        """Say why items have their scores for people: what the answers are without each part of their prompts.

        Args:
            asked: people and items.
            left_out: parts that are left out before, by their places in the prompt; of one item alone.

        Raises:
            NotThereError: the catalogue lacks an item.
        """
        self.items.require([item for _, item in asked], "item")
        read = self._read([(person, [item]) for person, item in asked])
        prompts = [one.segments for (one,) in read.prompts]
        shown = [parts(prompt) for prompt in prompts]
        places = sorted(set(left_out))
        for own in shown:
            if places and not 0 <= places[0] <= places[-1] < len(own):
                shown_parts = f"wanted numbers of parts, 0 to {len(own) - 1}, got {places}"
                raise NotThereError(shown_parts, "left_out", "an answer without left_out numbers them")
        cut = [without(prompt, [own[at] for at in places]) for prompt, own in zip(prompts, shown, strict=True)]
        with self.watched.stage("reasons"):
            whole = self.scores.p_yes(prompts)
            reasons = explained(cut, self.scores.p_yes)
        items = self._recommender.scored(read)
        return [
            Explanation(replace(item, p_yes=float(p)), prompt, own, why, why.p_yes, read.owners)
            for (item,), prompt, own, why, p in zip(items, prompts, shown, reasons, whole, strict=True)
        ]

    def prompt_text(self, segments: Sequence[Segment]) -> str:
        """Return a prompt exactly as the LM reads it, special tokens included."""
        encoder = self.scores.scorer.encoder
        (tokens,) = encoder.encode([segments]).tokens
        return str(encoder.tokenizer.decode(tokens, skip_special_tokens=False))

    def add(self, rows: Any) -> Any:
        """Add interactions, as ``live.add_rows`` does; they are on disk when it returns."""
        from scorerec.serve.live import add_rows, require_index

        with self.watched.stage("add"):
            require_index(self.run, self._finder)
            return add_rows(self.run, rows, self._finder, _PATIENCE)


def with_asked(run: Run) -> Run:
    """Return a run, guarded, with all that its forms of evidence read at a request; stages that are gone are made."""
    wanted = (stage for form in run.config.evidence.forms for stage in FORMS[form].asks)
    missing = [stage for stage in wanted if stage not in run.artifacts]
    if missing:
        made = Runner(stages_of(run.config), run.config, run.root, run.folder).made(*missing)
        run = replace(run, artifacts={**run.artifacts, **made.artifacts})
    return run.guarded()


def _nobody(history: Sequence[str], disliked: Sequence[str] = ()) -> str:
    """Return an id that no user has: the same for the same history, which is answered alike whenever it comes."""
    said = json.dumps([history, disliked] if disliked else history)
    return f"nobody-{hashlib.sha256(said.encode()).hexdigest()[:32]}"
