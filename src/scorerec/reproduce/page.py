"""Writes what was reproduced: a page in Markdown, CSV of every table, figures as PNG and SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from scorerec.core.storage import replace_file
from scorerec.evaluate.health import HEALTH_COLUMNS, health_row
from scorerec.evaluate.results import Health
from scorerec.evaluate.significance import METRICS
from scorerec.evaluate.tables import NONE, as_csv, markdown, p_value, seconds, users_left_out
from scorerec.reproduce.figures import Picture, variants_figure, varied_figure
from scorerec.reproduce.plan import (
    BEYOND,
    COMPARED,
    DEFAULT_K_E,
    DEFAULT_K_S,
    IN_EVERY_TABLE,
    REFERENCES,
    SCORE,
    Group,
    Row,
    compared_in,
)
from scorerec.reproduce.records import Record
from scorerec.reproduce.summary import NOT_RUN, Line
from scorerec.reproduce.verdict import verdict_line

_TITLES = {
    "table2": "Table 2: all systems",
    "table3": "Table 3: other recommenders behind Eq. 4",
    "fig3": "Figure 3: variants of SCORE, and controls",
    "fig4": "Figure 4: numbers of users retrieved (K_e) and shown (K_s)",
    "signal": "Is there a signal?",
    "fig5": "Figure 5: attention",
    "checks": "Checks: strict order of ties, and a corpus without anything later",
    "beyond-a": "Beyond the paper, A: a frozen corpus, and the user's own likes",
    "beyond-b": "Beyond the paper, B: others' ratings up to the day before the row, and weights as they were trained",
    "beyond-c": "Beyond the paper, C: as A, and the user's own dislikes",
}
_SAYS = {
    "table2": "Bold: best; underlined: second, among conventional and LLM-based models of the first block. "
    "The item + user mean, which knows dislikes, stands in every block. "
    "*SCORE's gain*: of the mean of AUC and UAUC, the paper's Rel. Imp.",
    "table3": "All rows, the references too: the first seed alone. LLaRA reads the item vectors of the recommender, "
    "SCORE its neighbours.",
    "fig3": "Controls show evidence that knows nothing; the oracle chooses users by the label: a bound on what "
    "choosing among the retrieved can give. *Target shown*: of a user who liked the target, the titles up to it "
    "(`prompt.evidence_window=target`), and the same titles in every epoch (`llm.evidence_augmentation=false`).",
    "fig4": "All rows, the references too: the first seed alone. Varied when recommending, all being trained with "
    "K_e = 10 and K_s = 2; with `--retune`, tuned anew.",
    "checks": "All rows: the first seed alone. *Strict ties*: rows of the same second are not history for each other. "
    "*As-of corpus*: other users' behaviours up to the week before the row, instead of the training period.",
    **dict.fromkeys(
        BEYOND,
        "All differences are *SCORE of this regime* minus the row. The regression, the trees and both, whose opinion "
        "SCORE is told, read the same counts without a language model: what SCORE is not above them by, words did not "
        "add. The item + user mean, which knows dislikes, stands in every table.",
    ),
}


_GROUPS: Mapping[Group, str] = {
    "frozen": "May know what the user liked before, and others' behaviours as the experiment's corpus has them",
    "as-of": "May know what others did up to the last snapshot before the row",
    "dislikes": "May know what the user rated and did not like before",
}


@dataclass(frozen=True)
class Section:
    """One table or figure: its name, its lines, pictures that were drawn otherwise, and what stands below the table."""

    name: str
    lines: Sequence[Line]
    pictures: Sequence[Picture] = ()
    text: str = ""
    below: Sequence[str] = ()

    @property
    def title(self) -> str:
        """The heading."""
        return _TITLES[self.name]


@dataclass(frozen=True)
class Page:
    """Everything that is written.

    Attributes:
        title: of the page: the experiment.
        command: that makes it.
        record: of any row, for what all have in common.
        stand_ins: what the experiment has in the place of what the paper used.
        sections: in their order.
        notes: what the numbers say, in somebody's words; Markdown.
        folder: where records, pictures and CSV lie, relative to the page.
        also: where further records lie.
        checked: whether all records are known to be made with the present settings.
    """

    title: str
    command: str
    record: Record
    stand_ins: Sequence[str]
    sections: Sequence[Section]
    notes: str = ""
    folder: str = "results"
    also: Sequence[str] = ()
    checked: bool = True

    def write(self, path: Path) -> None:
        """Write the page to ``path``, and everything else below the folder beside it."""
        parts = [self._head()]
        for section in self.sections:
            below = path.parent / self.folder
            parts.append(f"## {section.title}\n")
            if section.lines:
                parts += [*_tables(section), *(f"{line}\n" for line in section.below), *_failures(section)]
                replace_file(below / f"{section.name}.csv", as_csv(flat_rows(section.lines)))
            for picture in (*_drawn(section), *section.pictures):
                for form, data in (("svg", picture.svg), ("png", picture.png)):
                    replace_file(below / f"{picture.name}.{form}", data)
                parts.append(f"![{picture.description}]({self.folder}/{picture.name}.svg)\n")
            if section.text or section.name in _SAYS:
                parts.append((section.text or _SAYS[section.name]) + "\n")
        if told := beyond_rows(self.sections):
            replace_file(path.parent / self.folder / "beyond.csv", as_csv(told))
        if self.notes:
            parts.append(self.notes)
        replace_file(path, "\n".join(parts).rstrip() + "\n")

    def _head(self) -> str:
        record, measured = self.record, self.record.measured
        folders = " and ".join(f"`{folder}/`" for folder in (self.folder, *self.also))
        lines = [
            f"# Results: {self.title}\n",
            f"_Written by `{self.command}` from the records in {folders}, one per row and seed. Do not edit._\n",
            f"{measured.n_rows:,} {record.split} rows of {measured.n_users:,} users. {users_left_out(measured)}.\n",
            *(f"- Stand-in: {line}" for line in self.stand_ins),
            *([] if self.checked else ["- **Not checked**: whether all records were made with the same settings"]),
            *self._not_run(),
            f"- Machine: {record.machine}",
            "- Brackets: 95% intervals that know of chance between seeds and of users (a row of one seed: of users "
            "alone). Differences are SCORE minus the row, on the same rows, seeds and draws of users; p is two-sided, "
            "after Holm's correction for the table. "
            "*Detectable*: the smallest true difference in AUC that a test at 5% would find four times in five.",
            "- Verdicts: better or worse only where that interval lies on one side of 0 and p is below 0.05.",
            "- Seeds such as *1 of 3*: the means of that row are of fewer seeds than those of the others, and its "
            "differences are over the seeds that SCORE and the row both have.",
            "- *User x item* (language models): share of the variance of the logits of p(Yes) that is neither the "
            "user's nor the item's, 1 minus the adjusted R^2 of a sum of both. *Other history, other evidence*: mean "
            "absolute change of p(Yes) when that part of the prompt is another user's row's.",
            "- Every record has the scores of its rows, so that whoever has the data can measure again.",
            "- The paper's numbers are those of its 8B backbone on its own run of the same data.\n",
        ]
        return "\n".join(lines)

    def _not_run(self) -> list[str]:
        """Say plainly which rows the page lacks."""
        rows = {
            section.title.partition(":")[0]: [line.row.name for line in section.lines if line.failure == NOT_RUN]
            for section in self.sections
        }
        return [f"- **Not run yet**, {title}: {'; '.join(names)}" for title, names in rows.items() if names]


def _tables(section: Section) -> list[str]:
    """Return the table of a section; Table 2 in blocks, by what methods may know, each with the two references."""
    rows = text_rows(section)
    if section.name != "table2":
        return [_table(rows, section.lines, compared_in(section.name))]
    parts = []
    for group, title in _GROUPS.items():
        if not any(line.row.group == group for line in section.lines):
            continue
        own = [line.row.group == group or line.row in REFERENCES for line in section.lines]
        shown = list(compress(section.lines, own))
        parts.append(f"### {title}\n\n{_table(list(compress(rows, own)), shown, SCORE)}")
    return parts


def _table(rows: Sequence[Mapping[str, str]], lines: Sequence[Line], ours: Row) -> str:
    return f"{markdown(rows)}\n\n**Verdict.** {verdict_line(lines, ours)}\n"


def text_rows(section: Section) -> list[dict[str, str]]:
    """Return the lines of a section as text, the best and second best marked in Table 2."""
    marks = _marks(section.lines) if section.name == "table2" else {}
    has_paper = any(line.paper for line in section.lines)
    of_models = any(line.health for line in section.lines)
    rows = []
    for line in section.lines:
        row = {"": line.row.category} if section.name == "table2" else {}
        row["method"] = line.row.name
        if section.name == "table2":
            row["reads"] = _reads(line)
        for metric in METRICS:
            row[metric.upper()] = _mean(line, metric, marks.get((line.row.key, metric), "{}"))
        for metric in METRICS:
            row[f"SCORE's {metric.upper()} minus its"] = _difference(line, metric)
        if section.name == "table2":
            row["SCORE's gain"] = NONE if line.improvement is None else f"{line.improvement:+.2%}"
        found = line.differences.get("auc")
        row["detectable"] = NONE if found is None else f"{found.detectable:.4f}"
        if has_paper:
            row["paper, 8B"] = NONE if line.paper is None else f"{line.paper[0]:.4f} / {line.paper[1]:.4f}"
        if of_models:
            row |= dict.fromkeys(HEALTH_COLUMNS, NONE) if line.health is None else health_row(line.health)
        row["seconds"] = seconds(line.seconds)
        row["seeds"] = _seeds(line)
        rows.append(row)
    return rows


def beyond_rows(sections: Sequence[Section]) -> list[dict[str, object]]:
    """Return regime, method, means and number of seeds of each row of the tables beyond the paper's."""
    return [
        {
            "regime": section.name[-1].upper(),
            "method": _in_regime(line.row, section.name),
            "auc": line.mean("auc"),
            "uauc": line.mean("uauc"),
            "seeds": len(line.seeds),
        }
        for section in sections
        if section.name in BEYOND
        for line in section.lines
    ]


