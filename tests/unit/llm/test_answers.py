"""Which tokens say Yes and No, for tokenizers of different kinds."""

from __future__ import annotations

import pytest

from scorerec.core.errors import ModelError
from scorerec.llm.answers import resolve_answers


class ToyTokenizer:
    """Longest match over a fixed list of pieces; a single character is always a piece."""

    def __init__(self, *pieces: str):
        self.pieces = sorted(pieces, key=len, reverse=True)
        self.ids: dict[str, int] = {}

    def __call__(self, text: str) -> list[int]:
        ids = []
        while text:
            piece = next((piece for piece in self.pieces if text.startswith(piece)), text[0])
            ids.append(self.ids.setdefault(piece, len(self.ids)))
            text = text[len(piece) :]
        return ids


def test_plain_text_takes_the_answer_with_its_space() -> None:
    tokenizer = ToyTokenizer("Yes", "No", " Yes", " No")
    answers = resolve_answers(tokenizer, "Answer.", spaced_first=True)
    assert (answers.yes, answers.no) == (tokenizer.ids[" Yes"], tokenizer.ids[" No"])
    assert answers.is_whole
    assert answers.describe() == f"' Yes' is token {answers.yes}, ' No' is token {answers.no}"


def test_behind_a_chat_header_the_answer_has_no_space() -> None:
    tokenizer = ToyTokenizer("Yes", "No", " Yes", " No")
    answers = resolve_answers(tokenizer, "Answer.\n", spaced_first=False)
    assert (answers.yes, answers.no) == (tokenizer.ids["Yes"], tokenizer.ids["No"])


def test_a_space_that_is_a_token_of_its_own_is_not_taken_for_an_answer() -> None:
    tokenizer = ToyTokenizer("Yes", "No", " ")
    answers = resolve_answers(tokenizer, "Answer.", spaced_first=True)
    assert (answers.yes_text, answers.no_text) == ("Yes", "No")


def test_an_answer_of_one_token_goes_before_the_natural_form() -> None:
    answers = resolve_answers(ToyTokenizer("Yes", "No", " Y", " N"), "Answer.", spaced_first=True)
    assert (answers.yes_text, answers.is_whole) == ("Yes", True)


def test_the_first_token_stands_for_a_longer_answer() -> None:
    answers = resolve_answers(ToyTokenizer(), "Answer.", spaced_first=False)
    assert not answers.is_whole
    assert "'Yes' is begins" not in answers.describe()
    assert "'Yes' begins with token" in answers.describe()


def test_a_form_that_melts_into_the_prompt_is_left_out() -> None:
    answers = resolve_answers(ToyTokenizer(". Yes", ". No", "Yes", "No"), "Answer.", spaced_first=True)
    assert answers.yes_text == "Yes"


def test_a_tokenizer_that_does_not_know_an_answer_is_refused() -> None:
    def knows_no(text: str) -> list[int]:
        return [{"Answer.": 1, "No": 2}.get(word, 0) for word in text.replace(".", ". ").split()]

    assert resolve_answers(knows_no, "Answer.", spaced_first=True).yes == 0
    with pytest.raises(ModelError, match="does not know them"):
        resolve_answers(knows_no, "Answer.", spaced_first=True, unknown=0)


def test_answers_that_begin_alike_are_refused() -> None:
    def same_start(text: str) -> list[int]:
        return [0 if character in "YN" else ord(character) for character in text]

    with pytest.raises(ModelError, match="begin with different tokens"):
        resolve_answers(same_start, "Answer.", spaced_first=True)
