"""InfoNCE, written once: CAR (Eq. 6) and SARE (Eq. 12) are two ways to call it."""

from __future__ import annotations

import torch
from torch import Tensor

POSITIVE, NEGATIVE, MASKED = 1, 0, -1  # what a candidate is to an anchor


def info_nce(positive: Tensor, negatives: Tensor, temperature: float, mask: Tensor | None = None) -> Tensor:
    """Return ``-log(g(+) / (g(+) + sum of g(-)))`` for each positive, where ``g(s) = exp(s / temperature)``.

    >>> loss = info_nce(torch.tensor([1.0]), torch.tensor([[1.0, 1.0]]), temperature=0.1)
    >>> round(loss.item(), 4)  # log 3: the positive is one of three equals
    1.0986

    Args:
        positive: similarity of anchor and positive, (...) float.
        negatives: similarities of the same anchor and its negatives, (..., N) float; may broadcast.
        temperature: divides every similarity; above 0.
        mask: True where a negative does not count because it is a false one, (..., N) bool; may broadcast.

    Returns:
        The loss of each positive, of the shape of ``positive``. A positive without negatives has loss 0.
    """
    if mask is not None:
        negatives = negatives.masked_fill(mask, -torch.inf)
    negatives = negatives.expand(*positive.shape, -1)  # (..., N)
    scores = torch.cat([positive.unsqueeze(-1), negatives], dim=-1) / temperature  # (..., 1 + N)
    return torch.logsumexp(scores, dim=-1) - scores[..., 0]


def contrastive_loss(similarity: Tensor, relation: Tensor, temperature: float) -> Tensor:
    """Return the mean over anchors of the summed InfoNCE of their positives.

    Each positive meets the anchor's negatives only; the anchor's other positives are not in its denominator
    (Eq. 6 as written). With one positive per anchor this is Eq. 12.

    Args:
        similarity: of each anchor to each candidate of the batch, (A, C) float.
        relation: POSITIVE, NEGATIVE or MASKED, (A, C) int.
        temperature: see ``info_nce``.
    """
    # Every candidate as if it were a positive, (A, C); those that are none are left out of the sum.
    losses = info_nce(similarity, similarity[:, None, :], temperature, (relation != NEGATIVE)[:, None, :])
    return losses.masked_fill(relation != POSITIVE, 0.0).sum(dim=1).mean()
