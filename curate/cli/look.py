"""Verbs that look and change nothing: funnel, why, sample, diff, verify; plan looks ahead."""

import sys
from typing import Annotated

from cyclopts import Parameter

from curate.cli.options import Inputs, Number
from curate.cli.tables import print_funnel


def funnel(runs: Inputs) -> None:
    """Show how many documents and how much text are left after each step of a run.

    Args:
        runs: folders of runs, or of one corpus each.
    """
    for run in runs:
        if len(runs) > 1:
            print(f"{run}")
        print_funnel(run)


def why(document: str, run: str) -> None:
    """Say what happened to one document: every signal, every rule beside its bounds, the copy that replaced it.

    Args:
        document: its id or URL, whole; all documents of a URL are told.
        run: folder of a run or of several, one corpus, or one Parquet file.
    """
    from curate.ledger import Search, tell
    from curate.ledger import why as events

    search = Search()
    print(tell(events(document, run, search)))
    print(f"(searched {search})", file=sys.stderr)


def sample(
    corpus: str,
    *,
    dropped_by: str | None = None,
    score: str | None = None,
    where: Inputs = [],  # noqa: B006  cyclopts copies it
    near: str | None = None,
    n: Number = 20,
    seed: int = 0,
) -> None:
    """Show random documents of a corpus, or of what one rule dropped; the same seed draws the same ones.

    Args:
        corpus: folder of one corpus, of its evidence (OUT/dropped), or of a run: its last corpus, or all that the rule
            dropped in it.
        dropped_by: name of a rule, such as gopher.word_count; any for all of them.
        score: a condition on the score, such as '>=3'.
        where: a condition on any column of numbers, such as 'gopher.word_count<50'; repeat it for more.
        near: COLUMN=VALUE takes the documents closest to a value, such as web_edu.score=2.5, instead of random ones.
        n: how many.
        seed: of the draw.
    """
    from curate.ledger import sample as draw
    from curate.ledger.conditions import parse

    asked = [parse(said).column for said in [*where, *([near] if near else [])]]
    shown = ["id", "url", "score", "dropped_by", "quarantined", *asked]
    for row in draw(corpus, dropped_by=dropped_by, score=score, where=where, near=near, n=n, seed=seed):
        head = " ".join(f"{name}={row[name]}" for name in dict.fromkeys(shown) if row.get(name) is not None)
        print(f"--- {head}\n{(row.get('text') or '(its text was not kept; run with --keep-text)')[:600]}\n")


def diff(
    a: str,
    b: str,
    *,
    texts: bool = False,
    by: Inputs = ["source", "dump", "language"],  # noqa: B006
    n: Number = 5,
    seed: int = 0,
) -> None:
    """Show what one run keeps and the other does not, and what the other did with it.

    Args:
        a: folder of a run, of one corpus, or a Parquet file.
        b: the other one.
        texts: read the kept texts too: how many bytes, and how many documents have another text.
        by: columns to count the differences by, where there are such.
        n: documents to name on each side.
        seed: of the draw.
    """
    from curate.ledger import diff as compare

    print(compare(a, b, texts=texts, by=by, num_examples=n, seed=seed))


def verify(folders: Inputs) -> None:
    """Hold every byte of a run against its checksum, and every count against its receipt; exit 1 if any is damaged.

    Args:
        folders: of corpora, or of whole runs; local, s3://, gs://.
    """
    from curate.verify import verify as verify_folders

    found = verify_folders(folders)
    if found.damaged:
        raise ValueError(str(found))
    print(found)


def plan(
    *words: Annotated[str, Parameter(allow_leading_hyphen=True)],
    share: float = 0.02,
    draw_seed: int = 0,
    scratch: str | None = None,
    price: Inputs = [],  # noqa: B006  cyclopts copies it
) -> None:
    """Say what a command will take before it is given: time, processors, memory, disk, a teacher's bill.

    The command runs on a random share of its input in a temporary folder: curate plan score docs -o scored --workers 64
    Nothing is written into its output but OUT/_log/plan.json; the real run then tells how far the plan was off.

    Args:
        words: the command as you would give it, without `curate`: extract, filter, score, dedup, decontaminate,
            tokenize, concatenate, annotate, or a pipeline by its file: pipelines/stack_edu.py --input ... --output ...
            Of pretrain and anneal the first steps are taken, for half a minute or as long as a few of them take.
        share: of the input's bytes to rehearse on; at least eight pieces of it where there are as many.
        draw_seed: of the draw.
        scratch: folder for the rehearsal, kept and used again; a temporary one, deleted, by default. A training needs
            room for three checkpoints there, in a place that all of its workers see.
        price: what things cost, for the bill: cpu=0.04 and gpu=2.5 (an hour), input=0.15 and output=0.6 (a million
            tokens of the teacher).
    """
    from curate.cli import app
    from curate.plan.command import parse
    from curate.plan.plan import parse_prices
    from curate.plan.plan import plan as rehearse
    from curate.plan.table import table
    from curate.plan.training import plan_training, training_table

    command, prices = parse(words, app), parse_prices(price)
    if command.trains:
        training = plan_training(command, scratch=scratch, prices=prices)
        print(f"{training_table(training)}\nsaved: {training.save()}")
        return
    planned = rehearse(command, share=share, seed=draw_seed, scratch=scratch, prices=prices)
    print(f"{table(planned)}\nsaved: {planned.save()}")
