"""Where torch computes: the device, and how many threads it may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scorerec.core.errors import ConfigError

if TYPE_CHECKING:  # whoever only asks for help, or for a status, does not wait for it
    import torch


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device called ``name``; "auto" is the first GPU where there is one, else the CPU.

    >>> choose_device("cpu")
    device(type='cpu')

    Raises:
        ConfigError: there is no such device on this machine; it is never replaced by another.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: wanted auto, cpu, cuda or cuda:N, got {name!r}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device: {name!r} was asked for and torch sees {torch.cuda.device_count()} GPUs; use auto or cpu"
        )
    return device


def use_threads(n_threads: int) -> None:
    """Let torch compute with ``n_threads`` CPU threads from now on, in this process.

    More threads than idle cores make it slower; another number of threads changes the last digits of sums.

    Raises:
        ConfigError: ``n_threads`` is below 1.
    """
    import torch

    if n_threads < 1:
        raise ConfigError(f"threads: wanted at least 1, got {n_threads}")
    torch.set_num_threads(n_threads)
