"""How good `code_edu` is on code of 15 languages, beside what Python's grades alone would give.

    python benchmarks/code_languages.py --labels labels/code_edu.jsonl --documents code/code.parquet web/text.parquet

`grades/code_languages.jsonl` holds our grades: a large language model read the first 2,000 to 2,700 characters of 560
files in 14 languages against the rubric of `code_edu`, and, without seeing their grades, of 40 Python files that the
first teacher had graded. 420 of them were drawn at random within repositories, in turn, near-copies left out: they
alone measure. The others were drawn from an eighth with the highest predicted grade. Markdown is of documentation and
tutorials, the rest of repositories. The documents themselves are not here.

Five folds, calibrations learnt inside each. Python's folds are those of `benchmarks/quality.py`: near-copies are never
divided. The other languages' folds divide no repository either, and nothing of a repository in the test fold, in any
language, is learnt from. `now` learns from all grades and calibrates Python and the others apart, as what ships;
`Python's` learns from and calibrates on Python's alone. 95 % bootstrap intervals, over near-copies and over
repositories.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from classifiers import code_edu
from classifiers.__main__ import graded
from curate.classify.annotations import near_copies, read_annotations
from curate.classify.fit import Data, Learnt, learn, split
from curate.classify.gate import count_features
from curate.classify.metrics import Estimate, at_cut, bootstrap, on_scale
from curate.classify.model import outside
from curate.document import int_score
from curate.teacher.agreement import agree, auc

GRADES = Path(__file__).parent / "grades" / "code_languages.jsonl"
FOLDS = 5
NAMES = ("true_share", "predicted_share", "f1", "auc", "spearman", "mae")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", required=True, help="grades of Python files, JSONL")
    parser.add_argument("--documents", required=True, nargs="+")
    parser.add_argument("--part", default="gate", choices=("gate", "head", "mean"))
    parser.add_argument("--seed", type=int, default=0, help="of the folds")
    given = parser.parse_args()
    print(f"blind second reading: {agreement(given.labels)}")
    table = graded([given.labels, str(GRADES)], given.documents)
    rows = read_annotations(table)
    languages = np.array(rows.languages)
    repositories = of_repositories(table, rows.groups)
    apart = outside(rows.languages, code_edu.LANGUAGES)
    assert apart is not None, "code_edu has languages of its own"
    vectors = code_edu.ENCODER(rows.texts) if given.part != "gate" else np.zeros((len(rows.texts), 1), np.float32)
    data = Data(count_features(rows.texts), vectors, rows.grades, rows.weights, rows.groups, code_edu.AT_LEAST, apart)
    print(f"{len(rows.texts):,} grades, {int((data.weights > 0).sum()):,} drawn at random measure")
    alone = near_copies([text for text, other in zip(rows.texts, apart, strict=True) if not other])
    now, before = predictions(data, repositories, alone, given.part, given.seed)
    clusters = np.where(apart, repositories + data.groups.max() + 1, data.groups)
    show(data, now, before, clusters, languages)


def agreement(labels: str) -> str:
    """Hold the second reading of Python files against the first teacher's grades."""
    first = {row["id"]: row["score"] for row in map(json.loads, Path(labels).read_text().splitlines())}
    second = [row for row in map(json.loads, GRADES.read_text().splitlines()) if row["drawn"] == "blind"]
    return str(agree([first[row["id"]] for row in second], [row["score"] for row in second]))


def of_repositories(table: pa.Table, groups: np.ndarray) -> np.ndarray:
    """Return (N,) numbers: of the repository where the grades name it, of the near-copies elsewhere."""
    named = [name or f"near-copies {group}" for name, group in zip(table["group"].to_pylist(), groups, strict=True)]
    return np.unique(named, return_inverse=True)[1]


