"""Decide again by other rules, without reading a text: every signal of every document is on record.

    replay("runs/edu", "runs/edu-2", cut=Rule("int_score", at_least=2))
    replay("runs/edu/1-clean", "runs/c4", keep=(Keep(c4.RULES),))

A replay is a run (`curate.run`) whose source is another run's ledger: all rows that it dropped or kept, with the
columns that were measured before they left, and no text. What comes out is a corpus with its `dropped/` and receipts,
so `funnel`, `why`, `sample` and `diff` work on it, it can be killed and goes on, and takes `--ray`. Where everything
asked for was measured, the outcome is that of a new run with these rules.

Not everything can be known again:
- A row that left early was never measured by later stages. If it passes what is known of it and a rule needs more,
  it is marked `unmeasured.COLUMN`, counted, and not kept. A column that no row has is an error before any work.
- Deciding about documents together (duplicates, samples) is no rule: who left by it stays out, and who left before it
  was never asked; `Replayed.not_asked` counts those that are kept now. Deduplicate again.
- `with_text` gives the kept documents their text: from the run, and newly kept ones from `dropped/` (keep_text) or by
  id from the run's input, of which only splits with such a document are read. A text that a stage rewrote before the
  document left, or would have rewritten after, cannot be had from there: `unmeasured.text`.
- A column that the input had and a stage measured again counts as measured from the beginning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from curate.corpus import Corpus, Source
from curate.ledger.leaves import Chain
from curate.ledger.outcomes import ADDED, LEFT, UNMEASURED, AsBefore, Outcomes, Texts, Unmeasured
from curate.ledger.runs import only_measures
from curate.run import run as run_stages
from curate.stage import Keep, Rule, Stage
from curate.tally import Tally


@dataclass(frozen=True)
class Replayed:
    """What a replay decided; `print` it.

    Attributes:
        tally: of all documents of the run.
        kept_before: documents that the run itself kept.
        not_asked: a stage that is no rule -> documents kept now that left before it.
    """

    tally: Tally
    kept_before: int
    not_asked: dict[str, int]

    @property
    def unmeasured(self) -> dict[str, int]:
        """Return column -> documents that pass all that is known of them and were never measured for this."""
        marks = self.tally.broken.items()
        return {name.removeprefix(UNMEASURED): n for name, n in marks if name.startswith(UNMEASURED)}

    def __str__(self) -> str:
        lines = [f"{self.tally.rows_out:,} of {self.tally.rows_in:,} documents are kept; {self.kept_before:,} were."]
        for column, count in self.unmeasured.items():
            lines.append(
                f"{count:,} documents pass every rule that is known of them and have never been measured for {column}: "
                f"not kept, marked {UNMEASURED}{column}."
            )
        for stage, count in self.not_asked.items():
            lines.append(f"{count:,} of the kept have never passed {stage}: run it again over the result.")
        return "\n".join(lines)


@dataclass(frozen=True)
class Change:
    """What is to be other than in the run; see `replay`."""

    keep: tuple[Stage, ...] | None = None
    cut: Rule | None = None
    bounds: tuple[Rule, ...] = ()
    without: tuple[str, ...] = ()

    def holding(self, rules: Sequence[Rule]) -> list[Stage]:
        """Return the stage that holds documents against rules, with new bounds and without the fallen; or none."""
        kept = [self._bounded(rule) for rule in rules if rule.column not in self.without]
        return [Keep(tuple(kept))] if kept else []

    def _bounded(self, rule: Rule) -> Rule:
        new = next((bound for bound in self.bounds if bound.column == rule.column), None)
        if new is None:
            return rule
        given = {side: getattr(new, side) for side in ("at_least", "at_most") if getattr(new, side) is not None}
        return replace(rule, **given, source=new.source)


@dataclass(frozen=True)
class Decision:
    """A stage of a run that took documents out, or could have; `rules` is None where none are on record."""

    position: int
    name: str
    rules: tuple[Rule, ...] | None

    @property
    def is_rule(self) -> bool:
        """Tell what judges a document by its columns alone from what knows others too (duplicates, samples)."""
        return self.rules is not None or self.name.startswith("Keep")


def _recorded(chain: Chain) -> list[Decision]:
    found = []
    for link in chain.links:
        if link.recipe is None:
            continue
        counts = [rows for _, rows, _ in link.recipe.tally.steps]
        for step, name in enumerate(link.recipe.steps[1:], start=1):
            rules = tuple(rule for at, rule in link.recipe.rules if at == step)
            if rules or (counts[step] < counts[step - 1] and not only_measures(name)):
                found.append(Decision(link.offset + step, name, rules or None))
    return found


def replay(
    run: str,
    out: str,
    *,
    keep: Sequence[Stage] | None = None,
    cut: Rule | None = None,
    bounds: Sequence[Rule] = (),
    without: Sequence[str] = (),
    with_text: bool = False,
    texts: Source | None = None,
    ray: str | None = None,
    workers: int | None = None,
    allow_empty: bool = False,
) -> Replayed:
    """Decide again about every document of `run`, and write the outcome to `out`. What is not given stays as it was.

    Args:
        run: folder of a run whose corpora read one another, or of one corpus.
        keep: stages that mark by columns (`Keep`), in place of all that the run had, except cuts on a score.
        cut: in place of the run's cuts on a score (`score`, `int_score`, `NAME.score`).
        bounds: other numbers in the rules on these columns; a column without a rule gets one.
        without: columns whose rules are to fall.
        with_text: give the kept documents their text.
        texts: the input of the run, for the texts of newly kept documents where the run did not keep them.
        ray: "none", "local", "auto" or an address; see `curate.cluster.map_units`.
        workers: splits at a time.
        allow_empty: do not treat zero kept rows as an error.

    Raises:
        ValueError: a rule asks for a column that was never measured, or `run` is not one chain of corpora.
        RunError: as in `curate.run.run`.
    """
    source = Outcomes(run, Chain.of(run), with_text)
    decisions = _decisions(
        source.chain, Change(None if keep is None else tuple(keep), cut, tuple(bounds), tuple(without))
    )
    stages = [*_asked_first(decisions, source), *_unmeasured(decisions, source)]
    if with_text:
        stages.append(Texts(source, texts))
    tally = run_stages(stages, source, out, ray=ray, workers=workers, allow_empty=allow_empty)
    last = source.chain.links[-1].recipe
    return Replayed(tally, last.tally.rows_out if last else 0, _not_asked(decisions, out))


def _decisions(run: Chain, change: Change) -> list[Stage]:
    """Return the stages that decide now, in the order of the run's."""
    stages: list[Stage] = []
    keep, cut = change.keep, change.cut
    for decision in _recorded(run):
        if not decision.is_rule or (decision.rules is None and change.keep is None):
            stages.append(AsBefore(decision.name, decision.position))
            continue
        own = decision.rules or ()
        others, cuts = [rule for rule in own if not is_cut(rule.column)], [r for r in own if is_cut(r.column)]
        if change.keep is not None and (others or not cuts):  # the new ones stand where the first old ones stood
            stages += _rebuilt(keep or (), change)
            others, keep = [], ()
        if change.cut is not None and cuts:
            cuts, cut = [] if cut is None else [cut], None
        stages += change.holding((*others, *cuts))
    plain = [stage for stage in (*stages, *(keep or ())) if isinstance(stage, Keep)]
    _refuse_unheld(change, [*plain, *(Keep((rule,)) for decision in _recorded(run) for rule in decision.rules or ())])
    had = {column for stage in plain for column in columns_of(stage)}
    last = [rule for rule in (cut, *change.bounds) if rule is not None and rule.column not in had]
    return [*_rebuilt(keep or (), change), *stages, *([Keep(tuple(last))] if last else [])]


