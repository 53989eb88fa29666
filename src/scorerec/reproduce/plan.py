"""Which rows the paper's tables and figures have, and which settings make each row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

from scorerec.core.errors import ConfigError
from scorerec.crm.config import EXPECTING
from scorerec.experiment.methods import ALWAYS, HEADINGS, METHODS, Knowledge, recommenders
from scorerec.experiment.plan import reads_text, shows_others
from scorerec.pipeline.forms.registry import PAPER_FORM

# What a method may know, and hence what it can fairly be compared with.
Group = Literal["frozen", "as-of", "dislikes"]
_AS_OF = "corpus.kind=as-of"


class Row(NamedTuple):
    """One row of a table: a method, with settings of its own.

    Attributes:
        key: names its records.
        method: key of the method that makes its scores.
        changes: settings that differ from the experiment's.
        label: as tables show it, where that is not the method's.
    """

    key: str
    method: str
    changes: tuple[str, ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        """As tables show it; that of the paper, where the paper has it."""
        return self.label or METHODS[self.method].label

    @property
    def category(self) -> str:
        """Heading in Table 2."""
        return METHODS[self.method].heading

    @property
    def knows(self) -> Knowledge:
        """What of the user a method reads beside the rows it was trained on."""
        return "own likes and dislikes" if _OF_DISLIKES in self.changes else METHODS[self.method].knows

    @property
    def group(self) -> Group:
        """The block of Table 2 that the row stands in."""
        if _AS_OF in self.changes:
            return "as-of"
        return "dislikes" if self.knows == "own likes and dislikes" else "frozen"

    @property
    def in_paper(self) -> str:
        """The key of the row that the paper has for it: SCORE in titles is the paper's SCORE."""
        return SCORE.key if self.method == _IN_TITLES.method else self.key

    @property
    def reads_text(self) -> bool:
        """Whether a language model or an encoder reads its prompts: such a row takes minutes."""
        return reads_text(METHODS[self.method].stage)

    @property
    def reads_others(self) -> bool:
        """Whether other users' behaviours are retrieved for it."""
        return shows_others(METHODS[self.method].stage)


def _crm_rows(model: str) -> Iterator[Row]:
    """Yield a recommender as it finds users, with the item mean beside it, and trained for AUC on labelled rows."""
    kind, changes = recommenders()[model], (f"crm.model={model}",)
    yield Row(model, "crm", changes, kind.label)
    yield Row(f"{model}-item", "crm+item", changes, f"{kind.label} + item mean")
    if "bce" in kind.recipes:
        yield Row(f"{model}-bce", "crm", (*changes, "crm.recipe=bce"), f"{kind.label}, trained for labelled AUC")


def _rows_of_category(category: str) -> tuple[Row, ...]:
    """Return a row for each method under a heading of Table 2; the recommenders' for each model."""
    found: list[Row] = []
    for method in METHODS.values():
        if method.heading == category and method.kind != "conventional":
            found.append(Row(method.key, method.key))
    if category == METHODS["crm"].heading:
        found += (row for model in recommenders() for row in _crm_rows(model))
    return tuple(found)


ITEM_MEAN, ITEM_USER_MEAN, SCORE = (Row(key, key) for key in ALWAYS)
SCORE_AS_OF = Row("score-as-of", "score", (_AS_OF,), "SCORE, as-of corpus")
REFERENCES = (ITEM_MEAN, ITEM_USER_MEAN)
# Of the counts, every table of SCORE in verdicts, which tell them; `rows_of` leaves the row out of others.
IN_EVERY_TABLE = (*REFERENCES, Row("counts", "counts"))
# What collaborative information gives the LM: the second minus the first, and minus it the paper's titles, too.
WITHOUT_CI, WITH_CI = "llm", ("titles", SCORE.key)
OURS = METHODS["score"].heading
COMPARED = (METHODS["crm"].heading, METHODS["llm"].heading, OURS)  # categories in which the best are marked
TABLE_2 = tuple(
    row
    for category in HEADINGS
    for row in (*_rows_of_category(category), *((SCORE_AS_OF,) if category == OURS else ()))
)


