"""Licences: which one does a file or a repository state, and may one train on it?

    Measure((License(),)), Keep(license.RULES)       only what is known to be permissive, as The Stack did
    Measure((License(),)), Keep(license.STACK_V2)    that, and what states no licence at all, as The Stack v2 did

A file says it by an SPDX line in its head, or there in the words of one of the commonest licences
(`curate.code.license_text`); its repository in the column `license`, in The Stack's list of detected licences, of
which all must hold, or in GitHub's own label (`gha_license_id`), which The Stack v2 believes first. Where the LICENSE
of a repository is a row of the corpus like any other file, `repository_licenses` reads them first, and
`License(repositories=...)` lets them reach every file below. What is unknown, such as `other`, is not permissive: 0,
not null; what states nothing, `""`, is "no_license".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curate.code.license_text import HEAD_CHARS, detect, of_file
from curate.code.spdx import is_permissive, join, license_type
from curate.document import TEXT, Batch
from curate.signals.repository_licenses import Repositories, load
from curate.stage import Rule


@dataclass(frozen=True)
class License:
    """Measure what a file is licensed under.

    `license.stated` is an SPDX expression or ""; `license_type` is The Stack v2's word for it, and
    `license.permissive` and `license.non_permissive` the same as 1 or 0, for rules. An input's own `license_type` (of
    The Stack v2, whose ScanCode read more than we do) holds unless the file itself states something stricter.

    Attributes:
        repositories: the table that `repository_licenses` wrote, if the rows of a repository hold its licence.
    """

    repositories: str | None = None

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        known = load(self.repositories) if self.repositories else None
        stated: list[str | None] = []
        types: list[str | None] = []
        heads = pc.utf8_slice_codeunits(batch[TEXT], 0, HEAD_CHARS).to_pylist()
        for row in zip(heads, *(_column(batch, name) for name in _SAID), strict=True):
            text, *said = row
            found = None if text is None else of_file(text, _repository(said, known))
            stated.append(found)
            types.append(None if text is None or found is None else _type(text, found, said[-1]))
        return {
            "license.stated": pa.array(stated, pa.string()),
            "license.permissive": _is("permissive", types),
            "license.non_permissive": _is("non_permissive", types),
            "license_type": pa.array(types, pa.string()),
        }


_SAID = ("gha_license_id", "license", "repo_name", "path", "license_type")


def _column(batch: Batch, name: str) -> list[str | None]:
    return batch[name].to_pylist() if name in batch.schema.names else [None] * batch.num_rows


def _repository(said: list[str | None], known: Repositories | None) -> str:
    """Return what is said of the repository: GitHub's label alone, else the column and the LICENSE files together."""
    github, column, repository, path, _ = said
    if github:
        return github
    below = known.of(repository, path or "") if known is not None and repository else ""
    return join(filter(None, (column, below)))


def _type(text: str, stated: str, given: str | None) -> str:
    own = detect(text) if given else ""
    return given if given and (not own or is_permissive(own)) else license_type(stated)


def _is(kind: str, types: list[str | None]) -> pa.Array:
    return pa.array([None if found is None else int(found == kind) for found in types], pa.int8())


RULES = (Rule("license.permissive", at_least=1, source="The Stack, section 3.1: permissive licences only"),)
STACK_V2 = (
    Rule("license.non_permissive", at_most=0, source="StarCoder2, section 2.1: permissive and unlicensed files"),
)
