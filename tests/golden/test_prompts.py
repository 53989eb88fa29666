"""The three prompts against the words of the paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scorerec.text import prompts
from scorerec.text.describe import DescribeConfig, Describer
from scorerec.text.segments import render
from scorerec.text.wording import DOMAINS

MOVIE = DOMAINS["movie"]

# The boxes of Sections 3.3 and 3.4, word by word, with <HistoryList> and the like as placeholders.
P_R = (
    "The user has watched the following movies: <HistoryList>. However, based on this list alone, it is "
    "not possible to confidently predict whether they would enjoy the movie <TargetItem>. What other "
    "genres or characteristics related to their preferences, apart from the given history, could help "
    "in making a more informed decision?"
)
P_B = (
    "The user has highly rated the following movies: <HistoryList>. Based on this information, predict "
    "whether the user would enjoy the movie titled <TargetItem>. Respond with either 'Yes' or 'No'."
)
P_S = (
    "The user has highly rated the following movies: <HistoryList>. Other users with similar "
    "preferences have given high ratings to the movies: <SimilarBehaviorList_1>, "
    "<SimilarBehaviorList_K>. Based on this information, predict whether the user would enjoy the movie "
    "titled <TargetItem>. Respond with either 'Yes' or 'No'."
)

# Appendix D, Figure 6: the input shown to the LLM, whole. It says "movie characteristics" where the box of
# Section 3.3 says "characteristics"; the box is the default.
APPENDIX_D_INPUT = (
    "The user has watched the following movies: ['Dogma (1999)', 'Clerks (1994)', '12 Angry Men "
    "(1957)', 'Talented Mr. Ripley, The (1999)', 'Batman: Mask of the Phantasm (1993)', 'Seven (Se7en) "
    "(1995)', 'Fight Club (1999)', 'Annie Hall (1977)', 'Asphalt Jungle, The (1950)', 'Blood Simple "
    "(1984)', 'Deer Hunter, The (1978)']. However, based on this list alone, it is not possible to "
    "confidently predict whether they would enjoy the movie 'Edward Scissorhands (1990)'. What other "
    "genres or movie characteristics related to their preferences, apart from the given history, could "
    "help in making a more informed decision?"
)
HISTORY = {
    "1": "Dogma (1999)",
    "2": "Clerks (1994)",
    "3": "12 Angry Men (1957)",
    "4": "Talented Mr. Ripley, The (1999)",
    "5": "Batman: Mask of the Phantasm (1993)",
    "6": "Seven (Se7en) (1995)",
    "7": "Fight Club (1999)",
    "8": "Annie Hall (1977)",
    "9": "Asphalt Jungle, The (1950)",
    "10": "Blood Simple (1984)",
    "11": "Deer Hunter, The (1978)",
}
TARGET = {"12": "Edward Scissorhands (1990)"}
DESCRIBER = Describer(
    {item_id: {"title": title} for item_id, title in {**HISTORY, **TARGET}.items()},
    DescribeConfig(title_order="catalogue"),
)

PAPER = Path(__file__).resolve().parents[2].parent / "shared" / "paper" / "score.txt"
needs_paper = pytest.mark.skipif(not PAPER.is_file(), reason="the paper's text is not beside the repository")


def test_self_assessing_prompt_is_the_box_of_section_3_3() -> None:
    expected = P_R.replace("<HistoryList>", "['Dogma (1999)', 'Clerks (1994)']")
    expected = expected.replace("<TargetItem>", "'Edward Scissorhands (1990)'")
    assert render(prompts.self_assessing(["1", "2"], "12", DESCRIBER, MOVIE)) == expected


def test_self_assessing_prompt_is_the_worked_input_of_appendix_d() -> None:
    words = MOVIE.model_copy(update={"traits": "genres or movie characteristics"})
    assert render(prompts.self_assessing(list(HISTORY), "12", DESCRIBER, words)) == APPENDIX_D_INPUT


def test_basic_prompt_is_the_box_of_section_3_3() -> None:
    expected = P_B.replace("<HistoryList>", "['Dogma (1999)', 'Clerks (1994)']")
    expected = expected.replace("<TargetItem>", "'Edward Scissorhands (1990)'")
    assert render(prompts.basic(["1", "2"], "12", DESCRIBER, MOVIE)) == expected


def test_augmented_prompt_is_the_box_of_section_3_4() -> None:
    evidence = [("u7", ["3"]), ("u9", ["4", "5"])]
    expected = P_S.replace("<HistoryList>", "['Dogma (1999)', 'Clerks (1994)']")
    expected = expected.replace("<SimilarBehaviorList_1>", "['12 Angry Men (1957)']")
    expected = expected.replace(
        "<SimilarBehaviorList_K>",
        "['Talented Mr. Ripley, The (1999)', 'Batman: Mask of the Phantasm (1993)']",
    )
    expected = expected.replace("<TargetItem>", "'Edward Scissorhands (1990)'")
    assert render(prompts.augmented(["1", "2"], evidence, "12", DESCRIBER, MOVIE)) == expected


@needs_paper
@pytest.mark.parametrize("box", [P_R, P_B, APPENDIX_D_INPUT], ids=["P^r", "P^b", "Appendix D"])
def test_the_quoted_words_are_the_words_of_the_paper(box: str) -> None:
    assert _words(box) in _words(PAPER.read_text(encoding="utf-8"))


@needs_paper
def test_the_quoted_augmented_prompt_is_the_paper_s() -> None:
    # The paper writes "<list 1>, ... <list K>": a list of lists, whose dots stand for the lists in between.
    assert _words(P_S.replace(">, <SimilarBehaviorList_K>", ">, ... <SimilarBehaviorList_K>")) in _words(
        PAPER.read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("domain", ["game", "book", "item"])
def test_other_domains_say_the_same_of_their_items(domain: str) -> None:
    for movie, other in (
        (P_B, prompts.basic(["1"], "3", DESCRIBER, DOMAINS[domain])),
        (P_S, prompts.augmented(["1"], [("u", ["2"]), ("v", ["4"])], "3", DESCRIBER, DOMAINS[domain])),
    ):
        shape = re.sub(r"\[[^]]*\]|'12 Angry Men \(1957\)'", "<>", render(other))
        assert shape == re.sub(r"<\w+>", "<>", movie).replace("movie", domain)


def test_what_users_did_with_items_depends_on_the_domain() -> None:
    said = [render(prompts.self_assessing([], "1", DESCRIBER, DOMAINS[domain])) for domain in DOMAINS]
    assert [text.partition(": []")[0] for text in said] == [
        "The user has watched the following movies",
        "The user has played the following games",
        "The user has read the following books",
        "The user has interacted with the following items",
    ]


def _words(text: str) -> str:
    """Return the text with the paper's formula marks, typographic quotes and line breaks made plain."""
    text = text.translate(str.maketrans("‘’“”", "''\"\""))
    text = re.sub(r"\$?\\langle \\text\{(\w+)\}(?:_(\w))? \\rangle\$?", _placeholder, text)
    return " ".join(text.split())


def _placeholder(match: re.Match[str]) -> str:
    name, index = match.groups()
    return f"<{name}_{index}>" if index else f"<{name}>"
