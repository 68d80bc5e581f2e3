"""Where to publish: `hf://datasets/USER/NAME[@REVISION][/SUBFOLDER]` for a corpus, `hf://USER/NAME` for a model.

    parse_target("hf://datasets/ada/edu@v1/2024")    Target(kind="dataset", repo="ada/edu", revision="v1", ...)

The same URLs are read by `curate`, `datasets`, duckdb and polars through `hf://`.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

SCHEME = "hf://"
MAIN = "main"
SPECIAL = re.compile(r"^refs/(?:convert|pr)/[^/]+")  # revisions with a slash that need no quoting
EXAMPLE = "such as hf://datasets/USER/NAME for a corpus, or hf://USER/NAME for a model"


@dataclass(frozen=True)
class Target:
    """A place in a repository of the hub."""

    kind: Literal["dataset", "model"]
    repo: str  # USER/NAME
    revision: str = MAIN
    subfolder: str = ""

    def __str__(self) -> str:
        kind = "datasets/" if self.kind == "dataset" else ""
        revision = "" if self.revision == MAIN else f"@{self.revision}"
        return f"{SCHEME}{kind}{self.repo}{revision}{'/' + self.subfolder if self.subfolder else ''}"

    def place(self, name: str) -> str:
        """Return a file's path in the repository."""
        return f"{self.subfolder}/{name}" if self.subfolder else name


def parse_target(url: str) -> Target:
    """Read a URL of the hub; nothing is asked of it.

    Raises:
        ValueError: it is no such URL, or no repository can have this name.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if not url.startswith(SCHEME):
        raise ValueError(f"{url} is no place on the hub; give one {EXAMPLE}")
    rest = url.removeprefix(SCHEME).strip("/")
    if rest.split("/")[0] in ("spaces", "kernels", "buckets"):
        raise ValueError(f"{url} is in {rest.split('/')[0]}; corpora are published as datasets, {EXAMPLE}")
    kind: Literal["dataset", "model"] = "dataset" if rest.startswith("datasets/") else "model"
    user, _, after = rest.removeprefix("datasets/").removeprefix("models/").partition("/")
    name, _, revision_and_folder = after.partition("@") if "@" in after.split("/")[0] else ("", "", "")
    if name:
        revision, subfolder = _revision(revision_and_folder)
    else:
        name, _, subfolder = after.partition("/")
        revision = MAIN
    repo = f"{user}/{name}"
    if not user or not name:
        raise ValueError(f"{url} names no repository; it takes an owner and a name, {EXAMPLE}")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ValueError(f"no repository of the hub can be called {repo!r}: {error}") from error
    parts = subfolder.strip("/").split("/") if subfolder.strip("/") else []
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{url}: {subfolder!r} is no folder of a repository")
    return Target(kind, repo, revision, "/".join(parts))


def _revision(rest: str) -> tuple[str, str]:
    special = SPECIAL.match(rest)
    revision, subfolder = (special[0], rest[special.end() :]) if special else rest.partition("/")[::2]
    if not revision:
        raise ValueError("a revision is named after @, such as hf://datasets/USER/NAME@v1")
    return unquote(revision), subfolder
