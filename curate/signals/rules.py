"""The published recipes as rules over signals: `Keep(RULE_SETS["fineweb"])`.

    measure = Measure((Language(), TextSignals()))
    keep = Keep(RULE_SETS["fineweb"])

A rule set names columns, so a run must measure them: `SIGNALS[name]` is what a set needs. Any tuple of rules is a set.

FineWeb ran its filters one after the other, and C4's took lines out of the text before FineWeb's own looked at it; in
one go, FineWeb's see the whole text. `FINEWEB_CHAIN` is the exact order, in two passes over the text.
"""

from collections.abc import Mapping

from curate.signals import c4, code, fineweb, gopher, language, repetition
from curate.signals.c4 import C4Lines
from curate.signals.language import Language
from curate.signals.text import TextSignals
from curate.stage import Keep, Measure, Rule, Signal, Stage

RULE_SETS: Mapping[str, tuple[Rule, ...]] = {
    "fineweb": (*language.ENGLISH, *repetition.RULES, *gopher.RULES, *c4.RULES, *fineweb.RULES),
    "gopher": (*repetition.RULES, *gopher.RULES),
    "c4": c4.RULES,
    "stack": code.RULES,
}
SIGNALS: Mapping[str, tuple[Signal, ...]] = {
    "fineweb": (Language(), TextSignals()),
    "gopher": (TextSignals(("repetition", "gopher")),),
    "c4": (TextSignals(("c4",)),),
    "stack": (TextSignals(("code",)),),
}
# datatrove's examples/fineweb.py, from the language filter to FineWeb's own.
FINEWEB_CHAIN: tuple[Stage, ...] = (
    Measure((Language(), TextSignals(("repetition", "gopher", "c4")))),
    Keep((*language.ENGLISH, *repetition.RULES, *gopher.RULES, *c4.RULES)),
    C4Lines(),
    Measure((TextSignals(("fineweb",)),)),
    Keep(fineweb.RULES),
)
