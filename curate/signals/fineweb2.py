"""FineWeb2: every language is held against numbers of its own (Penedo et al. 2025, arXiv 2506.20920).

    Measure((Language("cis-lmu/glotlid"),)), Measure((FineWeb2(),)), keep()
    ... FineWeb2(table="fineweb-2/configs"), keep("fineweb-2/configs")        all 1,929 published languages

FineWeb's, Gopher's and the repetition heuristics with thresholds and stop words that were derived for each language
from its Wikipedia, Common Crawl and the like. `fineweb2.tsv` holds the published numbers of the languages with most
text; a folder of the published files, one of them, or JSON `{"deu_Latn": {...}}` does as well. English, which
FineWeb2 left out, has FineWeb's numbers there.

A document's language is `language` and, if there is one, `language_script` (`curate.signals.language`, or FineWeb2's
own columns); `fineweb2.language` is the row of the table that was used. Thresholds of `language_score` were set for
GlotLID. A label of lid.176 (`de`) has FineWeb's .65 instead; it is the row `de` here, else the same as `deu_Latn`. A
language that is not in the table is dropped by `fineweb2.language`.

Words are our splitter's (`curate.text.split`), made for languages with spaces. Chinese, Japanese, Thai and the others
in `UNSPACED` have none, and datatrove cuts them with a dictionary of each; we have none. There the signals that count
words or compare n-grams of them are null and break no rule, `fineweb2.spaced` is 0, and lines and language decide
alone.
"""

import csv
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa

from curate.document import TEXT, Batch
from curate.signals import fineweb, gopher, repetition
from curate.signals.by_language import KeepByLanguage
from curate.signals.text import columns
from curate.stage import Rule
from curate.text.kernel import kernel
from curate.text.pages import Pages, read_pages, word_hash

TABLE = Path(__file__).with_suffix(".tsv")
# ISO 15924 codes of scripts that part no words: Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan, Javanese ...
UNSPACED = frozenset(
    [
        "Hani",
        "Hans",
        "Hant",
        "Jpan",
        "Thai",
        "Laoo",
        "Khmr",
        "Mymr",
        "Tibt",
        "Lana",
        "Tale",
        "Talu",
        "Tavt",
        "Java",
        "Bali",
        "Yiii",
    ]
)
LID176_SCORE = 0.65  # FineWeb's for lid.176, whose scores are not GlotLID's
SOURCE = "FineWeb2, fineweb-2-pipeline.py and configs"


@dataclass(frozen=True)
class Thresholds:
    """One language's numbers, named as in the published files. A maximum of 0 is no limit, there as in datatrove."""

    language_score: float
    dup_line_frac: float
    top_n_grams: tuple[tuple[int, float], ...]
    dup_n_grams: tuple[tuple[int, float], ...]
    line_punct_thr: float
    new_line_ratio: float
    min_avg_word_length: float
    max_avg_word_length: float
    max_non_alpha_words_ratio: float  # published under this name; it is the least share of words with a letter
    stopwords: tuple[str, ...]

    def rules(self) -> tuple[Rule, ...]:
        """Return them as rules; what does not vary is FineWeb2's pipeline's."""
        at_most = {
            "repetition.lines": self.dup_line_frac,
            **{f"repetition.top_{n}_gram": share for n, share in self.top_n_grams},
            **{f"repetition.again_{n}_gram": share for n, share in self.dup_n_grams},
            "fineweb.newlines_per_word": self.new_line_ratio,
        }
        return (
            Rule("language_score", at_least=self.language_score, source=SOURCE),
            *(Rule(column, at_most=share, source=SOURCE) for column, share in at_most.items() if share),
            Rule("fineweb.lines_with_end", at_least=self.line_punct_thr, source=SOURCE),
            Rule("fineweb.duplicate_chars", at_most=0.1, source=SOURCE),  # FineWeb has .01
            Rule("gopher.word_count", at_least=50, at_most=100_000, source=SOURCE),
            Rule(
                "gopher.mean_word_length",
                at_least=self.min_avg_word_length,
                at_most=self.max_avg_word_length or None,
                source=SOURCE,
            ),
            Rule("gopher.hashes_per_word", at_most=0.1, source=SOURCE),
            Rule("gopher.ellipses_per_word", at_most=0.1, source=SOURCE),
            Rule("gopher.bullet_lines", at_most=0.9, source=SOURCE),
            Rule("gopher.ellipsis_lines", at_most=0.3, source=SOURCE),
            Rule("gopher.alpha_words", at_least=self.max_non_alpha_words_ratio, source=SOURCE),
            Rule("fineweb2.stop_words", at_least=2, source=SOURCE),
        )


