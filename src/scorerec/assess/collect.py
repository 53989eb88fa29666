"""Collects assessments of training targets (Eq. 7): samples them, asks, keeps what was answered."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from scorerec.assess.assessor import Assessor, Reply, ReplyError
from scorerec.assess.client import ChatAssessor, ChatConfig
from scorerec.assess.metadata import MetadataAssessor
from scorerec.assess.store import ReplyStore, reply_key
from scorerec.core.config import Config
from scorerec.core.errors import AssessmentError
from scorerec.core.progress import progress
from scorerec.core.randomness import derived_seed
from scorerec.core.tables import ASSESSMENTS
from scorerec.text.describe import Describer
from scorerec.text.segments import Segment, render
from scorerec.text.wording import DomainWords

Request = tuple[str, Sequence[Segment]]  # (target_id, P^r)


class AssessConfig(Config):
    """Who assesses, and how much."""

    assessor: Literal["metadata", "openai"] = Field(
        default="metadata", description="item metadata (not an LLM), or an OpenAI-compatible endpoint"
    )
    n_targets: int = Field(default=10_000, ge=1, description="training targets to assess (Appendix B); all when fewer")
    chat: ChatConfig = Field(default=ChatConfig(), description="the LLM that the assessor openai asks")


def make_assessor(config: AssessConfig, describer: Describer, words: DomainWords) -> Assessor:
    """Return the assessor that ``config`` names.

    Raises:
        ConfigError: an LLM is to be asked, and the environment names no endpoint or key.
    """
    return MetadataAssessor(describer, words) if config.assessor == "metadata" else ChatAssessor(config.chat)


def sample_targets(targets: pa.Table, n: int, seed: int) -> pa.Table:
    """Return ``n`` training targets, drawn at random; all of them when there are fewer.

    Each target draws its own lot, so a smaller sample is part of every larger one of the same seed. The rows
    keep the order of ``targets``.

    Args:
        targets: TARGETS.
        n: how many.
        seed: the run's seed.
    """
    training = targets.filter(pc.equal(targets["split"], "train"))
    lots = [derived_seed(seed, "assess", target_id) for target_id in training["target_id"].to_pylist()]
    drawn = sorted(range(len(lots)), key=lots.__getitem__)[:n]
    return training.take(pa.array(sorted(drawn), pa.int64()))


def collect(
    requests: Sequence[Request], assessor: Assessor, store: ReplyStore | None = None
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the assessments of all requests that were answered, in their order, and what happened.

    Every distinct prompt is asked once, and not at all when the store has its reply. A prompt without a
    usable reply is left out and counted; running again asks for those alone. Only LLM replies are stored.

    Args:
        requests: (target_id, P^r).
        assessor: whom to ask.
        store: where replies are kept; None keeps none.

    Returns:
        ASSESSMENTS, and facts: how many were asked, came from the store or failed (by kind), and the tokens
        of those that were asked.

    Raises:
        AssessmentError: no request has a usable reply, or the endpoint refuses every call.
    """
    prompts = {target_id: (render(prompt), prompt) for target_id, prompt in requests}
    keys = {target_id: reply_key(assessor.identity, text) for target_id, (text, _) in prompts.items()}
    pending = {keys[target_id]: prompt for target_id, (_, prompt) in prompts.items()}
    kept = store if assessor.is_llm else None
    replies = {} if kept is None else {key: reply for key in pending if (reply := kept.find(key)) is not None}
    n_stored = len(replies)
    asked, failures = _ask({key: pending[key] for key in pending if key not in replies}, assessor, kept)
    replies |= asked
    if requests and not replies:
        kinds = ", ".join(f"{count} x {kind}" for kind, count in _by_kind(failures).items())
        raise AssessmentError(f"{assessor.name}: none of {len(pending)} prompts was answered ({kinds}); {failures[0]}")
    rows = [
        (target_id, *replies[key], hashlib.sha256(prompts[target_id][0].encode()).hexdigest())
        for target_id, key in keys.items()
        if key in replies
    ]
    facts = {
        "assessor": assessor.name,
        "is_llm": assessor.is_llm,
        "n_requests": len(requests),
        "n_answered": len(rows),
        "n_prompts_from_store": n_stored,
        "n_prompts_asked": len(asked) + len(failures),
        "failures": _by_kind(failures),
        "tokens_in": sum(reply.tokens_in or 0 for reply in asked.values()),
        "tokens_out": sum(reply.tokens_out or 0 for reply in asked.values()),
    }
    return _table(rows, assessor.name), facts


def _ask(
    pending: Mapping[str, Sequence[Segment]], assessor: Assessor, store: ReplyStore | None
) -> tuple[dict[str, Reply], list[ReplyError]]:
    """Ask all pending prompts, a few at a time; each reply is stored by the thread that received it."""

    def answer(key: str, prompt: Sequence[Segment]) -> Reply:
        reply = assessor.ask(prompt)
        if store is not None:
            store.keep(key, assessor.name, render(prompt), reply)
        return reply

    replies: dict[str, Reply] = {}
    failures: list[ReplyError] = []
    pool = ThreadPoolExecutor(assessor.n_concurrent, thread_name_prefix="assess")
    try:
        keys: dict[Future[Reply], str] = {pool.submit(answer, key, prompt): key for key, prompt in pending.items()}
        for future in progress(as_completed(keys), f"assessing ({assessor.name})", len(keys), "prompt"):
            try:
                replies[keys[future]] = future.result()
            except ReplyError as failure:
                failures.append(failure)
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C: what is under way is still stored
    return replies, failures


def _by_kind(failures: Sequence[ReplyError]) -> dict[str, int]:
    return dict(sorted(Counter(failure.kind for failure in failures).items()))


def _table(rows: Sequence[tuple[str, str, int | None, int | None, str]], model: str) -> pa.Table:
    target_ids, texts, tokens_in, tokens_out, hashes = zip(*rows, strict=True) if rows else ((),) * 5
    columns = {
        "target_id": target_ids,
        "reply": texts,
        "model": [model] * len(rows),
        "prompt_hash": hashes,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
    }
    return ASSESSMENTS.check(pa.table({name: list(values) for name, values in columns.items()}, ASSESSMENTS.columns))
