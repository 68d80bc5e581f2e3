"""Verbs that decide by a classifier's score: score, replay (again, by other bounds), lost (what the rules cost)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from curate.cli.options import Engine, Inputs, Kind, Number, Out, open_input, to_text
from curate.cli.tables import print_table, show, show_drift

if TYPE_CHECKING:
    from curate.classify.cascade import Certificate
    from curate.stage import Keep, Stage


def score(
    source: str,
    *,
    out: Out,
    classifier: Inputs = ["web_edu"],  # noqa: B006  cyclopts copies it
    threshold: int | None = None,
    min_score: float | None = None,
    recall: float | None = None,
    part: Literal["mean", "gate", "head", "cascade"] | None = None,
    pool: Literal["first", "mean", "max"] | None = None,
    keep_text: bool = False,
    allow_empty: bool = False,
    ray: Engine = None,
    workers: int | None = None,
    num_gpus: float = 0,
    kind: Kind = None,
    limit: int | None = None,
) -> None:
    """Score documents with classifiers, and keep those at or above a threshold if one is given.

    At the end it says whether the corpus is like the documents that the classifier's grades were drawn from.

    Args:
        source: WARC, JSONL, Parquet or a folder of code; local, s3://, gs:// or hf://.
        out: folder of the corpus to write, with FineWeb-Edu's columns `score` and `int_score`.
        classifier: web_edu, code_edu (calibrated by the column `language`; without it every file counts as Python), or
            the folder of a model from `curate fit`. Given several times, all score in one
            pass, NAME.score each, and the first decides. Or one that others trained: hf:NAME or hf:FOLDER (Hugging
            Face, such as hf:HuggingFaceFW/fineweb-edu-classifier) or fasttext:FILE.bin (such as DCLM's).
        threshold: keep rounded scores from here: 3 means int_score >= 3, which is a raw score >= 2.5.
        min_score: keep raw scores from here, such as 2.7, instead of --threshold.
        recall: keep at least this share of what the teacher would grade 3 or more, with 95 % confidence, such as 0.9;
            the certified cut takes the place of --threshold. The encoder reads what the gate is unsure of.
        part: gate (n-grams and layout, thousands of pages a second), head (the encoder), mean of both, or cascade (the
            encoder only where it can change which side of the cut a document is on); by default what the classifier's
            card names as best.
        pool: score the first, middle and last 4,000 characters and let this one of their scores count; all three are
            kept as columns. By default the beginning alone is read.
        keep_text: keep the text of dropped documents too.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
        num_gpus: GPUs for each of them.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many documents.
    """
    from curate.classify.external import EXTERNAL
    from curate.run import run

    opened = open_input(source, kind)
    certificate, grading = grade(classifier, part, recall, threshold, min_score, pool)
    stages = (*to_text(opened), *grading)
    engine = {"ray": ray, "workers": workers, "num_gpus": num_gpus}
    show(run(stages, opened, out, limit=limit, keep_text=keep_text, allow_empty=allow_empty, **engine))  # type: ignore[arg-type]
    if certificate is not None:
        print(certificate)
    if pool is None:  # drift is of whole documents
        show_drift([name for name in classifier if not name.startswith(EXTERNAL)], out)


def replay(
    run: str,
    *,
    out: Out,
    rules: Inputs = [],  # noqa: B006
    threshold: int | None = None,
    min_score: float | None = None,
    bound: Inputs = [],  # noqa: B006
    without: Inputs = [],  # noqa: B006
    with_text: bool = False,
    texts: str | None = None,
    allow_empty: bool = False,
    ray: Engine = None,
    workers: int | None = None,
) -> None:
    """Decide again about every document of a run by other rules or thresholds, from the columns it measured.

    No text is read. What is not given stays as it was. Documents for which a rule's column was never measured, because
    they had left before, are counted and not kept. `curate diff RUN OUT` shows what changes.

    Args:
        run: folder of a run whose corpora read one another, or of one corpus.
        out: folder of the corpus to write: ids and signals, and what is dropped in OUT/dropped.
        rules: rule sets in place of all rules of the run, except cuts on a score; see `curate filter`.
        threshold: in place of the run's cut on a score: 3 means int_score >= 3, which is a raw score >= 2.5.
        min_score: the same on the raw score, such as 2.7.
        bound: another number in the rule on a column, or a further rule, such as 'gopher.word_count>=30'.
        without: a column whose rules are to fall, such as c4.curly_bracket.
        with_text: give the kept documents their text, so that the next step can read OUT.
        texts: the run's input, for the texts of newly kept documents where the run was made without --keep-text.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
    """
    from curate.ledger import replay as decide
    from curate.ledger.conditions import as_rules
    from curate.stage import Measure

    keep: list[Stage] | None = None
    if rules:
        from curate.signals.rules import stages as stages_of

        keep = [stage for name in rules for stage in stages_of(name) if not isinstance(stage, Measure)]
    cuts = [rule for stage in cut_stages(threshold, min_score) for rule in stage.rules]
    source = None if texts is None else open_input(texts, None)
    done = decide(
        run,
        out,
        keep=keep,
        cut=cuts[0] if cuts else None,
        bounds=as_rules(bound),
        without=without,
        with_text=with_text or texts is not None,
        texts=source,
        allow_empty=allow_empty,
        ray=ray,
        workers=workers,
    )
    show(done.tally)
    print(done)


def lost(
    run: str,
    *,
    classifier: str = "web_edu",
    threshold: int = 3,
    part: Literal["mean", "gate", "head"] = "gate",
    n: Number = 2000,
    seed: int = 0,
) -> None:
    """Show what each rule costs: how many of the documents it dropped score high, and come back if it falls.

    Where a run kept no text of what it dropped (--keep-text), only documents with a score on record count.

    Args:
        run: folder of a run whose corpora read one another, or of one corpus.
        classifier: scores the dropped documents: web_edu, code_edu, or the folder of a model from `curate fit`.
        threshold: the rounded score that is high: 3 is a raw score of 2.5 or more.
        part: gate (n-grams, thousands of pages a second), head, or mean of both.
        n: documents to score of each rule; what they stand for has a 95 % interval.
        seed: of the draw.
    """
    from curate.classify.score import score_stage
    from curate.ledger import lost as measure
    from curate.ledger.lost import table

    stage = score_stage(classifier, part=part)
    found = measure(run, lambda batch: stage(batch)["score"].to_numpy(), at_least=threshold - 0.5, most=n, seed=seed)
    head, *rows = table(found, f"{classifier} >= {threshold}")
    print_table(head, rows)


def grade(
    classifiers: Sequence[str],
    part: "Literal['mean', 'gate', 'head', 'cascade'] | None",
    recall: float | None,
    threshold: int | None,
    min_score: float | None,
    pool: "Literal['first', 'mean', 'max'] | None" = None,
) -> "tuple[Certificate | None, tuple[Stage, ...]]":
    """Return the stages that score and keep, and the certificate where a recall is promised."""
    from curate.classify.chunks import Chunked
    from curate.classify.external import EXTERNAL, open_classifier
    from curate.classify.score import cascade_stages, find, score_stages

    external = any(name.startswith(EXTERNAL) for name in classifiers)
    if external and (len(classifiers) > 1 or part is not None or recall is not None):
        raise ValueError("hf: and fasttext: classifiers score alone, as a whole, and without a promise of recall")
    if pool is not None and (recall is not None or part == "cascade"):
        raise ValueError("a cascade is certified on the beginnings of documents; leave out --pool or the cascade")
    if recall is None and part != "cascade":
        scoring: Stage = open_classifier(classifiers[0]) if external else score_stages(classifiers, part=part)
        scoring = scoring if pool is None else Chunked(scoring, pool)
        return None, (scoring, *cut_stages(threshold, min_score))
    if len(classifiers) > 1:
        raise ValueError("a cascade has one classifier; score the others in a run of their own")
    if recall is None:
        cuts = cut_stages(threshold, min_score)
        if not cuts:
            raise ValueError("--part cascade calls the encoder around a cut; give --threshold, --min-score or --recall")
        return cascade_stages(classifiers[0], cut=threshold - 0.5 if threshold is not None else min_score)
    good = find(classifiers[0])[0].at_least
    if part not in (None, "cascade") or min_score is not None or threshold not in (None, good):
        raise ValueError(
            f"--recall chooses the cut itself, for grades of {good} or more; leave out --part, --min-score and "
            f"any --threshold but {good}"
        )
    return cascade_stages(classifiers[0], recall=recall)


def cut_stages(threshold: int | None, min_score: float | None) -> "tuple[Keep, ...]":
    """Return the stage that cuts at a rounded or a raw score, or none."""
    from curate.classify.score import at_score, at_threshold
    from curate.stage import Keep

    if threshold is not None and min_score is not None:
        raise ValueError("give --threshold (rounded scores) or --min-score (raw scores), not both")
    if threshold is not None:
        return (Keep((at_threshold(threshold),)),)
    return () if min_score is None else (Keep((at_score(min_score),)),)
