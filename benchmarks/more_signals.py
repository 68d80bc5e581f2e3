"""URL filter, addresses, language, FineWeb2, code and secrets: ours beside the peers, on the same rows in one run.

    python benchmarks/more_signals.py url docs.parquet            needs tldextract, pyahocorasick, fasteners
    python benchmarks/more_signals.py pii docs.parquet
    python benchmarks/more_signals.py language docs.parquet
    python benchmarks/more_signals.py fineweb2 docs.parquet --documents 150
    python benchmarks/more_signals.py code files.parquet          columns text, language, path
    python benchmarks/more_signals.py secrets files.parquet       needs detect-secrets; which reads --documents 500

Seconds are of the processor, so that they do not grow when others use the machine. Every row that is decided otherwise
is counted by kind. URLs are held against the 4.6 million domains that come with datatrove, by both.
"""

import argparse
import runpy
import tarfile
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datatrove.data import Document

from curate.signals import fineweb2, urls
from curate.signals.code import STARCODER2, Files, python
from curate.signals.comments import Comments
from curate.signals.encoded import Encoded
from curate.signals.fineweb2 import FineWeb2
from curate.signals.language import Language, predict
from curate.signals.license import License
from curate.signals.pii import ReplaceAddresses
from curate.signals.secrets import CODE_PRIVACY, ReplaceSecrets
from curate.signals.text import TextSignals
from curate.signals.urls import Urls
from curate.stage import Keep, Measure, Signal

BATCH = 1000


