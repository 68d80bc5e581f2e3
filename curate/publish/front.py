"""The header of a dataset card: what the hub indexes, and what `datasets.load_dataset(name)` goes by.

Field names are the hub's (huggingface/hub-docs, datasetcard.md). `configs` says which files are which subset, so that
shards keep the names that their receipts know them by; `dataset_info` states columns and counts, and `datasets`
refuses to load other counts than these. What the data does not tell and nobody has said is left out: a licence above
all.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml  # type: ignore[import-untyped]

from curate.publish.settings import Settings
from curate.publish.subset import DEFAULT, Subset

UNITS = (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3))
ISO = re.compile(r"^[a-z]{2,3}$")  # ISO 639, as the hub lists languages
IDENTIFIED = re.compile(r"^lid\.([a-z]{2,3})$")  # a column of certainty that a document is in one language
MIN_SHARE = 0.01  # of the documents, below which a language is not in the header
LICENSES = {  # SPDX -> the hub's name; huggingface/hub-docs, repositories-licenses
    **{"MIT": "mit", "Apache-2.0": "apache-2.0", "BSD-3-Clause": "bsd-3-clause", "BSD-2-Clause": "bsd-2-clause"},
    **{"ISC": "isc", "Unlicense": "unlicense", "CC0-1.0": "cc0-1.0", "0BSD": "0bsd", "MPL-2.0": "mpl-2.0"},
    **{"CC-BY-4.0": "cc-by-4.0", "CC-BY-SA-4.0": "cc-by-sa-4.0", "ODC-By-1.0": "odc-by", "Zlib": "zlib"},
}


def front_matter(found: Sequence[Subset], settings: Settings, name: str) -> str:
    """Return the header with its two lines of dashes."""
    header: dict[str, Any] = _license(found, settings)
    header["task_categories"] = ["text-generation"]
    languages = _languages(found)
    header |= {"language": languages} if languages else {}
    header["pretty_name"] = settings.name or name
    header["size_categories"] = [size_category(sum(subset.size.rows for subset in found))]
    header["tags"] = _tags(found)
    header["configs"] = [_config(subset, settings.subfolder) for subset in found]
    described = [_info(subset) for subset in found]
    header["dataset_info"] = described[0] if len(found) == 1 else described
    return f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=120)}---\n"


def size_category(rows: int) -> str:
    """Return the hub's category of a number of documents.

    >>> size_category(999), size_category(1000), size_category(10**12)
    ('n<1K', '1K<n<10K', 'n>1T')
    """
    if rows < 1000:
        return "n<1K"
    if rows >= 10**12:
        return "n>1T"
    low = 10 ** (len(str(rows)) - 1)
    return f"{_short(low)}<n<{_short(low * 10)}"


def _short(number: int) -> str:
    return next(f"{number // size}{unit}" for unit, size in UNITS if number >= size)


def _license(found: Sequence[Subset], settings: Settings) -> dict[str, Any]:
    """Return the licence that was given, or that every document states; of several, that each has its own."""
    if settings.license:
        return {"license": settings.license}
    stated: set[str | None] = set()
    for subset in found:
        stated |= set(values(subset, "license")) if "license" in subset.corpus.schema.names else {None}
    if None in stated or not stated:
        return {}
    only = LICENSES.get(next(iter(stated)) or "")
    return {"license": only} if len(stated) == 1 and only else {"license": "other", "license_name": "per-file"}


def values(subset: Subset, column: str) -> Counter[str | None]:
    """Count the values of a column of text; none is None."""
    counts: Counter[str | None] = Counter()
    for batch in subset.corpus.batches([column]):
        for pair in pc.value_counts(pc.cast(batch[column], pa.string())).to_pylist():
            counts[pair["values"] or None] += pair["counts"]
    return counts


def _languages(found: Sequence[Subset]) -> list[str]:
    """Return the languages people speak, most documents first, and `code`."""
    spoken: Counter[str] = Counter()
    code = False
    for subset in found:
        if subset.is_code:
            code = True
            continue
        names = subset.corpus.schema.names
        told = values(subset, "language") if "language" in names else Counter()
        known = {language: n for language, n in told.items() if language and ISO.match(language)}
        required = [
            m[1] for part in subset.parts for _, rule in part.recipe.rules if (m := IDENTIFIED.match(rule.column))
        ]
        spoken.update(known or dict.fromkeys(required[:1], subset.size.rows))
    total = max(sum(spoken.values()), 1)
    most = sorted(spoken, key=lambda language: (-spoken[language], language))
    return [language for language in most if spoken[language] >= MIN_SHARE * total] + ["code"] * code


def _tags(found: Sequence[Subset]) -> list[str]:
    names = {name for subset in found for name in subset.corpus.schema.names}
    said = ["curate"]
    said += ["educational"] if {"score", "int_score"} & names else []
    said += ["code"] if any(subset.is_code for subset in found) else []
    said += ["web"] if "url" in names else []
    said += ["deduplicated"] if all(subset.ran("dedup") for subset in found) else []
    return said + (["decontaminated"] if all(subset.ran("Decontaminate") for subset in found) else [])


def _config(subset: Subset, subfolder: str) -> dict[str, Any]:
    path = "/".join(filter(None, (subfolder, subset.folder, "**/*.parquet")))
    return {"config_name": subset.name, "data_files": [{"split": "train", "path": path}]}


def _info(subset: Subset) -> dict[str, Any]:
    size = subset.size
    split = {"name": "train", "num_bytes": size.data_bytes, "num_examples": size.rows}
    described: dict[str, Any] = {} if subset.name == DEFAULT else {"config_name": subset.name}
    described["features"] = [{"name": field.name, **feature(field.type)} for field in subset.corpus.schema]
    return described | {"splits": [split], "download_size": size.file_bytes, "dataset_size": size.data_bytes}


def feature(kind: pa.DataType) -> dict[str, Any]:
    """Return an Arrow type as `datasets` writes it in a card: {"dtype": "string"}, {"list": "string"}, ..."""
    if pa.types.is_struct(kind):
        return {"struct": [{"name": field.name, **feature(field.type)} for field in kind]}
    if pa.types.is_dictionary(kind):
        return feature(kind.value_type)
    for name, is_kind in (
        ("large_list", pa.types.is_large_list),
        ("list", pa.types.is_list),
        ("list", pa.types.is_fixed_size_list),
    ):
        if is_kind(kind):
            inner = feature(kind.value_type)
            shown = inner["dtype"] if set(inner) == {"dtype"} else inner.get("struct", inner)
            return {name: shown} | ({"length": kind.list_size} if pa.types.is_fixed_size_list(kind) else {})
    return {"dtype": NAMES.get(str(kind), str(kind))}


NAMES = {
    "float": "float32",
    "double": "float64",
    "halffloat": "float16",
    "date32[day]": "date32",
    "date64[ms]": "date64",
}
