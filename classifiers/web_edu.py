"""How useful a web page is for teaching pupils, 0 to 5; `curate score pages --threshold 3`.

Learnt from 1,116 grades of a large language model that read the first 3,500 characters (0: 468, 1: 288, 2: 128, 3:
137, 4: 90, 5: 5); repeated readings of 12 pages agreed on the cut. Pages were drawn by family (crawls, textbooks,
fixtures of extractors, templates, spam), so the shares are not the web's. Cut at 3 or more; five folds that never
divide near-copies, the calibration learnt inside each fold, 95 % bootstrap intervals:

             F1                   precision            recall               macro-F1
    mean     0.847 [0.808, 0.879] 0.833 [0.786, 0.879] 0.862 [0.813, 0.906] 0.903 [0.880, 0.923]
    gate     0.839 [0.796, 0.872] 0.825 [0.775, 0.870] 0.853 [0.802, 0.898] 0.898 [0.871, 0.918]
    head     0.788 [0.741, 0.829] 0.755 [0.699, 0.807] 0.823 [0.766, 0.874] 0.864 [0.837, 0.890]
             Spearman             mean absolute error
    mean     0.845 [0.822, 0.864] 0.440 [0.417, 0.466]
    gate     0.838 [0.814, 0.859] 0.447 [0.423, 0.474]
    head     0.754 [0.721, 0.784] 0.582 [0.549, 0.614]

With whole sources of the textbooks, blogs and low families held out (a textbook is never in both), both together have
F1 .840 [.785, .885], recall .858, macro-F1 .898; the gate alone .825, the head alone .746.

FineWeb-Edu's classifier, on its own pages and grades, states F1 .682, precision .763, recall .617, macro-F1 .827.

Limits. Precision on a crawl, where good pages are rarer, will be lower: look at the pages a cut keeps. A kind of page
that no grade shows may fare worse. Machine-written articles read like lessons. The encoder knows English best. Only
the first 4,000 characters count (the encoder: 512 tokens).

Fitted with: python -m classifiers web_edu --labels labels/web_edu.jsonl --documents web/text.parquet
"""

from pathlib import Path

from curate.classify.embedding import Encoder
from curate.teacher.rubric import WEB_EDU

RUBRIC = WEB_EDU
SCALE = (0, 5)  # grades, as FineWeb-Edu's
AT_LEAST = 3  # the operating point; a raw score of 2.5
ENCODER = Encoder()
MODEL = Path(__file__).with_suffix("")  # web_edu.json and web_edu.npz
PART = "mean"  # both together: the encoder helps a little on pages
