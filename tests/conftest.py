"""What tests share: real data where it is at hand, a small corpus, and a local Ray that ends with the tests."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test reaches for the network
# A busy machine is no failure, and everyone sees the same examples; `--hypothesis-profile=default` tries others.
settings.register_profile("anywhere", deadline=None, derandomize=True)
settings.load_profile("anywhere")

TESTS = Path(__file__).parent
SHARED = TESTS.parents[1] / "shared" / "data"


STARTS_NODES = ("faults/test_nodes.py", "test_cluster_nodes.py", "test_job.py", "test_kill.py", "train/test_ray.py")


def together(nodeid: str) -> str:
    """Name what one process of `pytest -n 2` does: a folder, whose tests share fixtures, or what starts Ray nodes."""
    path = nodeid.partition("::")[0].removeprefix(f"{TESTS.name}/")
    return "nodes" if path in STARTS_NODES else path.partition("/")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, or one process would do it when the others have nothing left."""
    items.sort(key=lambda item: together(item.nodeid) != "nodes")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their parameter: gzip writes the second into them, and all processes have to see the same names."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Together(config, log)


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
    ray.shutdown(wait_for_processes=True)  # else, on a busy machine, Popen objects go while their processes still run
