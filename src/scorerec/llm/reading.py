"""How rows of token ids go through a model: each whole, or many as trees in which what they share is computed once.

Both ways give the same logits, to rounding. Trees need a model that takes attention mask and positions as they are
given. One that does not says nothing of it, so it is tried on three rows.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear
from transformers import DynamicCache

from scorerec.core.progress import progress
from scorerec.llm.backbone import Backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import TokenIds
from scorerec.llm.lower import LowerLayers, base_of, decoder_of, n_frozen
from scorerec.llm.trees import Bundle, Integers, Pack, bundles, pack_of, pack_rows
from scorerec.nn.batching import batches_by_length, pad

Head = Callable[[Tensor], Tensor]  # states, (N, H) -> logits
Step = TypeVar("Step")
Batch = TypeVar("Batch")
_TRIAL = [np.array(row, np.int32) for row in ([3, 5, 7, 4, 6], [3, 5, 7, 8], [3, 5, 9, 2])]
_FINE, _COARSE = 1e-3, 0.1  # how far logits may lie apart, as a share of their spread: in fp32, and in less


class Logits(NamedTuple):
    """Attributes: ``rows``: positions of rows, (B,); ``values``: logits behind each, of all or some tokens, (B, V)."""

    rows: Integers
    values: Tensor


class Reading(Protocol[Step, Batch]):
    """A way to read rows of token ids."""

    def steps(self, rows: Sequence[TokenIds], rng: np.random.Generator) -> list[Step]:
        """Divide rows into the steps of an epoch, in an order that is drawn."""

    def n_rows(self, step: Step) -> int:
        """Return how many rows a step has."""

    def batches(self, step: Step) -> list[Batch]:
        """Return what this process reads of a step: one batch per pass through the model."""

    def logits(self, rows: Sequence[TokenIds], batch: Batch, again: bool) -> Logits:
        """Return the logits behind the rows of a batch, for training.

        Args:
            rows: all rows.
            batch: of them.
            again: whether it will be asked for again.
        """

    def answers(
        self, rows: Sequence[TokenIds], tokens: Sequence[int], again: bool, is_exact: bool = False
    ) -> Iterator[Logits]:
        """Yield the logits of some tokens behind the rows that this process reads, batch by batch, for scoring.

        Args:
            rows: all rows.
            tokens: whose logits.
            again: whether the same rows will be asked for again.
            is_exact: in fp32, from the last state on.
        """


class WholeRows:
    """Reads each row whole; rows of similar length are padded to a batch.

    Args:
        backbone: the model.
        config: sizes of batches.
    """

    def __init__(self, backbone: Backbone, config: LLMConfig):
        self._backbone, self._config = backbone, config

    def steps(self, rows: Sequence[TokenIds], rng: np.random.Generator) -> list[list[Integers]]:
        """Divide rows into batches of similar length, and batches into steps."""
        batches = batches_by_length([len(row) for row in rows], batch_size=self._config.batch_size, rng=rng)
        size = self._config.gradient_accumulation
        return [batches[start : start + size] for start in range(0, len(batches), size)]

    def n_rows(self, step: Sequence[Integers]) -> int:
        """Return how many rows a step has."""
        return sum(map(len, step))

    def batches(self, step: Sequence[Integers]) -> list[Integers]:
        """Return this process's rows of each batch."""
        shares = [self._backbone.processes.share(batch) for batch in step]
        return [share for share in shares if len(share)]

    def logits(self, rows: Sequence[TokenIds], batch: Integers, again: bool) -> Logits:  # noqa: ARG002
        """Return the logits behind a batch, (B, V).

        Args:
            rows: all rows.
            batch: of them.
            again: nothing is kept for another time.
        """
        return Logits(batch, self._backbone.last_logits(pad([rows[row] for row in batch], side="left")))

    def answers(
        self,
        rows: Sequence[TokenIds],
        tokens: Sequence[int],
        again: bool,
        is_exact: bool = False,  # noqa: ARG002 - refused before
    ) -> Iterator[Logits]:
        """Yield logits batch by batch, the shortest rows first.

        Args:
            rows: all rows.
            tokens: whose logits.
            again: nothing is kept for another time.
            is_exact: the whole model is asked for its logits, in its own precision.
        """
        batches = batches_by_length([len(row) for row in rows], batch_size=self._config.score_batch_size)
        for batch in _shown(self._backbone.processes.share(batches)):
            yield Logits(batch, self.logits(rows, batch, again).values[:, list(tokens)])


