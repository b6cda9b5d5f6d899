"""Making frames and writing them at the same time, on two threads."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

AHEAD = 4  # items made but not yet written; more would only cost memory

_END, _STOP = object(), object()


class _Stopped(BaseException):
    """Unwinds the writer when the maker has failed; it must not finish the file."""


def write_beside(items: Iterable[Item], write: Callable[[Iterator[Item]], None]) -> None:
    """Calls `write` on another thread with an iterator of `items`, which are made on this one.

    Whatever `items` or `write` raise, KeyboardInterrupt included, is raised here, after the
    other thread has ended.
    """
    handed: queue.Queue[object] = queue.Queue(AHEAD)
    failure: list[BaseException] = []

    def arriving() -> Iterator[Item]:
        while (item := handed.get()) is not _END:
            if item is _STOP:
                raise _Stopped
            yield item  # type: ignore[misc]

    def work() -> None:
        try:
            write(arriving())
        except _Stopped:
            pass
        except BaseException as error:  # carried over to the caller's thread
            failure.append(error)

    def hand(item: object) -> bool:
        while thread.is_alive():
            try:
                handed.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    thread = threading.Thread(target=work, name="enliven-writer", daemon=True)
    thread.start()
    last = _STOP
    try:
        for item in items:
            if not hand(item):
                break
        last = _END
    finally:
        hand(last)
        thread.join()
    if failure:
        raise failure[0]
