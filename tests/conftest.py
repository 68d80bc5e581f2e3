"""What tests share: real data where it is at hand, a small corpus, and a local Ray that ends with the tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test reaches for the network
# A busy machine is no failure, and everyone sees the same examples; `--hypothesis-profile=default` tries others.
settings.register_profile("anywhere", deadline=None, derandomize=True)
settings.load_profile("anywhere")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real pages, code, grades and benchmarks; it lies beside a developer's checkout."""
    if not SHARED.is_dir():
        pytest.skip("the real data (../shared/data) is not on this machine")
    return SHARED


@pytest.fixture
def pages() -> pa.Table:
    """Forty documents in two kinds: long ones of 30 sentences and short ones of three words."""
    long = " ".join(["The cells of a leaf turn light into sugar."] * 30)
    texts = [f"Page {i}. {long}" if i % 4 else f"Buy now {i}" for i in range(40)]
    urls = [f"http://127.0.0.1/{i}" for i in range(40)]
    return pa.table({"text": texts, "id": [f"doc-{i:03}" for i in range(40)], "url": urls})


@pytest.fixture(scope="session")
def local_ray() -> Iterator[str]:
    """The name of a local engine with two workers."""
    import ray

    from curate.cluster import connect

    connect("local", 2)
    yield "local"
    ray.shutdown()
