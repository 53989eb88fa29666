"""Which rows the paper's tables and figures have, and which settings make each row."""

from __future__ import annotations

from typing import Literal, NamedTuple

from scorerec.baselines.registry import BASELINES
from scorerec.core.errors import ConfigError
from scorerec.crm.registry import MODELS
from scorerec.experiment.methods import ALL_METHODS
from scorerec.experiment.stages import needs

Knowledge = Literal["own likes", "own likes and dislikes", "the label"]
# What a method may know, and hence what it can fairly be compared with.
Group = Literal["frozen", "as-of", "dislikes"]
_HEADINGS = ("References", "Conventional models", "LLM-based models", "Ours", "Encoders, no LLMs")
_AS_OF = "corpus.kind=as-of"
_OF_DISLIKES = {"item+user-mean", "boosted-trees", *(key for key, one in BASELINES.items() if one.reads_dislikes)}


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        key: names its records.
        name: as tables show it; that of the paper, where the paper has it.
        method: the method that makes its scores.
        changes: settings that differ from the experiment's.
        category: heading in Table 2.
    """

    key: str
    name: str
    method: str
    changes: tuple[str, ...] = ()
    category: str = ""

    @property
    def knows(self) -> Knowledge:
        """What of the user a method reads beside the rows it was trained on."""
        if ALL_METHODS[self.method].kind == "bound":
            return "the label"
        return "own likes and dislikes" if self.method in _OF_DISLIKES else "own likes"

    @property
    def group(self) -> Group:
        """The block of Table 2 that the row stands in."""
        if _AS_OF in self.changes:
            return "as-of"
        return "dislikes" if self.knows == "own likes and dislikes" else "frozen"

    @property
    def reads_text(self) -> bool:
        """Whether a language model or an encoder reads its prompts: such a row takes minutes."""
        return any(
            stage.startswith(("tuned-", "backbone", "prompts")) for stage in needs(ALL_METHODS[self.method].stage)
        )

    @property
    def reads_others(self) -> bool:
        """Whether other users' behaviours are retrieved for it."""
        return any(stage.startswith(("contexts", "neighbours")) for stage in needs(ALL_METHODS[self.method].stage))


def _plain(category: str, **names: str) -> tuple[Row, ...]:
    keys = {name.replace("_", "-"): shown for name, shown in names.items()}
    return tuple(Row(key, shown, key, (), category) for key, shown in keys.items())


def _crm(model: str, name: str) -> Row:
    return Row(model, name, "crm", (f"crm.model={model}",), "Conventional models")


def _crm_rows(model: str, name: str) -> tuple[Row, ...]:
    """Return a recommender as it finds users, with the item mean beside it, and trained for AUC on labelled rows."""
    changes, heading = (f"crm.model={model}",), "Conventional models"
    return (
        _crm(model, name),
        Row(f"{model}-item", f"{name} + item mean", "crm+item", changes, heading),
        Row(f"{model}-bce", f"{name}, trained for labelled AUC", "crm", (*changes, "crm.recipe=bce"), heading),
    )


ITEM_MEAN = Row("item-mean", "item mean", "item-mean", (), "References")
ITEM_USER_MEAN = Row("item+user-mean", "item + user mean", "item+user-mean", (), "References")
SCORE = Row("score", "SCORE", "score", (), "Ours")
SCORE_AS_OF = Row("score-as-of", "SCORE, as-of corpus", "score", (_AS_OF,), "Ours")
REFERENCES = (ITEM_MEAN, ITEM_USER_MEAN)
_SASREC = _crm("sasrec", "SASRec")

TABLE_2 = (
    *REFERENCES,
    *_plain(
        "References",
        user_knn="user-kNN",
        ease="EASE",
        boosted_trees="boosted trees on counts",
        title_regression="regression on MiniLM titles",
    ),
    *(row for name, model in MODELS.items() for row in _crm_rows(name, model.label)),
    *sorted(
        (
            Row("llm", "TALLRec", "llm", (), "LLM-based models"),
            *(Row(key, one.label, key, (), one.heading) for key, one in BASELINES.items()),
            SCORE,
            SCORE_AS_OF,
        ),
        key=lambda row: _HEADINGS.index(row.category),
    ),
)
COMPARED = ("Conventional models", "LLM-based models", "Ours")  # categories in which the best are marked


