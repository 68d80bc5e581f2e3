"""The bounds that a row broke where rules differ by language, read back from its `broken_rules`.

    broken_rules("deu_Latn: repetition.lines <= 0.263; 2 <= fineweb2.stop_words")       two rules, "for deu_Latn"

A receipt tells the rules that hold for every row. Those of `curate.signals.by_language` are thousands, of which a row
knows one language's, so each dropped row carries those that it broke; what it held is not on record.
"""

from curate.stage import Rule

BROKEN = "broken_rules"  # as curate.signals.by_language names it


def broken_rules(told: str | None) -> tuple[Rule, ...]:
    """Return the rules that `broken_rules` tells; none where it tells no bounds (a language without rules)."""
    language, _, bounds = (told or "").partition(": ")
    return tuple(_read(bound, f"for {language}") for bound in bounds.split("; ") if " <= " in bound)


def _read(bound: str, source: str) -> Rule:
    """Read `str(rule)`: "1 <= column", "column <= 2", "1 <= column <= 2"."""
    first, *others = bound.split(" <= ")
    if len(others) == 2:
        return Rule(others[0], float(first), float(others[1]), source)
    try:
        return Rule(others[0], at_least=float(first), source=source)
    except ValueError:  # the column stands first
        return Rule(first, at_most=float(others[0]), source=source)
