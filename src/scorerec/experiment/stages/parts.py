"""How stages get at what earlier stages trained."""

from __future__ import annotations

from pathlib import Path

from sentence_transformers import SentenceTransformer

from scorerec.core.artifacts import MODEL
from scorerec.core.tables import ITEMS
from scorerec.experiment.runner import Context
from scorerec.nn.devices import choose_device
from scorerec.nn.encoders import load_encoder
from scorerec.pipeline.prompting import Prompter

INDEX = "index.sqlite"
EMBEDDED = "embedded"  # the LM that the run itself trains


def prompter(context: Context) -> Prompter:
    """Return the writer of prompts for this experiment's catalogue."""
    return Prompter(context.inputs["data"].table(ITEMS), context.config.prompt)


def retriever(context: Context) -> SentenceTransformer:
    """Return CAR."""
    return load_encoder(str(context.path("car") / MODEL), device=str(choose_device(context.config.device)))


def backbone(context: Context) -> str:
    """Return the causal LM that is tuned: an id or folder, or the embedded LM of this run."""
    name = context.config.llm.backbone
    return str(context.path("backbone") / MODEL) if name == EMBEDDED else name


def model_folder(context: Context, stage: str) -> Path:
    """Return the folder of the model that ``stage`` trained."""
    return context.path(stage) / MODEL
