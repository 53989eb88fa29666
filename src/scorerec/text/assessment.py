"""The prose of the embedded assessor: which evidence would help, told from item metadata. It is not an LLM.

It stands in for the reply r_t of Eq. 7 where no LLM can be asked. Its text is embedded beside behaviours,
which are lists of titles with years, so it names genres, a year and the target's title. Naming similar titles
of the catalogue as well made no better ranking when it was tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scorerec.core.errors import DataError
from scorerec.text.describe import Describer, values_of
from scorerec.text.wording import DomainWords

TRAIT_COLUMNS = ("genres", "categories", "brand")  # metadata that says what kind of item it is
YEAR_COLUMN = "year"
RARE_SHARE = 0.2  # a trait is rare when a smaller share of the history's titles has it
MOST_TRAITS = 4  # traits named, the rarest first


def metadata_assessment(history: Sequence[str], target: str, describer: Describer, words: DomainWords) -> str:
    """Return one sentence that names the evidence a decision lacks.

    That is the traits of the target that few titles of the history have, its year, and its title. Where no
    trait is rare all of them are named, and metadata that is missing is left out. The same input gives the
    same text.

    Args:
        history: item ids of the user, oldest first.
        target: item id.
        describer: the catalogue.
        words: the words of the domain.

    >>> from scorerec.text.wording import DOMAINS
    >>> items = {
    ...     "1": {"title": "Clerks (1994)", "genres": ["Comedy"], "year": 1994},
    ...     "2": {"title": "Big (1988)", "genres": ["Comedy", "Fantasy"], "year": 1988},
    ... }
    >>> metadata_assessment(["1"], "2", Describer(items), DOMAINS["movie"])
    "People who also enjoy Fantasy movies, from around 1988, similar to 'Big (1988)'."

    Raises:
        DataError: the catalogue lacks an item.
    """
    missing = [item_id for item_id in (*history, target) if item_id not in describer.items]
    if missing:
        raise DataError(f"items without a description: {missing[:5]}; add them to the items table")
    row = describer.items[target]
    wanted = _wanted(traits_of(row), [set(traits_of(describer.items[item_id])) for item_id in history])
    kind = " ".join([*([_joined(wanted)] if wanted else []), words.plural])
    years = values_of(row.get(YEAR_COLUMN))
    era = f", from around {years[0]}," if years else ""
    return f"People who also {words.enjoy} {kind}{era} similar to {describer.item(target)}."


def traits_of(row: Mapping[str, object]) -> list[str]:
    """Return what kind of item a row of the items table describes, without repeats.

    >>> traits_of({"title": "Doom", "genres": None, "categories": ["Games", "PC"], "brand": "id"})
    ['Games', 'PC', 'id']
    """
    return list(dict.fromkeys(trait for column in TRAIT_COLUMNS for trait in values_of(row.get(column))))


def _wanted(traits: Sequence[str], history: Sequence[set[str]]) -> list[str]:
    """Return the rare traits, the rarest first; all of them where none is rare."""
    count = {trait: sum(trait in held for held in history) for trait in traits}
    rare = [trait for trait in traits if count[trait] < RARE_SHARE * max(1, len(history))]
    return sorted(rare or traits, key=count.__getitem__)[:MOST_TRAITS]


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