def _with_crm(model: str, name: str) -> tuple[Row, Row]:
    """LLaRA and SCORE on one CRM."""
    if model == "sasrec":
        return Row("llara", f"{name}, LLaRA", "llara"), Row("score", f"{name}, SCORE", "score")
    changes = (f"crm.model={model}",)
    return (
        Row(f"llara-{model}", f"{name}, LLaRA", "llara", changes),
        Row(f"score-{model}", f"{name}, SCORE", "score", changes),
    )


TABLE_3 = (*_with_crm("sasrec", "SASRec"), *_with_crm("lightgcn", "LightGCN"), *_with_crm("din", "DIN"))
# The titles of a similar user end with the target where they liked it: what an LM that reads whole histories would see.
SHOWN = ("prompt.evidence_window=target", "llm.evidence_augmentation=false")
FIGURE_3 = (
    Row("base", "SCORE-base", "base"),
    Row("cf", "SCORE-cf", "cf"),
    Row("rerank", "SCORE-rerank", "rerank"),
    SCORE,
    Row("random", "control: random users", "random"),
    Row("shuffled", "control: evidence of other rows", "shuffled"),
    Row("empty", "control: evidence without content", "empty"),
    Row("oracle", "bound: oracle (knows the label)", "oracle"),
    Row("score-shown", "SCORE, target shown where liked", "score", SHOWN),
    Row("oracle-shown", "bound: oracle, target shown where liked", "oracle", SHOWN),
)
DEFAULT_K_E, DEFAULT_K_S = 10, 2
K_E, K_S = (5, 10, 15, 20), (1, 2, 3, 4)


def _at(n_candidates: int, n_context_users: int, retune: bool) -> Row:
    name = f"K_e = {n_candidates}, K_s = {n_context_users}"
    section = "evidence" if retune else "recommending"
    changes = (f"{section}.n_candidates={n_candidates}", f"{section}.n_context_users={n_context_users}")
    key = f"{'retuned' if retune else 'score'}-ke{n_candidates}-ks{n_context_users}"
    return Row(key, name, "score" if retune else "score-at", changes)


def figure_4(retune: bool = False) -> tuple[Row, ...]:
    """Return the points of Fig. 4: numbers varied when recommending, or in training too."""
    points = [*((n, DEFAULT_K_S) for n in K_E), *((DEFAULT_K_E, n) for n in K_S)]
    return tuple(_at(*point, retune) for point in dict.fromkeys(points))


_STRICT = ("data.ties=strict",)
CHECKS = (
    *(Row(f"{row.key}-strict", f"{row.name}, strict ties", row.method, (*row.changes, *_STRICT)) for row in REFERENCES),
    Row("sasrec-strict", "SASRec, strict ties", "crm", (*_SASREC.changes, *_STRICT)),
    Row("llm-strict", "TALLRec, strict ties", "llm", _STRICT),
    Row("score-strict", "SCORE, strict ties", "score", _STRICT),
    SCORE_AS_OF,
)

TABLES = ("table2", "table3", "fig3", "fig4", "signal", "fig5", "checks")
OVER_SEEDS = ("table2", "fig3")  # every row of the others has the first seed alone


def rows_of(table: str, retune: bool = False) -> tuple[Row, ...]:
    """Return the rows of one table or figure; none for Fig. 5, which shows one prompt.

    Raises:
        ConfigError: there is no such table.
    """
    known = {
        "table2": TABLE_2,
        "table3": (*REFERENCES, *TABLE_3),
        "fig3": (*REFERENCES, *FIGURE_3),
        "fig4": (*REFERENCES, *figure_4(retune)),
        "fig5": (),
        "signal": (),
        "checks": CHECKS,
    }
    if table not in known:
        raise ConfigError(f"no {table!r} to reproduce; there are {', '.join([*known, 'all'])}")
    return known[table]
