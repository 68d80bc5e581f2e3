"""How a corpus is loaded and how it is made again, as commands to paste."""

from collections.abc import Sequence

from curate.publish.made import commands
from curate.publish.settings import Settings
from curate.publish.subset import DEFAULT, Subset


def load(found: Sequence[Subset], settings: Settings) -> list[str]:
    """Return examples for datasets, duckdb and polars."""
    repo = settings.repo or "USER/NAME"
    below = f"{settings.subfolder}/" if settings.subfolder else ""
    named = "" if found[0].name == DEFAULT else f', "{found[0].name}"'
    files = f"hf://datasets/{repo}/{below}{found[0].folder}/**/*.parquet"
    lines = [
        "import datasets",
        "",
        f'datasets.load_dataset("{repo}"{named}, split="train", streaming=True)',
    ]
    if settings.subfolder:
        lines[2] = (
            f'datasets.load_dataset("{repo}", data_dir="{below}{found[0].folder}", split="train", streaming=True)'
        )
    return [
        _python(lines),
        _python(["import duckdb", "", f"duckdb.sql(\"select * from '{files}' limit 10\")"]),
        _python(["import polars", "", f'polars.scan_parquet("{files}").head(10).collect()']),
    ]


def again(found: Sequence[Subset], settings: Settings) -> list[str]:
    """Return the commands that make the corpora again, from the same input."""
    lines = []
    for subset in found:
        told = commands(subset)
        lines += [line or f"# {name}: no command has its stages; they stand above" for name, line in told]
    if not lines:
        return []
    said = (
        f"With curate {settings.curate}, from the same input (INPUT, and BENCHMARKS, are where you keep them). Where a "
        "command stands here, its stages and settings are those that were run. The same input gives the same bytes."
    )
    return [said, "```bash\n" + "\n".join(lines) + "\n```"]


def _python(lines: Sequence[str]) -> str:
    return "```python\n" + "\n".join(lines) + "\n```"
