"""Verbs that make one corpus, or its tokens, of another: extract, filter, concatenate, tokenize."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from curate.cli.options import Engine, Inputs, Kind, Out, open_input, open_text, to_text, weights
from curate.cli.tables import print_table, show

if TYPE_CHECKING:
    from curate.stage import Stage


def extract(
    source: str,
    *,
    out: Out,
    extractor: Literal["resiliparse", "trafilatura"] = "resiliparse",
    ray: Engine = None,
    workers: int | None = None,
    kind: Kind = None,
    limit: int | None = None,
) -> None:
    """Turn crawled pages (WARC) into a corpus of plain text.

    Args:
        source: a WARC file, or a folder of them; local, s3://, gs:// or hf://.
        out: folder of the corpus to write.
        extractor: resiliparse is some ten times as fast; trafilatura is what FineWeb used.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: files at a time; needs --ray.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many pages.
    """
    from curate.readers.html import Extract
    from curate.run import run

    stages = (Extract(extractor=extractor),)
    show(run(stages, open_input(source, kind), out, ray=ray, workers=workers, limit=limit))


def filter(
    source: str,
    *,
    out: Out,
    rules: Inputs = ["fineweb"],  # noqa: B006  cyclopts copies it
    urls: str | None = None,
    pii: bool = False,
    secrets: bool = False,
    lid: str | None = None,
    keep_text: bool = False,
    allow_empty: bool = False,
    ray: Engine = None,
    workers: int | None = None,
    kind: Kind = None,
    limit: int | None = None,
) -> None:
    """Measure quality signals and drop the documents that break a rule; see `curate why` and `curate sample`.

    Args:
        source: WARC, JSONL, Parquet or a folder of code; local, s3://, gs:// or hf://.
        out: folder of the corpus to write; what is dropped goes to OUT/dropped with every signal.
        rules: a published set: fineweb (English pages), fineweb2 (a hundred languages; fineweb2:CONFIGS for all
            published ones), gopher, c4, stack or starcoder2 (source code), license (permissive only); or your own tuple
            of rules or stages: my_rules.py:RULES. Repeat it for several.
        urls: drop pages by their URL first: `default` is the small lists that ship, else a file of domains or a
            folder of UT1's lists.
        pii: put others in the place of e-mail and public IP addresses, last.
        secrets: put <KEY> or <PASSWORD> in the place of keys, tokens and passwords; each is told by `curate why`.
        lid: fastText model that tells languages: path, URL or hub name, such as cis-lmu/glotlid; lid.176 by default.
            With fineweb2, `columns` believes the `language` and `language_script` of the input.
        keep_text: keep the text of dropped documents too.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many documents.
    """
    from curate.run import run
    from curate.signals.pii import ReplaceAddresses
    from curate.signals.rules import stages as stages_of
    from curate.signals.rules import url_stages
    from curate.signals.secrets import ReplaceSecrets

    held: list[Stage] = [stage for name in rules for stage in stages_of(name, lid=lid)]
    if lid is not None and held == [stage for name in rules for stage in stages_of(name)]:
        raise ValueError(f"--lid {lid}: {', '.join(rules)} never ask for the language; leave it out, or add a set")
    opened = open_input(source, kind)
    first = url_stages(None if urls == "default" else urls) if urls else ()
    of_code = "path" in opened.schema.names
    last: list[Stage] = [ReplaceSecrets()] if secrets else []
    last += [ReplaceAddresses(code=of_code)] if pii else []
    stages: tuple[Stage, ...] = (*first, *to_text(opened), *held, *last)
    engine = {"ray": ray, "workers": workers}
    show(run(stages, opened, out, limit=limit, keep_text=keep_text, allow_empty=allow_empty, **engine))  # type: ignore[arg-type]


def concatenate(
    source: str,
    *,
    out: Out,
    by: Literal["repo", "file"] = "repo",
    max_chars: int = 65_536,
    named: float = 1.0,
    seed: int = 0,
    kind: Kind = None,
) -> None:
    """Put the files of each repository of code together, in the order of their paths, with StarCoder2's separators.

    Args:
        source: a corpus, table or folder of source files; local, s3://, gs:// or hf://.
        out: folder of the corpus to write.
        by: repo for documents of repositories; file for one of each file, under the same separators.
        max_chars: of a document; what is larger is several, cut between files where it can be.
        named: share of the repositories whose name and paths are written; StarCoder2 wrote half.
        seed: of the draw of those.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
    """
    from curate.concatenate import concatenate as write

    done = write(open_input(source, kind), out, by=by, max_chars=max_chars, named=named, seed=seed)
    rows = [("files", f"{done.files:,}"), ("without text", f"{done.without_text:,}")]
    print_table(("", ""), [*rows, ("documents", f"{done.documents:,}")])


def tokenize(
    sources: Inputs,
    *,
    out: Out,
    vocab: int = 49_152,
    tokenizer: str | None = None,
    sample_bytes: int = 500_000_000,
    also: Sequence[Literal["nanotron", "megatron"]] = (),
    beside: Sequence[str] = (),
    by: str | None = None,
    markup: bool = False,
    seed: int = 0,
    ray: Engine = None,
    workers: int | None = None,
) -> None:
    """Turn corpora into token shards, with a tokenizer learned from them or a given one.

    Args:
        sources: one or more corpora of documents, each optionally with its weight in the tokenizer's sample:
            `runs/edu:0.7 runs/code:0.3`. Without weights every corpus gives the same share of its documents.
        out: folder for tokens; each corpus gets a subfolder of its name, the tokenizer OUT/tokenizer.
        vocab: size of the vocabulary to learn.
        tokenizer: folder of a Hugging Face tokenizer to use instead of learning one.
        sample_bytes: text to learn the tokenizer from.
        also: write the tokens for another trainer too, into OUT/NAME-nanotron (.ds) or OUT/NAME-megatron (.bin, .idx).
        beside: folders of other tokenizers, to compare bytes per token on a sample of each corpus.
        by: a column, such as `source` or `language`; bytes per token for each of its values.
        markup: read `<repo_name>`, `<file_sep>` and other special tokens where a text spells them; never its end.
        seed: of the tokenizer's sample.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
    """
    from curate.tokenizer.bpe import train_tokenizer
    from curate.tokenizer.fertility import fertilities, texts_by
    from curate.tokenizer.formats import to_megatron, to_nanotron
    from curate.tokenizer.pack import tokenize as pack
    from curate.tokenizer.tokens import subfolders

    paths = weights(sources)
    opened = {path: open_text(path) for path in paths}
    lacking = [path for path, source in opened.items() if by and by not in source.schema.names]
    if lacking:
        raise ValueError(f"{lacking[0]} has no column {by!r}; it has {', '.join(opened[lacking[0]].schema.names)}")
    weighted = [(opened[path], weight) for path, weight in paths.items()]
    learn_from = weighted if set(sources) != set(paths) else list(opened.values())  # where a weight was written
    how = {"vocab_size": vocab, "sample_bytes": sample_bytes, "seed": seed}
    folder = tokenizer or str(train_tokenizer(learn_from, f"{out}/tokenizer", **how))
    names, rows = subfolders(list(paths)), []
    for path, source in opened.items():
        place = f"{out}/{names[path]}"
        tokens = pack(source, place, tokenizer=folder, markup=markup, ray=ray, workers=workers)
        if "nanotron" in also:
            to_nanotron(tokens, f"{place}-nanotron", tokenizer=folder)
        if "megatron" in also:
            to_megatron(tokens, f"{place}-megatron")
        fertility = tokens.num_bytes / max(tokens.num_tokens - tokens.num_documents, 1)  # without ends of documents
        rows.append((path, f"{tokens.num_documents:,}", f"{tokens.num_tokens:,}", f"{fertility:.2f}"))
    print_table(("corpus", "documents", "tokens", "bytes/token"), rows)
    if beside or by:
        compared = {"this one": folder, **{name: other for other, name in subfolders(beside).items()}}
        lines = []
        for path, source in opened.items():
            for kind, found in fertilities(texts_by(source, by), compared).items():
                lines.append((f"{names[path]} {kind}" if by else path, *(f"{value:.2f}" for value in found.values())))
        print_table(("bytes/token", *compared), lines)
