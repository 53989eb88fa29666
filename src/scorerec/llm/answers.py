"""Which tokens say Yes and No where the answer will stand; every tokenizer has its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scorerec.core.errors import ModelError

YES, NO = "Yes", "No"


@dataclass(frozen=True)
class Answers:
    """The two tokens whose logits are compared.

    Attributes:
        yes: id of the first token of ``yes_text``.
        no: id of the first token of ``no_text``.
        yes_text: the answer as it was tokenized, with its leading space where it has one.
        no_text: likewise.
        is_whole: whether each answer is one token; otherwise its first token stands for it.
    """

    yes: int
    no: int
    yes_text: str
    no_text: str
    is_whole: bool

    def describe(self) -> str:
        """Return one line for reports.

        >>> Answers(5, 7, " Yes", " No", True).describe()
        "' Yes' is token 5, ' No' is token 7"
        """
        verb = "is" if self.is_whole else "begins with"
        return f"{self.yes_text!r} {verb} token {self.yes}, {self.no_text!r} {verb} token {self.no}"


def resolve_answers(
    tokenize: Callable[[str], list[int]], context: str, *, spaced_first: bool, unknown: int | None = None
) -> Answers:
    """Find the tokens with which the answers begin behind ``context``.

    Answers are tried with and without a leading space. An answer of one token is preferred, then the form that
    comes first.

    Args:
        tokenize: text -> token ids, without special tokens at the end.
        context: a prompt as the model reads it, up to the place of the answer.
        spaced_first: whether the form with a leading space is the natural one (plain text; not so behind the
            header of a chat turn).
        unknown: id of the token for what the tokenizer does not know: no answer; None: there is none.

    Raises:
        ModelError: in both forms Yes and No begin with the same token, or one of them is not known.
    """
    prefix = tokenize(context)
    found: list[Answers] = []
    for space in (" ", "") if spaced_first else ("", " "):
        yes, no = (_continuation(tokenize, context, prefix, space + word) for word in (YES, NO))
        if yes and no and yes[0] != no[0] and unknown not in (yes[0], no[0]):
            is_whole = len(yes) == len(no) == 1
            found.append(Answers(yes[0], no[0], space + YES, space + NO, is_whole))
    if not found:
        raise ModelError(
            "wanted Yes and No to begin with different tokens behind the prompt, with or without a leading space; "
            "this tokenizer does not know them, begins both with the same token, or joins them to the prompt's end. "
            "Use another backbone"
        )
    return next((answers for answers in found if answers.is_whole), found[0])


def _continuation(tokenize: Callable[[str], list[int]], context: str, prefix: list[int], answer: str) -> list[int]:
    """Return the tokens of ``answer`` behind ``context``; none where the two melt together."""
    whole = tokenize(context + answer)
    return whole[len(prefix) :] if whole[: len(prefix)] == prefix else []