def keep(table: str | None = None) -> KeepByLanguage:
    """Return the stage that holds each document against its language's numbers in a table (ours by default)."""
    rules = {language: thresholds.rules() for language, thresholds in read_table(table).items()}
    return KeepByLanguage(table or "fineweb2", rules, column="fineweb2.language")


@dataclass(frozen=True)
class FineWeb2:
    """Measure FineWeb2's heuristics, with the stop words of each document's language in `table` (ours by default)."""

    table: str | None = None

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        if "language" not in batch.schema.names:
            raise KeyError("no column 'language'; measure it in a stage before: Measure((Language(),))")
        table = read_table(self.table)
        languages = self._languages(batch, table)
        pages = read_pages(batch[TEXT])
        found = repetition.repetition(pages) | gopher.quality(pages) | fineweb.quality(pages)
        del found["gopher.stop_words"]  # English's
        found["fineweb2.stop_words"] = stop_words(pages, languages, table)
        spaced = np.array([script_of(language) not in UNSPACED for language in languages], bool)
        measured = columns(found)
        for name in filter(of_words, measured):
            measured[name] = pa.array(found[name], mask=~spaced)
        return measured | {
            "fineweb2.language": pa.array(languages, pa.string()),
            "fineweb2.spaced": pa.array(spaced.astype(np.int8)),
        }

    def _languages(self, batch: Batch, table: Mapping[str, Thresholds]) -> list[str | None]:
        named = batch["language"].to_pylist()
        written = "language_script" in batch.schema.names
        scripts = batch["language_script"].to_pylist() if written else [None] * batch.num_rows
        pairs = zip(named, scripts, strict=True)
        return [row_of(language, script, self.table) if language else None for language, script in pairs]

    def __repr__(self) -> str:
        return "FineWeb2()" if self.table is None else f"FineWeb2({self.table!r}, stop_words={_digest(self.table)})"


def of_words(column: str) -> bool:
    """Tell whether a signal counts words or compares n-grams of them."""
    lines = column.endswith("_lines") or column in {"fineweb.lines_with_end", "fineweb.duplicate_chars"}
    return not lines and not column.startswith(("repetition.line", "repetition.paragraph"))


def stop_words(pages: Pages, languages: list[str | None], table: Mapping[str, Thresholds]) -> np.ndarray:
    """Count which of its language's stop words a document has, each once: (rows,) int64."""
    known = [language for language in dict.fromkeys(languages) if language is not None and language in table]
    lists = [[word_hash(word) for word in table[language].stopwords] for language in known]
    bounds = np.zeros(len(known) + 2, np.int64)
    np.cumsum([len(hashes) for hashes in lists], out=bounds[1:-1])
    bounds[-1] = bounds[-2]  # a language that is not in the table has none
    number = {language: i for i, language in enumerate(known)}
    of_row = np.array([number.get(language or "", len(known)) for language in languages], np.int64)
    found = np.zeros(len(languages), np.int64)
    hashes = np.array([one for hashes in lists for one in hashes], np.uint64)
    _count(pages.words.hash, pages.words.bounds, of_row, hashes, bounds, found)
    return found


@kernel
def _count(
    words: np.ndarray,
    word_bounds: np.ndarray,
    of_row: np.ndarray,
    stops: np.ndarray,
    stop_bounds: np.ndarray,
    found: np.ndarray,
) -> None:
    seen = np.full(len(stops), -1, np.int64)
    for row in range(len(of_row)):
        first, last = stop_bounds[of_row[row]], stop_bounds[of_row[row] + 1]
        for word in range(word_bounds[row], word_bounds[row + 1]):
            for stop in range(first, last):
                if words[word] == stops[stop] and seen[stop] != row:
                    seen[stop] = row
                    found[row] += 1