def _refuse_unheld(change: Change, plain: Sequence[Stage]) -> None:
    """Raise if a rule is to fall that is not there, or that is another for every language."""
    held = {column for stage in plain for column in columns_of(stage)}
    unknown = [column for column in change.without if column not in held]
    if unknown:
        raise ValueError(
            f"no rule on {unknown[0]!r} that could fall; there are rules on {', '.join(sorted(held)) or 'nothing'}. "
            "Numbers that differ by language change with their table: --rules fineweb2:TABLE"
        )


def _rebuilt(keep: Sequence[Stage], change: Change) -> list[Stage]:
    """Return new stages with the new bounds in them; a stage that is no `Keep` stays as it is."""
    nested = [change.holding(stage.rules) if isinstance(stage, Keep) else [stage] for stage in keep]
    return [stage for stages in nested for stage in stages]


def _asked_first(decisions: Sequence[Stage], source: Outcomes) -> list[Stage]:
    """Put what marks the unmeasured before stages that may drop a row for a null; no `Rule` does."""
    pairs = [[*([] if isinstance(s, Keep | AsBefore) else _unmeasured([s], source)), s] for s in decisions]
    return [stage for pair in pairs for stage in pair]


def _unmeasured(decisions: Sequence[Stage], source: Outcomes) -> list[Stage]:
    needs = _needs(decisions, source)
    return [Unmeasured(needs)] if needs else []


def _needs(stages: Sequence[Stage], source: Outcomes) -> tuple[tuple[str, int], ...]:
    """Pair what the stages ask for with the position from which a row has it.

    Raises:
        ValueError: no row has it.
    """
    since = source.chain.since()
    columns = list(dict.fromkeys(column for stage in stages for column in columns_of(stage)))
    missing = [column for column in columns if column not in source.schema.names]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} was never measured in {source.path}; measure it first, by a run over its input with "
            f"these rules. There are {', '.join(name for name in source.schema.names if name not in ADDED)}"
        )
    opaque = [
        (s.name.split("(")[0], s.position) for s in stages if isinstance(s, AsBefore) and s.name.startswith("Keep")
    ]
    late = [(column, since[column]) for column in columns if since.get(column, 0) > source.chain.first_exit()]
    return (*late, *opaque)


def columns_of(stage: Stage) -> list[str]:
    """Return the columns that a stage of rules reads: its `rules`, plain or by language, and its `column`."""
    rules = getattr(stage, "rules", ())
    flat = [rule for group in rules.values() for rule in group] if isinstance(rules, Mapping) else list(rules)
    flat += getattr(stage, "otherwise", None) or ()
    return [*filter(None, [getattr(stage, "column", None)]), *(rule.column for rule in flat)]


def _not_asked(stages: Sequence[Stage], out: str) -> dict[str, int]:
    together = [stage for stage in stages if isinstance(stage, AsBefore) and not stage.name.startswith("Keep")]
    left = np.concatenate([np.asarray(batch[LEFT]) for batch in Corpus(out).batches([LEFT])] or [np.zeros(0)])
    counts = {stage.name: int((left < stage.position).sum()) for stage in together}
    return {name: count for name, count in counts.items() if count}


def is_cut(column: str) -> bool:
    """Tell a cut on a classifier's score from a rule on a signal."""
    return column in ("score", "int_score") or column.endswith(".score")
