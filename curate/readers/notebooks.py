"""Notebooks become text and code; other rows pass as they are.

    run((Notebooks(), ...), open_source("projects/"), "code")     rows of language "Jupyter Notebook", or named *.ipynb

`curate.code.notebook` says what the forms look like. A row's `language` stays "Jupyter Notebook", so that counts and
rules by language see notebooks; the language of the code is `notebook.language`. `size` stays that of the file. A file
that is no notebook is quarantined with the reason. Run it before signals: in the JSON every line is short and quoted.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.code.notebook import Form, NotebookError, to_text
from curate.document import ID, QUARANTINED, TEXT, Batch, with_columns
from curate.readers.repository import NOTEBOOK

ENDING = ".ipynb"


@dataclass(frozen=True)
class Notebooks:
    """Rewrite the text of notebooks.

    Attributes:
        form: "markdown" with fences, "script" with Markdown in comments, or StarCoder2's "structured" separators.
        max_output_chars: of each cell's printed output; 0 leaves outputs out.
    """

    form: Form = "markdown"
    max_output_chars: int = 0

    def __call__(self, batch: Batch) -> Batch:
        texts, languages, reasons = self._rewritten(batch)
        columns = {TEXT: texts, "notebook.language": pa.array(languages, pa.string())}
        if any(reasons) or QUARANTINED in batch.schema.names:
            columns[QUARANTINED] = pa.array(reasons, pa.string())
        return with_columns(batch, columns)

    def _rewritten(self, batch: Batch) -> tuple[pa.Array, list[str | None], list[str | None]]:
        languages: list[str | None] = [None] * batch.num_rows
        given = QUARANTINED in batch.schema.names
        reasons: list[str | None] = batch[QUARANTINED].to_pylist() if given else [None] * batch.num_rows
        rows = np.flatnonzero(_notebooks(batch))
        if not len(rows):
            return batch[TEXT], languages, reasons
        texts = batch[TEXT].to_pylist()
        for row in rows:
            try:
                texts[row], languages[row] = to_text(texts[row], self.form, max_output_chars=self.max_output_chars)
            except NotebookError as error:
                name = batch[ID][int(row)].as_py() if ID in batch.schema.names else f"row {row}"
                reasons[row] = f"broken notebook: {name}: {error}"
        return pa.array(texts, batch.schema.field(TEXT).type), languages, reasons


def _notebooks(batch: Batch) -> np.ndarray:
    """Return (N,) bool: rows with a text that are notebooks by their language or path."""
    found = np.zeros(batch.num_rows, bool)
    if "language" in batch.schema.names:
        found |= np.asarray(pc.fill_null(pc.equal(batch["language"].cast(pa.string()), NOTEBOOK), False))
    if "path" in batch.schema.names:
        found |= np.asarray(pc.fill_null(pc.ends_with(batch["path"].cast(pa.string()), ENDING), False))
    found &= np.asarray(pc.is_valid(batch[TEXT]))
    return found
