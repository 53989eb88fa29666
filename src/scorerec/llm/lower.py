"""Layers below the lowest one that is trained: they run without gradients, and what comes again is computed once."""

from __future__ import annotations

import copy
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from scorerec.core.errors import ModelError

_TRIAL = ((3, 5, 7, 4),)


def base_of(model: Any) -> Any:
    """Return the transformers model inside a peft model, adapters included, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def decoder_of(model: Any) -> Any:
    """Return what is below the output layer of a causal LM: tokens in, hidden states out."""
    return base_of(model).base_model


def layers_of(model: Any) -> nn.ModuleList:
    """Return the transformer blocks of a decoder that is built as Llama's.

    Raises:
        ModelError: the model is built in another way.
    """
    decoder = decoder_of(model)
    layers = getattr(decoder, "layers", None)
    if not isinstance(layers, nn.ModuleList) or not hasattr(decoder, "norm"):
        raise ModelError(
            f"{type(base_of(model)).__name__}: wanted a decoder with `layers` and a `norm` behind them, as Llama's, to "
            "tell its upper layers from its lower ones; leave lora.last_layers unset"
        )
    return layers


class LowerLayers:
    """A decoder in two parts: below the lowest trained layer, and from there on.

    Args:
        model: a causal LM whose trained weights require gradients; its decoder is built as Llama's.
        kept_gib: memory in GiB for hidden states at the border, where the model is.

    Attributes:
        above: the upper part; hidden states in, hidden states out.

    Raises:
        ModelError: the decoder gives something else in two parts than in one.
    """

    def __init__(self, model: Any, kept_gib: float):
        decoder = decoder_of(model)
        border = n_frozen(model)
        self._below = _part(decoder, decoder.layers[:border], nn.Identity())
        self.above = _part(decoder, decoder.layers[border:], decoder.norm)
        self._kept: dict[bytes, Tensor] = {}
        self._room = int(kept_gib * 2**30)
        _try(decoder, self._below, self.above)

    @torch.inference_mode(mode=False)  # kept in scoring, they may be met again in training
    @torch.no_grad()
    def states(self, keys: list[bytes], lengths: list[int], again: bool, **given: Tensor) -> Tensor:
        """Return the hidden states at the border, (B, T, H).

        Args:
            keys: a name for each of the B sequences.
            lengths: of each in tokens; what is behind it is padding.
            again: whether the same sequences will be asked for again.
            given: ids, mask and positions, as the decoder takes them.
        """
        if again and all(key in self._kept for key in keys):
            return pad_sequence([self._kept[key] for key in keys], batch_first=True)
        states: Tensor = self._below(**given, use_cache=False).last_hidden_state
        for key, length, own in zip(keys, lengths, states, strict=True):
            n_bytes = length * own.shape[1] * own.element_size()
            if again and key not in self._kept and n_bytes <= self._room:
                self._kept[key] = own[:length].clone()
                self._room -= n_bytes
        return states


def n_frozen(model: Any) -> int:
    """Return how many layers from below are not trained, and get nothing that is; 0 for other decoders than Llama's."""
    decoder = decoder_of(model)
    layers = getattr(decoder, "layers", None)
    is_dropping = bool(getattr(decoder.config, "attention_dropout", 0))  # another result each time
    if not isinstance(layers, nn.ModuleList) or is_dropping or _is_trained(decoder.get_input_embeddings()):
        return 0
    return next((place for place, layer in enumerate(layers) if _is_trained(layer)), 0)


def _is_trained(module: nn.Module) -> bool:
    return any(weight.requires_grad for weight in module.parameters())


def _part(decoder: Any, layers: nn.ModuleList, norm: nn.Module) -> Any:
    """Return a decoder of some of the layers; weights and hooks are the same objects."""
    part = copy.copy(decoder)
    part._modules = {**decoder._modules, "layers": layers, "norm": norm}
    return part


@torch.no_grad()
def _try(decoder: Any, below: Any, above: Any) -> None:
    """Refuse a decoder that does something between its embedding and its first layer, which would be done twice."""
    tokens = torch.tensor(_TRIAL, device=decoder.device)
    was_training = decoder.training
    decoder.eval()
    whole = decoder(input_ids=tokens, use_cache=False).last_hidden_state
    states = below(input_ids=tokens, use_cache=False).last_hidden_state
    parts = above(inputs_embeds=states, use_cache=False).last_hidden_state
    decoder.train(was_training)
    if not torch.equal(whole, parts):
        raise ModelError(
            f"{type(decoder).__name__}: gives other hidden states in two parts than in one; set llm.kept_gib=0, and "
            "all layers are computed each time"
        )
