"""One HTML page about a run, self-contained: open it, mail it, keep it with the corpus.

    report("runs/demo")        writes runs/demo/report.html

    view.py        the run: corpora, receipts, columns, and texts by id
    steps.py       the funnel                    scores.py    scores, curves, classifier, certificate
    rules.py       rules, alone and together     copies.py    near-duplicates with their differences
    samples.py     documents to read             leaks.py     benchmarks that were found
    mix.py         languages and domains         training.py  losses            evaluations.py  what models can do
    ablation.py    verdicts with intervals, curves with bands                   scaling.py      loss by compute
    again.py       how to make it again          commands.py  retrain.py    receipts and trainings as commands
    markup.py charts.py loglog.py style.py page.py    HTML, SVG, CSS

Each section is two functions: `gather` reads numbers from receipts and columns, `section` turns them into HTML. So no
number can disagree with the data. Only columns are read, and texts of the documents shown: the page is bounded in size
and needs seconds for a million documents. It loads nothing and runs no script, whatever is in the documents.
"""

from pathlib import Path

from curate.report.page import page
from curate.report.view import View


def report(run: str, out: str | None = None) -> Path:
    """Write the page about everything below the folder `run` and return its path.

    Raises:
        FileNotFoundError: `run` holds no corpus of a run.
        ValueError: `run` is not on this machine, and `out` does not say where the page goes; or `out` is not either.
    """
    if out is not None and "://" in out:
        raise ValueError(f"{out} is not on this machine; write the page here, -o report.html, and copy it there")
    view = View.of(f"{run}")
    if out is None and view.local is None:
        raise ValueError(f"{run} is not on this machine; say where the page goes: -o report.html")
    target = Path(out) if out else Path(run) / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(view), encoding="utf-8")
    return target
