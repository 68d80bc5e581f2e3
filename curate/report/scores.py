"""How documents score, what a cut keeps, and how far the classifier behind it can be believed.

Scores are counted from the corpus; precision and recall come from the grades that a fitted classifier keeps, each
scored by a model that had not seen it. The receipt names the digest of what scored, so a page about a run whose
classifier has since been fitted again says that its figures are of another.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from curate.classify.cascade import Certificate
from curate.classify.metrics import Estimate
from curate.classify.model import Model
from curate.classify.score import available, best_part, find
from curate.classify.threshold import NAMES, Row, measured
from curate.ledger.broken import BROKEN, broken_rules
from curate.report.charts import Line, histogram, lines
from curate.report.markup import count, estimate, heading, note, safe, share, table
from curate.report.view import Part
from curate.stage import Rule

BIN, NUM_BINS = 0.25, 20  # of scores, from 0 to 5
MIN_ABOVE = 10  # graded documents; above fewer there is no curve
STEP = 0.125  # between the cuts of the curves
SCORED_BY = re.compile(
    r"\b(?:Score|Cascade)\(classifier='([^']+)', digest='([^']+)'(?:, part='([^']+)'|, cut=([\d.]+))?"
)
METRICS = ("f1", "precision", "recall", "macro_f1", "spearman", "mae")
RECALLS = (0.9, 0.8, 0.95)  # that a certificate is tried for, where the run itself made no promise


@dataclass(frozen=True)
class Judge:
    """The fitted classifier that scored a corpus."""

    name: str
    part: str
    digest: str  # of what scored
    model: Model | None  # None where it is not on this machine
    same: bool  # whether the model here is the one that scored
    rows: tuple[Row, ...] = ()
    certificate: Certificate | None = None


@dataclass(frozen=True)
class Scores:
    """One line of production's scores."""

    corpus: str
    bins: tuple[int, ...]
    grades: dict[int, int]  # rounded score -> documents
    num: int
    cuts: tuple[float, ...]  # raw scores from which the run kept documents
    kept: tuple[float, ...] = field(repr=False)  # share of documents at or above each of `cut_grid()`
    judge: Judge | None = None


def gather(line: Sequence[Part]) -> Scores | None:
    """Read the scores of the corpus that was scored; None if none has any."""
    part = scored_part(line)
    if part is None:
        return None
    found = [batch["score"].to_numpy(zero_copy_only=False) for batch in part.columns(["score"], "kept", "dropped")]
    scores = np.concatenate([np.zeros(0, np.float32), *found])
    scores = scores[~np.isnan(scores)]
    places = np.clip((scores / BIN).astype(int), 0, NUM_BINS - 1)
    whole = np.clip(np.floor(scores + 0.5), 0, 5).astype(int)
    grades = {grade: int((whole == grade).sum()) for grade in range(6)}
    ranked = np.sort(scores)
    kept = [1 - float(np.searchsorted(ranked, np.float32(cut))) / max(len(ranked), 1) for cut in cut_grid()]
    bins = np.bincount(places, minlength=NUM_BINS)
    return Scores(part.name, tuple(map(int, bins)), grades, len(scores), cuts(line), tuple(kept), judge(line))


def cut_grid() -> list[float]:
    return [i * STEP for i in range(4, 36)]  # 0.5 to 4.375


def cuts(line: Sequence[Part]) -> tuple[float, ...]:
    """Return the raw scores from which a run kept documents; a threshold of 3 on rounded scores is 2.5.

    Where each language has its own, they are read from the rules that dropped rows say they broke.
    """
    rules = [rule for part in line for _, rule in part.recipe.rules]
    for part in line:
        if any(step.startswith("KeepByLanguage(") for step in part.recipe.steps):
            told = {
                value for batch in part.columns([BROKEN], "dropped") for value in batch[BROKEN].unique().to_pylist()
            }
            rules += [rule for value in told for rule in broken_rules(value)]
    return tuple(sorted({cut for rule in rules if (cut := _raw(rule)) is not None}))


def _raw(rule: Rule) -> float | None:
    if rule.at_least is None:
        return None
    if rule.column == "int_score":
        return rule.at_least - 0.5
    return rule.at_least if rule.column == "score" or rule.column.endswith(".score") else None


def scored_part(line: Sequence[Part]) -> Part | None:
    """Return the corpus that was scored last; where none was, the first whose input had scores; None without any."""
    having = [part for part in line if "score" in part.names]
    scored = [part for part in having if _scoring([part])]
    return scored[-1] if scored else next(iter(having), None)


def deciding(line: Sequence[Part]) -> str | None:
    """Return the name of the classifier whose score decided, of several in one pass the first; None if none is told."""
    found = _scoring(line)
    return found[-1][1] if found else None


def _scoring(line: Sequence[Part]) -> list[re.Match[str]]:
    """Return what each step that scored says of the classifier that decides."""
    return [found for part in line for step in part.recipe.steps if (found := SCORED_BY.search(step))]


def judge(line: Sequence[Part]) -> Judge | None:
    """Return what scored a line of production, with its figures at every cut where its grades are known."""
    named = _scoring(line)
    if not named:
        return None
    name, digest, part, cut = named[-1].groups()
    part = part or ("cascade" if cut else "mean")
    if name not in available():
        return Judge(name, part, digest, None, False)
    model, _ = find(name)
    same = model.digest == digest
    held_out = model.held_out
    used = held_out.weights > 0
    scores = held_out.scores(part, model.reach)[used]
    good = (held_out.grades >= model.at_least - 0.5)[used]
    grid = np.array([cut for cut in cut_grid() if (scores >= cut).sum() >= MIN_ABOVE])
    rows = measured(scores, good, held_out, used, grid, seed=0) if good.any() and len(grid) else ()
    return Judge(name, part, digest, model, same, rows, _certificate(model, part, name))


