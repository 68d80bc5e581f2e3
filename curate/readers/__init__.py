"""Sources: whatever lies under a path, read as batches of documents.

    source = open_source("crawl/")                     a folder of WARC files -> readers.warc.Warc
    source = open_source("docs/")                      a folder of Parquet shards -> corpus.Corpus
    source = open_source("flask-2.3.1.tar.gz")         an archive of source code -> readers.archive.CodeArchive
    source = open_source("HuggingFaceFW/fineweb", kind="hub")

A source lists its splits and reads one split; see `curate.corpus.Source`.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import IO, Literal, get_args

import fsspec

from curate.corpus import Source
from curate.document import QUARANTINED, TEXT
from curate.storage import info, listed, open_binary

Kind = Literal["parquet", "warc", "jsonl", "code", "archive", "hub"]
HTML = "html"  # the column that `warc` fills and `html.Extract` turns into text
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?(/.*)?")


def open_source(path: str | os.PathLike[str], *, kind: Kind | None = None) -> Source:
    """Open what is at `path` by what its files are called; a single file with another ending by how it begins.

    Args:
        path: a file, a folder or, but for code, a glob; local or any fsspec URL; with kind="hub" a data
            set's name.
        kind: what to read where a folder holds several kinds.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: several kinds of input, none that we read, or a file that is not what its name says.
    """
    path = os.fspath(path)
    if kind is not None and kind not in get_args(Kind):
        raise ValueError(f"no kind of input {kind!r}; choose one of {', '.join(get_args(Kind))}")
    if kind == "hub":
        from curate.readers.hub import hub_url, require_hub

        parts = path.split("/")
        path = hub_url("/".join(parts[:2]), "/".join(parts[2:]))
        require_hub(path)
        kind = None
    return _open(path, kind or _kind_at(path))


def needs_extract(source: Source) -> bool:
    """Tell whether the documents are still HTML and want `html.Extract` first."""
    return HTML in source.schema.names


def needs_contents(source: Source) -> bool:
    """Tell whether rows may only name contents of Software Heritage and want `FetchContents`; it leaves texts alone."""
    names = source.schema.names
    if TEXT in names:  # JSON lines may have texts, names or both; a corpus of ours has its texts
        return "blob_id" in names and QUARANTINED in names
    return HTML not in names


def needs_notebooks(source: Source) -> bool:
    """Tell whether rows may be notebooks as they lie on a disk and want `Notebooks`; a corpus of ours has had it."""
    names = source.schema.names
    return "path" in names and QUARANTINED in names and HTML not in names


def of_languages(source: Source, languages: Sequence[str]) -> Source:
    """Have folders and archives of code, and samples of them, give the files of languages asked for too, such as HTML.

    Raises:
        ValueError: no file is in such a language.
    """
    from curate.code.languages import asked_name
    from curate.readers.archive import CodeArchive
    from curate.readers.chosen import Chosen
    from curate.readers.code import CodeFolder

    if isinstance(source, Chosen):
        return replace(source, source=of_languages(source.source, languages))
    if not isinstance(source, CodeFolder | CodeArchive):
        return source
    return replace(source, languages=source.languages.union(map(asked_name, languages)))


def _open(path: str, kind: str) -> Source:
    if kind == "chosen":
        from curate.readers.chosen import open_chosen

        return open_chosen(path)
    if kind == "warc":
        from curate.readers.warc import Warc

        return Warc(path)
    if kind == "jsonl":
        return _open_jsonl(path)
    if kind == "code":
        from curate.readers.code import CodeFolder

        return CodeFolder(path)
    if kind == "archive":
        from curate.readers.archive import CodeArchive

        return CodeArchive(path)
    from curate.readers.parquet import Parquet
    from curate.readers.stack_repositories import StackRepositories, is_by_repository

    source = Parquet(path)
    if is_by_repository(source.corpus.schema):
        return StackRepositories(path)
    return source if source.renames else source.corpus


def _open_jsonl(path: str) -> Source:
    from curate.readers.code_jsonl import CodeJsonl, is_code
    from curate.readers.jsonl import Jsonl

    source = Jsonl(path)
    first = min(source.files, key=lambda name: (source.files[name].num_bytes == 0, name))  # an empty one tells nothing
    try:
        with open_binary(first) as file:
            return CodeJsonl(path) if is_code(first, file) else source
    except (FileNotFoundError, ConnectionError):
        raise
    except (EOFError, OSError) as error:
        raise ValueError(
            f"{first} cannot be read: {error}; fetch the file again, or take it out of the input"
        ) from error


def _kind_at(path: str) -> str:
    from curate.readers.chosen import ENDING

    _, plain = fsspec.core.url_to_fs(path)
    if plain.endswith(ENDING):
        return "chosen"
    known = info(path)
    if known is not None and known["type"] == "file":
        with open_binary(path) as file:
            return kind_of_name(plain) or _kind_of_start(path, file)
    found = listed(path)
    if found is not None and (found.sizes or known is not None):
        return _kind_of_folder(path, list(found.sizes), found.root)
    hint = f"; a data set of the Hugging Face hub is hf://datasets/{path}" if HUB_NAME.fullmatch(path) else ""
    raise FileNotFoundError(f"{path} does not exist; check the path{hint}")


def _kind_of_folder(path: str, files: list[str], root: str) -> str:
    from curate.readers.files import is_input

    inputs = [name for name in files if is_input(name, root)]
    kinds = Counter(filter(None, map(kind_of_name, inputs)))
    if not inputs:
        raise FileNotFoundError(f"{path} is empty; is it the right folder, and was the step that fills it run?")
    if not kinds:
        raise ValueError(
            f"{path} holds {len(inputs)} files, and none is Parquet, WARC, JSON lines, source code or an archive of it"
        )
    if len(kinds) > 1:
        found = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
        raise ValueError(f"{path} holds several kinds of files ({found}); say which to read with --kind")
    return str(next(iter(kinds)))


def kind_of_name(name: str) -> str | None:
    """Return the kind of input that a file's name promises, None if none; notes beside the data (.md) promise none."""
    from curate.code.languages import KIND_OF, PROGRAMMING, by_name
    from curate.readers import jsonl, tar, warc

    if name.endswith(".parquet"):
        return "parquet"
    if name.endswith(warc.ENDINGS):
        return "warc"
    if name.endswith(jsonl.ENDINGS):
        return "jsonl"
    if name.endswith(tar.ENDINGS):
        return "archive"
    return "code" if any(KIND_OF[language] == PROGRAMMING for language in by_name(name)) else _notebook(name)


def _notebook(name: str) -> str | None:
    return "code" if name.endswith(".ipynb") else None


def _kind_of_start(path: str, file: IO[bytes]) -> str:
    from curate.readers.warc import decompressed

    start = file.read(4)
    file.seek(0)
    if start == b"PAR1":
        return "parquet"
    if start.lstrip(b"\xef\xbb\xbf").startswith(b"{"):
        return "jsonl"
    if decompressed(file).read(5) == b"WARC/":
        return "warc"
    raise ValueError(
        f"{path} is not Parquet, WARC or JSON lines, by its name or by how it begins; "
        "convert it, or give the folder if it is source code"
    )