def _in_regime(row: Row, table: str) -> str:
    """Return the key of a method; that of SCORE as the preset has it is of what it is told."""
    if row.key == SCORE.key:
        return "verdicts"
    return row.method if row.key.endswith(table[-2:]) else row.key


def flat_rows(lines: Sequence[Line]) -> list[dict[str, object]]:
    """Return every number of the lines in full precision, for CSV."""
    rows = []
    for line in lines:
        row: dict[str, object] = {
            "key": line.row.key,
            "method": line.row.name,
            "category": line.row.category,
            "reads": _reads(line),
            "seeds": " ".join(map(str, line.seeds)),
            "failure": line.failure,
        }
        for metric in METRICS:
            found, against = line.spreads.get(metric), line.differences.get(metric)
            interval = found.interval if found else None
            row |= {
                metric: found.mean if found else None,
                f"{metric}_deviation": found.deviation if found else None,
                f"{metric}_low": interval.low if interval else None,
                f"{metric}_high": interval.high if interval else None,
                f"score_minus_{metric}": against.value if against else None,
                f"score_minus_{metric}_low": against.interval.low if against and against.interval else None,
                f"score_minus_{metric}_high": against.interval.high if against and against.interval else None,
                f"score_minus_{metric}_p": against.p_value if against else None,
                f"score_minus_{metric}_p_holm": line.adjusted.get(metric),
                f"score_minus_{metric}_detectable": against.detectable if against else None,
                f"paper_{metric}": line.paper[METRICS.index(metric)] if line.paper else None,
            }
        health = line.health or Health(method=line.row.key, interaction_share=None, item_correlation=None)
        row |= {
            "user_item_share": health.interaction_share,
            "item_mean_correlation": health.item_correlation,
            "history_change": health.moves.history and health.moves.history.mean_change,
            "evidence_change": health.moves.evidence and health.moves.evidence.mean_change,
            "told_correlation": health.told_correlation,
        }
        rows.append(row | {"relative_improvement": line.improvement, "seconds": line.seconds})
    return rows


