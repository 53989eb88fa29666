"""The stages in the order in which they run: every stage stands after those that it reads."""

from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Stage
from scorerec.experiment.stages import (
    baselines,
    coral,
    encoder,
    endpoint,
    evidence,
    language_model,
    recommending,
    tables,
    variants,
)
from scorerec.experiment.stages.evaluation import report_stage

ALL_STAGES = (
    *tables.STAGES,
    *evidence.STAGES,
    *language_model.STAGES,
    *variants.STAGES,
    *baselines.STAGES,
    *coral.STAGES,
    *encoder.STAGES,
    *endpoint.STAGES,
    *recommending.STAGES,
)


def stages_of(config: ExperimentConfig) -> tuple[Stage, ...]:
    """Return the stages that the methods of an experiment need, the report last."""
    report = report_stage(config)
    wanted = set(report.reads)
    for stage in reversed(ALL_STAGES):
        if stage.name in wanted:
            wanted.update(stage.reads)
    return (*(stage for stage in ALL_STAGES if stage.name in wanted), report)
