"""What the numbers of a run were made with: which parts stand in for the paper's, and on what machine."""

from __future__ import annotations

import os
import platform

from scorerec.baselines.registry import BASELINES
from scorerec.experiment.config import ExperimentConfig
from scorerec.llm.config import SMOLLM2, SMOLLM2_NAME, TOY, toy_name


def machine(threads: int) -> str:
    """Say what the numbers of seconds were measured on."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {threads} torch thread(s)"


def local_assessor_name(model: str) -> str:
    """Return what tables and reports call the LLM in this process that assesses."""
    return f"{SMOLLM2_NAME}: a small LLM" if model == SMOLLM2 else model


def stand_ins(config: ExperimentConfig) -> list[str]:
    """Say which parts of this experiment are small stand-ins for what the paper used."""
    found = []
    if config.llm.backbone == TOY:
        found.append(toy_name(config.toy_lm.parameters))
    if config.llm.backbone == SMOLLM2:
        found.append(f"LLM {SMOLLM2_NAME}: stands in for Llama-3.1-8B-Instruct")
    asks = config.assesses or "consensus" in config.evidence.forms
    if asks and config.assess.assessor == "metadata":
        found.append("metadata assessor: item metadata in sentences, not an LLM")
    if asks and config.assess.assessor == "local":
        found.append(f"assessor {local_assessor_name(config.assess.local.model)}")
    if config.car.model.startswith("embedded:"):
        found.append(f"retriever {config.car.model}: stands in for mpnet-base")
    if config.sare.model.startswith("embedded:"):
        found.append(f"reranker {config.sare.model}: stands in for bge-reranker-large")
    for key, baseline in BASELINES.items():
        if key in config.methods:
            found += baseline.stand_ins(getattr(config.baselines, baseline.section_name()))
    return found
