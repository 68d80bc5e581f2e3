"""The published recipes as stages, and one's own: what is measured, and the rules it is held against.

    run(stages("fineweb"), source, "clean")
    run((*url_stages(), *stages("fineweb2"), ReplaceAddresses()), source, "clean")       FineWeb2, from URL to PII
    run(stages("my_rules.py:RULES"), source, "clean")                                    any tuple of rules or stages

`RULE_SETS` are the sets whose rules are the same for every document, `SIGNALS[name]` what each needs measured. In one's
own tuple the signals follow from the columns that the rules name; a column that no signal here makes (`score`) must be
in the input. A tuple of stages is taken as it is.

FineWeb ran its filters one after the other, and C4's took lines out of the text before FineWeb's own looked at it; in
one go, FineWeb's see the whole text. `FINEWEB_CHAIN` is the exact order, in two passes over the text.
"""

import importlib
import runpy
from collections.abc import Mapping, Sequence

from curate.signals import c4, code, fineweb, fineweb2, gopher, language, license, repetition, urls
from curate.signals.c4 import C4Lines
from curate.signals.code import Files, Python
from curate.signals.comments import Comments
from curate.signals.encoded import Encoded
from curate.signals.fineweb2 import FineWeb2
from curate.signals.language import Language
from curate.signals.license import License
from curate.signals.pii import Addresses
from curate.signals.secrets import Secrets
from curate.signals.text import GROUPS, TextSignals
from curate.signals.urls import Urls
from curate.stage import Keep, Measure, Rule, Signal, Stage

RULE_SETS: Mapping[str, tuple[Rule, ...]] = {
    "fineweb": (*language.ENGLISH, *repetition.RULES, *gopher.RULES, *c4.RULES, *fineweb.RULES),
    "gopher": (*repetition.RULES, *gopher.RULES),
    "c4": c4.RULES,
    "stack": code.RULES,
    "license": license.RULES,
}
SIGNALS: Mapping[str, tuple[Signal, ...]] = {
    "fineweb": (Language(), TextSignals()),
    "gopher": (TextSignals(("repetition", "gopher")),),
    "c4": (TextSignals(("c4",)),),
    "stack": (TextSignals(("code",)), Files()),
    "license": (License(),),
}
NAMES = (*RULE_SETS, "fineweb2", "starcoder2")
# datatrove's examples/fineweb.py, from the language filter to FineWeb's own.
FINEWEB_CHAIN: tuple[Stage, ...] = (
    Measure((Language(), TextSignals(("repetition", "gopher", "c4")))),
    Keep((*language.ENGLISH, *repetition.RULES, *gopher.RULES, *c4.RULES)),
    C4Lines(),
    Measure((TextSignals(("fineweb",)),)),
    Keep(fineweb.RULES),
)


def stages(rules: str, *, lid: str | None = None) -> tuple[Stage, ...]:
    """Return the stages of a published set, or of one's own: `my_rules.py:RULES` or `my.module:RULES`.

    `fineweb2:TABLE` takes FineWeb2's thresholds from there; see `fineweb2.read_table`.

    Args:
        lid: the fastText model for sets that ask the language, lid.176 by default; `columns` believes the `language`
            and `language_script` that the documents bring.

    Raises:
        ValueError: no set has this name, or it is no tuple of rules or stages.
    """
    name, _, rest = rules.partition(":")
    measured = Language(None if lid == "columns" else lid)
    if name == "fineweb2":
        table = rest or None
        labels = () if lid == "columns" else (Measure((measured,)),)
        return (*labels, Measure((FineWeb2(table),)), fineweb2.keep(table))
    if rules == "starcoder2":
        return (Measure((*SIGNALS["stack"], Encoded(), Comments())), code.STARCODER2)
    if rules in RULE_SETS:
        if lid == "columns" and rules == "fineweb":
            raise ValueError("--lid columns is for fineweb2; fineweb needs the score of English, which it measures")
        signals = tuple(measured if signal == Language() else signal for signal in SIGNALS[rules])
        return (Measure(signals), Keep(RULE_SETS[rules]))
    if not rest:
        raise ValueError(
            f"no set of rules is called {rules!r}; there are {', '.join(NAMES)}, and your own: my_rules.py:RULES"
        )
    return _own(rules, name, rest, measured)


def url_stages(lists: str | None = None) -> tuple[Stage, ...]:
    """Return the URL filter, FineWeb's first: the small lists that ship, or those at a path (`Urls.at`)."""
    return (Measure((Urls.at(lists) if lists else Urls(),)), Keep(urls.RULES))


def _own(rules: str, place: str, name: str, lid: Language) -> tuple[Stage, ...]:
    """Load a tuple by `file.py:NAME` or `module:NAME`."""
    try:
        found = runpy.run_path(place) if place.endswith(".py") else vars(importlib.import_module(place))
    except FileNotFoundError as error:
        raise ValueError(f"--rules {rules}: there is no {place}: {error}") from error
    except ImportError as error:
        missing = not place.endswith(".py") and f"{place}.".startswith(f"{error.name}.")
        said = f"there is no {place}" if missing else f"{place} imports what is not there"
        raise ValueError(f"--rules {rules}: {said}: {error}") from error
    except SyntaxError as error:
        raise ValueError(f"--rules {rules}: {place} is not Python, line {error.lineno}: {error.msg}") from error
    if name not in found:
        raise ValueError(f"--rules {rules}: {place} defines no {name}")
    items = found[name]
    if isinstance(items, Sequence) and items and all(isinstance(item, Rule) for item in items):
        own = tuple(items)
        return (*((Measure(needed),) if (needed := signals_for(own, lid)) else ()), Keep(own))
    if isinstance(items, Sequence) and items and all(callable(item) for item in items):
        return tuple(items)
    raise ValueError(f"--rules {rules}: {name} should be a tuple of rules, or of stages; it is {items!r}")


_FILES = (
    "code.chars",
    "code.generated",
    "code.vendored",
    "code.xml",
    "code.visible",
    "code.visible_chars",
    "code.text_name",
)
_BY_COLUMN: Mapping[str, Signal] = {
    **dict.fromkeys(_FILES, Files()),
    **dict.fromkeys(("code.encoded", "code.longest_encoded"), Encoded()),
    **dict.fromkeys(("code.parses", "python.comments"), Python()),
    "code.comments": Comments(),
}
_BY_PREFIX: Mapping[str, Signal] = {"url": Urls(), "pii": Addresses(), "license": License(), "secrets": Secrets()}


def signals_for(rules: Sequence[Rule], lid: Language = Language()) -> tuple[Signal, ...]:  # noqa: B008  frozen
    """Return what makes the columns of some rules; the groups of text signals share one splitting of the text."""
    columns = dict.fromkeys(rule.column for rule in rules)
    text = {column.partition(".")[0] for column in columns if column not in _BY_COLUMN and "." in column}
    groups = tuple(group for group in GROUPS if group in text)
    needed: list[Signal] = [TextSignals(groups)] if groups else []
    for column in columns:
        prefix = column.partition(".")[0]
        if column in _BY_COLUMN:
            needed.append(_BY_COLUMN[column])
        elif prefix in _BY_PREFIX:
            needed.append(_BY_PREFIX[prefix])
        elif prefix == "lid" or column.startswith("language"):
            needed.append(lid)
    return tuple({repr(signal): signal for signal in needed}.values())