class Trees:
    """Reads rows as trees; where a trained adapter begins above some layers, those below run without gradients.

    On a CPU each pack goes through the model alone, since padding costs there what it costs anywhere; on a GPU as
    many together as make up a batch of rows. In scoring, packs that begin alike for a quarter of their nodes read that
    trunk once, and keep it in a cache.

    Args:
        backbone: the model; ``why_whole`` has no objection to it.
        config: sizes of batches and packs.
    """

    def __init__(self, backbone: Backbone, config: LLMConfig):
        self._backbone, self._config = backbone, config
        self._decoder = decoder_of(backbone.model)
        self._head = base_of(backbone.model).get_output_embeddings()
        is_split = config.kept_gib > 0 and n_frozen(backbone.model) > 0
        self._lower = LowerLayers(backbone.model, config.kept_gib) if is_split else None

    def steps(self, rows: Sequence[TokenIds], rng: np.random.Generator) -> list[list[Pack]]:
        """Divide rows into packs, and shuffled packs into as many steps as the rows alone would make."""
        config = self._config
        packs = pack_rows(rows, min(config.pack_branches, config.batch_size), config.pack_tokens)
        rng.shuffle(packs)
        sizes = np.array([len(pack.rows) for pack in packs])
        n_steps = -(-len(rows) // (config.batch_size * config.gradient_accumulation))
        place = (np.cumsum(sizes) - sizes) * n_steps // len(rows)  # of a pack's first row
        steps: list[list[Pack]] = [[] for _ in range(n_steps)]
        for pack, step in zip(packs, place.tolist(), strict=True):
            steps[step].append(pack)
        return [step for step in steps if step]

    def n_rows(self, step: Sequence[Pack]) -> int:
        """Return how many rows a step has."""
        return sum(len(pack.rows) for pack in step)

    def batches(self, step: Sequence[Pack]) -> list[list[Pack]]:
        """Return this process's packs of a step: whole ones, so that nothing is shared between processes."""
        return self._together(self._backbone.processes.share(step), self._config.batch_size)

    def logits(self, rows: Sequence[TokenIds], batch: Sequence[Pack], again: bool) -> Logits:
        """Return the logits behind the rows of some packs, (B, V).

        Args:
            rows: all rows; they may say something else than those that were packed.
            batch: packs.
            again: whether the states below the lowest trained layer are kept.
        """
        return self._read([pack_of(rows, pack.rows) for pack in batch], again, self._head)

    def answers(
        self, rows: Sequence[TokenIds], tokens: Sequence[int], again: bool, is_exact: bool = False
    ) -> Iterator[Logits]:
        """Yield logits of packs, those of a bundle behind its trunk.

        Args:
            rows: all rows.
            tokens: whose logits.
            again: whether the states below the lowest trained layer are kept; then no trunk is read apart.
            is_exact: in fp32, from the last state on.
        """
        head = Answering(self._head, tokens, is_exact)
        packs = pack_rows(rows, self._config.pack_branches, self._config.pack_tokens)
        is_kept = again and self._lower is not None
        found = [Bundle(0, [pack]) for pack in packs] if is_kept else bundles(packs)
        alone = self._together([bundle.packs[0] for bundle in found if not bundle.trunk], self._config.score_batch_size)
        work = [*(Bundle(0, batch) for batch in alone), *(bundle for bundle in found if bundle.trunk)]
        for bundle in _shown(self._backbone.processes.share(work)):
            yield from self._behind_trunk(bundle, head) if bundle.trunk else [self._read(bundle.packs, again, head)]

    def _read(self, packs: Sequence[Pack], again: bool, head: Head) -> Logits:
        given = _Tensors.of(packs, 0, self._backbone.device)
        if self._lower is None:
            states = self._decoder(**given.as_ids(), use_cache=False).last_hidden_state
        else:
            below = self._lower.states(list(map(_name, packs)), given.lengths, again, **given.as_ids())
            states = self._lower.above(**given.as_states(below), use_cache=False).last_hidden_state
        return given.behind_leaves(states, head)

    def _behind_trunk(self, bundle: Bundle, head: Head) -> Iterator[Logits]:
        """Read a trunk once, and yield the logits of each batch of packs behind it."""
        device, cache = self._backbone.device, DynamicCache()
        trunk = torch.from_numpy(bundle.packs[0].tokens[: bundle.trunk])[None].to(device)
        self._decoder(input_ids=trunk, past_key_values=cache, use_cache=True)
        for batch in self._together(bundle.packs, self._config.score_batch_size):
            given, own = _Tensors.of(batch, bundle.trunk, device), copy.deepcopy(cache)
            own.batch_repeat_interleave(len(batch))
            states = self._decoder(**given.as_ids(), past_key_values=own, use_cache=True).last_hidden_state
            yield given.behind_leaves(states, head)

    def _together(self, packs: Sequence[Pack], n_rows: int) -> list[list[Pack]]:
        """Return packs that go through the model together, of similar length; with at most so many rows on a GPU."""
        count = 1 if self._backbone.device.type == "cpu" else max(1, n_rows // self._config.pack_branches)
        batches = batches_by_length([len(pack.tokens) for pack in packs], batch_size=count)
        return [[packs[place] for place in batch] for batch in batches]


class Answering:
    """The output layer for some tokens alone.

    Args:
        head: the output layer.
        tokens: whose logits.
        is_exact: in fp32; else in the precision of the layer.
    """

    def __init__(self, head: Any, tokens: Sequence[int], is_exact: bool):
        self._head, self._tokens, self._is_exact = head, list(tokens), is_exact
        if is_exact:
            bias = getattr(head, "bias", None)
            self._weight = head.weight[self._tokens].float()
            self._bias = None if bias is None else bias[self._tokens].float()

    def __call__(self, states: Tensor) -> Tensor:
        """Return the logits of the tokens, (N, tokens), from states, (N, H)."""
        if self._is_exact:
            return linear(states.float(), self._weight, self._bias)
        logits: Tensor = self._head(states)[:, self._tokens]
        return logits


class _Tensors(NamedTuple):
    """B packs behind a trunk of P nodes, padded to T nodes.

    Attributes:
        ids: (B, T).
        positions: (B, T).
        mask: True where a node (third axis) sees a node of trunk or tree (fourth), (B, 1, T, P + T).
        lengths: nodes of each pack.
        rows: of all leaves, (R,).
        leaves: places of all leaves in the B x T nodes, (R,).
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    lengths: list[int]
    rows: Integers
    leaves: Tensor

    @classmethod
    def of(cls, packs: Sequence[Pack], trunk: int, device: torch.device) -> _Tensors:
        """Return packs as tensors."""
        lengths = [len(pack.tokens) - trunk for pack in packs]
        ids, depth = (pad([getattr(pack, name)[trunk:] for pack in packs]).tokens for name in ("tokens", "depth"))
        node = torch.arange(ids.shape[1], device=device)
        # A node of padding sees itself, for there must be something to see; nobody sees it.
        itself = np.arange(ids.shape[1]) + 1
        ends = [np.append(pack.end[trunk:] - trunk, itself[len(pack.tokens) - trunk :]) for pack in packs]
        end = torch.from_numpy(np.stack(ends)).to(device)[:, None]  # (B, 1, T)
        tree = (node <= node[:, None]) & (node[:, None] < end)  # (B, T, T)
        mask = torch.cat([tree.new_ones(len(packs), ids.shape[1], trunk), tree], dim=2)[:, None]
        leaves = [pack.leaves - trunk + place * ids.shape[1] for place, pack in enumerate(packs)]
        return cls(
            torch.from_numpy(ids).to(device),
            torch.from_numpy(depth).to(device),
            mask,
            lengths,
            np.concatenate([pack.rows for pack in packs]),
            torch.from_numpy(np.concatenate(leaves)).to(device),
        )

    def as_ids(self) -> dict[str, Tensor]:
        """Return what a decoder takes."""
        return {"input_ids": self.ids, "attention_mask": self.mask, "position_ids": self.positions}

    def as_states(self, states: Tensor) -> dict[str, Tensor]:
        """Return what a decoder takes that goes on from hidden states, (B, T, H)."""
        return {"inputs_embeds": states, "attention_mask": self.mask, "position_ids": self.positions}

    def behind_leaves(self, states: Tensor, head: Head) -> Logits:
        """Return the logits behind each row, from the states of all nodes, (B, T, H)."""
        return Logits(self.rows, head(states.flatten(0, 1)[self.leaves]))


def why_whole(backbone: Backbone) -> str | None:
    """Return why trees would not give the logits that this model gives for each row whole; None where they do."""
    model, decoder = base_of(backbone.model), decoder_of(backbone.model)
    kinds = set(getattr(decoder.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(decoder.config, "sliding_window", None):
        return f"{type(model).__name__} does not look at all that stands before a token"
    attention = getattr(decoder.config, "_attn_implementation", None)
    if attention != "sdpa":  # eager adds the mask, flash attention knows none of four dimensions
        return f"its attention is computed by {attention!r}, and trees need 'sdpa'"
    settings = LLMConfig(kept_gib=0)
    was_training = backbone.model.training
    backbone.model.eval()
    try:
        with torch.no_grad():
            whole = WholeRows(backbone, settings).logits(_TRIAL, np.arange(len(_TRIAL)), again=False).values.float()
            trees = Trees(backbone, settings)
            rows, values = trees.logits(_TRIAL, pack_rows(_TRIAL, 8, 512), again=False)
    except TypeError as error:
        return f"{type(model).__name__} takes no trees ({error})"
    finally:
        backbone.model.train(was_training)
    apart = (values.float() - whole[rows.tolist()]).abs().max() / whole.std()
    if not apart <= (_FINE if values.dtype == torch.float32 else _COARSE):
        return f"{type(model).__name__} gives other logits for trees, by {apart:.2g} of their spread"
    return None


def _name(pack: Pack) -> bytes:
    """Return a name for what a pack reads."""
    return hashlib.blake2b(pack.tokens.tobytes() + pack.end.tobytes(), digest_size=16).digest()


def _shown(batches: list[Batch]) -> Iterator[Batch]:
    return progress(batches, "scoring", len(batches), unit="batch") if len(batches) > 1 else iter(batches)
