"""The card of a corpus: README.md as the hub shows it, with no number that was typed by hand.

    build_card("runs/edu", Settings(license="odc-by"))

Everything in it is counted from the shards and their receipts when it is written, in a fixed order: the same corpus
gives the same bytes, wherever its folder lies. What no data tells (name, licence, repository) is said once and kept in
the card, as is what a person writes below it; see `curate.publish.settings`.
"""

from collections.abc import Sequence
from pathlib import Path

from curate.publish.cleaned import benchmarks, copies, quarantine, replaced
from curate.publish.contents import contents, sources
from curate.publish.front import front_matter
from curate.publish.limits import limits
from curate.publish.made import made
from curate.publish.quality import quality, scores_of
from curate.publish.settings import Settings, write_settings
from curate.publish.subset import Subset, subsets
from curate.publish.use import again, load

CARD = "README.md"


def dataset_card(found: Sequence[Subset], settings: Settings, name: str, below: str = "") -> str:
    """Return the card of some subsets.

    Args:
        name: of the corpus, where the settings have none.
        below: what a person wrote under an earlier card.

    Raises:
        ValueError: the shards contradict their receipts.
    """
    parts = [f"# {settings.name or name}", _what(found), "## How to load it", *load(found, settings)]
    for subset in found:
        parts += _about(subset, title=len(found) > 1)
    if told := again(found, settings):
        parts += ["## How to make it again", *told]
    parts += ["## Sources and their terms", *_sources(found)]
    parts.append(
        "---\n\nWritten by curate from the receipts in the shards: every number is "
        f"counted, none was typed. `{CARD}` is checked against the data with `curate card CORPUS --check`."
    )
    header = front_matter(found, settings, name)
    return "\n\n".join([header + "\n" + parts[0], *parts[1:], write_settings(settings, below)])


def _what(found: Sequence[Subset]) -> str:
    rows = sum(subset.size.rows for subset in found)
    stored = sum(subset.size.file_bytes for subset in found)
    shards = sum(subset.size.shards for subset in found)
    files = all(subset.is_code and not any(part.recipe.joins for part in subset.parts) for subset in found)
    kind = "source files" if files else "documents"
    said = f"{rows:,} {kind} in {shards:,} Parquet {'file' if shards == 1 else 'files'} of {stored / 1e6:,.2f} MB"
    read = [subset.parts[0].tally.rows_in for subset in found if subset.parts]
    text = sum(subset.parts[-1].tally.steps[-1][2] for subset in found if subset.parts)
    if len(read) == len(found):
        said += f", {text / 1e6:,.2f} MB of text, out of {sum(read):,} that were read"
    if len(found) > 1:
        said += "; subsets: " + ", ".join(f"`{subset.name}` {subset.size.rows:,}" for subset in found)
    return f"{said}."


def _about(subset: Subset, *, title: bool) -> list[str]:
    scores = scores_of(subset)
    sections = {
        "How it was made": made(subset),
        "Scores": quality(subset, scores),
        "What it is made of": contents(subset),
        "Near-duplicates": copies(subset),
        "Benchmarks": benchmarks(subset),
        "Secrets and addresses": replaced(subset),
        "Records that could not be read": quarantine(subset),
        "Known limits": ["\n".join(f"- {limit}" for limit in limits(subset, scores))],
    }
    aside = f" ({subset.name})" if title else ""
    return [part for name, body in sections.items() if any(body) for part in (f"## {name}{aside}", *body)]


def _sources(found: Sequence[Subset]) -> list[str]:
    told = list(dict.fromkeys(said for subset in found for said in sources(subset)))
    return told or [
        "The data does not name its sources, so their terms are not stated here; rights in each document stay with "
        "its author."
    ]


def build_card(path: str, settings: Settings, below: str = "") -> str:
    """Return the card of what is at a path."""
    name = (
        Path(str(path).rstrip("/")).resolve().name
        if "://" not in str(path)
        else str(path).rstrip("/").rpartition("/")[2]
    )
    return dataset_card(subsets(path), settings, name, below)
