"""What every assessor is: it reads P^r and answers which further evidence would help (Eq. 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from scorerec.core.errors import AssessmentError
from scorerec.text.segments import Segment


class Reply(NamedTuple):
    """One assessment r_t.

    Attributes:
        text: the reply.
        tokens_in: tokens of the prompt as the endpoint counted them; None where it did not say.
        tokens_out: tokens of the reply, likewise.
    """

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None


class Tokens(NamedTuple):
    """Tokens of one call or of many, as they are paid for: those sent and those that came back."""

    sent: int = 0
    received: int = 0

    def plus(self, other: Tokens) -> Tokens:
        """Return both together.

        >>> Tokens(1, 2).plus(Tokens(10, 20))
        Tokens(sent=11, received=22)
        """
        return Tokens(self.sent + other.sent, self.received + other.received)


NOTHING = Tokens()


class Assessor(Protocol):
    """Answers self-assessing prompts.

    Attributes:
        name: what tables and reports call it.
        is_llm: whether a language model answers. Only then are replies kept and their tokens counted.
        identity: whatever decides a reply beside the prompt: endpoint, model, parameters.
        n_concurrent: calls that may be under way at once.
        failed_attempts: what went wrong with how many attempts, those that a retry made good too.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  (described by the class)

    @property
    def is_llm(self) -> bool: ...  # noqa: D102

    @property
    def identity(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    def n_concurrent(self) -> int: ...  # noqa: D102

    @property
    def failed_attempts(self) -> Mapping[str, int]: ...  # noqa: D102

    def ask(self, prompt: Sequence[Segment]) -> Reply:
        """Answer one prompt; called from several threads at once.

        Raises:
            ReplyError: this prompt has no usable reply; others may have one.
            AssessmentError: no prompt will have one, such as after a refused key.
        """
        ...


class ReplyError(AssessmentError):
    """One prompt got no usable reply.

    Args:
        kind: a few words by which failures are counted, such as ``status 500`` or ``empty``.
        message: what happened and what to do.
        passing: whether the same prompt may have a reply when it is asked again.
        tokens: what the failed call is known to have cost.
    """

    def __init__(self, kind: str, message: str, passing: bool = True, tokens: Tokens = NOTHING):
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.passing = passing
        self.tokens = tokens


class BudgetError(AssessmentError):
    """The next call could cost more than what is left of the budget."""
