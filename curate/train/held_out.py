"""Held-out loss while a model trains, in bits per byte of text, which compares models of any tokenizer.

    pretrain(tokens, out, evaluate=HeldOut({"edu": "tokens/held/edu"}), evaluate_every=500)

Windows spread evenly over a token corpus are read as training reads them. End marks are not text: they are not counted.
A token of a byte-level tokenizer is as many bytes as it has characters in the vocabulary, so bytes are exact for any
part of a corpus.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from curate.tokenizer.bpe import load_tokenizer
from curate.tokenizer.bpe import token_bytes as bytes_of_tokens
from curate.tokenizer.tokens import Tokens
from curate.train.attention import document_numbers
from curate.train.loss import IGNORED, linear_cross_entropy
from curate.train.model import Llama

ROWS = 8  # windows in one forward pass


@dataclass(frozen=True)
class HeldOut:
    """Bits per byte of a model on token corpora that it was not trained on, by name."""

    corpora: Mapping[str, str]
    max_tokens: int = 200_000  # of each corpus
    mask_documents: bool = False  # as in training

    def __call__(self, model: Llama, step: int) -> dict[str, float]:
        return {name: self.bits_per_byte(model, Tokens(path)) for name, path in self.corpora.items()}

    def refuse_other_tokenizers(self, trained: Tokens) -> None:
        """Raise ValueError where a corpus was made by another tokenizer than the tokens that a model is trained on."""
        for name, path in self.corpora.items():
            if Tokens(path).fingerprint["tokenizer"] != trained.fingerprint["tokenizer"]:
                raise ValueError(
                    f"held-out {name} ({path}) has another tokenizer than {trained.path}; tokenize it anew"
                )

    def bits_per_byte(self, model: Llama, tokens: Tokens) -> float:
        seq_len = max(min(model.config.max_seq_len, tokens.num_tokens - 1), 1)
        windows = (tokens.num_tokens - 1) // seq_len
        taken = min(windows, max(self.max_tokens // seq_len, 1))
        starts = [number * windows // taken * seq_len for number in range(taken)]
        sizes = token_bytes(str(tokens.tokenizer))
        nats, num_bytes = 0.0, 0
        for first in range(0, taken, ROWS):
            rows = [tokens.read(start, start + seq_len + 1) for start in starts[first : first + ROWS]]
            batch = np.stack(rows).astype(np.int64)
            num_bytes += int(sizes[batch[:, 1:]].sum())
            nats += self._nats(model, torch.from_numpy(batch), tokens.end_of_text)
        if num_bytes == 0:
            raise ValueError(f"{tokens.path} has no text to measure on")
        return nats / math.log(2) / num_bytes

    @torch.no_grad()
    def _nats(self, model: Llama, batch: torch.Tensor, end: int) -> float:
        batch = batch.to(model.embed_tokens.weight.device)
        inputs, targets = batch[:, :-1], batch[:, 1:]
        documents = document_numbers(inputs, end) if self.mask_documents else None
        hidden = model.hidden(inputs, documents).flatten(0, 1)
        targets = targets.masked_fill(targets == end, IGNORED).flatten()
        return linear_cross_entropy(hidden, model.embed_tokens.weight, targets)[0].item()


@cache
def token_bytes(tokenizer: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the bytes of text that each token of a byte-level tokenizer is, (V,); none for special tokens."""
    loaded = load_tokenizer(tokenizer)
    special = {number for number, token in loaded.get_added_tokens_decoder().items() if token.special}
    found = bytes_of_tokens(loaded)
    return np.array([0 if number in special else len(piece) for number, piece in enumerate(found)], dtype=np.int64)
