import time

import pytest
import torch

from curate.train.model import Size, model_config
from curate.train.probe import PASSES, probe

CONFIG = model_config(Size(32, 2, 2, 1, 64), vocab_size=128, max_seq_len=16)


def test_a_probe_tells_the_seconds_of_a_token_and_leaves_the_threads_as_they_were() -> None:
    threads = torch.get_num_threads()
    began = time.perf_counter()
    seconds = probe(CONFIG, windows=3, threads=threads + 1, device="cpu")
    assert 0 < seconds * 3 * 16 * PASSES <= time.perf_counter() - began  # the quickest pass, so many times
    assert torch.get_num_threads() == threads


def test_a_probe_that_fails_leaves_the_threads_as_they_were() -> None:
    threads = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        probe(CONFIG, windows=3, threads=threads + 1, device="no such device")
    assert torch.get_num_threads() == threads
