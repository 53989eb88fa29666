"""CoRAL: a policy learns by reinforcement which users and items to tell a frozen LM about (Wu et al., 2024)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.baselines.base import BASIC, TEXT_TUNED, Baseline
from scorerec.baselines.config import CoRALConfig
from scorerec.core.columns import ITEM_ID, N_TOKENS, P_YES, TARGET_ID
from scorerec.core.config import Config
from scorerec.core.errors import ConfigError

if TYPE_CHECKING:
    from scorerec.llm.score import Scorer


class CoRAL(Baseline):
    """P^b with what the retrieved users thought of the retrieved items, read by an LM that stays as it is.

    What was retrieved is not kept: its sentences name what several users thought, and none could be taken out of them.
    """

    key: ClassVar[str] = "coral"
    label: ClassVar[str] = "CoRAL"
    settings: ClassVar[type[Config]] = CoRALConfig
    builds_on: ClassVar[tuple[str, ...]] = ("crm", "neighbours", "backbone", BASIC, TEXT_TUNED)
    prompts_from: ClassVar[str | None] = BASIC
    trains: ClassVar[Any] = "policy"
    version: ClassVar[int] = 3

    @classmethod
    def stand_ins(cls, config: Any) -> list[str]:
        """Say that the frozen LM is no general one."""
        tuned = config.llm == "text-tuned"
        return ["CoRAL's frozen LM: the LM that was tuned on text, not a general LLM"] if tuned else []

    def train(self, prompts: pa.Table, out: Path) -> dict[str, Any]:
        """Learn the policy.

        Raises:
            ConfigError: the library is not installed.
        """
        from scorerec.baselines.coral_world import World

        try:  # apart, because few have the library
            from scorerec.baselines.coral_training import train_coral
        except ImportError as error:
            raise ConfigError(
                f"CoRAL needs a library that is not installed ({error.name}): pip install 'scorerec[rl]'"
            ) from None
        world = World(self.inputs, self.frozen())
        train, valid = (world.asked(prompts, self.inputs.targets(split)) for split in ("train", "valid"))
        facts = train_coral(world.shelf, train, valid, self.config, out, self.inputs.seed)
        return {**facts, "environment": f"{self.config.llm} {world.frozen.backbone.describe()}"}

    def score(self, prompts: pa.Table, model: str | Path) -> tuple[pa.Table, dict[str, Any]]:
        """Let the policy retrieve, and the LM answer."""
        from scorerec.baselines.coral_retrieval import load_policy, retrieve
        from scorerec.baselines.coral_world import World

        world, targets = World(self.inputs, self.frozen()), self.inputs.targets()
        places = pc.index_in(prompts[TARGET_ID].combine_chunks(), targets[TARGET_ID].combine_chunks())
        targets = targets.take(places)
        questions, ask = world.asked(prompts, targets)
        told = retrieve(load_policy(Path(model)), world.shelf, questions, self.config.rounds)
        p_yes = pa.array(ask(range(targets.num_rows), told), pa.float64())
        said = [[entry for entry in row if entry.liked_by or entry.not_liked_by] for row in told]
        items = targets[ITEM_ID].to_pylist()
        on_target = sum(item in {entry.item_id for entry in row} for item, row in zip(items, said, strict=True))
        facts = {
            "mean_sentences": sum(map(len, said)) / max(1, len(said)),
            "share_of_rows_told_of_the_target": on_target / max(1, len(said)),
        }
        tokens = pa.nulls(targets.num_rows, pa.int32())
        return pa.table({TARGET_ID: targets[TARGET_ID], P_YES: p_yes, N_TOKENS: tokens}), facts

    def frozen(self) -> Scorer:
        """Return the LM that answers."""
        is_tuned = self.config.llm == "text-tuned"
        return self.scorer(self.inputs.model(TEXT_TUNED) if is_tuned else self.inputs.backbone)
