"""Stack-Edu: source files in, the educational ones out, without copies, secrets or benchmarks.

    python pipelines/stack_edu.py --input ~/repositories --output runs/code
    python pipelines/stack_edu.py --input hf://datasets/bigcode/the-stack-v2-dedup/data --contents swh --output s3://...
    python pipelines/stack_edu.py --input repos.tar.gz --output runs/code --against benchmarks/ --concatenate

    OUTPUT/1-clean             Stack-Edu's 15 languages and notebooks, licences that allow it, StarCoder2's filters
    OUTPUT/2-scored            every file with its educational score
    OUTPUT/3-unique            the best of near-copies: versions of a package, vendored code
    OUTPUT/4-edu               the score that each language asks for (`classifiers.code_edu.THRESHOLDS`)
    OUTPUT/5-decontaminated    without files that hold benchmarks (with --against)
    OUTPUT/6-corpus            secrets and e-mail addresses replaced, Stack-Edu's columns: the corpus
    OUTPUT/CARD.md             the corpus and what each step kept, language by language
    OUTPUT/7-repositories      whole repositories as documents, as StarCoder2 was trained (with --concatenate)

Input is The Stack's Parquet (v1, v2 or Stack-Edu's own rows), a folder or archive of repositories, or JSONL; see
`curate.readers`. The order is that of cost: what reads a column comes before what reads the text, comparing files with
each other after most have left, and benchmarks are looked for in what would be trained on.
"""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from classifiers.code_edu import keep_by_language
from curate.classify.score import at_threshold, score_stage
from curate.cli import main
from curate.cli.tables import print_funnel, show_drift
from curate.code.stack import StackColumns
from curate.concatenate import concatenate
from curate.corpus import Corpus, Source
from curate.decontaminate import decontaminate, read_benchmarks
from curate.dedup import STACK, dedup
from curate.ledger.card import write_card
from curate.readers import needs_contents, of_languages, open_source
from curate.readers.notebooks import Notebooks
from curate.readers.software_heritage import FetchContents, SoftwareHeritage
from curate.run import run
from curate.signals.code import STARCODER2, Files
from curate.signals.code_language import STACK_EDU, CodeLanguage, KeepLanguages
from curate.signals.comments import Comments
from curate.signals.encoded import Encoded
from curate.signals.license import RULES as PERMISSIVE
from curate.signals.license import STACK_V2, License
from curate.signals.secrets import CODE_PRIVACY
from curate.signals.text import TextSignals
from curate.stage import Keep, Measure, Stage

SIGNALS = Measure((License(), Files(), TextSignals(("code",)), Encoded(), Comments()))
LANGUAGES = (*STACK_EDU, "Jupyter Notebook")  # which `Notebooks` turns into Markdown with code
LICENSES = {"permissive": (Keep(PERMISSIVE),), "stack-v2": (Keep(STACK_V2),), "any": ()}


def stack_edu(
    *,
    source: Annotated[str, Parameter(name="--input")],
    output: str,
    contents: str = "swh",
    against: str | None = None,
    threshold: int | None = None,
    licenses: Literal["permissive", "stack-v2", "any"] = "permissive",
    languages: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = LANGUAGES,
    max_source_loss: float = 0.95,
    index: str | None = None,
    do_concatenate: Annotated[bool, Parameter(name="--concatenate")] = False,
    kind: Literal["code", "archive", "jsonl", "parquet"] | None = None,
    ray: str | None = None,
    workers: int | None = None,
    limit: int | None = None,
) -> None:
    """Filter, score and deduplicate source files, keep the educational ones, and take benchmarks and secrets out.

    Args:
        source: The Stack's Parquet, a folder or archive of repositories, or JSONL: local, s3://, gs:// or hf://.
        output: folder or URL for the corpora.
        contents: where files lie whose rows hold only a blob id: swh (Software Heritage's bucket), or a folder or URL
            with one gzipped file per id.
        against: file or folder of benchmarks in JSONL or Parquet; files that hold one of their items leave.
        threshold: keep rounded scores from here in every language, instead of each language's own.
        licenses: permissive; stack-v2 keeps files without a licence too, as The Stack v2 does; any.
        languages: to keep, by GitHub's names, such as Rust Go C++; the 15 of Stack-Edu and notebooks by default.
        max_source_loss: share of its files that a repository of at least 100 may lose to near-copies unasked; several
            versions of one package lose most.
        index: folder of the files of earlier runs, which these are held against and added to.
        do_concatenate: also write whole repositories as documents, files in the order of their paths.
        kind: what to read where a folder holds several kinds of files.
        ray: none, local, auto or ADDRESS; auto inside a submitted job.
        workers: splits at a time.
        limit: read no more than about this many files.
    """
    check(contents, against, threshold)
    engine = {"ray": ray, "workers": workers}
    opened = of_languages(open_source(source, kind=kind), languages)
    run((*to_text(opened, contents), *rules(licenses, languages)), opened, f"{output}/1-clean", limit=limit, **engine)
    run((score_stage("code_edu"),), Corpus(f"{output}/1-clean"), f"{output}/2-scored", **engine)
    show_drift(["code_edu"], f"{output}/2-scored")
    scored = Corpus(f"{output}/2-scored")
    print(dedup(scored, f"{output}/3-unique", settings=STACK, max_source_loss=max_source_loss, index=index, **engine))
    run((cut(threshold),), Corpus(f"{output}/3-unique"), f"{output}/4-edu", **engine)
    last = f"{output}/4-edu"
    if against is not None:
        print(decontaminate(Corpus(last), f"{output}/5-decontaminated", against, **engine))
        last = f"{output}/5-decontaminated"
    run((*CODE_PRIVACY, StackColumns()), Corpus(last), f"{output}/6-corpus", **engine)
    if do_concatenate:
        concatenate(Corpus(f"{output}/6-corpus"), f"{output}/7-repositories")
    print_funnel(output)
    print(f"the corpus by language: {write_card(output)}")


def check(contents: str, against: str | None, threshold: int | None) -> None:
    """Refuse now what would stop the run at its last steps, hours later.

    Raises:
        ValueError: no such folder of contents, no benchmarks, or no such score.
    """
    if contents != "swh" and not Path(contents).is_dir() and "://" not in contents:
        raise ValueError(f"--contents {contents} is no folder; give one with a file per blob id, a URL, or swh")
    if threshold is not None and not 0 <= threshold <= 5:
        raise ValueError(f"--threshold {threshold} keeps all or nothing; scores are 0 to 5")
    if against is not None:
        read_benchmarks(against)


def to_text(source: Source, contents: str) -> tuple[Stage, ...]:
    """Return what turns rows into texts of a known language."""
    store = SoftwareHeritage() if contents == "swh" else SoftwareHeritage(prefix=contents)
    fetched: tuple[Stage, ...] = (FetchContents(fetch=store),) if needs_contents(source) else ()
    return (*fetched, Notebooks(), CodeLanguage())


def rules(licenses: str, languages: tuple[str, ...]) -> tuple[Stage, ...]:
    """Return the filters: languages, licences, and StarCoder2's."""
    return (KeepLanguages(languages), SIGNALS, *LICENSES[licenses], STARCODER2)


def cut(threshold: int | None) -> Stage:
    """Return the threshold on the rounded score: each language's own, or one for all."""
    return keep_by_language() if threshold is None else keep_by_language({}, at_threshold(threshold))


if __name__ == "__main__":
    main(stack_edu)
