"""The methods of an experiment, one record each: what it is called, what it may know, and the stages that are its own.

Everything else follows from these records: which rows tables have, what is compared, and what a run will take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from scorerec.baselines.base import BASIC, Baseline
from scorerec.baselines.registry import BASELINES
from scorerec.core.artifacts import MODEL
from scorerec.core.errors import ConfigError
from scorerec.core.tables import CONTEXTS, PROMPTS, SCORES
from scorerec.crm.config import EXPECTING
from scorerec.crm.recipes.kind import Kind
from scorerec.crm.registry import MODULES, model_kind
from scorerec.experiment.filling import COUNTED, EXPECTED, OTHERS
from scorerec.experiment.settings import BUDGET, HISTORY, without
from scorerec.experiment.stage import TEACHERS, Stage
from scorerec.pipeline.forms.registry import FORMS, PAPER_FORM

MethodKind: TypeAlias = Literal["reference", "conventional", "llm", "ablation", "control", "bound"]
Knowledge: TypeAlias = Literal["own likes", "own likes and dislikes", "the label"]

EXACT = "scoring.exact_answers"
_PROMPTS, _SCORES = (PROMPTS.name,), (SCORES.name,)
SCORED_BY_LM = "language_model:scores"  # Eq. 14, of prompts as they are
TUNED_LM = "language_model:tuned"  # Eq. 13, at the rate of the method
_OF_EVIDENCE = ("evidence_augmentation", "named_share")
OF_BASIC = without("llm", *_OF_EVIDENCE)  # of an LM whose prompts show nobody else
# A baseline learns from labels, as it was published; and so does a bound, which its evidence tells the label.
_BY_LABELS, _BASIC_BY_LABELS = without("llm", "teacher"), without("llm", "teacher", *_OF_EVIDENCE)


@dataclass(frozen=True)
class Method:
    """One row of the results.

    Attributes:
        key: what configuration, scores and records call it.
        label: as tables show it; "CRM" in it is the name of the model.
        kind: ablations change one part of SCORE; controls say what evidence is worth; a bound knows the label.
        stages: its own, the last of which writes its scores; none: it shares ``scores``.
        scores: the stage that writes its scores, where that is not the last of its own.
        heading: of its row in Table 2; empty: it has none there.
        knows: what of the user it reads beside the rows that it was trained on.
        forms: of evidence that its prompts show, whatever ``evidence.forms`` says; empty: those that it says.
    """

    key: str
    label: str
    kind: MethodKind
    stages: tuple[Stage, ...] = ()
    scores: str = ""
    heading: str = ""
    knows: Knowledge = "own likes"
    forms: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """The stage whose artifact holds its scores."""
        return self.scores or self.stages[-1].name

    @property
    def changes(self) -> set[str]:
        """The forms of evidence that it fills otherwise than SCORE does; where none is shown, it is SCORE."""
        sources = (source for stage in self.stages for source in stage.forms.items() if source[0] in FORMS)
        return {form for form, stage in sources if stage != FORMS[form].stage}

    def differs(self, forms: Collection[str]) -> bool:
        """Whether it says something of its own in a table whose prompts show these forms of evidence.

        The control of a form that is not shown does not; nor SCORE with other forms of which none is shown, or with the
        very forms that are.
        """
        controlled = {name for name, form in FORMS.items() if self.key in form.controls}
        return all(not of or of & set(forms) for of in (controlled, self.changes)) and set(self.forms) != set(forms)


def _tuned_on(key: str, prompts: Stage, llm: str = "llm") -> tuple[Stage, ...]:
    """Return the stages of a method: its prompts, the LM tuned on them (Eq. 13), and its scores (Eq. 14)."""
    reads, tuned = ("corpus", "backbone", prompts.name), f"tuned-{key}"
    return (
        prompts,
        Stage(
            tuned,
            reads,
            (llm, f"rates.{key}"),
            TUNED_LM,
            (prompts.name, key),
            leaves={MODEL: "model"},
            forms=TEACHERS,
            effort="tuned_lm",
        ),
        Stage(
            f"scores-{key}",
            ("corpus", prompts.name, tuned),
            (llm, "evaluation.split", EXACT),
            SCORED_BY_LM,
            writes=_SCORES,
            given=(tuned, prompts.name, key),
            seeded=False,
            effort="scored_by_lm",
        ),
    )


def _augmented(key: str, others: Mapping[str, str] = MappingProxyType({}), llm: str = "llm") -> tuple[Stage, ...]:
    """Return the stages of a method whose prompts show evidence.

    Args:
        key: of the method.
        others: form -> the stage that fills it in place of SCORE's.
        llm: the settings of the LM that count.
    """
    forms = {name: others.get(name, form.stage) for name, form in FORMS.items()}
    work, prompts = "language_model:augmented_prompts", f"prompts-{key}"
    stage = Stage(prompts, ("data", "corpus"), HISTORY, work, writes=_PROMPTS, seeded=False, forms=forms)
    return _tuned_on(key, stage, llm)


def _variant(
    key: str, label: str, kind: MethodKind, reads: tuple[str, ...], choose: str, *given: str, seeded: bool = False
) -> Method:
    """Return SCORE with its contexts chosen by a function of ``stages.variants``; controls say other verdicts, too."""
    contexts = f"contexts-{key}"
    settings = ("evidence.n_context_users",) if choose != "shuffled" else ()
    stage = Stage(contexts, ("corpus", *reads), settings, f"variants:{choose}", given, (CONTEXTS.name,), seeded=seeded)
    own = {PAPER_FORM: stage} | OTHERS.get(key, {})
    llm = _BY_LABELS if kind == "bound" else "llm"
    prompts = _augmented(key, {form: one.name for form, one in own.items()}, llm)
    knows: Knowledge = "the label" if kind == "bound" else "own likes"
    return Method(key, label, kind, (*{one.name: one for one in own.values()}.values(), *prompts), knows=knows)


def _baseline(kind: type[Baseline]) -> Method:
    """Return the method of an LLM baseline, from what it says of itself."""
    knows: Knowledge = "own likes and dislikes" if kind.reads_dislikes else "own likes"
    return Method(kind.key, kind.label, "llm", tuple(_of_baseline(kind)), heading=kind.heading, knows=knows)


def _of_baseline(kind: type[Baseline]) -> Iterator[Stage]:
    own = (*HISTORY, "data.ties", f"baselines.{kind.section_name()}")
    prompts = kind.prompts_from or f"prompts-{kind.key}"
    always = ("data", "corpus")
    common: dict[str, Any] = {"given": (kind.key,), "version": kind.version}
    if kind.prompts_from is None:
        yield Stage(prompts, (*always, *kind.prompts_build_on), own, "baselines:prompts", writes=_PROMPTS, **common)
    reads = tuple(dict.fromkeys((*always, *kind.builds_on, prompts)))
    by = "encoder" if kind.trains == "encoder" else "lm"
    of_lm = (_BASIC_BY_LABELS if kind.prompts_from in (None, BASIC) else _BY_LABELS,)
    settings: tuple[str, ...] = (*own, *(BUDGET if by == "encoder" else of_lm))
    if kind.trains != "nothing":
        effort = "" if kind.trains == "policy" else f"tuned_{by}"  # how often a policy asks is not known before
        work = "baselines:training"
        yield Stage(f"tuned-{kind.key}", reads, settings, work, leaves={MODEL: "model"}, effort=effort, **common)
        reads = (*reads, f"tuned-{kind.key}")
    yield Stage(
        f"scores-{kind.key}",
        reads,
        (*settings, "evaluation.split"),
        "baselines:scoring",
        writes=_SCORES,
        effort=f"scored_by_{by}",
        **common,
    )


def _by_endpoint(key: str, label: str, prompts: str) -> Method:
    """Return a method whose prompts, those of another one, are read by a distant LM."""
    settings = ("endpoint", *BUDGET, "evaluation.split")
    given = (prompts, key)
    stage = Stage(f"scores-{key}", ("corpus", prompts), settings, "endpoint:scores", given, _SCORES, seeded=False)
    return Method(key, label, "llm", (stage,))


def _of_titles(prompts: Stage, *others: Stage) -> tuple[Stage, ...]:
    """Return the stages of a method whose prompts show titles alone, whatever ``evidence.forms`` says."""
    return prompts.showing((PAPER_FORM,)), *others


_REFERENCES, _CONVENTIONAL, _LLM, _OURS = "References", "Conventional models", "LLM-based models", "Ours"
HEADINGS = (_REFERENCES, _CONVENTIONAL, _LLM, _OURS, "Encoders, no LLMs")  # in the order of Table 2
_SIMPLE = {
    "user-knn": "user-kNN",
    "ease": "EASE",
    "boosted-trees": "boosted trees on counts",
    "title-regression": "regression on titles",
}
_EXPECTED = (
    "item mean, as known at the row's moment",
    "logistic regression on all counts",
    "boosted trees on all counts",
)
_EXPECTED_OF = dict(zip(EXPECTING, (*_EXPECTED, "both: what opinions tell"), strict=True))
_OF_BOTH: Knowledge = "own likes and dislikes"
_CRM = Stage("crm-scores", ("corpus", "crm"), (), "recommender:scores", writes=_SCORES, seeded=False)
_CRM_ITEM = Stage(
    "crm-item-scores",
    ("corpus", "references", "crm-scores"),
    (),
    "recommender:scores_with_item_mean",
    writes=_SCORES,
    seeded=False,
)
_BASIC_PROMPTS = Stage(
    BASIC, ("data", "corpus"), HISTORY, "language_model:basic_prompts", writes=_PROMPTS, seeded=False
)
_EMPTY = Stage(
    "prompts-empty", ("prompts-score",), ("prompt.domain",), "variants:empty_prompts", writes=_PROMPTS, seeded=False
)
_COUNTS = Stage("scores-counts", ("corpus", COUNTED.name), (), "verdicts:scores", writes=_SCORES, seeded=False)
_AT = Stage(
    "prompts-score-at",
    ("data", "corpus", "crm", "neighbours", "car", "candidates", "sare"),
    (
        *HISTORY,
        "prompt.behaviour_titles",
        "evidence.n_candidates",
        "evidence.n_context_users",
        "recommending",
        "finding",
        "sare",
    ),
    "recommending:prompts",
    writes=_PROMPTS,
    seeded=False,
    forms={PAPER_FORM: "candidates"} | {name: form.stage for name, form in FORMS.items() if name != PAPER_FORM},
)

# In the order of tables; a method that builds on the stages of another may stand anywhere.
METHODS: dict[str, Method] = {
    method.key: method
    for method in (
        Method("item-mean", "item mean", "reference", scores="references", heading=_REFERENCES),
        Method(
            "item+user-mean", "item + user mean", "reference", scores="references", heading=_REFERENCES, knows=_OF_BOTH
        ),
        *(
            Method(
                key,
                label,
                "reference",
                scores="simple",
                heading=_REFERENCES,
                knows=_OF_BOTH if key == "boosted-trees" else "own likes",
            )
            for key, label in _SIMPLE.items()
        ),
        *(
            Method(key, label, "reference", scores=EXPECTED.name, heading=_REFERENCES)
            for key, label in _EXPECTED_OF.items()
        ),
        Method("counts", "logistic regression on the verdict counts", "reference", (_COUNTS,), heading=_REFERENCES),
        Method("crm", "CRM", "conventional", (_CRM,), heading=_CONVENTIONAL),
        Method("crm+item", "CRM + item mean", "conventional", (_CRM_ITEM,), heading=_CONVENTIONAL),
        _by_endpoint("endpoint", "endpoint LLM without CI", BASIC),
        Method("llm", "TALLRec", "llm", _tuned_on("llm", _BASIC_PROMPTS, OF_BASIC), heading=_LLM),
        *(_baseline(kind) for kind in BASELINES.values()),
        _variant("base", "SCORE-base", "ablation", ("candidates-base",), "first_of", "candidates-base"),
        _variant("cf", "SCORE-cf", "ablation", ("candidates-cf",), "first_of", "candidates-cf"),
        _variant("rerank", "SCORE-rerank", "ablation", ("candidates",), "first_of", "candidates"),
        _variant("random", "control: random users", "control", (), "random", seeded=True),
        _variant("shuffled", "control: evidence of other rows", "control", ("contexts",), "shuffled", seeded=True),
        Method("empty", "control: evidence without content", "control", _tuned_on("empty", _EMPTY)),
        _variant("oracle", "bound: oracle (knows the label)", "bound", ("candidates",), "oracle"),
        Method(
            "score-at",
            "SCORE, other numbers of users",
            "ablation",
            (
                _AT,
                Stage(
                    "scores-score-at",
                    ("corpus", _AT.name, "tuned-score"),
                    ("llm", "evaluation.split", EXACT),
                    SCORED_BY_LM,
                    writes=_SCORES,
                    given=("tuned-score", _AT.name, "score-at"),
                    seeded=False,
                    effort="scored_by_lm",
                ),
            ),
        ),
        _by_endpoint("endpoint-score", "endpoint LLM with CI", "prompts-score"),
        Method(
            "titles",
            "SCORE, the paper's titles",
            "llm",
            _of_titles(*_augmented("titles")),
            heading=_OURS,
            forms=(PAPER_FORM,),
        ),
        Method("score", "SCORE", "llm", _augmented("score"), heading=_OURS),
    )
}
DEFAULT_METHODS = ("item-mean", "item+user-mean", "crm", "llm", "score")
ALWAYS = ("item-mean", "item+user-mean", "score")  # the two references, and what all are compared with


def recommenders() -> dict[str, Kind]:
    """Return what is known of each recommender that the method ``crm`` can be, by name."""
    return {name: model_kind(name) for name in MODULES}


def choose_methods(keys: Iterable[str], crm: str = "CRM") -> tuple[Method, ...]:
    """Return methods by their keys, in the order of tables.

    Args:
        keys: of methods.
        crm: name of the recommender, for labels.

    Raises:
        ConfigError: a key is not known, or one that no table may lack is missing.
    """
    wanted = set(keys)
    if unknown := wanted - set(METHODS):
        raise ConfigError(f"methods: no {', '.join(sorted(unknown))}; there are {', '.join(METHODS)}")
    if missing := set(ALWAYS) - wanted:
        raise ConfigError(
            f"methods: {', '.join(sorted(missing))} must be there too: no table stands without the two references "
            "and what they are compared with"
        )
    chosen = (method for method in METHODS.values() if method.key in wanted)
    return tuple(replace(method, label=method.label.replace("CRM", crm)) for method in chosen)
