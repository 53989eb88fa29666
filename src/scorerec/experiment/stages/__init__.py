"""The stages in the order in which they run: every stage stands after those that it reads."""

from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Stage, ancestors
from scorerec.experiment.stages import (
    baselines,
    endpoint,
    evidence,
    language_model,
    recommender,
    recommending,
    signal,
    tables,
    variants,
)
from scorerec.experiment.stages.evaluation import report_stage
from scorerec.experiment.stages.parts import EMBEDDED

ALL_STAGES = (
    *tables.STAGES,
    *recommender.STAGES,
    *evidence.STAGES,
    *language_model.STAGES,
    *variants.STAGES,
    *baselines.STAGES,
    *endpoint.STAGES,
    *recommending.STAGES,
    *signal.STAGES,
)


_READS = {stage.name: stage.reads for stage in ALL_STAGES}


def needs(stage: str) -> list[str]:
    """Return the stages that a method which ends in ``stage`` would have to run alone."""
    return ancestors(stage, _READS)


def stages_of(config: ExperimentConfig) -> tuple[Stage, ...]:
    """Return the stages that the methods of an experiment need, the report last."""
    report = report_stage(name for method in config.chosen_methods for name in needs(method.stage))
    own = language_model.backbone_stage(config.llm.backbone == EMBEDDED)
    stages = [own if stage.name == own.name else stage for stage in ALL_STAGES]
    wanted = set(report.reads)
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted.update(stage.reads)
    return (*(stage for stage in stages if stage.name in wanted), report)
