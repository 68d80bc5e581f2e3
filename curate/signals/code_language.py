"""Which programming language is a document in, and is it one that is asked for?

    CodeLanguage()                       fills `language` where the input has none; Linguist's name for what it calls so
    CodeLanguage(believe=False)          asks the path and the content of every row, whatever the input says
    KeepLanguages(("Python", "C++"))     marks the others with `code.language`

Readers of folders and archives have told the language already; tables and JSON lines may not have, or in other names
(`c-sharp`, `TSX`). `curate.code.detect` decides, by the path (its ending at least) and then the content.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curate.code.detect import detect
from curate.code.languages import STACK_EDU, asked_name, normal_name
from curate.document import TEXT, Batch, with_columns
from curate.stage import mark

__all__ = ["STACK_EDU", "CodeLanguage", "KeepLanguages"]


@dataclass(frozen=True)
class CodeLanguage:
    """Give every row that tells its language one in Linguist's names in `language`; null where nothing tells it.

    Attributes:
        believe: what the input says, and ask the path and content only where it says nothing.
    """

    believe: bool = True

    def __call__(self, batch: Batch) -> Batch:
        names = batch.schema.names
        nothing: list[str | None] = [None] * batch.num_rows
        said = batch["language"].to_pylist() if "language" in names and self.believe else nothing
        paths = batch["path"].to_pylist() if "path" in names else nothing
        found = [
            normal_name(language) if language else detect(path or "", text)
            for language, path, text in zip(said, paths, batch[TEXT].to_pylist(), strict=True)
        ]
        return with_columns(batch, {"language": pa.array(found, pa.string())})


@dataclass(frozen=True)
class KeepLanguages:
    """Mark the rows of other languages, and of none, with `code.language`.

    Attributes:
        languages: in Linguist's names or what it takes for them (`python`, `c-sharp`); else ValueError (`Pyton`).
    """

    languages: tuple[str, ...] = STACK_EDU

    def __post_init__(self) -> None:
        object.__setattr__(self, "languages", tuple(map(asked_name, self.languages)))

    def __call__(self, batch: Batch) -> Batch:
        if "language" not in batch.schema.names:
            raise KeyError(f"no column 'language' to choose by; the batch has {batch.schema.names}")
        others = [language not in self.languages for language in batch["language"].to_pylist()]
        return mark(batch, [("code.language", np.array(others, dtype=bool))])
