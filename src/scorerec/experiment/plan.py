"""The stages of an experiment: what each reads, which settings decide it, and what does the work.

From here it can be read in one go how ratings become a report. The work itself is in ``stages/``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from scorerec.core.artifacts import MODEL
from scorerec.core.tables import (
    ASSESSMENTS,
    BEHAVIOURS,
    CANDIDATES,
    CONTEXTS,
    INTERACTIONS,
    ITEMS,
    NEIGHBOURS,
    PROMPTS,
    QUERIES,
    RANKINGS,
    SCORES,
    TARGETS,
    TITLE_AUDIT,
)
from scorerec.experiment import filling
from scorerec.experiment.filling import CONSENSUS, COUNTED, EXPECTED, KNOWN, SHARED_WITH
from scorerec.experiment.methods import EXACT, METHODS, SCORED_BY_LM
from scorerec.experiment.run import INDEX, MOVES, SIGNAL
from scorerec.experiment.settings import BEHAVIOUR, EVERYTHING, HISTORY, OWN_TITLES, TITLES
from scorerec.experiment.stage import TEACHERS, Holds, Stage, ancestors
from scorerec.llm.config import TOY
from scorerec.pipeline.forms.registry import FORMS, PAPER_FORM

if TYPE_CHECKING:
    from scorerec.experiment.config import ExperimentConfig

PAGE, RESULTS = "report.html", "results.json"
_TEACHING = ("evidence.n_neighbours", "evidence.similarity", "evidence.beside", "evidence.item_sets")
_INDEX: dict[str, Holds] = {INDEX: "index"}
_PAGES: dict[str, Holds] = {PAGE: "page", RESULTS: "page"}
_MODEL: dict[str, Holds] = {MODEL: "model"}

_CHAIN = (
    Stage("data", (), ("data",), "tables:data", writes=(INTERACTIONS.name, ITEMS.name), seeded=False),
    Stage(
        "corpus",
        ("data",),
        ("corpus",),
        "tables:corpus",
        writes=(BEHAVIOURS.name, QUERIES.name, TARGETS.name),
        seeded=False,
    ),
    COUNTED,
    KNOWN,
    EXPECTED,
    SHARED_WITH,
    CONSENSUS,
    Stage(TEACHERS["counts"], ("corpus", COUNTED.name), (), "verdicts:teacher", writes=(SCORES.name,), seeded=False),
    Stage("references", ("data", "corpus"), (), "tables:references", writes=(SCORES.name,), seeded=False),
    Stage("simple", ("data", "corpus"), ("evidence.text_embedder",), "tables:simple", writes=(SCORES.name,)),
    Stage("crm", ("data",), ("crm",), "recommender:crm", leaves=_MODEL),
    Stage("crm-beside", ("data",), ("evidence.beside",), "recommender:beside", leaves=_MODEL),
    Stage(
        "neighbours",
        ("data", "crm", "crm-beside"),
        (*_TEACHING, "evidence.force", "evidence.user_vectors", "crm.model"),
        "recommender:neighbours",
        writes=(BEHAVIOURS.name, "vectors", NEIGHBOURS.name),
        leaves={"similarity.json": "nobody"},
        seeded=False,
    ),
    Stage(
        "car",
        ("data", "corpus", "crm", "crm-beside", "neighbours"),
        ("car", *BEHAVIOUR, *_TEACHING),
        "evidence:car",
        leaves=_MODEL,
        effort="car",
    ),
    Stage(
        "candidates",
        ("data", "corpus", "crm", "neighbours", "car"),
        ("evidence.n_candidates", "finding", *BEHAVIOUR),
        "evidence:candidates",
        writes=(CANDIDATES.name,),
        leaves=_INDEX,
        seeded=False,
        effort="searched",
    ),
    Stage(
        "candidates-base",
        ("data", "corpus"),
        ("evidence.n_candidates", "car.model", "car.max_length", *BEHAVIOUR),
        "evidence:base_candidates",
        writes=(CANDIDATES.name,),
        leaves=_INDEX,
        seeded=False,
        effort="searched",
    ),
    Stage(
        "candidates-cf",
        ("corpus", "crm", "neighbours"),
        ("evidence.n_candidates", "finding.activity"),
        "evidence:taste_candidates",
        writes=(CANDIDATES.name,),
        leaves=_INDEX,
        seeded=False,
    ),
    Stage(
        "assessments",
        ("data", "corpus"),
        ("assess", *OWN_TITLES),
        "evidence:assessments",
        writes=(ASSESSMENTS.name,),
        effort="assessments",
    ),
    Stage(
        "rankings",
        ("data", "corpus", "candidates", "assessments"),
        ("evidence.text_embedder", "sare.teacher", *BEHAVIOUR),
        "evidence:rankings",
        writes=(RANKINGS.name,),
        seeded=False,
        effort="rankings",
    ),
    Stage(
        "sare",
        ("data", "corpus", "rankings"),
        ("sare", *HISTORY, "prompt.behaviour_titles"),
        "evidence:sare",
        leaves=_MODEL,
        effort="sare",
    ),
    Stage(
        "contexts",
        ("data", "corpus", "candidates", "sare"),
        ("evidence.n_context_users", "sare", *HISTORY, "prompt.behaviour_titles"),
        "evidence:contexts",
        writes=(CONTEXTS.name,),
        seeded=False,
        effort="contexts",
    ),
    Stage(
        "signal",
        ("data", "corpus", "references", "crm", "neighbours", "car", "candidates", "contexts"),
        (
            "evaluation.split",
            "evidence.n_context_users",
            "evidence.user_vectors",
            "finding",
            "crm.model",
            "crm.max_ranked_rows",
            "car.model",
            "car.max_length",
            *BEHAVIOUR,
            "prompt.evidence_titles",
        ),
        "signal:whole",
        leaves={SIGNAL: "nobody"},
    ),
    Stage(
        "backbone",
        ("data", "corpus", "candidates-base"),
        (
            "llm.history_titles",
            "llm.history_step",
            "llm.evidence_titles",
            "evidence.n_context_users",
            "toy_lm",
            "reading",
            *TITLES,
        ),
        "language_model:toy_backbone",
        leaves=_MODEL,
        effort="backbone",
    ),
)
# Any other backbone is used as it is.
_GIVEN_BACKBONE = Stage("backbone", (), ("llm.backbone",), "language_model:given_backbone", seeded=False)
# SARE may learn from what helped the LM that reads what CAR retrieved, in its order.
RANKED_BY_GAIN = Stage(
    "rankings",
    ("data", "corpus", "candidates", "tuned-rerank"),
    ("sare.gain_targets", "llm", *HISTORY, "prompt.evidence_titles", "prompt.evidence_window"),
    "evidence:rankings_by_gain",
    given=("tuned-rerank",),
    writes=(RANKINGS.name,),
    effort="gained",
)
# Which titles a service is not to let the LM read.
AUDIT = Stage(
    "title-audit",
    ("data", "corpus", "prompts-score", "tuned-score"),
    ("title_audit", "llm", EXACT, *TITLES),
    "title_audit:audited",
    given=("tuned-score", "prompts-score"),
    writes=(TITLE_AUDIT.name,),
    effort="audited",
)
# Not among the stages of a run, which measures every step: for recommenders that are only compared.
SIGNAL_OF_CRM = Stage(
    "signal-crm",
    ("data", "corpus", "references", "crm", "neighbours"),
    ("evaluation.split", "evidence.user_vectors", "finding.activity", "crm.model", "crm.max_ranked_rows"),
    "signal:of_crm",
    leaves={SIGNAL: "nobody"},
)


def _health(scores: Stage) -> Stage:
    """Return the stage that measures whether the LM behind some scores reads what it is shown."""
    tuned, prompts, key = scores.given
    settings = (*scores.settings, "evaluation.split", "evaluation.health_rows", "evaluation.reason_rows")
    return Stage(
        f"health-{key}",
        scores.reads,
        settings,
        "health:measured",
        given=(tuned, prompts),
        leaves={MOVES: "nobody"},
    )


def _in_order(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Return stages so that each stands after those it reads, whatever forms of evidence are shown."""
    by_name = {stage.name: stage for stage in stages}
    found: dict[str, Stage] = {}

    def visit(name: str) -> None:
        if name not in found:
            for above in by_name[name].showing((*FORMS, *TEACHERS)).reads:
                visit(above)
            found[name] = by_name[name]

    for name in by_name:
        visit(name)
    return tuple(found.values())


