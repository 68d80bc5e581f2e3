"""Stay within a server's rate limits: requests and tokens a minute, and the pauses it asks for.

    pace = Pace(requests_per_minute=500, tokens_per_minute=200_000)
    start_s = pace.reserve(tokens=1200, now_s=clock())      # when this request may leave
    pace.settle(reserved=1200, used=900)                    # what it did not use is free again

Starts are evenly spaced (virtual scheduling of the generic cell rate algorithm, ATM Forum 1996, with no burst): hosts
state their limits by the minute but hold them over seconds, so a burst that a minute would allow is refused. A pause
that one answer asks for (Retry-After) holds every request back: the limit is the key's, not the request's.
The clock is the caller's, in seconds; nothing here sleeps.
"""

from dataclasses import dataclass


@dataclass
class Pace:
    """When the next request may leave. None is no limit."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    next_request_s: float = 0.0
    next_token_s: float = 0.0
    paused_until_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            limit = getattr(self, name)
            if limit is not None and limit <= 0:
                raise ValueError(f"{name}={limit} lets no request through; leave it out for no limit")

    def reserve(self, tokens: int, now_s: float) -> float:
        """Take the next free place for a request of about `tokens`, and return when it may leave."""
        start_s = max(now_s, self.next_request_s, self.next_token_s, self.paused_until_s)
        if self.requests_per_minute is not None:
            self.next_request_s = start_s + 60.0 / self.requests_per_minute
        if self.tokens_per_minute is not None:
            self.next_token_s = start_s + 60.0 * tokens / self.tokens_per_minute
        return start_s

    def settle(self, reserved: int, used: int) -> None:
        """Give back (or take) the difference between what a request reserved and what it used."""
        if self.tokens_per_minute is not None:
            self.next_token_s -= 60.0 * (reserved - used) / self.tokens_per_minute

    def pause(self, until_s: float) -> None:
        """Let nothing leave before `until_s`."""
        self.paused_until_s = max(self.paused_until_s, until_s)
