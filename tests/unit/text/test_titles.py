"""Articles go in front of titles, and nothing else moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.text.titles import prose_order


@pytest.mark.parametrize(
    ("catalogue", "prose"),
    [
        ("Matrix, The (1999)", "The Matrix (1999)"),
        ("Matrix, The", "The Matrix"),
        ("Bug's Life, A (1998)", "A Bug's Life (1998)"),
        ("American in Paris, An (1951)", "An American in Paris (1951)"),
        ("Good, The Bad and The Ugly, The (1966)", "The Good, The Bad and The Ugly (1966)"),
        ("American Tail: Fievel Goes West, An (1991)", "An American Tail: Fievel Goes West (1991)"),
        ("Misérables, Les (1995)", "Les Misérables (1995)"),
        ("Enfer, L' (1994)", "L'Enfer (1994)"),
        ("Postino, Il (The Postman) (1994)", "Il Postino (The Postman) (1994)"),
        ("Mariachi, El (1992)", "El Mariachi (1992)"),
        ("Bewegte Mann, Der (1994)", "Der Bewegte Mann (1994)"),
        ("Superweib, Das (1996)", "Das Superweib (1996)"),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            "The City of Lost Children (La Cité des enfants perdus) (1995)",
        ),
        ("Star Maker, The (Uomo delle stelle, L') (1995)", "The Star Maker (L'Uomo delle stelle) (1995)"),
        ("Tin Drum, The (Blechtrommel, Die) (1979)", "The Tin Drum (Die Blechtrommel) (1979)"),
        ("Convent, The (Convento, O) (1995)", "The Convent (O Convento) (1995)"),
        ("Hate (Haine, La) (1995)", "Hate (La Haine) (1995)"),
        ("Maurice (a.k.a. Longest Journey, The) (1987)", "Maurice (a.k.a. The Longest Journey) (1987)"),
    ],
)
def test_an_article_moves_to_the_front(catalogue: str, prose: str) -> None:
    assert prose_order(catalogue) == prose
    assert prose_order(prose) == prose


@pytest.mark.parametrize(
    "title",
    [
        "Die Hard (1988)",
        "Live, Love, Die",
        "Me, Myself, I (1992)",
        "Cry, the Beloved Country (1995)",
        "Paris, Texas (1984)",
        "Paris, France (1993)",
        "Girl, Interrupted (1999)",
        "Corrina, Corrina (1994)",
        "Marcello Mastroianni: I Remember Yes, I Remember (1997)",
        "Strike! (a.k.a. All I Wanna Do, The Hairy Bird) (1998)",
        "Spinnen, 1. Teil: Der Goldene See (1919)",
        "Thing, theatrical cut",
        "The Matrix (1999)",
        ", The (1999)",
        "Unfinished (parenthesis, The",
        "",
    ],
)
def test_what_is_no_filed_article_stays(title: str) -> None:
    assert prose_order(title) == title


@given(st.lists(st.sampled_from(["The", "L'", "Die", ", ", " ", "(", ")", "a.k.a. ", "Matrix"])).map("".join))
def test_nothing_is_lost(title: str) -> None:
    assert letters(prose_order(title)) == letters(title)


def letters(text: str) -> list[str]:
    return sorted("".join(text.replace(",", "").split()))
