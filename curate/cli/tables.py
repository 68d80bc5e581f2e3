"""What verbs print: a table of columns, the funnel of a run, a trained model, the drift of a scored corpus."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curate.amounts import megabytes
from curate.columns import aligned

if TYPE_CHECKING:
    from curate.tally import Tally
    from curate.train.loop import Trained


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns as wide as their widest cell, the first to the left and the others to the right."""
    for line in aligned([head, *rows]):
        print(line)


def show(tally: "Tally") -> None:
    """Print the funnel of one run and the rules that dropped most."""
    rows = [(short(name), f"{rows:,}", megabytes(size)) for name, rows, size in tally.steps]
    print_table(("step", "documents", "MB of text"), rows)
    if tally.broken:
        broken = [(rule, f"{n:,}", f"{tally.alone[rule]:,}") for rule, n in tally.broken.most_common(12)]
        print_table(("rule", "documents broke it", "and no other"), broken)
    if tally.num_quarantined:
        reasons = "; ".join(f"{n:,} x {reason}" for reason, n in tally.quarantined.most_common(5))
        print(f"{tally.num_quarantined:,} records in quarantine: {reasons}")


def print_funnel(run: str) -> None:
    """Print what is left after each step of a run."""
    from curate.ledger import corpora, tally
    from curate.ledger import funnel as lines

    rows = [(f"{n.corpus}  {short(n.step)}", f"{n.documents:,}", megabytes(n.text_bytes)) for n in lines(run)]
    print_table(("after", "documents", "MB of text"), rows)
    for name, path in corpora(run).items():
        counted = ", ".join(f"{what} {n:,}" for what, n in tally(path).counted.most_common())
        if counted:
            print(f"{name} replaced {counted}")


def show_trained(trained: "Trained") -> None:
    """Print where the model is and what it was trained on."""
    epochs = [f"{Path(path).name} x {times:.2f}" for path, times in trained.epochs.items()]
    print_table(
        ("model", "parameters", "tokens", "loss"),
        [(str(trained.model), f"{trained.num_parameters:,}", f"{trained.num_tokens:,}", f"{trained.loss:.3f}")],
    )
    print(f"epochs: {', '.join(epochs)}")


def show_drift(classifiers: Sequence[str], out: str) -> None:
    """Say whether the scored corpus is like the documents that the grades are of."""
    from curate.classify.drift import report_drift

    for classifier in classifiers:
        print(report_drift(classifier, out))


def short(step: str, width: int = 48) -> str:
    return step if len(step) <= width else f"{step[: width - 3]}..."
