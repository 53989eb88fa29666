"""Which titles of the catalogue move the tuned LM's answer further than titles do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.artifacts import Draft
from scorerec.core.columns import ARGUES, ITEM_ID, MOVE, TARGET_ID
from scorerec.core.randomness import generator
from scorerec.core.tables import PROMPTS, TITLE_AUDIT
from scorerec.experiment.run import NEUTRAL, Run
from scorerec.experiment.stages.judged import prompts_of
from scorerec.llm.encode import read_prompts
from scorerec.pipeline.audit import TitleAudit, audit_titles
from scorerec.text.cleaning import quote
from scorerec.text.segments import Segment

if TYPE_CHECKING:
    from scorerec.llm.score import Scorer

_YEAR = re.compile(r"\((\d{4})\)$")
_SHOWN = 10  # titles that a run says by name


def audited(run: Run, draft: Draft, tuned: str, prompts: str) -> None:
    """Ask the tuned LM about every title of the catalogue, in the place of those that a few prompts ask about.

    Args:
        run: what was made so far.
        draft: of this stage.
        tuned: the stage that tuned the LM.
        prompts: the stage that wrote its prompts.
    """
    config, describer = run.config, run.prompter.describer
    scorer = run.lm(tuned, config.scoring.exact_answers)
    found = audit(run, scorer, run.table(prompts, PROMPTS), [describer.item(item) for item in run.item_ids])
    draft.write(
        TITLE_AUDIT,
        pa.table({ITEM_ID: run.item_ids, MOVE: found.moves, ARGUES: found.argue}, schema=TITLE_AUDIT.columns),
    )
    loudest = sorted(np.flatnonzero(found.argue).tolist(), key=lambda place: -abs(found.moves[place]))[:_SHOWN]
    draft.facts.update(
        titles=len(run.item_ids),
        argue=int(found.argue.sum()),
        usual_move=found.usual,
        neutral_move=found.neutral_move,
        loudest={describer.title(run.item_ids[place]): float(found.moves[place]) for place in loudest},
        **{NEUTRAL: found.neutral},
    )
    if not found.usual:
        draft.facts["warnings"] = ["Most titles move the LM's answer by nothing at all: none can be found to argue"]
    elif found.neutral_move > config.title_audit.bound * found.usual:
        draft.facts["warnings"] = [
            f"No neutral name is neutral to this LM: {found.neutral!r}, which answers to people say in place of titles "
            f"that argue, moves the log odds of Yes by {found.neutral_move:.2f}, titles by {found.usual:.2f} usually"
        ]


def audit(run: Run, scorer: Scorer, prompts: pa.Table, titles: Sequence[str]) -> TitleAudit:
    """Measure titles in a few training and validation prompts of a run.

    Args:
        run: what was made so far.
        scorer: the tuned LM.
        prompts: PROMPTS that it reads.
        titles: as prompts write them.
    """
    config, describer, targets = run.config, run.prompter.describer, run.targets("train", "valid")[TARGET_ID]
    drawn = generator(config.seed, "title audit").permutation(len(targets))[: config.title_audit.prompts]
    shown = scorer.encoder.as_read(read_prompts(prompts_of(targets.take(np.sort(drawn)), prompts)))
    names = neutral_names(list(map(describer.title, run.item_ids)), run.prompter.words.singular)

    def score(rows: Sequence[Sequence[Segment]]) -> npt.NDArray[np.float64]:
        return scorer.p_yes(scorer.encoder.encode(rows).tokens)

    return audit_titles(shown, titles, {name: quote(name) for name in names}, score, config.title_audit.bound)


def neutral_names(titles: Sequence[str], singular: str) -> list[str]:
    """Return what an item without a name may be called; with a year where most titles of the catalogue end in one.

    Args:
        titles: of the catalogue.
        singular: what its items are.

    >>> neutral_names(["Heat (1995)", "Alien (1979)", "Dogma (1999)"], "movie")
    ['Unknown movie (1995)', 'Untitled movie (1995)', 'Movie (1995)']
    >>> neutral_names(["Doom", "Tetris"], "game")
    ['Unknown game', 'Untitled game', 'Game']
    """
    years = sorted(found[1] for title in titles if (found := _YEAR.search(title)))
    year = f" ({years[len(years) // 2]})" if 2 * len(years) > len(titles) else ""
    return [f"{name}{year}" for name in (f"Unknown {singular}", f"Untitled {singular}", singular.capitalize())]