_OF_METHODS = [stage for method in METHODS.values() for stage in method.stages]
# Stage that scores -> the one that measures the health of these scores; run where ``evaluation.health_rows`` says so.
HEALTH = {stage.name: _health(stage) for stage in _OF_METHODS if stage.work == SCORED_BY_LM}
ALL_STAGES = _in_order((*_CHAIN, *_OF_METHODS, AUDIT, *HEALTH.values()))
_BY_NAME = {stage.name: stage for stage in ALL_STAGES}
# What the report shows beside the methods; of the first ones, what they say of themselves and warn of.
SPEAKING = (
    *("data", "corpus", "crm", "neighbours", "car", "assessments", "sare"),
    *("backbone", "tuned-llm", "tuned-score", AUDIT.name),
)
_REPORTED = (*SPEAKING, "candidates", "contexts", "signal", "prompts-score")


_LEAVES = {stage.name: stage.leaves for stage in (*ALL_STAGES, SIGNAL_OF_CRM)} | {"report": _PAGES}
_COUNTING = {stage.name for stage in filling.EVERY}
# Stages that sent prompts to a distant LM -> the stage that wrote these.
ASKED_AFAR = {stage.name: stage.given[0] for stage in ALL_STAGES if stage.work == "endpoint:scores"}


def holdings(stage: str) -> Mapping[str, Holds] | None:
    """Return what a stage leaves beside tables, and what it holds of users; None for a stage that is not known."""
    return _LEAVES.get(stage)


