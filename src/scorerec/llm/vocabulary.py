"""The tokenizer of the toy LM: byte-level BPE learned from the run's own texts."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from scorerec.llm.config import Units

PAD, BOS, EOS = "<|pad|>", "<|begin|>", "<|end|>"

# Quotes and brackets with the comma between two of them; an apostrophe inside a word is none.
_LIST_SIGNS = r"""(?:(?<!\p{L})'|'(?!\p{L})|["\[\]])+(?:, ['"\[]+)?"""


def train_tokenizer(texts: Iterable[str], size: int, units: Units) -> PreTrainedTokenizerFast:
    """Learn a tokenizer.

    Args:
        texts: what the LM will read.
        size: entries of the vocabulary, at most.
        units: "words": a token is never more than a word. "phrases": a token may be as long as a whole title or
            a whole sentence of the prompt, when it is frequent, and ends only at quotes and brackets; prompts
            become several times shorter.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _pieces(units)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),  # any text can be written
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, padding_side="left"
    )


def _pieces(units: Units) -> pre_tokenizers.PreTokenizer:
    if units == "words":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_LIST_SIGNS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
