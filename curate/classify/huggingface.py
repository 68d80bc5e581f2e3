"""A whole Hugging Face classifier as a stage: FineWeb-Edu's and Python-Edu's own scorers, or any like them.

    stage = open_huggingface("HuggingFaceFW/fineweb-edu-classifier")
    stage(batch)                        # adds fineweb_edu_classifier.score, score and int_score

What the model cards document is what comes out: the text cut at 512 tokens, `score` the one logit as it is, `int_score`
its value clipped to 0-5 and rounded. A head with several logits is read as grades 0, 1, 2 ...: the score is the
expected grade under their softmax (of a two-class head: the probability of class 1). Give a name, fetched or in the
local Hugging Face cache, or a folder.

Batches hold texts of like length, longest first, and pad little; padding and company change a score by rounding alone
(1e-5 in float32 on a CPU, some hundredths in bfloat16 on a GPU).
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from curate.classify.embedding import CPU_TOKENS, GPU_TOKENS, by_length, machine_failed
from curate.document import TEXT, Batch, int_score, with_columns

UNLIMITED = 1 << 20  # what a tokenizer without a limit of its own states is greater


@dataclass(frozen=True)
class HuggingFace:
    """Add `<name>.score`, `score` (float32) and `int_score` (int64); a row without text counts as empty."""

    name: str  # the prefix of its column
    digest: str  # of the weights and the tokenizer
    path: str = field(repr=False)  # a folder or a name, as it was given
    on_gpu: ClassVar[bool] = True

    def __call__(self, batch: Batch) -> Batch:
        raw = self.score(batch)
        scores, whole = pa.array(raw, pa.float32()), pa.array(int_score(raw), pa.int64())
        return with_columns(batch, {f"{self.name}.score": scores, "score": scores, "int_score": whole})

    def score(self, batch: Batch) -> np.ndarray:
        """Return (rows,) float32: the regression, or the expected grade."""
        if TEXT not in batch.schema.names:
            raise ValueError(f"there is no column {TEXT!r} to score; the batch has {batch.schema.names}")
        texts = [text or "" for text in batch[TEXT].to_pylist()]
        if not texts:
            return np.zeros(0, np.float32)
        model = load(self.path)
        if model.digest != self.digest:
            raise ValueError(
                f"{self.path} is {model.digest} here, but the recipe was made with {self.digest}; "
                f"give every machine the same files"
            )
        return grades(model.logits(texts))


class Scorer(NamedTuple):
    """A model with its tokenizer on its device."""

    tokenizer: Any
    model: Any
    max_tokens: int
    batch_tokens: int
    digest: str

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return (N, labels) float32."""
        import torch

        windows = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        result = np.zeros((len(texts), self.model.config.num_labels), np.float32)
        with torch.inference_mode():
            for chosen in by_length(np.array([len(window) for window in windows]), self.batch_tokens):
                padded = self.tokenizer.pad({"input_ids": [windows[i] for i in chosen]}, return_tensors="pt")
                result[chosen] = self.model(**padded.to(self.model.device)).logits.float().cpu().numpy()
        return result


def grades(logits: np.ndarray) -> np.ndarray:
    """Return (N,) float32 for (N, labels): a regression's number, or the expected label under the softmax."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    likely = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    expected: np.ndarray = likely @ np.arange(logits.shape[1]) / likely.sum(1)
    return expected.astype(np.float32)


def open_huggingface(path: str) -> HuggingFace:
    """Return the stage of a classifier by name or folder; its column is named after the last part, in snake case.

    Raises:
        ValueError: there is no such model here, or it is no classifier of sequences.
    """
    name = Path(path).name.lower().replace("-", "_").replace(".", "_")
    return HuggingFace(name, load(path).digest, str(Path(path).absolute()) if Path(path).is_dir() else path)


@functools.cache
def load(path: str) -> Scorer:
    """Load a classifier once per process; on the GPU, in bfloat16, if there is one."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    on_gpu = torch.cuda.is_available()
    try:
        config = AutoConfig.from_pretrained(path)
        if not any("ForSequenceClassification" in name for name in config.architectures or []):
            raise ValueError(f"it is a {config.architectures}, not a model ForSequenceClassification")
        tokenizer = AutoTokenizer.from_pretrained(path)
        dtype = torch.bfloat16 if on_gpu else torch.float32
        model = AutoModelForSequenceClassification.from_pretrained(path, dtype=dtype).eval()
    except (OSError, ValueError) as error:
        if machine_failed(error):
            raise
        first = str(error).strip().split("\n")[0]
        raise ValueError(
            f"the Hugging Face classifier {path!r} cannot be loaded: {first} Give a folder that holds config.json, the "
            f"weights and the tokenizer, or fetch it where there is a network: hf download {path}"
        ) from error
    limits = (tokenizer.model_max_length, getattr(config, "max_position_embeddings", UNLIMITED))
    max_tokens = min(limit for limit in (*limits, UNLIMITED))
    model = model.to("cuda" if on_gpu else "cpu")
    return Scorer(tokenizer, model, max_tokens, GPU_TOKENS if on_gpu else CPU_TOKENS, _digest(model, tokenizer))


def _digest(model: Any, tokenizer: Any) -> str:
    """Return 16 hexadecimal digits of all weights, the same on a CPU and a GPU, and of the words."""
    import torch

    sha = hashlib.sha256(repr(sorted(tokenizer.get_vocab().items())).encode())
    for name, weight in sorted(model.state_dict().items()):
        sha.update(f"{name} {tuple(weight.shape)}".encode())
        sha.update(weight.detach().to(torch.bfloat16).cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()[:16]
