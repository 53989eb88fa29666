"""ICL: the untuned LM answers, after a few solved examples where it is given any (Dai et al., 2023)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from pydantic import Field

from scorerec.baselines.base import BASIC, Baseline
from scorerec.core.columns import LABEL, SEGMENTS, TARGET_ID
from scorerec.core.config import Config
from scorerec.core.randomness import generator
from scorerec.core.tables import PROMPTS, SEGMENT
from scorerec.llm.answers import NO, YES
from scorerec.llm.encode import read_prompts
from scorerec.text.segments import Segment, render

if TYPE_CHECKING:
    from scorerec.llm.score import Scorer


class ICLConfig(Config):
    """What the untuned LM reads beside P^b."""

    shots: int = Field(0, ge=0, description="solved training rows before each prompt, liked and not liked in turn")


class ICL(Baseline):
    """P^b and the backbone as it is."""

    key: ClassVar[str] = "icl"
    label: ClassVar[str] = "ICL"
    settings: ClassVar[type[Config]] = ICLConfig
    builds_on: ClassVar[tuple[str, ...]] = ("backbone", BASIC)
    prompts_from: ClassVar[str | None] = BASIC
    trains: ClassVar[Any] = "nothing"

    def score(self, prompts: pa.Table, model: str | Path) -> tuple[pa.Table, dict[str, Any]]:
        """Score behind the solved examples, if any; they become a fact."""
        if not self.config.shots:
            return super().score(prompts, model)
        scorer = self.scorer(model)
        opening = "".join(self._solved_examples(scorer, self.config.shots))
        return scorer.score(with_opening(prompts, opening)), {"examples": opening}

    def _solved_examples(self, scorer: Scorer, count: int) -> list[str]:
        """Return training rows with their answers, as the LM reads them: one that was liked, one that was not, ..."""
        targets = self.inputs.targets("train")
        order = generator(self.inputs.seed, "icl").permutation(targets.num_rows)
        labels, names = targets[LABEL].to_pylist(), targets[TARGET_ID].to_pylist()
        of_label = {label: [names[place] for place in order if labels[place] == label] for label in (1, 0)}
        drawn = [(of_label[label][place // 2], label) for place in range(count) for label in [1 - place % 2]]
        table = self.inputs.table(BASIC, PROMPTS)
        rows = dict(zip(table[TARGET_ID].to_pylist(), range(table.num_rows), strict=True))
        shown = read_prompts(table.take([rows[name] for name, _ in drawn]))
        answers = [YES if label else NO for _, label in drawn]
        return [
            f"{render(read)} {answer}\n\n" for read, answer in zip(scorer.encoder.as_read(shown), answers, strict=True)
        ]


def with_opening(prompts: pa.Table, opening: str) -> pa.Table:
    """Return PROMPTS with a text before each."""
    first = Segment("wording", opening)._asdict()
    lists = [[first, *row] for row in prompts[SEGMENTS].to_pylist()]
    place = prompts.column_names.index("segments")
    return PROMPTS.check(prompts.set_column(place, SEGMENTS, pa.array(lists, pa.list_(SEGMENT))))