def _certificate(model: Model, part: str, name: str) -> Certificate | None:
    """Return a promise that the model's labels carry: of the part that scored, or of its cascade."""
    wanted = "cascade" if part == "mean" and best_part(name) != "gate" else part
    for recall in RECALLS:
        try:
            return model.certify(recall, wanted)  # type: ignore[arg-type]
        except ValueError:  # too few random labels for this one
            continue
    return None


def section(found: Sequence[Scores]) -> str:
    if not found:
        return ""
    said = (
        "What a classifier gave each document, 0 to 5; what a cut keeps; and how far the classifier agrees with its "
        "teacher, on graded documents that it had not seen."
    )
    return note(said) + "".join(_of_line(scores) for scores in found)


def _of_line(scores: Scores) -> str:
    kept_from = ", ".join(f"{cut:g}" for cut in scores.cuts)
    said = f"{count(scores.num)} documents of {scores.corpus} by their raw score"
    said += f"; dashed: kept from {kept_from}" if scores.cuts else ""
    chart = histogram(scores.bins, low=0.0, width=BIN, cuts=scores.cuts, label=said)
    rows = [(f"{grade}", count(n), share(n, scores.num)) for grade, n in scores.grades.items()]
    grades = table(("rounded score", "#documents", "#share"), rows, title=f"Scores of {scores.corpus}")
    body = heading(scores.corpus) + chart + grades + _yield(scores)
    return body + ("" if scores.judge is None else _card(scores.judge, scores.cuts))


def _yield(scores: Scores) -> str:
    points = list(zip(cut_grid(), scores.kept, strict=True))
    said = f"Share of the documents of {scores.corpus} that a cut would keep, counted"
    return lines(
        [Line("documents kept", points)],
        label=said,
        cuts=scores.cuts,
        y_range=(0, 1),
        percent=True,
        x_label="kept from this score",
    )


def _card(judge: Judge, chosen: Sequence[float]) -> str:
    title = heading(f"Classifier {judge.name}, {judge.part}, digest {judge.digest}")
    if judge.model is None:
        return title + note(
            "It is not among the classifiers on this machine; curate threshold LABELS MODEL measures it."
        )
    warning = (
        ""
        if judge.same
        else note(
            f"The classifier here is another fit ({judge.model.digest}) than what scored: its figures may differ."
        )
    )
    return title + warning + _metrics(judge, judge.model) + _curves(judge, judge.model, chosen) + _promise(judge)


def _metrics(judge: Judge, model: Model) -> str:
    about = model.about
    rows = [
        (f"{part} (scored here)" if part == judge.part else part, *(_interval(values.get(name)) for name in METRICS))
        for part, values in about.get("metrics", {}).items()
        if part in (judge.part, "mean", "gate", "head", "cascade")
    ]
    graded = ", ".join(f"{grade}: {n:,}" for grade, n in about.get("grades", {}).items())
    said = (
        f"Learnt from {sum(about.get('grades', {}).values()):,} grades ({graded}) and measured on "
        f"{about.get('measured', len(model.held_out.grades)):,} of them, {model.how}, cut at {model.at_least} or more; "
        "95 % intervals. They hold for documents like the graded ones, which this corpus may not be."
    )
    head = ("part", *(f"#{name.replace('_', '-')}" for name in METRICS))
    return note(said) + table(head, rows, title=f"Measured quality of {judge.name}", raw=range(1, len(head)))


def _interval(found: dict[str, float] | None) -> str:
    return estimate(found["value"], found["low"], found["high"]) if found else "-"


def _curves(judge: Judge, model: Model, chosen: Sequence[float]) -> str:
    if not judge.rows:
        return ""
    drawn = [
        Line(
            name if name != "documents" else "labelled documents kept",
            [(row.cut, getattr(row, name).value) for row in judge.rows],
            [(getattr(row, name).low, getattr(row, name).high) for row in judge.rows],
        )
        for name in ("precision", "recall", "documents")
    ]
    said = (
        f"Precision, recall of grades {model.at_least} or more, and yield at every cut of {judge.part}, on held-out "
        "scores of the graded documents, with 95 % bands"
    )
    chart = lines(drawn, label=said, cuts=chosen, y_range=(0, 1), percent=True, x_label="kept from this score")
    near = sorted(
        {min(judge.rows, key=lambda row: abs(row.cut - cut)).cut for cut in (*chosen, 1.5, 2.0, 2.5, 3.0, 3.5)}
    )
    rows = [
        (
            f"{row.cut:g}{' (chosen)' if any(abs(row.cut - cut) < STEP / 2 for cut in chosen) else ''}",
            *(_cell(getattr(row, name)) for name in NAMES),
        )
        for row in judge.rows
        if row.cut in near
    ]
    head = ("cut", "#precision", "#recall", "#F1", "#documents kept", "#text kept")
    return chart + table(head, rows, title=f"What a cut of {judge.name} does", raw=range(1, len(head)))


def _cell(found: Estimate) -> str:
    return estimate(found.value, found.low, found.high)


def _promise(judge: Judge) -> str:
    if judge.certificate is None:
        return note("Its random labels are too few for a certificate of recall.")
    return f'<h4>Certificate that its labels carry</h4><pre class="run" tabindex="0">{safe(judge.certificate)}</pre>'
