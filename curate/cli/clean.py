"""Verbs that hold documents against others: dedup (against each other), decontaminate (against benchmarks)."""

import sys
from pathlib import Path
from typing import Literal

from curate.cli.options import Engine, Inputs, Kind, Out, OutOrBeside, open_input, split_commas
from curate.cli.tables import show


def dedup(
    source: str | None = None,
    *,
    out: OutOrBeside = None,
    settings: Literal["fineweb", "stack", "characters"] = "fineweb",
    similarity: float | None = None,
    containment: bool = False,
    by_url: bool = False,
    index: str | None = None,
    delete: str | None = None,
    memory: float = 2.0,
    max_source_loss: float | None = None,
    max_cluster: int | None = None,
    allow: Inputs = [],  # noqa: B006  cyclopts copies it
    keep_text: bool = False,
    ray: Engine = None,
    workers: int | None = None,
) -> None:
    """Remove exact and near-duplicates; of each cluster the best copy stays (score, then length, then id).

    With --index a new dump is held against every dump before it, of which nothing changes, and is then added. To take
    documents out of an index: curate dedup --index DIR --delete ids.txt

    Args:
        source: a corpus of Parquet shards.
        out: folder of the corpus to write; each removed row in OUT/dropped names its survivor and their similarity.
        settings: fineweb (14 bands of 8 minima of word 5-grams, 0.8), stack (The Stack's: 25 of 10, 5-grams of code
            tokens, 0.7) or characters (14 of 8, 9-grams of letters, for languages without spaces, 0.8).
        similarity: from which two documents are copies, verified exactly; that of the settings by default.
        containment: compare by how much of the worse document the better one has, not by Jaccard similarity.
        by_url: of the documents of one URL, too, only the best stays; scheme, www., ports, fragments, tracking
            parameters and slashes at the end do not tell URLs apart.
        index: folder of the index; made where there is none.
        delete: file of ids, one a line, to take out of the index.
        memory: GB that one task may use; the work is cut accordingly, and what cannot hold is refused before it starts.
        max_source_loss: stop if a source of 100 documents or more would lose more than this share of them; 0.9 by
            default.
        max_cluster: stop if one document would replace more than this many different texts; 1,000 by default.
        allow: sources or survivors that may exceed these limits.
        keep_text: keep the text of dropped documents too.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
    """
    from dataclasses import replace

    from curate.corpus import Corpus
    from curate.dedup import SETTINGS
    from curate.dedup import dedup as deduplicate

    if delete is not None:
        delete_from(index, delete, source)
        return
    if source is None or out is None:
        raise ValueError("give a corpus and --out; without them only --index DIR --delete FILE makes sense")
    limits = {"max_source_loss": max_source_loss, "max_cluster": max_cluster}
    given = {name: value for name, value in limits.items() if value is not None}
    chosen = replace(SETTINGS[settings], similarity="containment" if containment else "jaccard")
    how = {"settings": chosen, "threshold": similarity, "by_url": by_url, "index": index}
    options = {"memory": int(memory * 1e9), "allow": allow, "keep_text": keep_text, "ray": ray, "workers": workers}
    told = {"on_plan": lambda planned: print(planned, file=sys.stderr)}
    print(deduplicate(Corpus(source), out, **how, **given, **options, **told))  # type: ignore[arg-type]


def delete_from(index: str | None, path: str, source: str | None) -> None:
    """Take the ids that a file lists out of an index."""
    from curate.dedup.index import delete

    if index is None or source is not None:
        raise ValueError("--delete FILE takes ids out of the index that --index names; it goes without a corpus")
    print(delete(index, [line.strip() for line in Path(path).read_text().splitlines() if line.strip()]))


def decontaminate(
    source: str,
    *,
    out: Out,
    against: str,
    method: Inputs = ["ngram", "ast"],  # noqa: B006  cyclopts copies it
    only: Inputs = [],  # noqa: B006
    fields: str = "",
    max_share: float | None = None,
    max_run: int | None = None,
    tau: float | None = None,
    passages: bool = False,
    cut: Literal["document", "span"] = "document",
    keep_text: bool = False,
    allow_empty: bool = False,
    ray: Engine = None,
    workers: int | None = None,
    kind: Kind = None,
    limit: int | None = None,
) -> None:
    """Drop the documents in which benchmarks stand, and say which item of which benchmark was found where.

    Every hit stays in the column decontaminate.hits, of dropped documents and of kept ones below the bound, so that a
    bound can be moved later: curate replay OUT -o other --bound 'decontaminate.ngram<=0.8'

    Args:
        source: corpus, JSONL, Parquet or a folder of code; local, s3://, gs:// or hf://.
        out: folder of the corpus to write; what is dropped goes to OUT/dropped with the evidence.
        against: file or folder of benchmarks, JSON lines or Parquet; each file is one benchmark.
        method: ngram (runs of words, confirmed by alignment: text and code), ast (syntax trees: Python solutions that
            were renamed or reformatted); both by default.
        only: benchmarks whose names contain this, such as humaneval; repeat it, or part them by commas.
        fields: what the fields of unknown benchmarks are: question=FIELD,answer=FIELD,choices=...,passage=...,
            solution=...,id=... Those of known ones need no names.
        max_share: of an item's words; a document with more of one leaves. 0.5 by default, which is cosmopedia's; less
            than 0.3 of an item is never told.
        max_run: words in a row of any item; a document with more leaves too: 12 is the 13-gram rule of GPT-3 and
            FineMath, 11 is datatrove's, 9 the least. Without it runs are evidence only.
        tau: match rate of syntax trees from which a document leaves; phi-1 tried .8 to .95.
        passages: let a passage that a question is about count without the question too.
        cut: drop the document, or cut out only the span and 200 characters on either side, as GPT-3 did.
        keep_text: keep the text of dropped documents too.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many documents.
    """
    from curate.decontaminate import Fields
    from curate.decontaminate import decontaminate as clean

    asked = {"max_share": max_share, "max_run": max_run, "tau": tau, "passages": passages, "cut": cut}
    names = {"methods": split_commas(method), "only": split_commas(only), "fields": Fields.parse(fields)}
    rest = {"keep_text": keep_text, "allow_empty": allow_empty, "ray": ray, "workers": workers, "limit": limit}
    report = clean(open_input(source, kind), out, against, **asked, **names, **rest)  # type: ignore[arg-type]
    show(report.tally)
    print(report)
