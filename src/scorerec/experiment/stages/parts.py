"""How stages get at what earlier stages trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scorerec.core.artifacts import MODEL, Artifact
from scorerec.core.tables import ITEMS
from scorerec.crm.registry import load_crm
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Context
from scorerec.nn.devices import choose_device
from scorerec.nn.encoders import load_encoder
from scorerec.pipeline.finding import Finder
from scorerec.pipeline.prompting import Prompter
from scorerec.retrieve.similarity import Similarity

INDEX = "index.sqlite"
EMBEDDED = "embedded"  # the LM that the run itself trains


def prompter(context: Context) -> Prompter:
    """Return the writer of prompts for this experiment's catalogue."""
    return Prompter(context.inputs["data"].table(ITEMS), context.config.prompt)


def finder(config: ExperimentConfig, artifacts: Mapping[str, Artifact]) -> Finder:
    """Return CAR, and the recommender beside it where it has a share: what finds candidates.

    Args:
        config: the experiment.
        artifacts: stage -> artifact; wants data, car and, for a share, crm and neighbours.
    """
    writer = Prompter(artifacts["data"].table(ITEMS), config.prompt)
    encoder = load_encoder(str(artifacts["car"].path / MODEL), device=str(choose_device(config.device)))
    if not config.finding.crm_share:
        return Finder(writer, encoder, config.finding)
    crm = load_crm(artifacts["crm"].path / MODEL), Similarity.load(artifacts["neighbours"].path)
    return Finder(writer, encoder, config.finding, crm)


def backbone(context: Context) -> str:
    """Return the causal LM that is tuned: an id or folder, or the embedded LM of this run."""
    name = context.config.llm.backbone
    return str(context.path("backbone") / MODEL) if name == EMBEDDED else name


def model_folder(context: Context, stage: str) -> Path:
    """Return the folder of the model that ``stage`` trained."""
    return context.path(stage) / MODEL
