"""Titles as prose has them: catalogues file "The Matrix" under M, as "Matrix, The", which few texts say."""

from __future__ import annotations

import re

_ARTICLES = "A|An|The|La|Le|Les|L'|El|Los|Las|Il|Lo|Gli|Un|Une|Uno|Una|Der|Das|Ein|Eine"
# Words of other languages that end an English title as well ("Live, Love, Die"): moved only in a parenthesis, where
# catalogues give the title of the original.
_FOREIGN = f"{_ARTICLES}|Die|I|O|Os|As|De|Het|Een|Den|Det|En|Et"
_PARENTHESIS = re.compile(r"\(([^()]*)\)")


def prose_order(title: str) -> str:
    """Return a title with its article in front, and so the titles in its parentheses.

    >>> prose_order("Shawshank Redemption, The (1994)")
    'The Shawshank Redemption (1994)'
    >>> prose_order("City of Lost Children, The (Cité des enfants perdus, La) (1995)")
    'The City of Lost Children (La Cité des enfants perdus) (1995)'
    >>> prose_order("Die Hard (1988)")
    'Die Hard (1988)'
    """
    main, bracket, rest = title.partition("(")
    inside = _PARENTHESIS.sub(lambda found: f"({_moved(found[1], _FOREIGN)})", bracket + rest)
    return _moved(main, _ARTICLES) + inside


def _moved(part: str, articles: str) -> str:
    """Return a part of a title with the article that ends it, behind a comma, in front; "a.k.a." stays before it."""
    found = re.fullmatch(rf"(\s*(?:a\.k\.a\. )?)(\S.*?),\s*({articles})(\s*)", part)
    if found is None:
        return part
    before, name, article, after = found.groups()
    gap = "" if article.endswith("'") else " "
    return f"{before}{article}{gap}{name}{after}"