def predictions(
    data: Data, repositories: np.ndarray, alone: np.ndarray, part: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) scores of models that saw neither the row nor what is too like it: learnt from all, from Python's.

    `alone` numbers the near-copies among Python's files only, so that their folds are the same as without the others.
    """
    assert data.apart is not None
    python, every = np.flatnonzero(~data.apart), np.arange(len(data.grades))
    now, before = np.zeros(len(every)), np.zeros(len(every))
    for test in (*python_folds(data, python, alone, seed), *other_folds(data, repositories, seed)):
        train = np.setdiff1d(every, test)
        train = train[~np.isin(data.groups[train], data.groups[test])]
        if data.apart[test].any():
            train = train[~np.isin(repositories[train], repositories[test])]
        now[test] = learnt(data.rows(train), part, seed).scores(data.rows(test), code_edu.GATE_SHARE)[part]
        one = replace(data, apart=None)
        own = learnt(one.rows(np.intersect1d(train, python)), part, seed)
        before[test] = own.scores(one.rows(test), code_edu.GATE_SHARE)[part]
        print(".", end="", flush=True)
    print()
    return now, before


def learnt(data: Data, part: str, seed: int) -> Learnt:
    if part == "gate":  # a head of few landmarks, which nothing asks
        data = replace(data, vectors=np.linspace(0, 1, len(data.grades), dtype=np.float32)[:, None])
    return learn(data, FOLDS, seed + 1, code_edu.GATE_SHARE)


def python_folds(data: Data, python: np.ndarray, alone: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    for _, test in split(replace(data.rows(python), groups=alone), FOLDS, seed):
        yield python[test]


def other_folds(data: Data, repositories: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    from sklearn.model_selection import StratifiedGroupKFold

    assert data.apart is not None
    others = np.flatnonzero(data.apart)
    strata = (data.positive & (data.weights > 0))[others]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for _, test in folds.split(strata, strata, repositories[others]):
        yield others[test]


def show(data: Data, now: np.ndarray, before: np.ndarray, clusters: np.ndarray, languages: np.ndarray) -> None:
    """Print the measures of each language, of all others than Python, and what changed."""
    assert data.apart is not None
    measured = data.weights > 0
    print(f"{'':22}{'files':>6}" + "".join(f"{name:>24}" for name in NAMES))
    sets: dict[str, np.ndarray] = {"Python": ~data.apart, "the others": data.apart}
    sets |= {"without Markdown": data.apart & (languages != "Markdown")}
    sets |= {language: languages == language for language in sorted({*languages[data.apart]})}
    for name, rows in sets.items():
        use = rows & measured
        for label, scores in (("now", now), ("Python's", before)):
            if label == "now" or name in ("Python", "the others", "without Markdown"):
                found = estimates(measures, data.grades[use], scores[use], clusters[use])
                told = "".join(f"{tell(found[key]):>24}" for key in NAMES)
                print(f"{name + ', ' + label:22}{use.sum():6}{told}", flush=True)
    for name, rows in list(sets.items())[:3]:
        use = rows & measured
        gain = difference(data.grades[use], now[use], before[use], clusters[use])
        print(f"{name}: now minus Python's: " + ", ".join(f"{key} {value:+}" for key, value in gain.items()))
    for grade in (4, 3, 2):
        print(f"rounded score {grade} or more:", "; ".join(share(data, now, rows & measured, grade, name)
              for name, rows in sets.items() if name in ("Python", "Java", "the others")))  # fmt: skip


class Signed(Estimate):
    def __format__(self, _: str) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def measures(grades: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> Mapping[str, float]:
    good = grades >= code_edu.AT_LEAST - 0.5
    found = at_cut(grades, scores, weights, code_edu.AT_LEAST) | on_scale(grades, scores, weights)
    return found | {"auc": auc(scores, good)}


def estimates(
    measure: Callable[..., Mapping[str, float]], grades: np.ndarray, scores: np.ndarray, clusters: np.ndarray
) -> dict[str, Estimate]:
    with np.errstate(invalid="ignore"):
        return bootstrap(measure, grades, scores, np.ones(len(grades)), clusters)


def difference(grades: np.ndarray, now: np.ndarray, before: np.ndarray, clusters: np.ndarray) -> dict[str, Signed]:
    """Return paired differences of the measures: both scores are looked at on the same draws."""
    numbers = np.arange(len(grades), dtype=np.float64)

    def gain(drawn: np.ndarray, _: np.ndarray, weights: np.ndarray) -> Mapping[str, float]:
        rows = drawn.astype(int)
        first, second = (measures(grades[rows], scores[rows], weights) for scores in (now, before))
        return {key: first[key] - second[key] for key in ("f1", "auc", "spearman", "mae")}

    found = estimates(gain, numbers, numbers, clusters)
    return {key: Signed(value.value, value.low, value.high) for key, value in found.items()}


def share(data: Data, scores: np.ndarray, use: np.ndarray, grade: int, name: str) -> str:
    """Say what a threshold keeps, and how much of it the teacher would."""
    said, true = int_score(scores[use]) >= grade, data.grades[use] >= grade - 0.5
    hits: Sequence[float] = ((said & true).sum() / max(said.sum(), 1), (said & true).sum() / max(true.sum(), 1))
    return f"{name} {said.mean():.1%} (the teacher {true.mean():.1%}), precision {hits[0]:.2f}, recall {hits[1]:.2f}"


def tell(estimate: Estimate) -> str:
    """Return a measure with its interval, without one where some resamples hold no good file."""
    if np.isnan(estimate.value):
        return "-"
    return str(estimate) if np.isfinite(estimate.low) else f"{estimate.value:.3f}"


if __name__ == "__main__":
    main()
