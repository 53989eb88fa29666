"""The stages that fill forms of evidence, and what controls fill them with in their place."""

from __future__ import annotations

from scorerec.core.tables import ASSESSMENTS, KNOWLEDGE, SCORES, SHARED, VERDICTS, TableSchema
from scorerec.experiment.settings import TITLES
from scorerec.experiment.stage import Stage

_VERDICTS = (VERDICTS.name,)
_COUNTING = ("corpus.kind", "verdicts.n_similar", "verdicts.similarity", "evidence.own_dislikes")
COUNTED = Stage("verdicts", ("data", "corpus"), _COUNTING, "verdicts:counted", writes=_VERDICTS, seeded=False)
_COUNTING_ALL = ("corpus.kind", "data.ties", "evidence.own_dislikes")
KNOWN = Stage(
    "knowledge", ("data", "corpus"), _COUNTING_ALL, "knowledge:counted", writes=(KNOWLEDGE.name,), seeded=False
)
EXPECTED = Stage(
    "expectation",
    ("data", "corpus", KNOWN.name),
    ("evidence.own_dislikes",),
    "knowledge:expected",
    writes=(SCORES.name,),
)
SHARED_WITH = Stage(
    "shared", ("data", "corpus"), ("corpus.kind", "shared"), "knowledge:shared", writes=(SHARED.name,), seeded=False
)
CONSENSUS = Stage(
    "consensus",
    ("data",),
    ("consensus", "assess", *TITLES),
    "evidence:consensus",
    writes=(ASSESSMENTS.name,),
    seeded=False,
)


def _of_another_row(counting: Stage, schema: TableSchema) -> Stage:
    given = (counting.name, schema)
    reads, work = ("corpus", counting.name), "knowledge:of_another_row"
    return Stage(f"{counting.name}-shuffled", reads, (), work, given, writes=(schema.name,))


_KNOWN_OF_ANOTHER = _of_another_row(KNOWN, KNOWLEDGE)
# What the controls of these keys say of the target: method -> form -> the stage that fills it.
OTHERS: dict[str, dict[str, Stage]] = {
    "random": {
        "verdicts": Stage("verdicts-random", ("data", "corpus"), _COUNTING, "verdicts:random", writes=_VERDICTS)
    },
    "shuffled": {
        "shared": _of_another_row(SHARED_WITH, SHARED),
        "verdicts": _of_another_row(COUNTED, VERDICTS),
        "about": _KNOWN_OF_ANOTHER,
        "record": _KNOWN_OF_ANOTHER,
        "opinion": _of_another_row(EXPECTED, SCORES),
    },
}
# All of them hold counts over users, or what was concluded from such.
EVERY = (COUNTED, KNOWN, EXPECTED, SHARED_WITH, CONSENSUS, *(one for of in OTHERS.values() for one in of.values()))
