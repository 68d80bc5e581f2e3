"""Take out of a document only what was found, with a margin, instead of the whole document.

    cut = Cut((("decontaminate.ngram", 0.5),))
    stages = (Decontaminate(methods), cut, Keep(cut.rules))

GPT-3 (arXiv 2005.14165, appendix C) removed the n-gram and 200 characters on either side, threw away what was left in
pieces of fewer than 200 characters, and the whole document where there would have been more than 10 pieces. The margin
takes the answer along with the question. GPT-3's pieces became documents; here a row stays a row, and its pieces are
joined by an empty line.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curate.decontaminate.evidence import HITS, Hit
from curate.document import TEXT, Batch, with_columns
from curate.stage import Rule

PIECES = "decontaminate.pieces"


@dataclass(frozen=True)
class Cut:
    """Rewrite `text` without the stretches of hits above a bound; `decontaminate.pieces` counts what is left.

    Attributes:
        bounds: column and number: hits above it are cut out.
        passages: whether passages are cut out too.
        margin: characters on either side that go with them.
        min_piece: characters; a shorter piece goes too.
        max_pieces: a document in more pieces leaves as a whole.
    """

    bounds: tuple[tuple[str, float], ...]
    passages: bool = False
    margin: int = 200
    min_piece: int = 200
    max_pieces: int = 10

    @property
    def rules(self) -> tuple[Rule, ...]:
        source = "GPT-3, arXiv 2005.14165, appendix C"
        return (Rule(PIECES, at_least=1, at_most=self.max_pieces, source=source),)

    def __call__(self, batch: Batch) -> Batch:
        texts, pieces = batch[TEXT].to_pylist(), np.ones(batch.num_rows, np.int64)
        for row, hits in enumerate(batch[HITS].to_pylist()):
            spans = [(hit["start"], hit["stop"]) for hit in hits if self._cuts(hit)]
            if spans:
                left = self.pieces(texts[row], spans)
                texts[row], pieces[row] = "\n\n".join(left), len(left)
        column = pa.array(texts, batch[TEXT].type)
        return with_columns(batch, {TEXT: column, PIECES: pa.array(pieces)})

    def _cuts(self, hit: dict[str, object]) -> bool:
        found = Hit(row=0, **hit)  # type: ignore[arg-type]
        bounds = dict(self.bounds)
        share, run = bounds.get(f"decontaminate.{found.method}", 1.0), bounds.get("decontaminate.run", np.inf)
        above = found.words > run or (found.method != "run" and found.share > share)
        return above and (self.passages or found.part != "passage")

    def pieces(self, text: str, spans: list[tuple[int, int]]) -> list[str]:
        """Return what is left of a text around the spans, in order."""
        left, at = [], 0
        for start, stop in sorted(spans):
            left.append(text[at : max(at, start - self.margin)])
            at = max(at, stop + self.margin)
        return [piece.strip() for piece in (*left, text[at:]) if len(piece.strip()) >= self.min_piece]
