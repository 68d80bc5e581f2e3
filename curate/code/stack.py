"""The Stack's and Stack-Edu's column names: theirs to ours when read, ours to theirs when published.

    OURS["max_stars_repo_name"]    "repo_name"         what `curate.readers` calls a published column
    StackColumns()                 the last stage: adds blob_id, length_bytes, detected_licenses, ...

Stack-Edu's rows are blob_id, repo_name, path, src_encoding, length_bytes, score, int_score, detected_licenses,
license_type (and `text`, once fetched: so its card calls it, and trainers read that name; The Stack v1's is `content`).
`StackColumns` gives all of them and keeps ours beside them, so that whatever reads either reads this: `id` names a
document in every later step and in `curate why`.
"""

import hashlib
import posixpath
import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curate.code.spdx import license_type, normal
from curate.document import ID, TEXT, Batch, with_columns

# ours -> theirs, in order of preference: The Stack v2 and Stack-Edu; The Stack v1, StarCoderData; github-code; others
ALIASES = {
    TEXT: ("content", "raw_content", "code"),
    ID: ("blob_id", "hexsha", "doc_id"),
    "repo_name": ("max_stars_repo_name", "repo"),
    "path": ("max_stars_repo_path",),
    "language": ("lang", "programming_language"),
    "license": ("detected_licenses", "max_stars_repo_licenses", "licenses"),
    "size": ("length_bytes",),
    "revision_id": ("max_stars_repo_head_hexsha", "revision"),
}
OURS = {theirs: ours for ours, names in ALIASES.items() for theirs in names}
KEPT_LISTS = ("detected_licenses", "max_stars_repo_licenses", "licenses")  # come under their own name as well


@dataclass(frozen=True)
class StackColumns:
    """Add Stack-Edu's and The Stack v2's columns to code documents; ours stay, and so do theirs where they came along.

    `blob_id` is the input's id where that is one (40 hexadecimal digits), else the SHA-1 of the text, as Software
    Heritage's bucket names contents. `length_bytes` and `src_encoding` are of the text as it stands here, UTF-8.
    """

    def __call__(self, batch: Batch) -> Batch:
        texts = batch[TEXT].to_pylist()
        names = set(batch.schema.names)
        made: dict[str, pa.Array] = {
            "length_bytes": pc.binary_length(batch[TEXT]).cast(pa.int64()),
            "src_encoding": pa.array([None if text is None else "UTF-8" for text in texts], pa.string()),
        }
        if "blob_id" not in names:
            ids = batch[ID].to_pylist() if ID in names else [None] * len(texts)
            made["blob_id"] = pa.array([_blob_id(i, t) for i, t in zip(ids, texts, strict=True)], pa.string())
        stated = next((name for name in ("license.stated", "license") if name in names), None)
        if stated and not ("detected_licenses" in names and pa.types.is_list(batch["detected_licenses"].type)):
            detected = [licenses_of(said) for said in batch[stated].to_pylist()]
            made["detected_licenses"] = pa.array(detected, pa.list_(pa.string()))
        if stated and "license_type" not in names:
            made["license_type"] = pa.array([license_type(said) for said in batch[stated].to_pylist()], pa.string())
        if "path" in names and "extension" not in names:
            endings = [posixpath.splitext(path or "")[1].removeprefix(".") for path in batch["path"].to_pylist()]
            made["extension"] = pa.array(endings, pa.string())
        for theirs, ours in (("is_generated", "code.generated"), ("is_vendor", "code.vendored")):
            if ours in names and theirs not in names:
                made[theirs] = batch[ours].cast(pa.bool_())
        return with_columns(batch, made)


def _blob_id(name: str | None, text: str | None) -> str | None:
    if name is not None and len(name) == 40 and set(name) <= set("0123456789abcdef"):
        return name
    return None if text is None else hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def licenses_of(expression: str | None) -> list[str]:
    """Return the licences that an expression names, in order: The Stack v2's list of what was detected.

    >>> licenses_of("(MIT OR Apache-2.0) AND ISC")
    ['MIT', 'Apache-2.0', 'ISC']
    """
    parts = re.split(r"\s(?:AND|OR)\s", re.sub(r"[()]", " ", expression or ""))
    found = (normal(part.split(" WITH ")[0]) for part in parts if part.strip())
    return list(dict.fromkeys(found))
