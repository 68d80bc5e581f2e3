"""A corpus or a model for others: a card that cannot disagree with the data, and the way onto the hub.

write_card("runs/edu", license="odc-by")                           runs/edu/README.md
check_card("runs/edu")                                             raises when it no longer agrees with the data
print(plan("runs/edu", "hf://datasets/ada/edu"))                   what would be uploaded, and what speaks against it
publish("runs/edu", "hf://datasets/ada/edu", yes=True)             in one commit, verified before and after

subset.py      which corpus, and its history as the receipts prove it
dataset.py     its card:  front.py made.py quality.py contents.py cleaned.py limits.py use.py settings.py
model.py       the card of a model
plan.py        what would be uploaded:  target.py files.py refuse.py hub.py
upload.py      the upload
cards.py       cards on disk
"""

from curate.publish.cards import check_card, write_card
from curate.publish.plan import Publication, plan
from curate.publish.upload import Published, publish

__all__ = ["Publication", "Published", "check_card", "plan", "publish", "write_card"]