def tells_counts(stage: str, inputs: Collection[str]) -> bool:
    """Whether an artifact holds or tells counts over all users, which are made anew when one of them is forgotten.

    Args:
        stage: of the artifact.
        inputs: the stages that it was made from.
    """
    return stage in _COUNTING or (stage.startswith("prompts-") and not _COUNTING.isdisjoint(inputs))


def needs(stage: str, forms: Iterable[str] = (PAPER_FORM,)) -> list[str]:
    """Return the stages that a method which ends in ``stage`` would have to run alone, with some forms of evidence."""
    chosen = tuple(forms)
    return ancestors(stage, {one.name: one.showing(chosen).reads for one in ALL_STAGES})


def shows_others(stage: str) -> bool:
    """Whether similar users' behaviours are retrieved for what a stage scores."""
    return bool(_written_for(stage) & {CONTEXTS.name, NEIGHBOURS.name})


def forms_shown(stage: str, forms: Iterable[str]) -> tuple[str, ...]:
    """Return the forms of evidence in the prompts that a stage reads, where ``forms`` are those of an experiment.

    One that looks for similar users itself shows their titles.
    """
    chosen = tuple(forms)
    near = [_BY_NAME[name].showing(chosen) for name in (stage, *_BY_NAME[stage].reads)]
    shown = {form for one in near if PROMPTS.name in one.writes for form in one.shown}
    if any(NEIGHBOURS.name in one.writes for one in near):
        shown.add(PAPER_FORM)
    return tuple(form for form in FORMS if form in shown)


def filled_by(stage: str, form: str) -> str | None:
    """Return the stage that fills a form of evidence in the prompts that a stage reads; None: they never show it."""
    prompts = (_BY_NAME[name] for name in (stage, *_BY_NAME[stage].reads) if PROMPTS.name in _BY_NAME[name].writes)
    return next((one.forms[form] for one in prompts if form in one.forms), None)


def reads_text(stage: str) -> bool:
    """Whether a language model or an encoder reads prompts for what a stage scores."""
    return PROMPTS.name in _written_for(stage)


def _written_for(stage: str) -> set[str]:
    return {table for name in needs(stage) for table in _BY_NAME[name].writes}


def report_stage(needed: Iterable[str]) -> Stage:
    """Return the stage that reports on methods, which need those stages: it shows all settings, so all decide it."""
    reads = tuple(dict.fromkeys((*_REPORTED, *needed)))
    return Stage("report", reads, (EVERYTHING,), "evaluation:report", leaves=_PAGES)


def stages_of(config: ExperimentConfig) -> tuple[Stage, ...]:
    """Return the stages that the methods of an experiment need, the report last."""
    is_toy = config.llm.backbone == TOY
    every = [_GIVEN_BACKBONE if stage.name == "backbone" and not is_toy else stage for stage in ALL_STAGES]
    if not config.assesses:
        every = list(_in_order(RANKED_BY_GAIN if stage.name == "rankings" else stage for stage in every))
    stages = [stage.showing(config.shown) for stage in every]
    reads = {stage.name: stage.reads for stage in stages}
    needed = [name for method in config.chosen_methods for name in ancestors(method.stage, reads)]
    if config.evaluation.health_rows is not None:
        needed += [HEALTH[name].name for name in needed if name in HEALTH]
    report = report_stage(needed)
    made = {"assessments": config.assesses, AUDIT.name: config.title_audit.prompts > 0}
    report = replace(report, reads=tuple(name for name in report.reads if made.get(name, True)))
    wanted = set(report.reads)
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted.update(stage.reads)
    return (*(stage for stage in stages if stage.name in wanted), report)
