"""Why an item has its score for a user of a finished run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scorerec.serve.config import ServeConfig
from scorerec.serve.service import Service
from scorerec.serve.words import in_words


@dataclass(frozen=True)
class Why:
    """Attributes: as in the API; ``argues``: its title was not read; ``reasons``: each part, and the answer without."""

    user_id: str
    item_id: str
    title: str
    argues: bool
    p_yes: float
    p_without_evidence: float | None
    reasons: list[dict[str, Any]]
    in_words: list[str]


def explained(folder: Path, user_id: str, item_id: str) -> Why:
    """Return why an item has its score for a user, by what is known of them by now.

    Args:
        folder: a finished run; whoever may read it may know who is who, so nothing is held back.
        user_id: a user of the data, or of whom behaviours were added.
        item_id: of the catalogue.

    Raises:
        DataError: nothing is known of the user, or the item is unknown.
        ArtifactError: the run has not come to its end.
    """
    service = Service.load(folder, ServeConfig(min_users=1))
    try:
        (found,) = service.explain([(service.person(user_id, None), item_id)])
        title, why = service.items.title, found.reasons
        reasons = [
            {
                "kind": one.part.kind,
                "user_id": found.owners.get(one.part.key) if one.part.kind == "neighbour" else None,
                "titles": [title(item) for item in one.part.item_ids],
                "told": one.part.key if one.part.kind == "told" else None,
                "p_without": one.p_without,
                "fall": one.fall,
            }
            for one in why.reasons
        ]
        words = service.run.prompter.words
        told = in_words(why, service.title, lambda behaviour: found.owners[behaviour], words)
        argues = item_id in service.run.renamed
        return Why(user_id, item_id, title(item_id), argues, why.p_yes, why.p_without_evidence, reasons, told)
    finally:
        service.close()
