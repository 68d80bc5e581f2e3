import pytest
import torch

from curate.train.export import export, generate, load_checkpoint_model
from curate.train.loop import pretrain

from .conftest import TINY


@pytest.fixture(scope="module")
def run(token_folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return pretrain(
        token_folders["stories"],
        out,
        model=TINY,
        steps=5,
        seq_len=16,
        batch_tokens=64,
        threads=1,
        device="cpu",
        quiet=True,
    )


def test_transformers_loads_the_folder_and_computes_the_same(run):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs = AutoModelForCausalLM.from_pretrained(run.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    tokens = tokenizer("The birds sang in 12 trees.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        ours = load_checkpoint_model(run.checkpoint)(tokens)
        torch.testing.assert_close(ours, theirs(tokens).logits, atol=1e-5, rtol=1e-5)
    assert len(tokenizer) == theirs.config.vocab_size
    assert theirs.generation_config.eos_token_id == 0


def test_an_export_is_the_same_bytes_again(run, tmp_path):
    again = export(run.checkpoint, tmp_path)
    for file in run.model.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name


def test_generate_goes_on_with_a_prompt_and_repeats_itself_for_a_seed(run):
    one = generate(run.model, "The birds", max_new_tokens=8, seed=1)
    assert one.startswith("The birds")
    assert one == generate(run.model, "The birds", max_new_tokens=8, seed=1)


def test_a_folder_that_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no checkpoint"):
        export(tmp_path, tmp_path / "out")
