"""From the folders that are named to tokens that compare: the same cleaning, the same tokenizer, once for each folder.

    OUT/held/DOMAIN/         held-out documents
    OUT/documents/NAME/clean a folder's documents without held-out ones and benchmarks; what left is in dropped/
    OUT/tokenizer/           learned from as many bytes of each arm, where none is given
    OUT/tokens/NAME/         the documents as tokens; OUT/tokens/held-DOMAIN those of the held-out sets

A folder that several arms read is prepared once. Of a folder that holds many times what the budget reads, a random
sample of documents is enough: twice the budget is kept. A folder that holds tokens already is read as it is; it cannot
give up documents, so a held-out document in it is an error.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from curate.ablate.design import Design
from curate.ablate.held_out import HeldOut, Index, WithoutHeldOut, drawn, found_in, given
from curate.corpus import Corpus, Source
from curate.document import ID, TEXT
from curate.run import run
from curate.stage import Sample, Stage
from curate.tokenizer.bpe import load_tokenizer, token_bytes, train_tokenizer
from curate.tokenizer.pack import tokenize
from curate.tokenizer.sample import countable_bytes, text_bytes
from curate.tokenizer.tokens import TOKENIZER, Tokens

BYTES_PER_TOKEN = 5  # at most, of text in the languages and vocabularies we know: errs towards keeping more
MARGIN = 2  # times what the budget reads
TOKENIZER_BYTES = 50_000_000  # enough for vocabularies to 50,000; some seconds
DECODED_TOKENS = 2**20  # of a folder of tokens, at a time


@dataclass(frozen=True)
class Engine:
    """Where work is done."""

    ray: str | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Part:
    """What became of one folder."""

    path: str
    documents_in: int  # of the sample, where there is one
    share: float  # of the folder's documents that was drawn
    held_out: int  # documents that left because they hold a held-out one
    benchmarks: int  # and because they hold a benchmark
    documents: int
    num_tokens: int
    num_bytes: int
    tokens: str  # folder


@dataclass(frozen=True)
class Prepared:
    parts: Mapping[str, Part]  # by the folder that was named
    held: HeldOut
    tokenizer: str
    vocab_size: int

    def blend(self, sources: Mapping[str, float]) -> dict[str, float]:
        """Return the token folders of an arm with their weights; two names of one folder count together."""
        found: dict[str, float] = {}
        for path, weight in sources.items():
            place = self.parts[path].tokens
            found[place] = found.get(place, 0.0) + weight
        return found


def is_tokens(path: str) -> bool:
    return Path(path, TOKENIZER, "tokenizer.json").exists()


def open_documents(path: str, what: str) -> Source:
    """Open what holds documents.

    Raises:
        FileNotFoundError, ValueError: nothing is there, or it has no text.
    """
    from curate.readers import needs_extract, open_source

    source = open_source(path)
    if needs_extract(source):
        raise ValueError(f"{what} {path} is HTML; `curate filter` makes text of it: name the folder that it writes")
    lacking = [name for name in (TEXT, ID) if name not in source.schema.names]
    if lacking:
        raise ValueError(f"{what} {path} has no column {lacking[0]!r}; it has {', '.join(source.schema.names)}")
    return source


def identity(path: str, what: str) -> dict[str, object]:
    """Return what tells a folder's content from another's, for the recipe."""
    if is_tokens(path):
        return {"path": path, **Tokens(path).fingerprint}
    splits = [split.identity() for split in open_documents(path, what).splits()]
    return {"path": path, "files": len(splits), "rows": sum(split["num_rows"] or 0 for split in splits),
            "bytes": sum(split["num_bytes"] for split in splits)}  # fmt: skip


def hold_out(design: Design, places: Mapping[str, str], out: str, num: int) -> HeldOut:
    """Return the held-out sets: the ones given, or documents of each arm."""
    folder = f"{out}/held"
    if (found := found_in(folder)) is not None:
        return found
    if places:
        return given(
            {name: open_documents(path, f"held-out {name},") for name, path in places.items()}, folder, num=num
        )
    of_tokens = [path for path in design.sources if is_tokens(path)]
    if of_tokens:
        raise ValueError(f"{of_tokens[0]} is tokens, from which no document can be held out; give --held-out NAME=PATH")
    arms = {arm.name: [open_documents(path, f"arm {arm.name},") for path in arm.sources] for arm in design.arms}
    return drawn(arms, folder, num=num)


def prepare(
    design: Design,
    held: HeldOut,
    out: str,
    *,
    tokenizer: str | None = None,
    against: str | None = None,
    engine: Engine,
) -> Prepared:
    """Clean and tokenise every folder of every arm, and the held-out sets.

    Raises:
        ValueError: a folder of tokens holds held-out documents, or has another tokenizer; nothing is left of a folder.
    """
    reserved = [f"held-{domain}" for domain in held.domains]
    named = dict(zip(design.sources, _names(design.sources, reserved), strict=True))
    ready = {path: Tokens(path) for path in named if is_tokens(path)}
    if ready and against:
        raise ValueError(f"{next(iter(ready))} is tokens, which cannot be decontaminated; give its documents")
    index = Index.of(pa.concat_arrays([c for d in held.domains for c in held.texts(d)[TEXT].chunks])) if ready else None
    for path, tokens in ready.items():
        assert index is not None
        _refuse_leaks(path, tokens, index)
    clean = {
        path: _clean(path, f"{out}/documents/{name}/clean", design, held, against, engine)
        for path, name in named.items()
        if path not in ready
    }
    folder = tokenizer or next((str(tokens.tokenizer) for tokens in ready.values()), None)
    folder = folder or _learn(design, {path: part.path for path, part in clean.items()}, f"{out}/tokenizer")
    packing = {"tokenizer": folder, "ray": engine.ray, "workers": engine.workers}
    parts: dict[str, Part] = {}
    for path, name in named.items():
        if path in ready:
            tokens, found = ready[path], _Cleaned(path, ready[path].num_documents, 1.0, 0, 0)
        else:
            tokens, found = tokenize(Corpus(clean[path].path), f"{out}/tokens/{name}", **packing), clean[path]  # type: ignore[arg-type]
        counts = (found.documents_in, found.share, found.held_out, found.benchmarks)
        folder_of = str(tokens.path.absolute())  # for workers that are elsewhere
        parts[path] = Part(path, *counts, tokens.num_documents, tokens.num_tokens, tokens.num_bytes, folder_of)
    for domain in held.domains:
        tokenize(Corpus(held.path(domain)), f"{out}/tokens/held-{domain}", **packing)  # type: ignore[arg-type]
    whole = {path: Tokens(part.tokens) for path, part in parts.items()}
    _refuse_other_tokenizers(whole, Tokens(f"{out}/tokens/held-{held.domains[0]}"), folder)
    _refuse_short(whole, design)
    return Prepared(parts, held, folder, next(iter(whole.values())).vocab_size)


@dataclass(frozen=True)
class _Cleaned:
    path: str  # folder of the documents that stay
    documents_in: int
    share: float
    held_out: int
    benchmarks: int


def _names(paths: Sequence[str], reserved: Sequence[str] = ()) -> list[str]:
    """Return a folder name for each path: its last part, with its number where two are alike or it is reserved."""
    bare = [re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).name.removesuffix(".parquet")).strip(".-") for path in paths]
    names: list[str] = []
    for n, part in enumerate(bare, start=1):
        name = f"{part or 'arm'}-{n}" if not part or bare.count(part) > 1 else part
        while name in names or name in reserved:  # `a-1` of two folders `a`, and a folder of that very name
            name = f"{name}-{n}"
        names.append(name)
    return names


def _clean(path: str, out: str, design: Design, held: HeldOut, against: str | None, engine: Engine) -> _Cleaned:
    """Write the documents of a folder that may be read, and count the others."""
    source = open_documents(path, "arm")
    share = _share(path, source, design)
    first: list[Stage] = [Sample(share)] if share < 1 else []
    stages: list[Stage] = [*first, WithoutHeldOut(held.folder, held.fingerprint)]
    if against:
        from curate.decontaminate.benchmarks import prepare as read_benchmarks
        from curate.decontaminate.decontaminate import open_methods
        from curate.decontaminate.decontaminate import stages as decontaminating

        stages += decontaminating(open_methods(read_benchmarks(against, f"{out}/_benchmarks")))
    tally = run(stages, source, out, ray=engine.ray, workers=engine.workers, allow_empty=True)
    left = [rows for _, rows, _ in tally.steps][len(first) :]  # sampled, without held-out documents, [measured], rest
    if not left[-1]:
        raise ValueError(
            f"nothing is left of {path}: of {left[0]:,} documents {left[0] - left[1]:,} hold a held-out one and "
            f"{left[1] - left[-1]:,} a benchmark; see {out}/dropped"
        )
    return _Cleaned(out, left[0], share, left[0] - left[1], left[1] - left[-1])


def _share(path: str, source: Source, design: Design) -> float:
    """Return the share of a folder's documents that holds some times the tokens any arm reads of it."""
    most = max(arm.sources[path] / sum(arm.sources.values()) for arm in design.arms if path in arm.sources)
    wanted = MARGIN * most * design.num_tokens * BYTES_PER_TOKEN
    share = wanted / max(text_bytes(source), 1)
    return 1.0 if share > 0.5 else round(share, 6)  # less than a half is worth a sample


