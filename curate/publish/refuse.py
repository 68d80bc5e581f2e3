"""What must not be published unasked, and what is only to be said.

A public upload cannot be taken back: others have copied it by the time somebody asks. So what would harm people whom
nobody asked is refused, also into a private repository, since that is made public by one click and without a further
look: secrets in source files that nobody looked for, e-mail and IP addresses that nobody looked for, a corpus whose run
was not finished. Each has its word for `--allow`.

What harms only the reader's own conclusions is a warning, and stands in the card: no decontamination, no removal of
copies, secrets not looked for in web pages, where they are rare and where FineWeb does not look either.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from curate.publish.files import WHY, File, LeftOut
from curate.publish.subset import Subset

PLACE = re.compile(r"(?:file://)?/(?:home|root|Users|mnt|data|tmp|scratch|var|srv|opt)/[\w.@+-]+(?:/[\w.@+-]+)*")
WORDS = ("addresses", "secrets", "unfinished", "unknown")  # of --allow
MOST_FILE = 50 * 10**9  # bytes of one file; huggingface.co/docs/hub/storage-limits
MOST_ENTRIES = 10_000  # of a folder; huggingface.co/docs/hub/repositories-recommendations


@dataclass(frozen=True)
class Refusal:
    """A reason not to publish, with the word that allows it all the same."""

    allow: str
    why: str

    def __str__(self) -> str:
        return f"{self.why} (--allow {self.allow})"


def allowed(words: Sequence[str]) -> Sequence[str]:
    """Return the words of --allow, if they are known."""
    strange = [word for word in words if word not in WORDS]
    if strange:
        raise ValueError(f"--allow {strange[0]}: there are {', '.join(WORDS)}")
    return words


def refusals(found: Sequence[Subset]) -> list[Refusal]:
    """Return what speaks against publishing."""
    said = []
    for subset in found:
        if not subset.parts:
            why = f"{subset.path} was not made by a run of curate: whether secrets or addresses are in it is not known"
            said.append(Refusal("unknown", why))
            continue
        if not subset.ran("ReplaceAddresses"):
            why = f"{subset.path}: no receipt shows e-mail and IP addresses replaced; `curate filter --pii` does it"
            said.append(Refusal("addresses", why))
        if subset.is_code and not subset.ran("ReplaceSecrets"):
            why = f"{subset.path}: no receipt shows keys and passwords replaced; `curate filter --secrets` does it"
            said.append(Refusal("secrets", why))
        if subset.missing:
            why = (
                f"{subset.path} lacks {len(subset.missing):,} shards of the corpus before it ({subset.missing[0]}, ...)"
            )
            said.append(Refusal("unfinished", f"{why}: run the same command again to finish it"))
    return said


def warnings(found: Sequence[Subset], files: Sequence[File], left: Sequence[LeftOut]) -> list[str]:
    """Return what is to be known before publishing."""
    said = []
    for subset in found:
        if subset.parts and not subset.ran("Decontaminate"):
            said.append(f"{subset.path}: no benchmark was looked for; the card says so")
        if subset.parts and not subset.ran("dedup"):
            said.append(f"{subset.path}: near-duplicates were not removed; the card says so")
        if subset.parts and not subset.is_code and not subset.ran("ReplaceSecrets"):
            said.append(f"{subset.path}: keys and passwords were not looked for; the card says so")
        if "text" not in subset.corpus.schema.names:
            said.append(f"{subset.path} has no column `text`: these are signals without documents")
        if places := _places(subset):
            said.append(
                f"receipts in {subset.path} name folders of the machine it was made on: {', '.join(places[:3])}"
            )
    if any(each.why == WHY[".tmp"] for each in left):
        said.append("half-written files lie beside the shards: is a run still writing?")
    large = [file for file in files if file.size > MOST_FILE]
    said += [f"{file.path} has {file.size / 1e9:,.0f} GB; the hub takes 50 GB at most" for file in large]
    folders = [file.path.rpartition("/")[0] for file in files]
    full = [folder for folder in set(folders) if folders.count(folder) > MOST_ENTRIES]
    return said + [
        f"{folder} would have over {MOST_ENTRIES:,} files, more than the hub shows" for folder in sorted(full)
    ]


def _places(subset: Subset) -> list[str]:
    """Return the folders of a machine that stand in the receipts, which are published with the shards."""
    found = json.dumps(list(subset.corpus.receipts().values()))
    return sorted(set(PLACE.findall(found)))
