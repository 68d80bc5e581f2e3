"""One total, planned and real: what both `error` and `training` put into their tables after a run."""

from dataclasses import dataclass

from curate.plan.fit import Estimate
from curate.plan.table import Unit, about


@dataclass(frozen=True)
class Held:
    """One total, planned and real."""

    name: str
    planned: Estimate
    real: float
    unit: Unit

    @property
    def error(self) -> float:
        """How far the plan was above (+) or below (-), as a share of what was."""
        return self.planned.value / self.real - 1 if self.real else float(self.planned.value > 0)

    def cells(self) -> tuple[str, ...]:
        inside = "inside" if self.real in self.planned else "outside"
        return self.name, about(self.planned, self.unit), str(self.unit(self.real)), f"{self.error:+.1%}", inside
