"""What the ledger shows that a reader must know and might not ask: what never ran, what was missed, what was cut short.

A gap of one kind is also a reason not to publish at all; which ones, `curate.publish.refuse` says.
"""

from collections.abc import Iterator

from curate.publish.quality import at_cut
from curate.publish.subset import Subset
from curate.report.scores import Scores

FEW_GRADES = 2000  # below which a classifier's figures are wide; FineWeb-Edu's learnt from 460,000


def limits(subset: Subset, scores: Scores | None) -> list[str]:
    """Return what is to be said against a corpus, one sentence each."""
    if not subset.parts:
        return ["No run of curate made these files, so nothing about their making can be vouched for."]
    return [*_never_ran(subset), *_cut_short(subset), *_scored(scores)]


def _never_ran(subset: Subset) -> Iterator[str]:
    if not subset.ran("ReplaceAddresses"):
        yield "E-mail and IP addresses were not looked for and may stand in the texts."
    if not subset.ran("ReplaceSecrets"):
        yield "Keys, tokens and passwords were not looked for."
    if not subset.ran("Decontaminate"):
        yield "No benchmark was looked for: scores of models trained on this may be of questions they have read."
    if not subset.ran("dedup"):
        yield "Near-duplicates were not removed."
    columns = {rule.column for part in subset.parts for _, rule in part.recipe.rules}
    known = {name for part in subset.parts for name in part.names}
    if not subset.is_code and not any(name.startswith("lid.") for name in columns | known):
        yield "The language of the documents was not identified; a column `language`, if there is one, is the input's."


def _cut_short(subset: Subset) -> Iterator[str]:
    if subset.limit is not None:
        yield f"A step was asked to read {subset.limit:,} rows and no more: this is a sample, not the whole input."
    if subset.missing:
        yield f"{len(subset.missing):,} shards of the corpus before this one are missing: the run was not finished."
    read = subset.parts[0].tally.rows_in
    lost = sum(part.tally.num_quarantined for part in subset.parts)
    if lost:
        yield f"{lost:,} of {read:,} records ({lost / max(read, 1):.2%}) could not be read, and are not here."


def _scored(scores: Scores | None) -> Iterator[str]:
    judge = None if scores is None else scores.judge
    if scores is None or judge is None:
        return
    if judge.model is None or not judge.same:
        yield f"How well `{judge.name}` grades is not known here."
        return
    graded = sum(judge.model.about.get("grades", {}).values())
    teacher = judge.model.about.get("teacher")
    by = f"by {teacher}" if teacher else "by a teacher that the classifier does not name"
    yield (
        f"Scores are a classifier's opinion, learnt from {graded:,} grades {by}, not people's: what it "
        "likes is not what is true." + (" So few grades leave its figures wide." if graded < FEW_GRADES else "")
    )
    if (row := at_cut(judge, scores.cuts)) is not None:
        yield (
            f"Of what the teacher grades {judge.model.at_least} or more, a cut of {row.cut:g} keeps "
            f"{row.recall.value:.0%} [{row.recall.low:.0%}, {row.recall.high:.0%}] by the graded documents; the "
            "rest was dropped."
        )
