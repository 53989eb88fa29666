"""Asks many prompts side by side, so that no failure loses another prompt's reply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from scorerec.assess.assessor import NOTHING, Assessor, Reply, ReplyError, Tokens
from scorerec.assess.limits import Budget, spent_on
from scorerec.assess.local import LocalAssessor
from scorerec.assess.plan import Plan, Prompt
from scorerec.assess.store import ReplyStore
from scorerec.core.errors import AssessmentError
from scorerec.core.progress import progress


@dataclass
class Answers:
    """What came of asking.

    Attributes:
        replies: by key.
        failures: calls that failed for good, by kind.
        last_failure: the newest of them, in words.
        can_pass: whether one of them may not come again.
        spent: tokens of all calls, those without a usable reply too.
    """

    replies: dict[str, Reply] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    last_failure: str = "none"
    can_pass: bool = False
    spent: Tokens = NOTHING

    def add(self, key: str, prompt: Prompt, reply: Reply) -> None:
        """Add the reply to one prompt.

        Args:
            key: of the prompt.
            prompt: what was asked; its tokens are estimated where the reply does not count them.
            reply: what came.
        """
        self.replies[key] = reply
        self.spent = self.spent.plus(spent_on(prompt.text, reply))

    def add_failure(self, failure: ReplyError) -> None:
        """Count one call that has no usable reply."""
        self.failures[failure.kind] += 1
        self.last_failure = str(failure)
        self.can_pass |= failure.passing
        self.spent = self.spent.plus(failure.tokens)


def named(failures: Mapping[str, int]) -> str:
    """Return counted failures as text.

    >>> named({"empty": 2, "timeout": 1})
    '2 x empty, 1 x timeout'
    """
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(failures.items())) or "none"


def ask_in_batches(assessor: LocalAssessor, store: ReplyStore | None, plan: Plan) -> Answers:
    """Ask an LLM of this process what the store has no reply to, prompts of like length together.

    Which prompts share a batch depends on all of the plan, also on those that have a reply: so the replies are the same
    however often it was interrupted. The longest come first, since memory and time are theirs.

    Args:
        assessor: whom to ask.
        store: where replies are kept, batch by batch; None keeps none.
        plan: the prompts, and the replies that are there.
    """
    answers, pending, size = Answers(), plan.pending, assessor.config.batch_size
    keys = sorted(plan.prompts, key=lambda key: (-len(plan.prompts[key].text), key))
    batches = [keys[start : start + size] for start in range(0, len(keys), size)]
    wanted = [batch for batch in batches if not pending.keys().isdisjoint(batch)]
    for batch in progress(wanted, f"assessing ({assessor.name})", len(wanted), "batch"):
        found = assessor.ask_together([plan.prompts[key].segments for key in batch])
        for key, reply in ((key, reply) for key, reply in zip(batch, found, strict=True) if key in pending):
            prompt = plan.prompts[key]
            if isinstance(reply, ReplyError):
                answers.add_failure(reply)
                continue
            answers.add(key, prompt, reply)
            if store is not None:
                store.keep(key, assessor.name, prompt.text, reply)
    return answers


class Questioning:
    """Puts prompts to an assessor, several at once, within a budget.

    Args:
        assessor: whom to ask.
        store: where each reply is kept by the thread that received it; None keeps none.
        budget: what may be spent.
    """

    def __init__(self, assessor: Assessor, store: ReplyStore | None, budget: Budget):
        self._assessor = assessor
        self._store = store
        self._budget = budget

    def ask(self, prompts: Mapping[str, Prompt], n_rounds: int, patience: int) -> Answers:
        """Ask all prompts, and those again whose call failed in a way that may pass.

        Args:
            prompts: by key.
            n_rounds: how often a prompt is asked at most.
            patience: calls that may fail in a row.

        Raises:
            BudgetError: the budget is spent; what was under way has been answered and kept.
            AssessmentError: too many calls in a row failed, or the endpoint refuses every call.
        """
        answers, pending = Answers(), dict(prompts)
        for _ in range(n_rounds):
            failed = self._round(pending, answers, patience)
            pending = {key: pending[key] for key, failure in failed.items() if failure.passing}
            if not pending:
                break
        return answers

    def _round(self, pending: Mapping[str, Prompt], answers: Answers, patience: int) -> dict[str, ReplyError]:
        """Ask each prompt once, add the replies to ``answers``, and return the failures by key."""
        failed: dict[str, ReplyError] = {}
        in_a_row = 0
        pool = ThreadPoolExecutor(self._assessor.n_concurrent, thread_name_prefix="assess")
        try:
            keys = {pool.submit(self._answer, key, prompt): key for key, prompt in pending.items()}
            for future in progress(as_completed(keys), f"assessing ({self._assessor.name})", len(keys), "prompt"):
                key = keys[future]
                try:
                    answers.add(key, pending[key], future.result())
                    in_a_row = 0
                except ReplyError as failure:
                    failed[key] = failure
                    answers.add_failure(failure)
                    in_a_row += 1
                if in_a_row >= patience:
                    raise AssessmentError(
                        f"the last {in_a_row} calls failed, the newest with {answers.last_failure}. "
                        "Every reply is kept: see to the endpoint, and run again to continue"
                    )
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C: what is under way is still stored
        return failed

    def _answer(self, key: str, prompt: Prompt) -> Reply:
        """Ask one prompt and keep what came of it, in the thread that made the call."""
        reserved, cost = self._budget.reserve(prompt.text), NOTHING
        try:
            reply = self._assessor.ask(prompt.segments)
            cost = spent_on(prompt.text, reply)
            if self._store is not None:
                self._store.keep(key, self._assessor.name, prompt.text, reply)
        except ReplyError as failure:
            cost = failure.tokens
            if self._store is not None and cost != NOTHING:
                self._store.keep_wasted(key, failure.kind, cost)
            raise
        finally:
            self._budget.settle(reserved, cost)
        return reply
