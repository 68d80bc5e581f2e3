"""FineWeb-Edu: web pages in, the educational ones out.

    python pipelines/fineweb_edu.py --input crawl/ --output runs/edu
    python pipelines/fineweb_edu.py --input hf://datasets/HuggingFaceFW/fineweb/sample/10BT --filtered --output s3://...
    ray job submit --working-dir . -- python pipelines/fineweb_edu.py --input s3://... --output s3://...

    OUTPUT/1-clean    FineWeb's filters, URLs first (skipped with --filtered: FineWeb itself has been through them)
    OUTPUT/2-scored   every document with its score
    OUTPUT/3-unique   the best copy of each
    OUTPUT/4-edu      int_score >= 3, e-mail and public IP addresses replaced: the corpus
    OUTPUT/5-decontaminated    with --against, the corpus without pages that hold benchmarks

Scores are kept apart from the threshold, so another `--threshold` into another folder costs a column read; `--recall`
trades that for a cascade that certifies what it keeps, and reads a sixth of the documents with the encoder. With
`--teacher` a model grades a sample of the clean documents first, and a classifier learns these grades in place of ours.
"""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from classifiers import web_edu
from curate.classify.cascade import Certificate
from curate.classify.fit import fit
from curate.classify.score import at_threshold, cascade_stages, score_stage
from curate.cli import main
from curate.cli.tables import print_funnel, show_drift
from curate.cli.teach import open_teacher
from curate.corpus import Corpus
from curate.decontaminate import decontaminate, read_benchmarks
from curate.dedup import dedup
from curate.document import URL
from curate.readers import needs_extract, open_source
from curate.readers.html import Extract
from curate.run import run
from curate.signals.pii import ReplaceAddresses
from curate.signals.rules import FINEWEB_CHAIN, url_stages
from curate.stage import Keep, Stage
from curate.teacher.annotate import annotate

# FineWeb-Edu had 450,000 grades; a frozen encoder with a small head is near its best with some thousand.
NUM_LABELS = 5_000


def fineweb_edu(
    *,
    source: Annotated[str, Parameter(name="--input")],
    output: str,
    teacher: str | None = None,
    model: str = "",
    num_labels: int = NUM_LABELS,
    labels: str = "runs/labels",
    threshold: int = 3,
    recall: float | None = None,
    index: str | None = None,
    against: str | None = None,
    filtered: bool = False,
    extractor: Literal["resiliparse", "trafilatura"] = "resiliparse",
    kind: Literal["warc", "jsonl", "parquet"] | None = None,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
    limit: int | None = None,
) -> None:
    """Filter, score and deduplicate web pages, and keep the educational ones.

    Args:
        source: WARC, JSONL or Parquet: a file or folder, local, s3://, gs:// or hf://.
        output: folder or URL for the four corpora.
        teacher: URL of an OpenAI-compatible server that grades a sample; the classifier that ships otherwise.
        model: the teacher's model name.
        num_labels: documents for the teacher to grade.
        labels: local folder for the grades and the classifier fitted to them.
        threshold: keep rounded scores from here; 3 is FineWeb-Edu, 2 is FineWeb-Edu-score-2.
        recall: keep at least this share of what the teacher would grade 3 or more, with 95 % confidence, such as 0.9;
            the certified cut takes the place of the threshold, and the encoder reads only what the gate is unsure of.
        index: folder of the documents of earlier dumps, which this one is held against and added to.
        against: file or folder of benchmarks in JSONL or Parquet; pages that hold one of their items leave.
        filtered: the input has been through FineWeb's filters already.
        extractor: of text from pages; trafilatura is FineWeb's.
        kind: what to read where a folder holds several kinds of files.
        ray: none, local, auto or ADDRESS; auto inside a submitted job.
        workers: splits at a time.
        num_gpus: GPUs for each split while it is scored.
        limit: read no more than about this many documents.
    """
    check(against, threshold, recall, teacher)
    asked = None if teacher is None else open_teacher(teacher, model=model)
    engine = {"ray": ray, "workers": workers}
    opened = open_source(source, kind=kind)
    to_text: tuple[Stage, ...] = (Extract(extractor=extractor),) if needs_extract(opened) else ()
    rules: tuple[Stage, ...] = () if filtered else FINEWEB_CHAIN
    urls: tuple[Stage, ...] = () if filtered or URL not in opened.schema.names else url_stages()
    run((*urls, *to_text, *rules), opened, f"{output}/1-clean", limit=limit, **engine)
    classifier = "web_edu"
    if asked is not None:
        graded = annotate(
            Corpus(f"{output}/1-clean"),
            f"{labels}/grades",
            rubric=web_edu.RUBRIC,
            teacher=asked,
            n=num_labels,
            **engine,
        )
        print(graded)
        classifier = f"{labels}/classifier"
        print(fit(str(Path(labels, "grades")), classifier, num_gpus=num_gpus, **engine))
    certificate, scoring, cut = score_and_cut(classifier, threshold, recall)
    run(scoring, Corpus(f"{output}/1-clean"), f"{output}/2-scored", num_gpus=num_gpus, **engine)
    show_drift([classifier], f"{output}/2-scored")
    print(dedup(Corpus(f"{output}/2-scored"), f"{output}/3-unique", index=index, **engine))
    run((*cut, ReplaceAddresses()), Corpus(f"{output}/3-unique"), f"{output}/4-edu", **engine)
    if against is not None:
        print(decontaminate(Corpus(f"{output}/4-edu"), f"{output}/5-decontaminated", against, **engine))
    if certificate is not None:
        print(certificate)
    print_funnel(output)


def check(against: str | None, threshold: int, recall: float | None, teacher: str | None) -> None:
    """Refuse now what would stop the run at its last steps, hours later.

    Raises:
        ValueError: no benchmarks, no such score, or a promise that the labels of the shipped classifier cannot keep.
    """
    if not 0 <= threshold <= 5:
        raise ValueError(f"--threshold {threshold} keeps all or nothing; scores are 0 to 5")
    if against is not None:
        read_benchmarks(against)
    if teacher is None:
        score_and_cut("web_edu", threshold, recall)


def score_and_cut(
    classifier: str, threshold: int, recall: float | None
) -> tuple[Certificate | None, tuple[Stage, ...], tuple[Stage, ...]]:
    """Return what scores, and what cuts after deduplication: a cascade drops as it scores, and has cut by then."""
    if recall is None:
        return None, (score_stage(classifier),), (Keep((at_threshold(threshold),)),)
    return *cascade_stages(classifier, recall=recall), ()


if __name__ == "__main__":
    main(fineweb_edu)
