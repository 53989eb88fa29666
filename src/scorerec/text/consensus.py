"""What a group of users agrees on: how an LLM is asked for it, and how it is told, in a sentence behind the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from scorerec.text.assessment import traits_of
from scorerec.text.cleaning import bare, clean, shorten
from scorerec.text.describe import Describer
from scorerec.text.segments import Segment
from scorerec.text.wording import DomainWords

_LONGEST = 160  # characters
_MOST_TRAITS = 3


def asking(item_ids: Sequence[str], describer: Describer, words: DomainWords) -> list[Segment]:
    """Return the prompt that asks what those have in common who like some items.

    Args:
        item_ids: what they like more than others do, the most telling first.
        describer: writes the titles.
        words: the words of the domain.

    Raises:
        DataError: an item has no description.
    """
    return [
        Segment("wording", f"A group of {words.people} has {words.liked} the following {words.plural}: ["),
        *(Segment("history", describer.item(item_id), item_id) for item_id in item_ids),
        Segment("wording", f"]. In one short sentence, what kind of {words.plural} does this group like?"),
    ]


def consensus(reply: str | None, words: DomainWords) -> Segment:
    """Return what stands behind the target; the full stop of its sentence is the next segment's.

    Args:
        reply: to ``asking``; its first sentence is told. None: the user is in no group, or nobody answered.
        words: the words of the domain.

    >>> from scorerec.text.wording import DOMAINS
    >>> consensus("They like dark comedies. For example, Fargo.", DOMAINS["movie"]).text
    '. Of viewers with similar taste it is said: They like dark comedies'
    >>> consensus(None, DOMAINS["movie"]).text
    '. Nothing is said of viewers with similar taste'
    """
    said = _first_sentence(clean(reply)) if reply else ""
    if not said:
        return Segment("verdict", f". Nothing is said of {words.people} with similar taste")
    return Segment("verdict", f". Of {words.people} with similar taste it is said: {said}")


def metadata_consensus(item_ids: Sequence[str], describer: Describer, words: DomainWords) -> str:
    """Return a sentence that names what the items have in common, after their metadata: it is not an LLM's.

    Args:
        item_ids: of one group.
        describer: the catalogue.
        words: the words of the domain.

    >>> from scorerec.text.wording import DOMAINS
    >>> items = {"1": {"title": "A", "genres": ["War"]}, "2": {"title": "B", "genres": ["War", "Drama"]}}
    >>> metadata_consensus(["1", "2"], Describer(items), DOMAINS["movie"])
    'They like movies of the kinds War and Drama.'
    """
    counts = Counter(trait for item_id in item_ids for trait in traits_of(describer.items[item_id]))
    common = [trait for trait, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_MOST_TRAITS]]
    if not common:
        return f"They like {words.plural} such as {', '.join(map(describer.item, item_ids[:_MOST_TRAITS]))}."
    listed = " and ".join(filter(None, (", ".join(common[:-1]), common[-1])))
    return f"They like {words.plural} of the kind{'s' * (len(common) > 1)} {listed}."


def _first_sentence(text: str) -> str:
    end = text.find(". ")
    return shorten(bare(text if end < 0 else text[:end]).rstrip(". "), _LONGEST)
