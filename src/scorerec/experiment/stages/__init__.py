"""The stages in the order in which they run: every stage stands after those that it reads."""

from scorerec.experiment.stages import evaluation, evidence, language_model, tables

STAGES = (*tables.STAGES, *evidence.STAGES, *language_model.STAGES, *evaluation.STAGES)
