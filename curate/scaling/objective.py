"""What a fit minimises, its exact gradient, and the descent.

    objective = Objective.of(rows)
    value, gradient = objective(x)            # x: log A, log B, log E, alpha, beta

log L = logsumexp(log A - alpha log N, log B - beta log D, log E), so that no term overflows and each stays positive.
The Huber losses are in units of delta^2: r^2 / 2 delta^2 near zero, |r| / delta - 1/2 beyond delta.
"""

from dataclasses import dataclass, replace

import numpy as np

from curate.scaling.law import Floats
from curate.scaling.rows import Rows

DELTA = 1e-3  # Hoffmann et al. 2022, appendix D.3
MAX_ITERATIONS = 2000  # of L-BFGS
STEPS = 100  # of many descents at once
ENOUGH = 1e-10  # relative gain of a step after which one of them is done


@dataclass(frozen=True)
class Objective:
    """Runs as logarithms, (R,) each, with how often each is counted."""

    log_n: Floats
    log_d: Floats
    log_loss: Floats
    weights: Floats
    delta: float = DELTA

    @classmethod
    def of(cls, rows: Rows, delta: float = DELTA) -> "Objective":
        logs = (np.log(rows.num_parameters), np.log(rows.num_tokens), np.log(rows.loss))
        return cls(*logs, np.ones(len(rows)), delta)

    def weighted(self, weights: Floats) -> "Objective":
        """Return the objective with each run counted so often."""
        return replace(self, weights=weights)

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        """Return value and gradient (5,) at log A, log B, log E, alpha, beta."""
        predicted, shares = log_loss(x, self.log_n, self.log_d)
        residuals = predicted - self.log_loss
        pull = self.weights * np.clip(residuals / self.delta, -1.0, 1.0) / self.delta  # derivative by the prediction
        by_term = shares * pull  # (3, R)
        a, b, e = by_term.sum(axis=1)
        gradient = np.array([a, b, e, -(by_term[0] @ self.log_n), -(by_term[1] @ self.log_d)])
        return float(self.weights @ huber(residuals, self.delta)), gradient

    def values(self, xs: Floats) -> Floats:
        """Return the values at many points (P, 5)."""
        predicted, _ = log_loss(xs.T[:, :, None], self.log_n, self.log_d)
        found: Floats = huber(predicted - self.log_loss, self.delta) @ self.weights
        return found


def log_loss(x: Floats, log_n: Floats, log_d: Floats) -> tuple[Floats, Floats]:
    """Return log L and each term's share of L, (3, ...): of A's, of B's and of E's."""
    a, b, e, alpha, beta = x
    terms = np.stack(np.broadcast_arrays(a - alpha * log_n, b - beta * log_d, e))
    most = terms.max(axis=0)
    parts = np.exp(terms - most)
    whole = parts.sum(axis=0)
    return most + np.log(whole), parts / whole


def huber(residuals: Floats, delta: float) -> Floats:
    """Return the Huber loss over delta^2."""
    size = np.abs(residuals) / delta
    found: Floats = np.where(size <= 1, 0.5 * size**2, size - 0.5)
    return found


def descend(objective: Objective, start: Floats) -> tuple[Floats, float]:
    """Return where L-BFGS ends, (5,), and the objective there."""
    from scipy.optimize import minimize

    options = {"maxiter": MAX_ITERATIONS, "maxfun": 2 * MAX_ITERATIONS, "ftol": 1e-15, "gtol": 1e-8}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x, dtype=np.float64), float(found.fun)


def descend_many(objective: Objective, weights: Floats, start: Floats) -> Floats:
    """Return the ends of many descents at once, (S, 5): of weightings (S, R) of the runs, from one start (5,) or many.

    Levenberg and Marquardt's steps on weights that turn squares into Huber losses (iteratively reweighted least
    squares): they end where L-BFGS does, and cost a tenth.
    """
    x = np.array(np.broadcast_to(start, (len(weights), 5)))
    live = np.arange(len(weights))
    damping = np.full(len(weights), 1e-3)
    for _ in range(STEPS):
        step, value = _step(objective, weights[live], x[live], damping[live])
        tried = x[live] + step
        after = _values(objective, weights[live], tried)
        better = after <= value
        x[live[better]] = tried[better]
        damping[live] = np.clip(np.where(better, damping[live] / 5, damping[live] * 5), 1e-9, 1e10)
        done = np.where(better, value - after <= ENOUGH * value, damping[live] > 1e8)
        live = live[~done]
        if not len(live):
            break
    return x


def _step(objective: Objective, weights: Floats, x: Floats, damping: Floats) -> tuple[Floats, Floats]:
    """Return a damped Gauss-Newton step of each fit (S, 5), and the values before it (S,)."""
    predicted, shares = log_loss(x.T[:, :, None], objective.log_n, objective.log_d)  # (S, R), (3, S, R)
    residuals = predicted - objective.log_loss
    pull = weights * np.minimum(1.0, objective.delta / np.maximum(np.abs(residuals), 1e-300)) / objective.delta**2
    columns = [*shares, -shares[0] * objective.log_n, -shares[1] * objective.log_d]
    jacobian = np.stack(columns, axis=-1)  # (S, R, 5)
    pulled = jacobian * pull[..., None]
    curvature = np.einsum("srk,srl->skl", pulled, jacobian)
    gradient = np.einsum("srk,sr->sk", pulled, residuals)
    raised = damping[:, None] * np.einsum("skk->sk", curvature) + 1e-12
    step = -np.linalg.solve(curvature + raised[:, :, None] * np.eye(5), gradient[..., None])[..., 0]
    return step, np.einsum("sr,sr->s", huber(residuals, objective.delta), weights)


def _values(objective: Objective, weights: Floats, x: Floats) -> Floats:
    predicted, _ = log_loss(x.T[:, :, None], objective.log_n, objective.log_d)
    found: Floats = np.einsum("sr,sr->s", huber(predicted - objective.log_loss, objective.delta), weights)
    return found