def _reads(line: Line) -> str:
    return line.row.knows + (" + users of the corpus" if line.row.reads_others else "")


def _seeds(line: Line) -> str:
    """Return how many seeds a row has, and of how many where some are missing: its mean is then of other seeds."""
    complete = len(line.seeds) == len(line.wanted)
    return str(len(line.seeds)) if complete else f"{len(line.seeds)} of {len(line.wanted)}"


def _mean(line: Line, metric: str, mark: str) -> str:
    found = line.spreads.get(metric)
    if found is None:
        return line.failure.split(" (")[0].split(":")[0] or NONE
    text = mark.format(f"{found.mean:.4f}")
    if found.deviation is not None:
        text += f" ± {found.deviation:.4f}"
    return text if found.interval is None else f"{text} [{found.interval.low:.3f}, {found.interval.high:.3f}]"


def _difference(line: Line, metric: str) -> str:
    found = line.differences.get(metric)
    if found is None:
        return NONE
    bounds = "" if found.interval is None else f" [{found.interval.low:+.3f}, {found.interval.high:+.3f}]"
    return f"{found.value:+.4f}{bounds}, p {p_value(line.adjusted.get(metric))}"


def _marks(lines: Sequence[Line]) -> dict[tuple[str, str], str]:
    """Return the mark of the best and of the second best, per metric, references left out."""
    found = {}
    for metric in METRICS:
        compared = [
            line
            for line in lines
            if line.row.category in COMPARED and line.row.group == "frozen" and line.mean(metric) is not None
        ]
        order = sorted(compared, key=lambda line: -(line.mean(metric) or 0.0))
        found.update({(line.row.key, metric): mark for line, mark in zip(order, ("**{}**", "<u>{}</u>"), strict=False)})
    return found


def _failures(section: Section) -> list[str]:
    return [f"- {line.row.name}: {line.failure}\n" for line in section.lines if line.failure not in ("", NOT_RUN)]


def _drawn(section: Section) -> list[Picture]:
    """Draw what a section shows as a figure in the paper, once there is more than the references."""
    if not any(line.seeds for line in section.lines if line.row not in IN_EVERY_TABLE):
        return []
    if section.name == "fig3":
        return [variants_figure([line for line in section.lines if line.mean("auc") is not None])]
    if section.name == "fig4":
        by_name: Mapping[str, Line] = {line.row.name: line for line in section.lines}
        return [varied_figure(by_name, DEFAULT_K_E, DEFAULT_K_S)]
    return []


def compared_with(records: Mapping[tuple[str, int], Record]) -> Record | None:
    """Return the record that speaks for all: SCORE's, or any."""
    ours = [record for (key, _), record in records.items() if key == SCORE.key]
    return next(iter(ours or records.values()), None)
