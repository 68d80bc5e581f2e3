"""What `curate publish` puts on a hub, `datasets`, fsspec and the hub's client read, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from curate.corpus import Corpus
from tests.publish.hub import TOKEN, FakeHub

READ = """
import datasets, fsspec, huggingface_hub, json, sys
datasets.disable_progress_bars()
found = datasets.load_dataset("ada/edu", split="train")
expected = json.loads(sys.argv[1])
assert found.column_names == expected["columns"], found.column_names
assert found["id"] == expected["ids"] if isinstance(found["id"], list) else list(found["id"]) == expected["ids"]
assert list(found["text"]) == expected["text"]
stream = datasets.load_dataset("ada/edu", split="train", streaming=True)
assert [row["id"] for row in stream] == expected["ids"]
names = sorted(fsspec.filesystem("hf").glob("datasets/ada/edu/data/**/*.parquet"))
assert names == [f"datasets/ada/edu/data/0000{i}.parquet" for i in range(4)], names
file = huggingface_hub.hf_hub_download("ada/edu", "data/00002.parquet", repo_type="dataset")
assert open(file, "rb").read() == open(expected["shard"], "rb").read()
"""


def test_datasets_fsspec_and_the_client_read_what_was_published(edu: Path, tmp_path: Path) -> None:
    with FakeHub() as hub:
        own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
        environment = {**os.environ, **own, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-m", "curate.cli", "publish", str(edu), "hf://datasets/ada/edu", "--yes"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "sizes and hashes on the hub are those of the files here" in done.stdout
        table = Corpus(edu / "5-final").table()
        columns = {"columns": table.schema.names, "ids": table["id"].to_pylist(), "text": table["text"].to_pylist()}
        expected = json.dumps({**columns, "shard": f"{edu}/5-final/00002.parquet"})
        read = subprocess.run(
            [sys.executable, "-c", READ, expected], env=environment, capture_output=True, text=True, check=False
        )
        assert read.returncode == 0, read.stderr[-3000:]
