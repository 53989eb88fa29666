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


class Assessor(Protocol):
    """Answers self-assessing prompts.

    Attributes:
        name: what tables and reports call it.
        is_llm: whether a language model answers. Only then are replies kept and their tokens counted.
        identity: whatever decides a reply beside the prompt: endpoint, model, parameters.
        n_concurrent: calls that may be under way at once.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  (described by the class)

    @property
    def is_llm(self) -> bool: ...  # noqa: D102

    @property
    def identity(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    def n_concurrent(self) -> int: ...  # noqa: D102

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
    """

    def __init__(self, kind: str, message: str):
        super().__init__(f"{kind}: {message}")
        self.kind = kind
