import pytest
import torch

from scorerec.core.errors import ConfigError
from scorerec.nn.devices import choose_device, use_threads


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")


def test_a_gpu_that_is_not_there_is_an_error_and_no_fallback(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ConfigError, match="torch sees 1 GPUs"):
        choose_device("cuda:1")


def test_a_device_stays_what_it_is():
    assert choose_device(torch.device("cpu")) == torch.device("cpu")


def test_an_unknown_name_is_named():
    with pytest.raises(ConfigError, match="got 'abacus'"):
        choose_device("abacus")


def test_threads():
    before = torch.get_num_threads()
    try:
        use_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    with pytest.raises(ConfigError, match="at least 1"):
        use_threads(0)
