"""The stages that fill forms of evidence, and what controls fill them with in their place."""

from __future__ import annotations

from scorerec.core.tables import ASSESSMENTS, KNOWLEDGE, SCORES, SHARED, VERDICTS
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


def _of_another_row(counting: Stage) -> Stage:
    work = "verdicts:shuffled" if counting is COUNTED else f"knowledge:shuffled_{counting.name}"
    name = f"{counting.name}-shuffled"
    return Stage(name, ("corpus", counting.name), (), work, writes=counting.writes)


# What the controls of these keys say of the target: method -> form -> the stage that fills it.
OTHERS: dict[str, dict[str, Stage]] = {
    "random": {
        "verdicts": Stage("verdicts-random", ("data", "corpus"), _COUNTING, "verdicts:random", writes=_VERDICTS)
    },
    "shuffled": {
        form: _of_another_row(counting)
        for form, counting in {
            "shared": SHARED_WITH,
            "verdicts": COUNTED,
            "about": KNOWN,
            "record": KNOWN,
            "opinion": EXPECTED,
        }.items()
    },
}
