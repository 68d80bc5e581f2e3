"""Does the filter make a better model? What `web_edu` keeps at 2 and at 3 against all of it, at equal tokens.

    python benchmarks/edu_ablation.py web.parquet bulk.parquet --out OUT [--tokens 2400k] [--model 1m] [--questions DIR]

The documents of all files (columns id, source, text) are scored, near-duplicates are removed, and one document in four,
by a hash of its id, is held out: `web` are held-out documents as they come, `edu` those of them that score 3 or more.
The rest makes three arms: raw, edu2 (`int_score >= 2`), edu3. They are compared twice, with the raw arm as the baseline
and with edu2, so that 3 is held against 2; the trainings are the same ones. Stopped, it goes on where it was. The
verdicts are printed as they fall.
"""

import argparse
import shutil
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate import cli
from curate.ablate.run import ablate
from curate.corpus import Corpus, write_corpus
from curate.dedup import dedup

COLUMNS = ["id", "source", "text"]
HELD_OUT = 4  # one document in so many
ARMS = {"raw": 0, "edu2": 2, "edu3": 3}
KEPT = ("results.md", "results.parquet", "results.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", help="Parquet files with id, source, text")
    parser.add_argument("--out", required=True)
    parser.add_argument("--tokens", default="2400k", help="of each training")
    parser.add_argument("--model", default="1m")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--held-out-documents", type=int, default=600, help="of each domain, at most")
    parser.add_argument("--questions", help="folder with arc_easy.jsonl: asked, and taken out of all arms")
    parser.add_argument("--ray", default="none")
    options = parser.parse_args()
    out = Path(options.out)
    corpora = cut(scored(options.paths, out), out)
    how = {"tokens": options.tokens, "model": options.model, "seeds": options.seeds, "ray": options.ray}
    how |= {"held_out": {name: corpora[f"held-{name}"] for name in ("web", "edu")}}
    how |= {"held_out_documents": options.held_out_documents}
    if options.questions:
        asked = out / "questions"
        asked.mkdir(exist_ok=True)
        shutil.copy(Path(options.questions, "arc_easy.jsonl"), asked)
        how |= {"suites": ["fineweb"], "tasks": "arc_easy", "data": str(asked), "limit": 300, "against": str(asked)}
    for baseline in ("edu2", "raw"):  # the second time nothing is trained
        found = ablate({name: corpora[name] for name in ARMS}, out / "ablation", baseline=baseline, **how)
        print(f"\nagainst {baseline}\n{found}", flush=True)
        for name in KEPT:
            shutil.copy(out / "ablation" / name, out / f"against-{baseline}-{name}")


def scored(paths: list[str], out: Path) -> Corpus:
    """Return the distinct documents of some files with their scores."""
    if not (out / "joined").exists():
        tables = [pq.read_table(path, columns=COLUMNS) for path in paths]
        joined = pa.concat_tables(tables, promote_options="permissive")
        write_corpus(out / "joined", joined.to_batches(max_chunksize=500))
    cli.score(f"{out}/joined", out=f"{out}/scored")
    dedup(Corpus(out / "scored"), str(out / "unique"), max_source_loss=1.0)
    return Corpus(out / "unique")


def cut(corpus: Corpus, out: Path) -> dict[str, Path]:
    """Write the arms and the held-out documents of both kinds."""
    table = corpus.table()
    held = pa.array([int(sha256(name.encode()).hexdigest(), 16) % HELD_OUT == 0 for name in table["id"].to_pylist()])
    parts = {name: (pc.invert(held), bound) for name, bound in ARMS.items()}
    parts |= {"held-web": (held, 0), "held-edu": (held, 3)}
    for name, (chosen, bound) in parts.items():
        found = table.filter(pc.and_(chosen, pc.greater_equal(table["int_score"], bound)))
        print(
            f"{name:9} {found.num_rows:7,} documents, {pc.sum(pc.binary_length(found['text'])).as_py() / 1e6:7.1f} MB"
        )
        if not (out / name).exists():
            write_corpus(out / name, found.combine_chunks().to_batches(max_chunksize=500))
    return {name: out / name for name in parts}


if __name__ == "__main__":
    main()
