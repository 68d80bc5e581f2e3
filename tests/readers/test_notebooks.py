"""The stage that makes text of notebooks."""

import json
from pathlib import Path

import pyarrow as pa

from curate.corpus import Corpus
from curate.readers import open_source
from curate.readers.notebooks import Notebooks
from curate.run import run

GOOD = json.dumps({"cells": [{"cell_type": "code", "source": "x = 1"}], "nbformat": 4, "metadata": {}})


def test_rows_are_notebooks_by_language_or_path_and_others_stay() -> None:
    rows = pa.RecordBatch.from_pydict(
        {
            "text": [GOOD, GOOD, GOOD, "{", None],
            "id": list("abcde"),
            "language": ["Jupyter Notebook", None, "JSON", "Jupyter Notebook", "Jupyter Notebook"],
            "path": [None, "x/a.ipynb", "a.json", "b.ipynb", "c.ipynb"],
        }
    )
    found = Notebooks("script")(rows)
    assert found["text"].to_pylist() == ["x = 1\n", "x = 1\n", GOOD, "{", None]
    assert found["notebook.language"].to_pylist() == ["Python", "Python", None, None, None]
    assert found["quarantined"].to_pylist()[3].startswith("broken notebook: d: not valid JSON")
    assert found["quarantined"].null_count == 4
    assert found["language"].to_pylist() == rows["language"].to_pylist()


def test_a_folder_with_notebooks_runs_to_a_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "r"
    folder.mkdir(parents=True)
    picture = {"output_type": "display_data", "data": {"image/png": "A" * 2_000_000}}
    cells = [{"cell_type": "markdown", "source": "# T"}, {"cell_type": "code", "source": "f()", "outputs": [picture]}]
    (folder / "plot.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    (folder / "broken.ipynb").write_text('{"cells": [')
    tally = run((Notebooks(),), open_source(tmp_path / "in"), str(tmp_path / "out"))
    assert (tally.rows_in, tally.rows_out, tally.num_quarantined) == (2, 1, 1)
    (row,) = Corpus(tmp_path / "out").table().to_pylist()
    assert (row["text"], row["language"], row["size"] > 2_000_000) == (
        "# T\n\n```python\nf()\n```\n",
        "Jupyter Notebook",
        True,
    )