def _learn(design: Design, folders: Mapping[str, str], out: str) -> str:
    """Learn a tokenizer from the same number of bytes of each arm."""
    if Path(out, "tokenizer.json").exists():
        return out
    weights: dict[str, float] = {}
    for arm in design.arms:
        for path, weight in arm.sources.items():
            weights[folders[path]] = weights.get(folders[path], 0.0) + weight / sum(arm.sources.values())
    # the arm with the least text for its share bounds the sample: else the others would make up for it
    whole = min(countable_bytes(Corpus(path)) / weight for path, weight in weights.items()) * sum(weights.values())
    sample_bytes = min(int(whole), TOKENIZER_BYTES)
    return str(train_tokenizer(weights, out, vocab_size=design.vocabulary, sample_bytes=sample_bytes))


def _refuse_leaks(path: str, tokens: Tokens, index: Index) -> None:
    """Read a folder of tokens back as text and hold it against the held-out documents."""
    pieces = token_bytes(load_tokenizer(tokens.tokenizer))
    leaked: list[str] = []
    for start in range(0, tokens.num_tokens, DECODED_TOKENS):
        stop = min(start + DECODED_TOKENS, tokens.num_tokens)
        mine = [one for one in tokens.documents(start, stop) if one.start >= start]  # those that begin here
        texts = [
            b"".join(pieces[t] for t in tokens.read(one.start, one.stop - 1).tolist()).decode(errors="replace")
            for one in mine
        ]
        leaked += [one.id for one, yes in zip(mine, index.leaked(pa.array(texts, pa.string())), strict=True) if yes]
    if leaked:
        raise ValueError(
            f"{path} is tokens and holds {len(leaked)} held-out documents, the first {leaked[0]}; give its documents, "
            "from which they are taken out, or other held-out sets"
        )


def _refuse_other_tokenizers(whole: Mapping[str, Tokens], held: Tokens, folder: str) -> None:
    for path, tokens in whole.items():
        if tokens.fingerprint["tokenizer"] != held.fingerprint["tokenizer"]:
            raise ValueError(
                f"{path} was not tokenised with {folder}; all arms need one tokenizer: give their documents"
            )


def _refuse_short(whole: Mapping[str, Tokens], design: Design) -> None:
    for path, tokens in whole.items():
        if tokens.num_tokens <= design.seq_len:
            raise ValueError(
                f"{path} comes to {tokens.num_tokens:,} tokens in {tokens.num_documents:,} documents, less than a "
                f"window of {design.seq_len}; give more documents, or a shorter --seq-len"
            )


def write_summary(prepared: Prepared, out: str) -> None:
    """Keep the counts of every folder beside its documents."""
    rows = [vars(part) for part in prepared.parts.values()]
    Path(out, "prepared.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
