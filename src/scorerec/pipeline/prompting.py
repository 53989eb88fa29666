"""From tables to prompts: histories, evidence and targets become typed segments (P^r, P^b, P^s)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, get_args

import pyarrow as pa
from pydantic import Field, field_validator

from scorerec.core.columns import BEHAVIOUR_ID, ITEM_ID, ITEM_IDS, QUERY_ID, RANK, TARGET_ID
from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.core.tables import PROMPTS, SEGMENT
from scorerec.text import prompts
from scorerec.text.budget import Budget, CountTokens, fit, window_start
from scorerec.text.describe import DescribeConfig, Describer
from scorerec.text.features import Asked, ChangePrompt
from scorerec.text.segments import Segment, render
from scorerec.text.wording import DOMAINS, DomainWords


class PromptConfig(Config):
    """How much of each list travels in a prompt; each model then fits it to its own budget."""

    domain: str | DomainWords = Field("movie", description="a known domain, or the words of one's own")
    describe: DescribeConfig = DescribeConfig()
    history_titles: int = Field(20, ge=0, description="most recent titles of the user's own history")
    history_step: int = Field(
        1,
        ge=1,
        exclude_if=lambda value: value == 1,  # settings written before it was there mean the same
        description="where it may start, as llm.history_step, of which it is a multiple",
    )
    question: prompts.Question = Field(
        "paper",
        exclude_if=lambda value: value == "paper",
        description="wording of what is asked of the LM: the paper's, or a short one to be gone on with",
    )
    evidence_titles: int = Field(20, ge=1, description="titles of each similar user")
    evidence_window: Literal["latest", "target", "marked"] = Field(
        "latest",
        description="which: the most recent ones; or, of a user who liked the target, those up to the target; marked: "
        "likewise, and the target is said to be the one in question",
    )
    behaviour_titles: int = Field(50, ge=1, description="most recent titles of a behaviour that retrievers read")

    @field_validator("domain")
    @classmethod
    def _check_domain(cls, value: str | DomainWords) -> str | DomainWords:
        if isinstance(value, str) and value not in DOMAINS:
            raise ValueError(f"wanted one of {', '.join(DOMAINS)}, or words of one's own")
        return value

    @property
    def words(self) -> DomainWords:
        """The words of the domain."""
        return self.domain if isinstance(self.domain, DomainWords) else DOMAINS[self.domain]


class Reader(NamedTuple):
    """A model that reads texts.

    Attributes:
        tokens: how many it reads, special tokens already subtracted; None is no limit.
        count_tokens: how they are counted.
    """

    tokens: int | None
    count_tokens: CountTokens


class Shown(NamedTuple):
    """A part of a prompt, or all of it.

    Attributes:
        segments: the part.
        n_titles: of the evidence that it is made from, be they shown or not.
    """

    segments: list[Segment]
    n_titles: int = 0


Place = Literal["history", "target"]


class Filled(Protocol):
    """A form of evidence, with what was found for each target."""

    @property
    def place(self) -> Place:
        """What it stands behind."""

    def of(self, asked: Asked) -> Shown:
        """Return what is shown for a target."""


class Prompter:
    """Writes prompts for the targets of one catalogue.

    Args:
        items: the ITEMS table.
        config: the budgets and the words.
        renamed: item_id -> what prompts call it in place of its title and metadata.
    """

    def __init__(self, items: pa.Table, config: PromptConfig, renamed: Mapping[str, str] = MappingProxyType({})):
        self.config = config
        self.words = config.words
        self.metadata: dict[str, Mapping[str, object]] = {row[ITEM_ID]: row for row in items.to_pylist()}
        self.describer = Describer(self.metadata, config.describe, renamed)

    def behaviour_texts(self, table: pa.Table, key: str, reader: Reader | None = None) -> dict[str, str]:
        """Return d(H(u)), its most recent titles, for each row of a table that has ``key`` and ``item_ids``.

        Args:
            table: BEHAVIOURS or QUERIES.
            key: ``behaviour_id`` or ``query_id``.
            reader: who will read the texts; its token limit takes out the oldest titles. None reads them whole.
        """
        return {
            name: self._behaviour_text(item_ids, reader)
            for name, item_ids in zip(table[key].to_pylist(), table[ITEM_IDS].to_pylist(), strict=True)
        }

    def _behaviour_text(self, item_ids: Sequence[str], reader: Reader | None) -> str:
        latest = _latest(item_ids, self.config.behaviour_titles)
        if reader is None or reader.tokens is None:
            return self.describer.behaviour(latest)
        segments = prompts.behaviour(latest, self.describer)
        return render(fit(segments, Budget(tokens=reader.tokens), reader.count_tokens).segments)

    def basic(self, targets: pa.Table, queries: pa.Table) -> pa.Table:
        """Return P^b for each target, without collaborative information (PROMPTS)."""
        return self.changed(targets, queries, lambda _, basic: list(basic))

    def with_evidence(self, targets: pa.Table, queries: pa.Table, forms: Sequence[Filled]) -> pa.Table:
        """Return P^s for each target: P^b with its evidence in some forms (PROMPTS).

        Args:
            targets: TARGETS.
            queries: QUERIES, with those of the targets.
            forms: what is shown, in this order.
        """

        def show(asked: Asked, basic: list[Segment]) -> Shown:
            shown = [(form.place, form.of(asked)) for form in forms]
            behind_history, on_target = (
                [part for at, one in shown if at == place for part in one.segments] for place in get_args(Place)
            )
            segments = prompts.with_evidence(basic, behind_history, on_target, self.config.question)
            return Shown(segments, sum(one.n_titles for _, one in shown))

        return self._written(targets, queries, show)

    def changed(self, targets: pa.Table, queries: pa.Table, change: ChangePrompt) -> pa.Table:
        """Return P^b of each target as ``change`` leaves it (PROMPTS): the prompts of a baseline.

        Args:
            targets: TARGETS.
            queries: QUERIES, with those of the targets.
            change: what is asked and P^b -> the prompt in its place.
        """
        return self._written(targets, queries, lambda asked, basic: Shown(change(asked, basic)))

    def _written(
        self, targets: pa.Table, queries: pa.Table, write: Callable[[Asked, list[Segment]], Shown]
    ) -> pa.Table:
        query_ids = targets[QUERY_ID].to_pylist()
        rows = []
        for query_id, (target_id, history, item) in zip(query_ids, requests(targets, queries), strict=True):
            basic = prompts.basic(self._history(history), item, self.describer, self.words, self.config.question)
            segments, n_titles = write(Asked(target_id, query_id, item), basic)
            rows.append((target_id, segments, len(history), n_titles))
        return self._table(rows)

    def self_assessing(self, targets: pa.Table, queries: pa.Table) -> list[tuple[str, list[Segment]]]:
        """Return (target_id, P^r) for each target."""
        return [
            (target_id, prompts.self_assessing(self._history(history), item, self.describer, self.words))
            for target_id, history, item in requests(targets, queries)
        ]

    def assessing_texts(self, targets: pa.Table, queries: pa.Table) -> list[str]:
        """Return P^r of each target as text."""
        return [render(segments) for _, segments in self.self_assessing(targets, queries)]

    def latest_of_other(self, item_ids: Sequence[str], target: str) -> Sequence[str]:
        """Return the titles of a similar user that travel in a prompt, oldest first."""
        if self.config.evidence_window != "latest" and target in item_ids:
            item_ids = item_ids[: len(item_ids) - list(reversed(item_ids)).index(target)]
        return _latest(item_ids, self.config.evidence_titles)

    def _history(self, item_ids: Sequence[str]) -> Sequence[str]:
        return item_ids[window_start(len(item_ids), self.config.history_titles, self.config.history_step) :]

    def _table(self, rows: Iterable[tuple[str, list[Segment], int, int]]) -> pa.Table:
        """Build PROMPTS column by column: a struct per segment as a Python object would be ten times slower."""
        target_ids, offsets, flat = [], [0], []
        dropped_history, dropped_evidence = [], []
        for target_id, segments, n_history, n_evidence in rows:
            target_ids.append(target_id)
            flat.extend(segments)
            offsets.append(len(flat))
            kinds = [segment.kind for segment in segments]
            dropped_history.append(n_history - kinds.count("history"))
            dropped_evidence.append(n_evidence - kinds.count("evidence"))
        columns = [pa.array([getattr(segment, field.name) for segment in flat], field.type) for field in SEGMENT]
        structs = pa.StructArray.from_arrays(columns, fields=list(SEGMENT))
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)
        table = pa.table([target_ids, lists, dropped_history, dropped_evidence], names=PROMPTS.columns.names)
        return PROMPTS.check(table)


def item_lists(behaviours: pa.Table) -> dict[str, Sequence[str]]:
    """Return behaviour_id -> item ids, oldest first."""
    return dict(zip(behaviours[BEHAVIOUR_ID].to_pylist(), behaviours[ITEM_IDS].to_pylist(), strict=True))


def requests(targets: pa.Table, queries: pa.Table) -> Iterable[tuple[str, list[str], str]]:
    """Yield (target_id, history oldest first, item_id) for each target.

    Raises:
        DataError: a target names a query that is not there.
    """
    histories = dict(zip(queries[QUERY_ID].to_pylist(), queries[ITEM_IDS].to_pylist(), strict=True))
    columns = (targets[name].to_pylist() for name in (TARGET_ID, QUERY_ID, ITEM_ID))
    for target_id, query_id, item_id in zip(*columns, strict=True):
        if query_id not in histories:
            raise DataError(f"target {target_id}: its query {query_id!r} is not in the table of queries")
        yield target_id, histories[query_id], item_id


def ranked(table: pa.Table, key: str) -> dict[str, list[str]]:
    """Return key -> behaviour ids in order of rank, for CANDIDATES, RANKINGS or CONTEXTS."""
    ordered = table.select([key, RANK, BEHAVIOUR_ID]).sort_by([(key, "ascending"), (RANK, "ascending")])
    result: dict[str, list[str]] = {}
    for name, behaviour in zip(ordered[key].to_pylist(), ordered[BEHAVIOUR_ID].to_pylist(), strict=True):
        result.setdefault(name, []).append(behaviour)
    return result


def _latest(item_ids: Sequence[str], count: int) -> Sequence[str]:
    return item_ids[window_start(len(item_ids), count) :]
