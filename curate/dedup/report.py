"""What a run did, read back from the receipts of its shards."""

from dataclasses import dataclass, field
from typing import Any

from curate.dedup.evidence import DROP_EXACT, DROP_NEAR, DROP_URL
from curate.dedup.passes import Job
from curate.dedup.plan import Plan
from curate.parquet import read_receipt
from curate.tally import Tally


@dataclass(frozen=True)
class DedupReport:
    """What a run did; `print` it."""

    tally: Tally
    num_compared: int  # candidate pairs whose exact similarity was computed
    num_rejected: int  # of those, below the threshold
    largest_cluster: int  # documents, the survivor included
    ranked_by: tuple[str, ...]
    plan: Plan | None = field(default=None, compare=False)  # None where everything was found done
    seconds: float = field(default=0.0, compare=False)
    peak_bytes: int = field(default=0, compare=False)  # of this process

    @property
    def num_rows(self) -> int:
        return self.tally.rows_in

    @property
    def num_kept(self) -> int:
        return self.tally.rows_out

    @property
    def num_exact(self) -> int:
        return self.tally.broken[DROP_EXACT]

    @property
    def num_url(self) -> int:
        return self.tally.broken[DROP_URL]

    @property
    def num_near(self) -> int:
        return self.tally.broken[DROP_NEAR]

    def __str__(self) -> str:
        url = f"{self.num_url:,} by URL, " if self.num_url else ""
        return (
            f"{self.num_rows:,} documents: {self.num_kept:,} stay, {url}{self.num_exact:,} exact and {self.num_near:,} "
            f"near-duplicates leave. The best copy is by {', '.join(self.ranked_by)}; the largest cluster has "
            f"{self.largest_cluster:,}. {self.num_compared:,} pairs were compared, {self.num_rejected:,} too different."
            f"{self._error()}"
        )

    def _error(self) -> str:
        """Say how far the plan was off."""
        if self.plan is None or not self.plan.num_docs:
            return ""
        ratio = self.seconds / self.plan.seconds
        return (
            f"\nplanned {self.plan.seconds:.1f} s, took {self.seconds:.1f} s ({ratio:.2f} x); "
            f"planned at most {self.plan.peak_bytes / 1e9:.2f} GB, this process used {self.peak_bytes / 1e9:.2f} GB"
        )


def report_of(job: Job, **measured: Any) -> DedupReport:
    """Add up a finished run; `measured` is what its receipts do not know."""
    tally, whole = Tally(), {}
    for split in job.splits:
        receipt = read_receipt(f"{job.out}/{split.name}.parquet")
        assert receipt is not None
        tally.add(Tally.from_json(receipt["tally"]))
        whole = receipt["dedup"]
    return DedupReport(tally, **whole, ranked_by=job.ranked_by, **measured)
