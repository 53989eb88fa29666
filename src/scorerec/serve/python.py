"""The Python interface: from two tables to scores, by the stages that the command line runs too."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.errors import DataError
from scorerec.core.storage import told_clearly
from scorerec.evaluate.results import Comparison
from scorerec.experiment.actions import write_report
from scorerec.experiment.config import load_experiment, merged
from scorerec.experiment.plan import RESULTS, stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Runner
from scorerec.pipeline.recommend import Recommendation, Request
from scorerec.serve.explain import opened_recommender
from scorerec.serve.live import known_interactions
from scorerec.serve.scores import run_scores

Settings = Mapping[str, Any]
_RATINGS, _ITEMS = "ratings.parquet", "items.parquet"


def fit(
    ratings: Any,
    items: Any,
    folder: str | Path,
    *,
    preset: str = "quickstart",
    settings: Settings = MappingProxyType({}),
    columns: Mapping[str, str] = MappingProxyType({}),
) -> FittedModel:
    """Train every part on two tables and evaluate it; what is done and unchanged is not done again.

    Args:
        ratings: one row per rating: user_id, item_id, rating, timestamp (UTC seconds). pandas, polars, pyarrow, or
            whatever else speaks Arrow.
        items: one row per item: item_id, title, and metadata.
        folder: of the run, kept; those beside it share artifacts with it.
        preset: a preset or a TOML file to start from.
        settings: what differs from it, as nested sections: ``{"crm": {"epochs": 20}}``.
        columns: our name -> that of the tables, where it differs: ``{"rating": "stars"}``.

    Raises:
        DataError: a table cannot be used.
        ConfigError: a setting is unknown or not allowed.
        ArtifactError: the folder cannot be written.
    """
    folder = Path(folder)
    data = folder / "data"
    tables = {_RATINGS: _arrow(ratings, "ratings"), _ITEMS: _arrow(items, "items")}
    with told_clearly(folder):
        data.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            pl.DataFrame(table).write_parquet(data / name)
    source = {"name": "tabular", "ratings": _RATINGS, "items": _ITEMS, "columns": dict(columns)}
    own = {"name": folder.name, "prompt": {"domain": "item"}, "data": {"source": source, "path": str(data.absolute())}}
    config = load_experiment(preset, changes=merged(own, settings))
    Runner(stages_of(config), config, folder.parent, folder).run()
    write_report(folder)
    return FittedModel(folder)


def open_run(folder: str | Path) -> FittedModel:
    """Open a finished run, of ``fit`` or of the command line.

    Raises:
        ArtifactError: there is none, or it has not come to its end.
    """
    run = Run.open(Path(folder))
    run.artifact("report")
    return FittedModel(run.folder)


@dataclass(frozen=True)
class FittedModel:
    """A finished run in a folder; everything is read from there.

    Attributes:
        folder: of the run; ``report.html`` in it is the report.
    """

    folder: Path

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """One record per method: method (key), label, auc, auc_low, auc_high, the same for uauc, log_loss, ..."""
        results = json.loads((Run.open(self.folder).artifact("report").path / RESULTS).read_text(encoding="utf-8"))
        comparison, labels = Comparison.model_validate(results["comparison"]), results["labels"]
        return [_flat({**method.model_dump(), "label": labels[method.method]}) for method in comparison.methods]

    def scores(self, methods: Collection[str] | None = None) -> pa.Table:
        """Return every score of the judged rows: row_id, user_id, item_id, timestamp, split, label, method, score.

        Args:
            methods: keys such as "score" and "llm"; None: all.
        """
        return run_scores(Run.open(self.folder), methods)

    def score(self, pairs: Any, histories: Mapping[str, Sequence[str]] = MappingProxyType({})) -> pa.Table:
        """Return user_id, item_id and score, the probability of Yes, for each pair, in the order given.

        Args:
            pairs: user_id and item_id.
            histories: user_id -> ids of liked items, oldest first, for users that the data lacks, or instead of what
                it has of them.

        Raises:
            DataError: the pairs lack a column, or name an unknown item, or a user of whom nothing is known.
        """
        table = _arrow(pairs, "pairs")
        users, asked = (_texts(table, name) for name in ("user_id", "item_id"))
        run = Run.open(self.folder)
        _check_items(run, [*asked, *(item for history in histories.values() for item in history)])
        wanted: dict[str, list[str]] = {}
        for user, item in zip(users, asked, strict=True):
            wanted.setdefault(user, []).append(item)
        known = {user: histories[user] if user in histories else _history(run, user) for user in wanted}
        with opened_recommender(run) as recommender:
            answers = recommender.answer([Request(user, known[user], own) for user, own in wanted.items()])
        found = {user: iter(own) for user, own in zip(wanted, answers, strict=True)}
        scores = [next(found[user]).p_yes for user in users]
        return pa.table({"user_id": users, "item_id": asked, "score": pa.array(scores, pa.float64())})

    def recommend(self, user_id: str, count: int = 10, history: Sequence[str] | None = None) -> list[Recommendation]:
        """Return the best unseen items for a user, each with the behaviours that spoke for it.

        Args:
            user_id: whose own behaviours are never evidence.
            count: how many.
            history: ids of liked items, oldest first, for a user that the data lacks.

        Raises:
            DataError: nothing is known of the user, or an item is unknown.
        """
        run = Run.open(self.folder)
        _check_items(run, history or ())
        liked = _history(run, user_id) if history is None else history
        with opened_recommender(run) as recommender:
            return recommender.recommend(user_id, liked, known_interactions(run, user_id)["item_id"].to_pylist(), count)


def _arrow(table: Any, name: str) -> pa.Table:
    """Return a table of any kind that speaks Arrow.

    Raises:
        DataError: it is none, or has no rows.
    """
    try:
        found = pa.table(table)
    except (TypeError, ValueError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{name}: wanted a table of pandas, polars or pyarrow, got {type(table).__name__} ({error})"
        ) from None
    if not found.num_rows:
        raise DataError(f"{name}: wanted at least one row, found none")
    index = [column for column in found.column_names if column.startswith("__index_level_")]  # of pandas
    return found.drop_columns(index)


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with what lies in records inside it under names of its own."""
    flat: dict[str, Any] = {"method": record["method"]}
    for name, value in record.items():
        inner = (
            {f"{name.removesuffix('_interval')}_{key}": part for key, part in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
        flat |= inner
    return flat


def _texts(table: pa.Table, column: str) -> list[str]:
    if column not in table.column_names:
        raise DataError(f"pairs: no column {column}; it has {', '.join(table.column_names)}")
    values = table[column].cast(pa.string()).to_pylist()
    if None in values:
        raise DataError(f"pairs: row {values.index(None)} has no {column}")
    return values


def _check_items(run: Run, item_ids: Iterable[str]) -> None:
    known = set(run.item_ids)
    if unknown := [item for item in item_ids if item not in known]:
        raise DataError(
            f"item {unknown[0]!r} is not in the catalogue ({len(unknown)} such); ids are text, as in the items table"
        )


def _history(run: Run, user_id: str) -> list[str]:
    mine = known_interactions(run, user_id)
    if not mine.num_rows:
        raise DataError(
            f"no user {user_id!r} in the data; user ids are text; for a new user give what they liked as history"
        )
    return mine.filter(pc.equal(mine["label"], 1))["item_id"].to_pylist()
