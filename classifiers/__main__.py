"""Fit a shipped classifier again from its grades and put the artefact beside its file.

python -m classifiers web_edu --labels labels/web_edu.jsonl --documents web/text.parquet
"""

import argparse
import importlib
import tempfile
from pathlib import Path

from curate.classify.fit import FitReport, fit
from curate.classify.model import read_model


def refit(name: str, labels: str, documents: str) -> FitReport:
    """Fit `classifiers.<name>` to graded ids and replace its files."""
    quality = importlib.import_module(f"classifiers.{name}")
    with tempfile.TemporaryDirectory() as folder:
        report = fit(
            labels,
            folder,
            classifier=name,
            documents=documents,
            encoder=quality.ENCODER,
            at_least=quality.AT_LEAST,
            gate_share=quality.GATE_SHARE,
        )
        read_model(folder).write(quality.MODEL)
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(path.stem for path in Path(__file__).parent.glob("*_edu.py")))
    parser.add_argument("--labels", required=True, help="JSONL or Parquet with id and score")
    parser.add_argument("--documents", required=True, help="Parquet with id and text")
    arguments = parser.parse_args()
    print(refit(arguments.name, arguments.labels, arguments.documents))
