"""The options that verbs share, and how a word of the command line becomes what it names.

    curate tokenize runs/edu:0.7 runs/code:0.3        weights(["runs/edu:0.7", "runs/code:0.3"])

What an option means is told by the docstring of each verb; its type and spelling are the same everywhere.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from curate.amounts import whole_amount

if TYPE_CHECKING:
    from curate.corpus import Source
    from curate.stage import Stage

Out = Annotated[str, Parameter(name=["--out", "-o"])]
OutOrBeside = Annotated[str | None, Parameter(name=["--out", "-o"])]  # None: beside what is read
Engine = Annotated[str | None, Parameter(name="--ray")]
Number = Annotated[int, Parameter(name=["-n", "--num"])]
NumTokens = Annotated[int | None, Parameter(converter=lambda _, tokens: whole_amount(tokens[0].value))]  # 20M
Kind = Literal["warc", "jsonl", "parquet", "code", "archive"] | None
Inputs = Annotated[list[str], Parameter(negative=())]


def open_input(path: str, kind: Kind) -> "Source":
    """Open whatever a verb may read: WARC, JSONL, Parquet, code, archives; here, on the hub or in a bucket."""
    from curate.readers import open_source

    return open_source(path, kind=kind)


def open_text(path: str) -> "Source":
    """Open what holds text already."""
    from curate.readers import needs_extract

    source = open_input(path, None)
    if needs_extract(source):
        raise ValueError(f"{path} is HTML; `curate filter` makes text of it: name the folder that it writes")
    return source


def to_text(source: "Source") -> "tuple[Stage, ...]":
    """Return the stages that make text of crawled pages, contents by name and notebooks; none of what is text."""
    from curate.readers import needs_contents, needs_extract, needs_notebooks
    from curate.readers.html import Extract
    from curate.readers.notebooks import Notebooks
    from curate.readers.software_heritage import FetchContents

    if needs_extract(source):
        return (Extract(),)
    fetched = (FetchContents(),) if needs_contents(source) else ()
    return (*fetched, Notebooks()) if needs_notebooks(source) else fetched


def split_commas(said: Sequence[str]) -> list[str]:
    """Read `a,b c` and `a b c` alike."""
    return [name for item in said for name in item.split(",") if name]


def weights(tokens: Sequence[str]) -> dict[str, float]:
    """Read `folder` or `folder:weight` for each corpus of a mixture."""
    mixture: dict[str, float] = {}
    for item in tokens:
        folder, colon, weight = item.rpartition(":")
        weighted = bool(colon) and not weight.startswith("//")  # s3://bucket/tokens has none
        try:
            path, share = (folder, float(weight)) if weighted else (item, 1.0)
        except ValueError as error:
            raise ValueError(
                f"{item!r} should be a folder of tokens, or folder:weight such as tokens/web:0.7"
            ) from error
        if path in mixture:
            raise ValueError(f"{path} is given twice; name it once, with the weight of both")
        mixture[path] = share
    return mixture
