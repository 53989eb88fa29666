"""The words in which a domain speaks of its items; the sentences around them are the same everywhere."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from scorerec.core.config import Config

# Words of one line without brackets or quotes: they must not be mistaken for a list or for a title.
Words = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\[\]<>'\"\n\r\t]+$", max_length=80)]


class DomainWords(Config):
    """The words of one domain.

    >>> DomainWords(singular="recipe", plural="recipes", consumed="cooked").liked
    'highly rated'
    """

    singular: Words = Field(description="one item: would enjoy the 'movie'")
    plural: Words = Field(description="several items: the following 'movies'")
    consumed: Words = Field(description="what a user did with the items of a history: has 'watched'")
    liked: Words = Field(default="highly rated", description="has 'highly rated' the following movies")
    liked_by_others: Words = Field(
        default="given high ratings to", description="other users have 'given high ratings to' the movies"
    )
    people: Words = Field(
        default="users",
        exclude_if=lambda value: value == "users",  # settings written before it was there mean the same
        description="who rates items: of 40 other 'viewers', 31 liked it",
    )
    person: Words = Field(
        default="user",
        exclude_if=lambda value: value == "user",  # settings written before it was there mean the same
        description="one of them: this 'viewer' liked it",
    )
    enjoy: Words = Field(default="enjoy", description="whether the user would 'enjoy' the movie")
    traits: Words = Field(
        default="genres or characteristics",
        description="what an assessor is asked for: what other 'genres or characteristics' could help",
    )


DOMAINS: dict[str, DomainWords] = {
    "movie": DomainWords(singular="movie", plural="movies", consumed="watched", people="viewers", person="viewer"),
    "game": DomainWords(singular="game", plural="games", consumed="played", people="players", person="player"),
    "book": DomainWords(singular="book", plural="books", consumed="read", people="readers", person="reader"),
    "item": DomainWords(
        singular="item", plural="items", consumed="interacted with", traits="categories or characteristics"
    ),
}
