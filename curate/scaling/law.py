"""The law L(N, D) = E + A / N^alpha + B / D^beta, and the model that it calls best for a budget.

    law = Law(E=1.82, A=482.0, B=2085.0, alpha=0.3478, beta=0.3658)     # Besiroglu et al. 2024, of Chinchilla's runs
    law(70e9, 1.4e12)                                                   # 1.97 nats a token
    law.optimum(5.76e23)                                                # parameters and tokens for Chinchilla's budget

Hoffmann et al. 2022, section 3.3: E is what no model can know of the text, the second term what a model of N parameters
cannot hold, the third what D tokens cannot teach. N counts all parameters, as Hoffmann et al. do. Counting those
outside the embeddings, as Kaplan et al. 2020 did, is most of the distance between the two papers' exponents at small
sizes (Pearce and Song 2024), and leaves out the output's products, which small models spend much of their compute on
(Porian et al. 2024). Every model here ties its output to its embeddings, so all parameters are also those that
multiply, and 6 N D is what they cost without attention.
"""

from dataclasses import astuple, dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAMES = ("E", "A", "B", "alpha", "beta")


@dataclass(frozen=True)
class Law:
    """Constants of L(N, D); E in the unit of the loss."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    @overload
    def __call__(self, num_parameters: float, num_tokens: float) -> float: ...
    @overload
    def __call__(self, num_parameters: Floats, num_tokens: Floats | float) -> Floats: ...
    @overload
    def __call__(self, num_parameters: float, num_tokens: Floats) -> Floats: ...
    def __call__(self, num_parameters: Floats | float, num_tokens: Floats | float) -> Floats | float:
        """Return the loss of N parameters after D tokens."""
        return self.E + self.A * num_parameters**-self.alpha + self.B * num_tokens**-self.beta

    def optimum(self, flops: float) -> "Optimum":
        """Return the least loss for a budget C = 6 N D (Hoffmann et al. 2022, equation 4)."""
        both = self.alpha + self.beta
        scale = (self.alpha * self.A / (self.beta * self.B)) ** (1 / both)
        num_parameters = scale * (flops / 6) ** (self.beta / both)
        num_tokens = flops / 6 / num_parameters
        return Optimum(flops, num_parameters, num_tokens, self(num_parameters, num_tokens))

    @property
    def parameter_exponent(self) -> float:
        """Return a of N_opt ~ C^a; Hoffmann et al. found about a half."""
        return self.beta / (self.alpha + self.beta)

    def as_array(self) -> Floats:
        """Return E, A, B, alpha, beta, (5,)."""
        return np.array(astuple(self))


@dataclass(frozen=True)
class Optimum:
    """The best use of a budget."""

    flops: float
    num_parameters: float
    num_tokens: float
    loss: float

    @property
    def tokens_per_parameter(self) -> float:
        return self.num_tokens / self.num_parameters


def losses(laws: Floats, num_parameters: Floats | float, num_tokens: Floats | float) -> Floats:
    """Return the losses (S, ...) of many laws (S, 5) at one or more (N, D)."""
    shape = (-1, *(1 for _ in range(np.ndim(num_parameters))))
    E, A, B, alpha, beta = (column.reshape(shape) for column in laws.T)
    found: Floats = E + A * num_parameters**-alpha + B * num_tokens**-beta
    return found