def script_of(language: str | None) -> str:
    """Return the script of a row of our table or of a code such as `deu_Latn`; "" if it has none."""
    return _aliases(None).get(language or "", language or "").partition("_")[2]


def row_of(language: str, script: str | None, table: str | None) -> str:
    """Return the row of a table for a label: `deu` and `Latn`, `deu_Latn`, `deu`, or lid.176's `de`."""
    if script:
        return f"{language}_{script}"
    rows, aliases = read_table(table), _aliases(table)
    return language if language in rows else aliases.get(language, language)


@functools.cache
def _aliases(table: str | None) -> dict[str, str]:
    """Return code without script -> row with most text (our table is in that order), and lid.176's codes -> row."""
    rows = [row for row in read_table(table) if "_" in row]
    return {row.partition("_")[0]: row for row in reversed(rows)} | {
        row["lid176"]: row["language"] for row in _our_rows() if row["lid176"]
    }


@functools.cache
def read_table(table: str | None = None) -> dict[str, Thresholds]:
    """Read thresholds by language: ours, a folder of published .yml files, one of them, or JSON by language.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: a file does not hold what FineWeb2 published.
    """
    if table is None:
        return _ours()
    fs, root = fsspec.core.url_to_fs(table)
    files = [root] if fs.isfile(root) else sorted(fs.glob(f"{root}/*.yml"))
    if not files:
        raise FileNotFoundError(f"{table} is no file and holds no .yml; give FineWeb2's `configs`, or one file of it")
    found: dict[str, Thresholds] = {}
    for file in files:
        content = fs.cat_file(file)
        try:
            configs = json.loads(content) if file.endswith(".json") else {Path(file).stem: _yaml(content)}
            found |= {language: _thresholds(config) for language, config in configs.items()}
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{file} is not a table of FineWeb2's thresholds: {error}") from error
    # lid.176's codes find their row in a table of ours too, with FineWeb's threshold for its scores.
    return found | {
        row["lid176"]: _with_score(found[row["language"]], LID176_SCORE)
        for row in _our_rows()
        if row["lid176"] and row["language"] in found
    }


@functools.cache
def _digest(table: str) -> str:
    """Return 12 hexadecimal digits of a table's stop words, which no rule of `keep` tells."""
    told = [f"{language} {' '.join(found.stopwords)}" for language, found in sorted(read_table(table).items())]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]


def _yaml(content: bytes) -> Any:
    import yaml  # type: ignore[import-untyped]

    return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # the C one is ten times as fast


def _thresholds(config: Mapping[str, Any]) -> Thresholds:
    names = [field.name for field in fields(Thresholds)]
    missing = [name for name in names if name not in config]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    plain = {name: config[name] for name in names}
    for name in ("top_n_grams", "dup_n_grams"):
        plain[name] = tuple((int(n), float(share)) for n, share in config[name])
    return Thresholds(**plain | {"stopwords": tuple(map(str, config["stopwords"]))})


def _with_score(thresholds: Thresholds, score: float) -> Thresholds:
    return Thresholds(**{**vars(thresholds), "language_score": score})


@functools.cache
def _our_rows() -> list[dict[str, Any]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, restkey="more_stopwords"))


def _ours() -> dict[str, Thresholds]:
    found: dict[str, Thresholds] = {}
    for row in _our_rows():
        numbers = {name: float(value) for name, value in row.items() if name not in _WORDS}
        config = {field.name: numbers.get(field.name) for field in fields(Thresholds)} | {
            "top_n_grams": [(n, numbers[f"top_{n}"]) for n in range(2, 5)],
            "dup_n_grams": [(n, numbers[f"dup_{n}"]) for n in range(5, 11)],
            "stopwords": [row["stopwords"], *(row.get("more_stopwords") or [])],
        }
        found[row["language"]] = _thresholds(config)
        if row["lid176"]:
            found[row["lid176"]] = _with_score(found[row["language"]], LID176_SCORE)
    return found


_WORDS = ("language", "lid176", "stopwords", "more_stopwords")
