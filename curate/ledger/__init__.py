"""The ledger: what a run did to its documents, and why, read back from the shards and their receipts.

    funnel("runs/edu")                    documents and text left after each step              runs.py
    why("<urn:uuid:...>", "runs/edu")     every signal, rule, copy and decision of a document  history.py, lookup.py
    sample("runs/edu", dropped_by=...)    random documents that a rule dropped                 draw.py
    diff("runs/a", "runs/b")              what one keeps and the other does not                diff.py, leaves.py
    lost("runs/edu", scorer)              which rules drop documents that score high          lost.py
    replay("runs/edu", out, cut=...)      other rules without reading a text                   replay.py, outcomes.py
    write_card("runs/stack")              a card language by language: files, scores, steps    card.py

Nothing is kept beside the corpora: each shard's receipt holds its tally, rules and steps, `dropped/` holds the signals
of what left, and a question reads the columns it needs.
"""

from curate.ledger.card import Card, card, write_card
from curate.ledger.diff import Diff, diff
from curate.ledger.draw import sample
from curate.ledger.history import Check, Event, Search, tell, why
from curate.ledger.lost import Loss, lost
from curate.ledger.replay import Replayed, replay
from curate.ledger.runs import Line, Recipe, corpora, funnel, recipe, tally

__all__ = [
    "Card",
    "Check",
    "Diff",
    "Event",
    "Line",
    "Loss",
    "Recipe",
    "Replayed",
    "Search",
    "card",
    "corpora",
    "diff",
    "funnel",
    "lost",
    "recipe",
    "replay",
    "sample",
    "tally",
    "tell",
    "why",
    "write_card",
]
