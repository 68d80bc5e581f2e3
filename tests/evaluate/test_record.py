import hashlib
import json
import subprocess

import pytest

from curate.evaluate.record import Evaluated, evaluated, weights_digest
from curate.evaluate.results import write
from curate.evaluate.suites import Suite, evaluate


@pytest.fixture
def folder(model, tmp_path):
    """A model's folder, exported at step 31."""
    model.save_pretrained(tmp_path / "hf")
    config = json.loads((tmp_path / "hf/config.json").read_text())
    (tmp_path / "hf/config.json").write_text(json.dumps(config | {"curate_step": 31}))
    return tmp_path / "hf"


def test_a_model_is_told_by_place_step_and_the_digest_that_sha256sum_prints(folder):
    found = evaluated(folder)
    printed = subprocess.run(["sha256sum", "model.safetensors"], cwd=folder, capture_output=True, text=True, check=True)
    assert found == Evaluated(f"{folder}", 31, printed.stdout.split()[0], None)


def test_the_digest_of_weights_in_parts_is_that_of_what_sha256sum_prints(tmp_path):
    for n in (1, 2):
        (tmp_path / f"model-{n:05}-of-00002.safetensors").write_bytes(bytes([n]) * 1000)
    command = "sha256sum model-*.safetensors | sha256sum"
    printed = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert weights_digest(tmp_path) == printed.stdout.split()[0]
    (tmp_path / "model.safetensors").write_bytes(b"whole")  # which transformers takes before any parts
    assert weights_digest(tmp_path) == hashlib.sha256(b"whole").hexdigest()


def test_other_weights_at_the_same_place_have_another_digest(folder):
    before = evaluated(folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert evaluated(folder).path == before.path
    assert evaluated(folder).digest != before.digest


def test_results_say_which_model_they_are_of_before_its_tasks(folder, tmp_path):
    write(tmp_path, {"arc": {"num_items": 1}}, [], [], evaluated(folder))
    told = json.loads((tmp_path / "results.json").read_text())
    assert list(told) == ["model", "arc"]
    assert told["model"] == {
        "path": f"{folder}", "step": 31, "digest": weights_digest(folder), "revision": None,
    }  # fmt: skip
    assert "model" not in (tmp_path / "results.md").read_text()


def test_a_suite_cannot_take_the_record_s_name(folder, tmp_path):
    with pytest.raises(ValueError, match="rename its file"):
        evaluate(folder, suites=[Suite("model", tmp_path / "model.jsonl")])


def test_a_folder_without_weights_has_no_digest(tmp_path):
    assert weights_digest(tmp_path) is None
