"""What each rule dropped, alone and together with others, and what that costs in documents that score high."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from curate import ledger
from curate.classify.score import available, score_stage
from curate.ledger.lost import Loss
from curate.ledger.lost import table as cost_table
from curate.report.markup import bar, count, details, heading, note, safe, scrolling, share, table
from curate.report.scores import deciding
from curate.report.view import Part
from curate.tally import Tally

HIGH = 2.5  # raw score that rounds to 3
NUM_SCORED = 500  # dropped documents of each rule whose score is asked for: a second or two
NUM_COSTLY = 12  # rules to show
NUM_SHOWN = 12  # rules that are not folded away
NUM_TOGETHER = 8  # rules in the table of overlaps


@dataclass(frozen=True)
class Rules:
    """One corpus' broken rules.

    Attributes:
        bounds: rule -> its bounds and where they are from, as the receipt tells them.
        losses: what rules cost, by the run's own classifier; empty where that cannot be known.
    """

    corpus: str
    tally: Tally
    bounds: dict[str, tuple[str, str]]
    losses: Sequence[Loss]
    classifier: str | None


def gather(part: Part, line: Sequence[Part]) -> Rules | None:
    """Read one corpus' counts; None if it dropped nothing."""
    if not part.tally.broken:
        return None
    bounds = {rule.column: (f"{rule}", rule.source) for _, rule in part.recipe.rules}
    classifier = classifier_of(line)
    return Rules(part.name, part.tally, bounds, _losses(part, classifier), classifier)


def classifier_of(line: Sequence[Part]) -> str | None:
    """Return the shipped classifier that scored a corpus of this line of production; None if none did."""
    scored = {name.removesuffix(".score") for part in line for name in part.names if name.endswith(".score")}
    return next((name for name in (deciding(line), *sorted(scored)) if name is not None and name in available()), None)


def _losses(part: Part, classifier: str | None) -> list[Loss]:
    if classifier is None or part.before is not None:  # later corpora have scores, and drop by them
        return []
    stage = score_stage(classifier, part="gate")  # its cheap part, for thousands of documents
    try:
        return ledger.lost(part.path, lambda b: stage(b)["score"].to_numpy(), at_least=HIGH, most=NUM_SCORED)
    except LookupError:  # this run kept neither the texts nor scores of what it dropped
        return []


def section(found: Sequence[Rules]) -> str:
    said = (
        "Every rule that a document broke counts, not only the first. The dark bar is what this rule alone dropped: "
        "those come back if it falls. The pale one broke others too."
    )
    return note(said) + "".join(_of_corpus(rules) for rules in found)


def _of_corpus(rules: Rules) -> str:
    tally = rules.tally
    most = max(tally.broken.values())
    rows = [
        (
            _rule(rule, rules.bounds),
            count(n),
            share(n, tally.rows_in),
            count(tally.alone[rule]),
            bar(tally.alone[rule] / most, (n - tally.alone[rule]) / most),
        )
        for rule, n in tally.broken.most_common()
    ]
    head = ("rule", "#broke it", "#of the input", "#and nothing else", "")
    counts = table(head, rows[:NUM_SHOWN], title=f"Rules of {rules.corpus}", raw=(0, 4))
    if len(rows) > NUM_SHOWN:
        rest = table(head, rows[NUM_SHOWN:], title=f"More rules of {rules.corpus}", raw=(0, 4))
        counts += details(f"{len(rows) - NUM_SHOWN} more rules", rest)
    return heading(rules.corpus) + counts + _together(rules) + _costs(rules)


def _rule(rule: str, bounds: dict[str, tuple[str, str]]) -> str:
    bound, source = bounds.get(rule, (rule, ""))
    return safe(bound) + (f"<span class='step source'><br>{safe(source)}</span>" if source else "")


def _together(rules: Rules) -> str:
    """A table of overlaps: of the documents that broke the row's rule, how many broke the column's too."""
    tally = rules.tally
    if not tally.together:
        return ""
    names = [rule for rule, _ in tally.broken.most_common(NUM_TOGETHER)]
    top = "".join(f'<th scope="col" class="n" title="{safe(name)}">{i}</th>' for i, name in enumerate(names, 1))
    lines = "".join(
        f'<tr><th scope="row">{i}&ensp;{safe(row)}</th>'
        f"{''.join(_overlap(tally, row, column) for column in names)}"
        f'<td class="n">{share(tally.alone[row], tally.broken[row])}</td></tr>'
        for i, row in enumerate(names, 1)
    )
    grid = (
        "<table><caption>Of the documents that broke a row's rule, the share that broke the column's too</caption>"
        f'<thead><tr><th scope="col">rule</th>{top}<th scope="col" class="n">alone</th></tr></thead>'
        f"<tbody>{lines}</tbody></table>"
    )
    return scrolling(grid, f"Rules of {rules.corpus} that fall together")


def _overlap(tally: Tally, row: str, column: str) -> str:
    if row == column:
        return '<td class="heat">·</td>'
    both = together(tally.together, row, column)
    ratio = both / tally.broken[row]
    shade = f"background:color-mix(in srgb, var(--fill) {30 * ratio:.0f}%, transparent)"
    return f'<td class="heat" style="{shade}" title="{both:,}">{ratio:.0%}</td>'


def together(pairs: Counter[str], a: str, b: str) -> int:
    """Return how many documents broke both rules."""
    first, second = sorted((a, b))
    return pairs[f"{first} & {second}"]


def _costs(rules: Rules) -> str:
    if not rules.losses:
        return ""
    head, *rows = cost_table(rules.losses[:NUM_COSTLY], f"{rules.classifier} >= 3")
    said = (
        "What the rules cost: dropped documents that score 3 or more; all that broke a rule, and those that broke "
        f"nothing else. Scored by the gate of {rules.classifier}; [95 %] where only {NUM_SCORED:,} were."
    )
    numbers = (head[0], *(f"#{cell}" for cell in head[1:]))
    return note(said) + table(numbers, rows, title=f"What the rules of {rules.corpus} cost")
