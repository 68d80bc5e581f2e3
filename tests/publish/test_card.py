"""The card of a corpus: every number by hand, the same bytes anywhere, and an error when the data is another."""

import shutil
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from curate.corpus import Corpus, write_corpus
from curate.ledger.markdown import table, words
from curate.publish import check_card, write_card
from curate.publish.dataset import build_card
from curate.publish.front import feature, size_category
from curate.publish.settings import Settings, read_settings, write_settings
from curate.run import run
from curate.stage import Keep, Rule


@pytest.fixture(scope="session")
def card(edu: Path) -> str:
    return build_card(str(edu), Settings(license="odc-by", repo="ada/edu"))


def header(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_the_header_says_what_the_files_hold(edu: Path, card: str) -> None:
    corpus = Corpus(edu / "5-final")
    found = header(card)
    info = found["dataset_info"]
    sizes = [Path(file).stat().st_size for file in corpus.files]
    assert (found["license"], found["language"], found["size_categories"]) == ("odc-by", ["en", "fr"], ["n<1K"])
    assert found["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "data/**/*.parquet"}]}
    ]
    assert (info["splits"][0]["num_examples"], info["download_size"]) == (21, sum(sizes))
    assert datasets.Features._from_yaml_list(info["features"]) == datasets.Features.from_arrow_schema(corpus.schema)
    assert {"web", "educational", "deduplicated", "decontaminated"} <= set(found["tags"])


def test_every_step_has_what_it_read_and_left(card: str) -> None:
    """40 read, 39 readable, 36 long enough, 35 without the copy, 22 score 2 or more, 21 without the question."""
    for told in (
        "1-clean | 40 |  |", "1-clean | 39 | 1 |", "1-clean | 36 | 3 |", "3-unique | 35 | 1 |", "4-edu | 22 | 13 |",
        "5-final | 21 | 1 |",
    ):  # fmt: skip
        assert f" | {told}" in card
    assert "| `2 <= int_score` | ours | 4-edu | 13 | 13 |" in card
    assert "| `10 <= t.chars` | ours | 1-clean | 3 | 3 |" in card
    assert "ReplaceAddresses()" in card


def test_scores_copies_benchmarks_addresses_and_bad_records_are_counted(card: str) -> None:
    assert "Documents were kept from a raw score of 1.5 (`int_score >= 2`)." in card
    assert "| 2 | 7 | 7 |" in card  # 7, 12, 17, 22, 27, 32, 37
    assert "| 3 | 8 | 7 |" in card  # 3, 8, 13, ..., 38, less the one with the question
    assert "| 4 | 7 | 7 |" in card
    assert "| `dedup.exact` | 1 |" in card
    assert "| 1 | 20 |\n| 2 | 1 |" in card
    assert "22 documents were held against 1 benchmarks with 1 items" in card
    assert "| marbles | ngram | 1 | 0 |" in card
    assert "| `pii.emails` | 4-edu | 22 |" in card
    assert "| OddError | 1-clean | 1 |" in card
    assert "1 of 40 records (2.50%) could not be read" in card


def test_domains_languages_and_the_terms_of_the_crawl_are_told(edu: Path, card: str) -> None:
    kept = Corpus(edu / "5-final").table(["url", "language"]).to_pylist()
    french = sum(row["language"] == "fr" for row in kept)
    assert f"| fr | {french} | {french / 9:.1%} |" in card  # the tenth could not be read
    first = sum("site0" in row["url"] for row in kept)
    assert f"| site0.example | {first} | {first / 14:.1%} |" in card
    assert "[Common Crawl](https://commoncrawl.org) (CC-MAIN-2024-10 21 documents)" in card


def test_how_to_make_it_again_is_the_commands_that_were_run(card: str) -> None:
    assert "curate dedup 2-scored -o 3-unique --settings fineweb" in card
    assert "curate decontaminate 4-edu -o 5-final --against BENCHMARKS" in card
    assert "# 2-scored: no command has its stages" in card


def test_the_same_corpus_gives_the_same_bytes_wherever_it_lies(edu: Path, tmp_path: Path) -> None:
    shutil.copytree(edu, tmp_path / "edu")
    (tmp_path / "edu/notes.txt").write_text("mine")
    settings = Settings(name="Edu")
    assert build_card(str(tmp_path / "edu"), settings) == build_card(str(edu), settings)
    assert str(tmp_path) not in build_card(str(tmp_path / "edu"), settings)


def test_a_corpus_alone_finds_its_history_beside_it(edu: Path) -> None:
    alone = build_card(str(edu / "5-final"), Settings(name="Edu"))
    assert alone == build_card(str(edu), Settings(name="Edu"))
    scored = build_card(str(edu / "2-scored"), Settings())
    assert "| 3-unique |" not in scored
    assert "36 documents in 4 Parquet files" in scored
    assert "No benchmark was looked for" in scored


def test_a_card_that_no_longer_agrees_with_the_data_fails(edu: Path, tmp_path: Path) -> None:
    run_ = tmp_path / "edu"
    shutil.copytree(edu, run_)
    with pytest.raises(FileNotFoundError, match=r"README.md is not there"):
        check_card(str(run_))
    path = write_card(str(run_), license="odc-by")
    assert check_card(str(run_)) == path == f"{run_}/README.md"
    text = Path(path).read_text()
    Path(path).write_text(text.replace("21 documents in 4", "2,100 documents in 4"))
    with pytest.raises(ValueError, match="no longer agrees with the data") as error:
        check_card(str(run_))
    assert "-2,100 documents in 4 Parquet files" in str(error.value)
    assert "+21 documents in 4 Parquet files" in str(error.value)
    write_card(str(run_))
    (run_ / "5-final/00000.parquet").unlink()
    with pytest.raises(ValueError, match="no longer agrees with the data"):
        check_card(str(run_))


def test_what_was_said_once_and_written_below_is_kept(edu: Path, tmp_path: Path) -> None:
    path = write_card(str(edu), str(tmp_path / "CARD.md"), license="odc-by", name="Edu", repo="ada/edu")
    with Path(path).open("a") as file:
        file.write("\n## Thanks\n\nTo everybody.\n")
    write_card(str(edu), path, name="Education -->")
    text = Path(path).read_text()
    assert text.endswith("\n## Thanks\n\nTo everybody.\n")
    found, below = read_settings(text)
    assert (found.license, found.name, found.repo) == ("odc-by", "Education -->", "ada/edu")
    assert below == "## Thanks\n\nTo everybody."
    assert check_card(str(edu), path) == path


def test_a_card_by_somebody_else_is_not_taken_for_ours(edu: Path, tmp_path: Path) -> None:
    (tmp_path / "CARD.md").write_text("# Mine\n")
    with pytest.raises(ValueError, match="was not written by `curate card`"):
        check_card(str(edu), str(tmp_path / "CARD.md"))


def test_what_somebody_else_wrote_is_not_written_over(edu: Path, tmp_path: Path) -> None:
    mine = tmp_path / "README.md"
    mine.write_text("# Mine\n\nYears of notes.\n")
    with pytest.raises(ValueError, match=r"README.md was not written by `curate card`, and would be lost; move it"):
        write_card(str(edu), str(mine), license="odc-by")
    assert mine.read_text() == "# Mine\n\nYears of notes.\n"


def test_a_licence_is_stated_only_where_every_document_states_it(tmp_path: Path) -> None:
    for name, licenses, expected in (
        ("one", ["MIT", "MIT"], "mit"),
        ("two", ["MIT", "Apache-2.0"], "other"),
        ("none", ["MIT", None], None),
    ):
        rows = pa.table({"text": ["a", "b"], "id": ["1", "2"], "license": pa.array(licenses, pa.string())})
        write_corpus(tmp_path / name, rows.to_batches())
        assert header(build_card(str(tmp_path / name), Settings())).get("license") == expected


def test_two_lines_of_production_are_two_subsets(tmp_path: Path) -> None:
    for kind, extra in (("web", {"url": ["u"] * 3}), ("code", {"path": ["p"] * 3, "language": ["C", "C", "Go"]})):
        rows = pa.table({"text": [f"{kind} one", "two", "three"], "id": ["1", "2", "3"], **extra, "n": [1, 2, 3]})
        write_corpus(tmp_path / "in" / kind, rows.to_batches())
        rule = Keep((Rule("n", at_least=2),))
        run((rule,), Corpus(tmp_path / "in" / kind), f"{tmp_path}/run/{kind}/1-clean")
    card = build_card(f"{tmp_path}/run", Settings())
    assert [config["config_name"] for config in header(card)["configs"]] == ["code", "web"]
    assert header(card)["configs"][0]["data_files"][0]["path"] == "data/code/**/*.parquet"
    assert header(card)["language"] == ["code"]
    assert "4 documents in 2 Parquet files" in card
    assert "| Go | 1 | 50.0% |" in card  # the table of `curate.ledger.card`
    assert 'load_dataset("USER/NAME", "code"' in card


@given(st.text(), st.text(), st.text())
def test_settings_and_words_by_hand_are_read_back_whatever_is_in_them(name: str, repo: str, below: str) -> None:
    settings, hand = Settings(name=name, repo=repo, curate="1"), below.strip("\n")
    assert read_settings(f"# A card\n\n{write_settings(settings, hand)}") == (settings, hand)


def test_text_of_the_data_cannot_make_markup() -> None:
    assert words("<script> [x](y) `a|b` *c*") == "&lt;script> \\[x\\](y) \\`a|b\\` \\*c\\*"
    assert table(("a", "b"), [("x|y\nz", "1")]) == "| a | b |\n| --- | ---: |\n| x\\|y z | 1 |"


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.string(), pa.large_string(), pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.bool_(), pa.binary()),
        *(pa.date32(), pa.timestamp("us"), pa.timestamp("ms", tz="UTC"), pa.list_(pa.string()), pa.list_(pa.int8(), 3)),
        pa.list_(pa.struct([("kind", pa.string()), ("at", pa.list_(pa.int32()))])),
        *(pa.struct([("x", pa.float32())]), pa.list_(pa.list_(pa.int8())), pa.large_list(pa.int64())),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_a_column_is_described_as_datasets_describes_it(kind: pa.DataType) -> None:
    (described,) = datasets.Features.from_arrow_schema(pa.schema([("c", kind)]))._to_yaml_list()
    assert {"name": "c", **feature(kind)} == described


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (100_000, "100K<n<1M"),
        (10**6, "1M<n<10M"), (10**9 - 1, "100M<n<1B"), (10**9, "1B<n<10B"), (10**12 - 1, "100B<n<1T"), (10**12, "n>1T"),
    ],
)  # fmt: skip
def test_the_size_category_is_the_hubs(rows: int, category: str) -> None:
    assert size_category(rows) == category