def main() -> None:
    """Run one comparison."""
    comparisons: dict[str, Callable[[list[pa.RecordBatch]], None]]
    comparisons = {
        "url": url,
        "pii": pii,
        "language": language,
        "fineweb2": fineweb_2,
        "code": code,
        "secrets": secrets,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=comparisons)
    parser.add_argument("path", help="a Parquet file of documents")
    parser.add_argument("--documents", type=int, default=0, help="how many, spread over the file; all by default")
    parser.add_argument("--show", action="store_true", help="secrets: print the lines that hold what is replaced")
    args = parser.parse_args()
    names = ("text", "url", "language", "path", "license")
    columns = [name for name in names if name in pq.read_schema(args.path).names]
    table = pq.read_table(args.path, columns=columns)
    if args.documents and args.what != "secrets":
        table = table.take(pa.array(range(0, len(table), max(len(table) // args.documents, 1))))
    batches = table.combine_chunks().to_batches(max_chunksize=BATCH)
    if args.what == "secrets":
        secrets(batches, args.documents or 500, show=args.show)
    else:
        comparisons[args.what](batches)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds that `work` takes, and what it returns."""
    started = time.process_time()
    done = work()
    return time.process_time() - started, done


def measured(signal: Callable[[pa.RecordBatch], Any], batches: list[pa.RecordBatch]) -> tuple[float, list[Any]]:
    """Return the best of three times over all batches, after a first use that is not counted, and the results."""
    signal(batches[0].slice(0, 1))
    times = [timed(lambda: [signal(batch) for batch in batches]) for _ in range(3)]
    return min(seconds for seconds, _ in times), times[0][1]


def megabytes(batches: list[pa.RecordBatch]) -> float:
    return sum(pc.sum(pc.binary_length(batch["text"])).as_py() or 0 for batch in batches) / 1e6


def agreement(theirs: list[bool], ours: list[bool], kinds: Counter[str]) -> None:
    differ = sum(a != b for a, b in zip(theirs, ours, strict=True))
    print(f"agrees on {1 - differ / len(ours):.3%}; touched by datatrove {sum(theirs)}, by us {sum(ours)}")
    for kind, count in kinds.most_common(12):
        print(f"  {count:5} {kind}")


def url(batches: list[pa.RecordBatch]) -> None:
    """datatrove's URLFilter and ours, with the lists that it ships."""
    import datatrove.utils._import_utils as places
    from datatrove.pipeline.filters import URLFilter
    from tldextract import TLDExtract

    assets = Path(places.ASSETS_PATH)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(assets / "url_filterblacklistsv0_3_0.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        words = {"hard_words": "banned_words", "soft_words": "soft_banned_words", "subwords": "banned_subwords"}
        files = {field: (str(assets / f"{name}.txt"),) for field, name in words.items()}
        stage = Measure((Urls((f"{folder}/domains",), (f"{folder}/urls",), **files),))
        loading, _ = timed(lambda: stage(batches[0].slice(0, 1)))
        seconds, rows = measured(stage, batches)
    ours = [bool(rules) for batch in rows for rules in Keep(urls.RULES)(batch)["dropped_by"].to_pylist()]
    theirs = URLFilter()
    theirs.tldextractor = TLDExtract(suffix_list_urls=(), cache_dir=None)
    their_loading, _ = timed(theirs.download_data)
    documents = [Document("", id="", metadata={"url": url}) for batch in batches for url in batch["url"].to_pylist()]
    theirs.filter(documents[0])
    their_seconds, answers = timed(lambda: [theirs.filter(document) for document in documents])
    print(f"{len(documents)} URLs; lists read in {loading:.1f} s by us, {their_loading:.1f} s by datatrove")
    print(f"URLs/s: ours {len(ours) / seconds:,.0f}, datatrove {len(ours) / their_seconds:,.0f}")
    print(f"ratio {their_seconds / seconds:.1f}")
    told = [answer is not True for answer in answers]
    kinds = Counter(f"{a} {b}" for a, b in zip(answers, ours, strict=True) if (a is not True) != b)
    agreement(told, ours, kinds)


def pii(batches: list[pa.RecordBatch]) -> None:
    """datatrove's PIIFormatter and ours."""
    from datatrove.pipeline.formatters import PIIFormatter

    seconds, rows = measured(ReplaceAddresses(), batches)
    theirs = PIIFormatter()
    texts = [text for batch in batches for text in batch["text"].to_pylist()]
    their_seconds, formatted = timed(lambda: [_anew(theirs).format(text) for text in texts])
    size = megabytes(batches)
    print(
        f"{len(texts)} documents, {size:.1f} MB; MB/s: ours {size / seconds:.0f}, datatrove {size / their_seconds:.1f}"
    )
    print(f"ratio {their_seconds / seconds:.1f}")
    ours = [text for batch in rows for text in batch["text"].to_pylist()]
    touched = [[new != old for new, old in zip(side, texts, strict=True)] for side in (formatted, ours)]
    same = sum(a == b for a, b in zip(formatted, ours, strict=True))
    print(f"the same text from both: {same / len(texts):.3%}")
    kinds = Counter(f"e.g. {_difference(a, b)}" for a, b in zip(formatted, ours, strict=True) if a != b)
    agreement(*touched, kinds)


def _anew(formatter: Any) -> Any:
    """Let datatrove's formatter begin at the first replacement again, as ours does with each document."""
    formatter.emails_replacer._replace_i = formatter.ip_replacer._replace_i = 0
    return formatter


def _difference(a: str, b: str) -> str:
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
    return f"datatrove {a[max(at - 12, 0) : at + 20]!r}, we {b[max(at - 12, 0) : at + 20]!r}"


def language(batches: list[pa.RecordBatch]) -> None:
    """What reading less than the whole document saves, and what it changes."""
    texts = [(text or "").replace("\n", " ") for batch in batches for text in batch["text"].to_pylist()]
    predict(texts[:1])
    whole, (labels, scores) = timed(lambda: predict(texts))
    size = megabytes(batches)
    print(f"{len(texts)} documents, {size:.1f} MB, in {len(set(labels))} languages; whole: {size / whole:.1f} MB/s")
    print(f"{'read':<18} faster  same label  same decision (en >= .65)  lost  gained")
    english = _english(labels, scores)
    ways: dict[str, Callable[[], Any]] = {
        f"first {n:,}": (lambda n=n: predict([text[:n] for text in texts])) for n in (200, 1000, 2000, 5000)
    }
    for n in (1000, 2000, 5000):
        signal = Language(max_chars=n)
        ways[f"10 x {n // 10}"] = lambda signal=signal: _columns(signal, batches)
    for name, way in ways.items():
        seconds, (found, new) = timed(way)
        kept = _english(found, new)
        label = np.mean(np.array(found) == np.array(labels))
        print(
            f"{name:<18} {whole / seconds:5.1f}x  {label:9.2%}  {np.mean(kept == english):24.2%}"
            f"  {np.mean(english & ~kept):.2%}  {np.mean(kept & ~english):.2%}"
        )


def _english(labels: list[str], scores: np.ndarray) -> np.ndarray:
    kept: np.ndarray = (np.array(labels) == "en") & (scores >= 0.65)
    return kept


def _columns(signal: Signal, batches: list[pa.RecordBatch]) -> tuple[list[str], np.ndarray]:
    found = [signal(batch) for batch in batches]
    labels = [label or "und" for columns in found for label in columns["language"].to_pylist()]
    return labels, np.concatenate([np.asarray(columns["language_score"].fill_null(0)) for columns in found])


def fineweb_2(batches: list[pa.RecordBatch]) -> None:
    """datatrove's three filters with a language's published numbers, and ours, for languages with spaces."""
    table = fineweb2.read_table()
    rows_of = {numbers.stopwords: name for name, numbers in table.items() if "_" in name}  # `de` -> deu_Latn
    named = [Measure((Language(),))(batch) for batch in batches]
    seconds, rows = measured(lambda batch: fineweb2.keep()(Measure((FineWeb2(),))(batch)), named)
    print(f"ours: {megabytes(batches) / seconds:.1f} MB/s, all signals and rules, language known")
    documents: dict[str, list[tuple[str, bool, str]]] = defaultdict(list)
    for batch in rows:
        columns = (batch[name].to_pylist() for name in ("fineweb2.language", "text", "dropped_by", "broken_rules"))
        for code_, text, dropped, told in zip(*columns, strict=True):
            if code_ in table:
                broken = bool(set(dropped or []) - {"language_score"})  # datatrove asks that in another step
                documents[rows_of[table[code_].stopwords]].append((text, broken, told or ""))
    spaced = {name: found for name, found in documents.items() if fineweb2.script_of(name) not in fineweb2.UNSPACED}
    for name, found in sorted(spaced.items(), key=lambda pair: -len(pair[1]))[:8]:
        _beside_datatrove(name, table[name], found)


def _beside_datatrove(name: str, number: fineweb2.Thresholds, documents: list[tuple[str, bool, str]]) -> None:
    from datatrove.pipeline import filters

    chain = (
        filters.GopherRepetitionFilter(
            language=name,
            dup_para_frac=0,
            dup_line_char_frac=0,
            dup_para_char_frac=0,
            dup_line_frac=number.dup_line_frac,
            top_n_grams=number.top_n_grams,
            dup_n_grams=number.dup_n_grams,
        ),
        filters.FineWebQualityFilter(
            language=name,
            short_line_thr=999,
            char_duplicates_ratio=0.1,
            line_punct_thr=number.line_punct_thr,
            new_line_ratio=number.new_line_ratio,
        ),
        filters.GopherQualityFilter(
            language=name,
            max_avg_word_length=number.max_avg_word_length,
            min_avg_word_length=number.min_avg_word_length,
            stop_words=list(number.stopwords),
            max_non_alpha_words_ratio=number.max_non_alpha_words_ratio,
        ),
    )
    try:
        chain[0].filter(Document("A warm day.", id=""))
    except (ImportError, ValueError) as error:
        print(f"{name}: datatrove needs more for its words: {str(error).splitlines()[0]}")
        return
    texts = [text for text, _, _ in documents]
    seconds, answers = timed(lambda: [[block.filter(Document(text, id="")) for block in chain] for text in texts])
    theirs = [" ".join(answer[1] for answer in found if answer is not True) for found in answers]
    print(f"\n{name}: {len(texts)} documents; datatrove {sum(len(t.encode()) for t in texts) / 1e6 / seconds:.2f} MB/s")
    kinds = Counter(
        f"datatrove {other or 'keeps'}, we {told or 'keep'}"
        for other, (_, mine, told) in zip(theirs, documents, strict=True)
        if mine != bool(other)
    )
    agreement([bool(other) for other in theirs], [mine for _, mine, _ in documents], kinds)


def code(batches: list[pa.RecordBatch]) -> None:
    """Speed of each code signal, comments beside Python's own parser, and StarCoder2's rules by language."""
    size = megabytes(batches)
    signals: tuple[Signal, ...] = (TextSignals(("code",)), Files(), Encoded(), Comments(), License())
    for signal in signals:
        print(f"{signal!r:<32} {size / measured(signal, batches)[0]:8.0f} MB/s")
    sample = [
        (text, share)
        for batch in batches[::8]
        for text, name, share in zip(
            batch["text"].to_pylist(),
            batch["language"].to_pylist(),
            Comments()(batch)["code.comments"].to_pylist(),
            strict=True,
        )
        if name == "Python" and text
    ]
    seconds, exact = timed(lambda: [python(text) for text, _ in sample])
    pairs = [(found, ours) for (parses, found), (_, ours) in zip(exact, sample, strict=True) if parses]
    alike = np.mean([(0.01 <= a <= 0.8) == (0.01 <= b <= 0.8) for a, b in pairs])
    print(f"Python's parser {sum(len(text.encode()) for text, _ in sample) / 1e6 / seconds:.1f} MB/s;", end=" ")
    print(f"of {len(pairs)} files that parse, SantaCoder's 1-80 % of comments is decided alike for {alike:.2%}")
    measure = Measure(signals)
    shares: dict[str, Counter[str]] = defaultdict(Counter)
    files: Counter[str] = Counter()
    for batch in batches:
        rows = STARCODER2(measure(batch))
        columns = (rows[name].to_pylist() for name in ("language", "dropped_by", "license.permissive", "code.comments"))
        for name, dropped, permissive, comments in zip(*columns, strict=True):
            files[name] += 1
            shares[name].update({"any", *(rule.removeprefix("code.") for rule in dropped)} if dropped else ())
            shares[name]["not permissive"] += permissive == 0
            shares[name]["comments < 1 %"] += comments is not None and comments < 0.01
    heads = ["any", *sorted({kind for found in shares.values() for kind in found} - {"any"})]
    print("\nper cent of files:", ", ".join(f"{i}={head}" for i, head in enumerate(heads)))
    print(f"{'language':<12}{'files':>7}" + "".join(f"{i:>6}" for i in range(len(heads))))
    for name, number in files.most_common():
        print(f"{name:<12}{number:>7}" + "".join(f"{100 * shares[name][head] / number:>6.1f}" for head in heads))


# Those that bigcode's PII step used for The Stack, for SantaCoder and StarCoder; its gibberish model is not on PyPI.
BIGCODE = "Artifactory AWSKey AzureStorageKey Cloudant DiscordBotToken GitHubToken IbmCloudIam IbmCosHmac JwtToken"
BIGCODE += " Mailchimp Npm SendGrid Slack Softlayer Stripe TwilioKey"
FURTHER = "BasicAuth GitLabToken Keyword OpenAI PrivateKey PypiToken SquareOAuth TelegramBotToken"
FILTERS = ("is_potential_uuid", "is_likely_id_string", "is_templated_secret", "is_sequential_string")
PLANTED = Path(__file__).parents[1] / "tests/signals/planted_secrets.py"


def secrets(batches: list[pa.RecordBatch], documents: int = 500, *, show: bool = False) -> None:
    """detect-secrets with all plugins and as bigcode used it, and ours: speed, kinds, and planted secrets."""
    size = megabytes(batches)
    ours, rows = measured(ReplaceSecrets(), batches)
    both, _ = measured(lambda batch: CODE_PRIVACY[1](CODE_PRIVACY[0](batch)), batches)
    speeds = f"secrets {size / ours:.0f}, addresses too {size / both:.0f}"
    print(f"{sum(map(len, batches))} files, {size:.0f} MB; MB/s: {speeds}")
    kinds, files = Counter[str](), Counter[str]()
    for batch, done in zip(batches, rows, strict=True):
        for found, text in zip(done["secrets.found"].to_pylist(), batch["text"].to_pylist(), strict=True):
            kinds.update(place["kind"] for place in found or ())
            files.update({place["kind"] for place in found or ()})
            for place in found if show and text else ():
                print(f"  {place['kind']:<20} {text.split(chr(10))[place['line'] - 1].strip()[:110]}")
    print("replaced:", ", ".join(f"{kind} {count} in {files[kind]} files" for kind, count in kinds.most_common()))
    sample = [text for batch in batches for text in batch["text"].to_pylist() if text]
    sample = sample[:: max(len(sample) // documents, 1)][:documents]
    part = sum(len(text.encode()) for text in sample) / 1e6
    own = [pa.RecordBatch.from_pydict({"text": sample})]
    ours_there = measured(ReplaceSecrets(), own)[0]
    planted = runpy.run_path(str(PLANTED))["secrets"](seed=2026, number=1000)
    left = ReplaceSecrets()(pa.RecordBatch.from_pydict({"text": [secret.snippet for secret in planted]}))["text"]
    missed = sum(any(p in text for p in s.parts) for s, text in zip(planted, left.to_pylist(), strict=True))
    print(f"ours: {missed} of {len(planted)} planted secrets survive")
    for name, plugins in (("bigcode's plugins", BIGCODE), ("all plugins", f"{BIGCODE} {FURTHER}")):
        seconds, found = timed(lambda plugins=plugins: [_detect_secrets(text, plugins) for text in sample])
        types = Counter(kind for values in found for kind, _ in values)
        print(f"detect-secrets, {name}: {part / seconds:.2f} MB/s, ours {seconds / ours_there:.0f} times as fast")
        print(f"  on {len(sample)} real files: {dict(types.most_common())}")
        survive = [s for s in planted if not _told(s.parts, _detect_secrets(s.snippet, plugins))]
        left_by = dict(Counter(secret.kind for secret in survive).most_common(12))
        print(f"  {len(survive)} of {len(planted)} planted survive: {left_by}")


def _detect_secrets(text: str, plugins: str) -> list[tuple[str, str]]:
    """Return what detect-secrets finds in a file of this text: type and value."""
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import transient_settings

    named = {"IbmCosHmac": "IbmCosHmacDetector"}
    used: list[dict[str, Any]] = [{"name": named.get(name, f"{name}Detector")} for name in plugins.split()]
    used += [{"name": "Base64HighEntropyString", "limit": 4.5}, {"name": "HexHighEntropyString", "limit": 3.0}]
    filters = [{"path": f"detect_secrets.filters.heuristic.{name}"} for name in FILTERS]
    with transient_settings({"plugins_used": used, "filters_used": filters}), tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        collection = SecretsCollection()
        collection.scan_file(file.name)
        return [(secret.type, secret.secret_value or "") for _, secret in collection]


def _told(parts: tuple[str, ...], found: list[tuple[str, str]]) -> bool:
    """Whether each part is in what was found; of a private key, the line that begins it is enough."""
    whole = any(kind == "Private Key" for kind, _ in found)
    return whole or all(any(part in value or value in part for _, value in found if value) for part in parts)


if __name__ == "__main__":
    main()
