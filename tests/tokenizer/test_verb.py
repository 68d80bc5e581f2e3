"""`curate tokenize`, what it decides before any text is read."""

import pyarrow as pa
import pytest

from curate.cli.make import tokenize
from curate.corpus import write_corpus
from curate.tokenizer.tokens import Tokens


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("verb")
    texts = {
        "web": [f"The {n}th bird sang {n} songs in the trees.\n" * 20 for n in range(200)],
        "code": [f"{chr(97 + n) * 3}_{chr(97 + n) * 5} = x\n" * 4 for n in range(20)],  # words of its own in each
    }
    for name, rows in texts.items():
        batch = pa.RecordBatch.from_pydict({"id": [f"{name}{n}" for n in range(len(rows))], "text": rows})
        write_corpus(folder / name, [batch])
    return {name: str(folder / name) for name in texts}


def test_equal_weights_that_are_written_are_equal_shares(folders, tmp_path):
    web, code = folders["web"], folders["code"]
    how = {"vocab": 400, "sample_bytes": 4000}  # of 180 kB of web and 1 kB of code
    tokenize([f"{web}:0.5", f"{code}:0.5"], out=str(tmp_path / "by_weight"), **how)
    tokenize([web, code], out=str(tmp_path / "by_size"), **how)
    by_weight, by_size = (Tokens(tmp_path / name / "code") for name in ("by_weight", "by_size"))
    assert by_weight.num_tokens < by_size.num_tokens, "all of the code was in the sample"


def test_other_tokenizers_of_one_name_have_a_column_each(folders, tmp_path, capsys):
    for name in ("a", "b"):
        tokenize([folders["code"]], out=str(tmp_path / name), vocab=300 if name == "a" else 290)
    others = [str(tmp_path / name / "tokenizer") for name in ("a", "b")]
    capsys.readouterr()
    tokenize([folders["code"]], out=str(tmp_path / "c"), tokenizer=others[0], beside=others)
    header = next(line for line in capsys.readouterr().out.splitlines() if "this one" in line)
    assert header.split()[-2:] == ["tokenizer", "tokenizer-2"]


def test_the_verb_goes_on_with_the_tokenizer_it_learned_and_takes_no_other_corpora_for_it(folders, tmp_path):
    web, code = folders["web"], folders["code"]
    tokenize([code], out=str(tmp_path), vocab=300)
    before = (tmp_path / "tokenizer/tokenizer.json").read_bytes()
    tokenize([code], out=str(tmp_path), vocab=300)
    with pytest.raises(ValueError, match="learned with other corpora"):
        tokenize([web, code], out=str(tmp_path), vocab=300)
    assert (tmp_path / "tokenizer/tokenizer.json").read_bytes() == before