def _with_crm(model: str, name: str) -> tuple[Row, Row]:
    """LLaRA and SCORE on one CRM."""
    if model == "sasrec":
        return Row("llara", "llara", (), f"{name}, LLaRA"), Row("score", "score", (), f"{name}, SCORE")
    changes = (f"crm.model={model}",)
    return (
        Row(f"llara-{model}", "llara", changes, f"{name}, LLaRA"),
        Row(f"score-{model}", "score", changes, f"{name}, SCORE"),
    )


TABLE_3 = (*_with_crm("sasrec", "SASRec"), *_with_crm("lightgcn", "LightGCN"), *_with_crm("din", "DIN"))
# The titles of a similar user end with the target where they liked it: what an LM that reads whole histories would see.
SHOWN = ("prompt.evidence_window=target", "llm.evidence_augmentation=false")
_VARIANTS = [key for kind in ("ablation", "control", "bound") for key, one in METHODS.items() if one.kind == kind]
FIGURE_3 = (
    *(Row(key, key) for key in _VARIANTS if METHODS[key].kind == "ablation" and key != "score-at"),
    SCORE,
    *(Row(key, key) for key in _VARIANTS if METHODS[key].kind != "ablation"),
    Row("score-shown", "score", SHOWN, "SCORE, target shown where liked"),
    Row("oracle-shown", "oracle", SHOWN, "bound: oracle, target shown where liked"),
)
DEFAULT_K_E, DEFAULT_K_S = 10, 2
K_E, K_S = (5, 10, 15, 20), (1, 2, 3, 4)


def _at(n_candidates: int, n_context_users: int, retune: bool) -> Row:
    name = f"K_e = {n_candidates}, K_s = {n_context_users}"
    section = "evidence" if retune else "recommending"
    changes = (f"{section}.n_candidates={n_candidates}", f"{section}.n_context_users={n_context_users}")
    key = f"{'retuned' if retune else 'score'}-ke{n_candidates}-ks{n_context_users}"
    return Row(key, "score" if retune else "score-at", changes, name)


def figure_4(retune: bool = False) -> tuple[Row, ...]:
    """Return the points of Fig. 4: numbers varied when recommending, or in training too."""
    points = [*((n, DEFAULT_K_S) for n in K_E), *((DEFAULT_K_E, n) for n in K_S)]
    return tuple(_at(*point, retune) for point in dict.fromkeys(points))


_STRICT = ("data.ties=strict",)
CHECKS = (
    *(
        Row(f"{row.key}-strict", row.method, (*row.changes, *_STRICT), f"{row.name}, strict ties")
        for row in (*IN_EVERY_TABLE, Row("sasrec", "crm", ("crm.model=sasrec",), "SASRec"), Row("llm", "llm"), SCORE)
    ),
    SCORE_AS_OF,
)

_VERDICTS = "verdicts"
_OF_DISLIKES = "evidence.own_dislikes=true"
# What SCORE beyond the paper is told, in each regime: what was best on validation rows (docs/evidence.md).
_TOLD = (
    'evidence.forms=["opinion"]',
    "llm.taught_by=expectation",
    "llm.teacher=1.0",  # taught half by labels, the LM reads the first digit of a figure, and not the second
    "llm.calibrate=level",
    "scoring.exact_answers=true",
)
_COUNTING = ("counts", *EXPECTING)


