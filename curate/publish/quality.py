"""How documents score, what the cut kept, and how far the classifier behind it can be believed."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from curate.classify.model import Model
from curate.classify.threshold import Row
from curate.ledger.markdown import table
from curate.publish.subset import Subset
from curate.report.scores import STEP, Judge, Scores, gather

METRICS = {"f1": "F1", "precision": "precision", "recall": "recall", "macro_f1": "macro-F1", "spearman": "Spearman"}
GRADES = 6  # 0 to 5
ROUNDING = 1e-6  # of a cut, which is kept in a rule and in a stage's name


def quality(subset: Subset, scores: Scores | None) -> list[str]:
    """Return the paragraphs about scores; none where nothing was scored."""
    if scores is None:
        return []
    kept = _kept(subset)
    rows = [
        (f"{grade}", f"{scores.grades.get(grade, 0):,}", f"{kept[grade]:,}" if kept is not None else "-")
        for grade in range(GRADES)
    ]
    cut = _cut(scores)
    said = [f"`score` is raw, `int_score` is rounded to 0-5. {cut}", table(("score", "scored", "in this corpus"), rows)]
    return said + (_judge(scores.judge, scores.cuts) if scores.judge is not None else [])


def scores_of(subset: Subset) -> Scores | None:
    """Return the scores along its history."""
    return gather(subset.parts) if subset.parts else None


def _kept(subset: Subset) -> Counter[int] | None:
    if "int_score" not in subset.corpus.schema.names:
        return None
    found: Counter[int] = Counter()
    for batch in subset.corpus.batches(["int_score"]):
        for pair in batch["int_score"].value_counts().to_pylist():
            if pair["values"] is not None:
                found[pair["values"]] += pair["counts"]
    return found


def _cut(scores: Scores) -> str:
    if not scores.cuts:
        return "No document was dropped for its score."
    cuts = [
        f"{cut:g} (`int_score >= {cut + 0.5:g}`)" if (cut + 0.5).is_integer() else f"{cut:.4g}" for cut in scores.cuts
    ]
    if len(cuts) == 1:
        return f"Documents were kept from a raw score of {cuts[0]}."
    return f"Documents were kept from raw scores of {', '.join(cuts)}, by language or in several steps; see the rules."


def _judge(judge: Judge, cuts: tuple[float, ...]) -> list[str]:
    title = f"The scores are those of the classifier `{judge.name}` ({judge.part}, digest `{judge.digest}`)"
    if judge.model is None or not judge.same:
        return [f"{title}. Its own figures are not known here; `curate threshold LABELS MODEL` measures them."]
    model = judge.model
    about = model.about
    graded = ", ".join(f"{grade}: {num:,}" for grade, num in about.get("grades", {}).items())
    said = (
        f"{title}, learnt from {sum(about.get('grades', {}).values()):,} grades ({graded}) and measured on "
        f"{about.get('measured', len(model.held_out.grades)):,} of them, {model.how}, at {model.at_least} or more, "
        "with 95 % intervals. These figures hold for documents like the graded ones."
    )
    row = at_cut(judge, cuts)
    measured = (
        []
        if row is None
        else [f"On the graded documents a cut of {row.cut:g} has precision {row.precision} and recall {row.recall}."]
    )
    return [said, _metrics(judge, model), *measured, promise(judge, cuts)]


def _metrics(judge: Judge, model: Model) -> str:
    measured = model.about.get("metrics", {})
    rows = [
        (part, *(_interval(found.get(name)) for name in METRICS))
        for part, found in measured.items()
        if part == judge.part or judge.part not in measured
    ]
    return table(("part", *METRICS.values()), rows)


def _interval(found: dict[str, float] | None) -> str:
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]" if found else "-"


def promise(judge: Judge, cuts: tuple[float, ...]) -> str:
    """Return the certificate if this corpus was cut where it promises its recall."""
    certificate = judge.certificate
    certified = certificate is not None and certificate.part == judge.part
    if certificate is None or not certified or max(cuts, default=np.inf) > certificate.cut + ROUNDING:
        return "No certificate goes with this cut: what share of the teacher's high grades it keeps is not promised."
    return f"The cut is at or below that of this certificate, so its promise holds:\n\n```text\n{certificate}\n```"


def at_cut(judge: Judge, cuts: Sequence[float]) -> Row | None:
    """Return what was measured of the cut that decides, the highest; None where the grades do not reach it."""
    if not cuts or not judge.rows:
        return None
    nearest = min(judge.rows, key=lambda row: abs(row.cut - max(cuts)))
    return nearest if abs(nearest.cut - max(cuts)) <= STEP / 2 else None
