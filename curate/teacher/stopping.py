"""Leave in good order on Ctrl-C and SIGTERM: ask nothing more, wait for the answers on the wire, keep them.

    with stop_on_signal(inquiry.stop, "waiting for answers") as received:
        ...                             # returns early once `stop` was called
    leave(received)                     # KeyboardInterrupt, or exit code 143 as the shell expects after SIGTERM

A second signal leaves at once. Only `kill -9` and a power cut can lose an answer on the wire. Signals are handled in a
process's main thread; elsewhere (a notebook's worker, a Ray task) this does nothing.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signal(stop: Callable[[], None], message: Callable[[], str]) -> Iterator[list[int]]:
    """Call `stop` on the first signal and print `message`; yield the list that signals are put into."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if received:
            leave([number])
        received.append(number)
        stop()
        print(f"\nstopping: {message()}; once more to leave at once", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(received: list[int]) -> None:
    """End the process as its first signal asked; do nothing if there was none."""
    if signal.SIGINT in received[:1]:
        raise KeyboardInterrupt
    if received:
        sys.exit(128 + received[0])