class Regime(NamedTuple):
    """What all rows of a table beyond the paper's may know.

    Attributes:
        table: its name.
        changes: settings of all its rows.
        beside: rows that know no more, and are made for other tables, too.
    """

    table: str
    changes: tuple[str, ...]
    beside: tuple[Row, ...] = ()

    @property
    def key(self) -> str:
        """The letter of the regime."""
        return self.table[-1]

    @property
    def score(self) -> Row:
        """SCORE as this regime has it, with which the rows of the table are compared."""
        return Row(f"score-{self.key}", "score", (*self.changes, *_TOLD), f"SCORE, regime {self.key.upper()}")

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the table: references, controls on the same counts, and SCORE."""
        counting = (
            Row(f"{key}-{self.key}", key, (*self.changes, 'evidence.forms=["verdicts", "opinion"]'))
            for key in _COUNTING
        )
        return (*REFERENCES, *counting, *self.beside, self.score)


_LIGHTGCN = tuple(row for row in _crm_rows("lightgcn") if not row.key.endswith("-bce"))
REGIMES = (
    Regime("beyond-a", (), (*_LIGHTGCN, Row(WITHOUT_CI, WITHOUT_CI), SCORE._replace(label="SCORE, verdicts alone"))),
    Regime("beyond-b", (_AS_OF, "corpus.refresh=day")),
    Regime("beyond-c", (_OF_DISLIKES,)),
)
BEYOND = tuple(regime.table for regime in REGIMES)
_TITLES = ", in titles"  # a row that differs from SCORE in these alone, where SCORE shows none
_IN_TITLES = Row("titles", "titles")  # SCORE itself, then
_WHO_IS_FOUND = ("crm.model=", "evidence.n_candidates=", "evidence.n_context_users=")
PAPER_TABLES = ("table2", "table3", "fig3", "fig4", "signal", "fig5", "checks")
TABLES = (*PAPER_TABLES, *BEYOND)
OVER_SEEDS = ("table2", "fig3", *BEYOND)  # every row of the others has the first seed alone


def compared_in(table: str) -> Row:
    """Return the row with which those of a table are compared."""
    return next((regime.score for regime in REGIMES if regime.table == table), SCORE)


def tables_of(what: str) -> tuple[str, ...]:
    """Return the tables that are meant by ``all``, those of the paper, by ``beyond``, or by the name of one."""
    return {"all": PAPER_TABLES, "beyond": BEYOND}.get(what, (what,))


def rows_of(table: str, retune: bool = False, forms: Collection[str] = (PAPER_FORM,)) -> tuple[Row, ...]:
    """Return the rows of one table or figure; none for Fig. 5, which shows one prompt.

    Args:
        table: its name.
        retune: whether Fig. 4 is tuned anew at each of its points.
        forms: of evidence that prompts of SCORE show; rows that say nothing of their own about them are left out. What
            is otherwise in titles alone is made with titles where they are not shown.

    Raises:
        ConfigError: there is no such table.
    """
    known = {
        "table2": TABLE_2,
        "table3": (*IN_EVERY_TABLE, *TABLE_3),
        "fig3": (*IN_EVERY_TABLE, *FIGURE_3),
        "fig4": (*IN_EVERY_TABLE, *figure_4(retune)),
        "fig5": (),
        "signal": (),
        "checks": CHECKS,
    }
    for regime in REGIMES:
        if table == regime.table:
            return tuple(row for row in regime.rows if row.key != SCORE.key or tuple(forms) == (_VERDICTS,))
    if table not in known:
        raise ConfigError(f"no {table!r} to reproduce; there are {', '.join([*known, *BEYOND, 'beyond', 'all'])}")
    found = [_with_titles(row) if _is_of_titles(row, forms) else row for row in known[table]]
    if table == "table3" and PAPER_FORM not in forms:  # verdicts know of no recommender
        found = [_IN_TITLES._replace(label=f"{row.name}{_TITLES}") if row.key == SCORE.key else row for row in found]
    found = [row for row in found if row.label.endswith(_TITLES) or METHODS[row.method].differs(forms)]
    return tuple(found) if set(found) - set(IN_EVERY_TABLE) else ()


def _is_of_titles(row: Row, forms: Collection[str]) -> bool:
    """Whether a row, of those that are tuned, differs from SCORE in titles, and these are not shown."""
    if PAPER_FORM in forms or row.method == "score-at":
        return False
    finds_others = row.method == SCORE.method and any(change.startswith(_WHO_IS_FOUND) for change in row.changes)
    return METHODS[row.method].changes == {PAPER_FORM} or set(SHOWN) <= set(row.changes) or finds_others


def _with_titles(row: Row) -> Row:
    return row._replace(changes=(*row.changes, f'evidence.forms=["{PAPER_FORM}"]'), label=f"{row.name}{_TITLES}")
