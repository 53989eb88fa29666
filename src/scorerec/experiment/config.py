"""The configuration of an experiment: one section per room, and where presets and overrides meet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, create_model, field_validator, model_validator

from scorerec.assess.collect import AssessConfig
from scorerec.baselines.registry import BASELINES
from scorerec.core.config import Config, read_toml, validate, with_overrides
from scorerec.core.errors import ConfigError
from scorerec.crm.config import CRMConfig
from scorerec.crm.registry import model_kind
from scorerec.data.corpus import CorpusConfig
from scorerec.data.prepare import DataConfig
from scorerec.experiment.expected import ExpectedName
from scorerec.experiment.methods import DEFAULT_METHODS, METHODS, TUNED_LM, Method, choose_methods
from scorerec.llm.config import LLMConfig, RateConfig, ScoringConfig, ToyConfig
from scorerec.pipeline.config import (
    ConsensusConfig,
    FindingConfig,
    OpinionConfig,
    RecordConfig,
    SharedConfig,
    TitleAuditConfig,
    VerdictConfig,
)
from scorerec.pipeline.endpoint import EndpointConfig
from scorerec.pipeline.forms.registry import FORMS, PAPER_FORM, choose_forms
from scorerec.pipeline.mixture import MixtureConfig
from scorerec.pipeline.prompting import PromptConfig
from scorerec.rerank.config import SAREConfig
from scorerec.retrieve.config import CARConfig, SimilarityConfig

_PRESETS = resources.files("scorerec.experiment") / "presets"


class EvidenceConfig(Config):
    """How many users take part at each step of the way to the evidence."""

    n_neighbours: int = Field(5, ge=1, description="K_c: CRM neighbours per user that teach CAR (Eq. 4)")
    n_candidates: int = Field(10, ge=1, description="K_e: users that CAR retrieves")
    n_context_users: int = Field(2, ge=0, description="K_s: users whose behaviours enter the prompt")
    forms: tuple[str, ...] = Field(
        (PAPER_FORM,),
        min_length=1,
        exclude_if=lambda value: value == (PAPER_FORM,),  # settings written before it was there mean the same
        description=f"what prompts of SCORE tell of others, among {', '.join(FORMS)}",
    )
    own_dislikes: bool = Field(
        False,
        exclude_if=lambda value: not value,  # settings written before it was there mean the same
        description="whether evidence may tell what the user rated and did not like (regime C)",
    )
    text_embedder: str = Field("embedded:minilm", description="TxtEmb of Eq. 8: a sentence encoder by name or folder")
    similarity: SimilarityConfig = SimilarityConfig()
    beside: tuple[str, ...] = Field(
        (),
        description="other CRMs whose similarity counts like the CRM's where neighbours are chosen that teach CAR",
    )
    item_sets: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the cosine of item sets in that similarity; 0, as in the paper: the CRM's alone",
    )
    force: bool = Field(
        False,
        description="go on with a recommender that is an item mean, or with neighbours that are random ones",
    )
    user_vectors: Path | None = Field(
        None, description="Parquet with user_id and vector of every training user: drives Eq. 4 instead of the CRM"
    )

    def stands_for(self, name: str) -> Any:
        """Return, of other CRMs, their recipes; of one's own vectors the content decides, wherever they lie."""
        own = self.user_vectors
        if name == "beside":
            return [CRMConfig.model_validate({"model": model}).decisive for model in self.beside]
        if name == "user_vectors" and own is not None:
            return hashlib.sha256(own.read_bytes()).hexdigest() if own.is_file() else str(own)
        return super().stands_for(name)

    @field_validator("forms")
    @classmethod
    def _known_forms(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return choose_forms(names)

    @model_validator(mode="after")
    def _may_know(self) -> EvidenceConfig:
        if telling := [name for name in self.forms if FORMS[name].knows_dislikes and not self.own_dislikes]:
            raise ValueError(
                f"evidence.forms: {', '.join(telling)} tells what the user did not like; set "
                "evidence.own_dislikes=true, or leave it out"
            )
        return self

    @field_validator("beside")
    @classmethod
    def _known_models(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            model_kind(name)
        return names


class RecommendingConfig(Config):
    """What the method ``score-at`` does otherwise when it recommends than when it was trained."""

    n_candidates: int | None = Field(None, ge=1, description="K_e; None: as in training")
    n_context_users: int | None = Field(None, ge=0, description="K_s; None: as in training")


_SETTINGS = {baseline.section_name(): baseline.settings for baseline in BASELINES.values()}
_FIELDS: dict[str, Any] = {name: (settings, settings()) for name, settings in _SETTINGS.items()}
_Sections: Any = create_model("_Sections", __base__=Config, **_FIELDS)


class BaselinesConfig(_Sections):
    """What each LLM baseline has of its own; backbone, budget and tuning are those of ``llm``."""


_RATED = [method.key for method in METHODS.values() if any(one.work == TUNED_LM for one in method.stages)]
_OWN_RATE: Any = (RateConfig | None, Field(None, exclude_if=lambda value: value is None))
_Rates: Any = create_model("_Rates", __base__=Config, **dict.fromkeys(_RATED, _OWN_RATE))


class RatesConfig(_Rates):
    """How long the steps of single methods are, by their keys; of all others ``llm`` says it."""


class EvaluationConfig(Config):
    """How results are judged."""

    split: Literal["valid", "test"] = Field("test", description="rows that are judged; valid while tuning")
    n_resamples: int = Field(1000, ge=10, description="bootstrap resamples of users")
    n_examples: int = Field(40, ge=0, description="rows whose evidence the report shows")
    health_rows: int | None = Field(
        None,
        ge=2,
        exclude_if=lambda value: value is None,  # settings written before it was there mean the same
        description="judged rows that each LM scores with the history, and the evidence, of another row; None: none",
    )
    reason_rows: int | None = Field(
        None,
        ge=2,
        exclude_if=lambda value: value is None,
        description="of these, rows whose strongest reasons are left out, and others drawn at random; None: none",
    )


class ExperimentConfig(Config):
    """Everything that decides the result of one run."""

    name: str = Field("experiment", pattern=r"^[A-Za-z0-9._-]+$", description="names the run's folder")
    seed: int = Field(0, ge=0)
    threads: int = Field(1, ge=1, description="processor threads; more is slower on small machines")
    device: str = Field("auto", description="where everything computes: auto, cpu, cuda, cuda:1, ...")
    methods: tuple[str, ...] = Field(DEFAULT_METHODS, description=f"rows of the tables, among {', '.join(METHODS)}")
    expected: ExpectedName = Field("none", description="counts of the paper that prepare prints beside the data's")
    data: DataConfig
    corpus: CorpusConfig = CorpusConfig()
    prompt: PromptConfig = PromptConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    finding: FindingConfig = FindingConfig()
    # Settings written before it was there mean the same as its defaults.
    scoring: ScoringConfig = Field(ScoringConfig(), exclude_if=lambda value: value == ScoringConfig())
    verdicts: VerdictConfig = Field(
        VerdictConfig(),
        exclude_if=lambda value: value == VerdictConfig(),  # settings written before it was there mean the same
    )
    title_audit: TitleAuditConfig = TitleAuditConfig()
    consensus: ConsensusConfig = Field(ConsensusConfig(), exclude_if=lambda value: value == ConsensusConfig())
    shared: SharedConfig = Field(SharedConfig(), exclude_if=lambda value: value == SharedConfig())
    record: RecordConfig = Field(RecordConfig(), exclude_if=lambda value: value == RecordConfig())
    opinion: OpinionConfig = Field(OpinionConfig(), exclude_if=lambda value: value == OpinionConfig())
    crm: CRMConfig = CRMConfig()
    car: CARConfig = CARConfig()
    assess: AssessConfig = AssessConfig()
    sare: SAREConfig = SAREConfig()
    toy_lm: ToyConfig = ToyConfig()
    recommending: RecommendingConfig = RecommendingConfig()
    reading: MixtureConfig = MixtureConfig()
    llm: LLMConfig = LLMConfig()
    rates: RatesConfig = Field(RatesConfig(), exclude_if=lambda value: value == RatesConfig())
    baselines: BaselinesConfig = BaselinesConfig()
    endpoint: EndpointConfig = EndpointConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _own_vectors_are_of_users_alone(self) -> ExperimentConfig:
        if self.evidence.user_vectors is not None and self.car.n_prefixes:
            raise ValueError(
                "evidence.user_vectors has one vector per user, and car.n_prefixes wants some of earlier histories; "
                "set car.n_prefixes=0"
            )
        if self.evidence.user_vectors is not None and self.finding.crm_share:
            raise ValueError(
                "evidence.user_vectors has one vector per user, and finding.crm_share wants some of any history; "
                "set finding.crm_share=0"
            )
        return self

    @model_validator(mode="after")
    def _windows_start_together(self) -> ExperimentConfig:
        step, whole = self.llm.history_step, self.prompt.history_step
        if whole % step:
            raise ValueError(
                f"llm.history_step={step} counts from where prompts start, and prompt.history_step={whole} is no "
                f"multiple of it; set prompt.history_step={step}"
            )
        return self

    @model_validator(mode="after")
    def _one_process_is_taught(self) -> ExperimentConfig:
        if self.llm.teacher and self.llm.processes > 1:
            raise ValueError("llm.teacher: several processes learn from labels alone; set llm.processes=1 or teacher=0")
        return self

    @model_validator(mode="after")
    def _own_ratings_are_as_of_the_row(self) -> ExperimentConfig:
        if self.evidence.own_dislikes and self.corpus.history == "visit":
            raise ValueError(
                "evidence.own_dislikes tells what was rated up to the row, and corpus.history=visit hides what the "
                "same visit brought; set one of them otherwise"
            )
        return self

    @model_validator(mode="after")
    def _gains_are_of_titles(self) -> ExperimentConfig:
        if self.sare.teacher == "gain" and self.evidence.forms != (PAPER_FORM,):
            raise ValueError(
                "sare.teacher: gain is what a similar user's titles do for the answer of an LM that reads these alone; "
                f"set evidence.forms to {PAPER_FORM} (got {', '.join(self.evidence.forms)}), or choose another teacher"
            )
        return self

    @model_validator(mode="after")
    def _methods_change_what_is_shown(self) -> ExperimentConfig:
        forms = self.evidence.forms
        for method in choose_methods(self.methods):
            if method.changes and not method.changes & set(forms):
                raise ValueError(
                    f"methods: {method.key} is SCORE with other {', '.join(sorted(method.changes))}, and "
                    f"evidence.forms has none of them ({', '.join(forms)}); leave it out, or show them"
                )
        return self

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(method.key for method in choose_methods(keys))

    @property
    def chosen_methods(self) -> tuple[Method, ...]:
        """The methods of this experiment, those that its forms of evidence ask for too, in the order of tables."""
        controls = (key for form in self.evidence.forms for key in FORMS[form].controls)
        return choose_methods((*self.methods, *controls), self.crm.label)

    @property
    def assesses(self) -> bool:
        """Whether somebody is asked what evidence would help (Eq. 7): not where SARE learns from what did help."""
        return self.sare.teacher != "gain"

    @property
    def shown(self) -> tuple[str, ...]:
        """The forms of evidence, and the teacher where there is one: what stages read that not every experiment has."""
        return (*self.evidence.forms, self.llm.taught_by) if self.llm.teacher else self.evidence.forms

    @property
    def folder_name(self) -> str:
        """The run's folder: the name, and the seed where it is not 0."""
        return self.name if self.seed == 0 else f"{self.name}-seed{self.seed}"


def presets() -> list[str]:
    """Return the names of the presets that come with the package."""
    return sorted(Path(entry.name).stem for entry in _PRESETS.iterdir() if entry.name.endswith(".toml"))


def load_experiment(
    source: str, overrides: Iterable[str] = (), changes: Mapping[str, Any] = MappingProxyType({})
) -> ExperimentConfig:
    """Read a preset or a TOML file and apply changes to it.

    A file may say ``preset = "ml-1m"`` and then states only how it differs.

    Args:
        source: a preset, or a path that ends in .toml.
        overrides: ``a.b=value``, applied last.
        changes: sections and settings, as they would stand in a file.

    Raises:
        ConfigError: no such preset or file, or a setting is unknown or not allowed.
    """
    applied = tuple(overrides)
    settings = with_overrides(merged(_settings(source), changes), applied)
    return validate(ExperimentConfig, settings, source, applied)


def _settings(source: str, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read a preset or a file, and what it starts from; ``above`` are the files that start from it."""
    if source in above:
        raise ConfigError(f"preset: {' -> '.join([*above, source])} starts from itself; name another one")
    if source in presets():
        settings = read_toml(Path(str(_PRESETS / f"{source}.toml")))
    elif source.endswith(".toml"):
        settings = read_toml(Path(source))
        settings.setdefault("name", Path(source).stem)
    else:
        raise ConfigError(f"{source!r}: neither a preset ({', '.join(presets())}) nor a .toml file")
    base = settings.pop("preset", None)
    if base is None:
        return settings
    if not isinstance(base, str):
        raise ConfigError(f"{source}: preset: wanted a name or a .toml file as text (got {base!r})")
    return merged(_settings(base, (*above, source)), settings)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of ``base`` with those of ``changes`` in their places, section by section."""
    result = dict(base)
    for key, value in changes.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
