"""How a corpus was made: every step with its settings, what it read and what it left, from the receipts."""

from collections.abc import Iterator

from curate.amounts import megabytes
from curate.ledger.markdown import code, table, words
from curate.ledger.runs import joins
from curate.publish.subset import Subset
from curate.report.commands import command
from curate.report.steps import stage_of
from curate.report.view import Part, View
from curate.stage import Rule

SETTING_CHARS = 4000  # of one stage; the receipts have it whole


def made(subset: Subset) -> list[str]:
    """Return the paragraphs about a corpus' making."""
    if not subset.parts:
        return ["No run of curate made these files: how they came to be is not on record."]
    said = [
        "Counted by the run itself, in the receipts of the shards. MB are of text; before extraction there is none.",
        table(("after", "corpus", "documents", "left here", "MB"), _lines(subset), num_words=2),
    ]
    if any(part.recipe.rules for part in subset.parts):
        said += [
            "Every rule, its bound, and the documents that broke it; most of them broke others too.",
            table(("rule", "from", "corpus", "broke it", "and no other"), _rules(subset), num_words=3),
        ]
    return [*said, "The stages with all their settings:", _stages(subset)]


def _lines(subset: Subset) -> Iterator[tuple[str, ...]]:
    before: int | None = None
    for at, part in enumerate(subset.parts):
        for step, rows, size in part.tally.steps[1 if at else 0 :]:
            left = "" if before in (None, rows) or joins(step) else f"{before - rows:,}"
            before = rows
            yield words(stage_of(step)), part.name, f"{rows:,}", left, megabytes(size)


def _rules(subset: Subset) -> Iterator[tuple[str, ...]]:
    for part in subset.parts:
        told = {rule.column for _, rule in part.recipe.rules}
        for _, rule in part.recipe.rules:
            yield _rule(part, rule)
        for mark in sorted(set(part.tally.broken) - told):  # a stage's own, such as dedup.near
            yield code(mark), "", part.name, f"{part.tally.broken[mark]:,}", f"{part.tally.alone[mark]:,}"


def _rule(part: Part, rule: Rule) -> tuple[str, ...]:
    same = [other for _, other in part.recipe.rules if other.column == rule.column]
    counts = [f"{part.tally.broken[rule.column]:,}", f"{part.tally.alone[rule.column]:,}"]
    return code(f"{rule}"), rule.source, part.name, *(counts if len(same) == 1 or same[0] is rule else ["", ""])


def _stages(subset: Subset) -> str:
    lines = []
    for part in subset.parts:
        lines.append(f"# {part.name}")
        lines += [_fenced(step) for step in part.recipe.steps[1:]]
    return "```text\n" + "\n".join(lines) + "\n```"


def _fenced(text: str) -> str:
    """Return a stage as one line of a block of code, whatever is in it."""
    line = " ".join(text.split()).replace("```", "'''")
    return line if len(line) <= SETTING_CHARS else f"{line[:SETTING_CHARS]}..."


def commands(subset: Subset) -> list[tuple[str, str | None]]:
    """Return each corpus with the command whose stages it was made by, None where no command has them.

    Folders are named as they are called, wherever they lie.
    """
    found: list[tuple[str, str | None]] = []
    for at, part in enumerate(subset.parts):
        before = subset.parts[at - 1].path if at else None
        told = command(Part(part.name, part.path, part.recipe, before), View(part.path, (part,)))
        if told is not None and told.startswith("curate "):
            for known in subset.parts[: at + 1]:
                told = told.replace(known.path, known.name)
            found.append((part.name, told))
        else:
            found.append((part.name, None))
    return found
