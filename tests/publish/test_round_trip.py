"""What `curate publish` puts on a hub, `datasets`, fsspec and the hub's client read; HF_ENDPOINT says where it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

from curate.corpus import Corpus
from tests.publish.hub import TOKEN, FakeHub

BOTH = """
import json, sys
from curate import cli
expected = json.loads(sys.argv[1])
cli.publish(expected["run"], "hf://datasets/ada/edu", yes=True)

import datasets, fsspec, huggingface_hub
datasets.disable_progress_bars()
found = datasets.load_dataset("ada/edu", split="train")
assert found.column_names == expected["columns"], found.column_names
assert [row["id"] for row in found] == expected["ids"]
assert [row["text"] for row in found] == expected["text"]
stream = datasets.load_dataset("ada/edu", split="train", streaming=True)
assert [row["id"] for row in stream] == expected["ids"]
names = sorted(fsspec.filesystem("hf").glob("datasets/ada/edu/data/**/*.parquet"))
assert names == [f"datasets/ada/edu/data/0000{i}.parquet" for i in range(4)], names
file = huggingface_hub.hf_hub_download("ada/edu", "data/00002.parquet", repo_type="dataset")
assert open(file, "rb").read() == open(expected["shard"], "rb").read()
"""


def test_datasets_fsspec_and_the_client_read_what_was_published(edu: Path, tmp_path: Path) -> None:
    table = Corpus(edu / "5-final").table()
    expected = {"run": str(edu), "shard": f"{edu}/5-final/00002.parquet", "columns": table.schema.names}
    expected |= {"ids": table["id"].to_pylist(), "text": table["text"].to_pylist()}
    with FakeHub() as hub:
        own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
        environment = {**os.environ, **own, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-c", BOTH, json.dumps(expected)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert "sizes and hashes on the hub are those of the files here" in done.stdout
