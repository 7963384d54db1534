"""Steering: the coordinator's look at the orders of its study, between two events."""

import time
from collections.abc import Generator
from typing import Literal, TypeVar

from fer_sweep.study.events import Event, StudyCancelled, StudyPaused, StudyResumed, Waiting
from fer_sweep.study.orders import OrderBook, Orders
from fer_sweep.study.writing import unless_away

T = TypeVar("T")

STOPPED = "fer-sweep stop"
"""Why a search ended that was told to."""
LOOK_SECONDS = 0.5
"""Between two looks at the database."""
_PAUSE_SECONDS = 0.2


class Steering:
    """What the running coordinator knows of its orders. `ending` is the order that ends it, once there is one."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self.ending: Literal["stop", "cancel"] | None = None
        self._looked = -LOOK_SECONDS
        self._book = OrderBook(None, None, ())

    def look(self) -> OrderBook:
        """The orders, at most half a second old. A stop or cancel among them is answered."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._book = unless_away(self._take) or self._book
            self._looked = time.monotonic()
            order = self._book.ending
            if order is not None and self.ending != "cancel":
                self.ending = "cancel" if order.kind == "cancel" else "stop"
        return self._book

    def _take(self) -> OrderBook:
        book = self._orders.look()
        if book.ending is not None:
            self._orders.answer(book.ending, "obeyed")
        return book

    def wait(self) -> Generator[Event, None, None]:
        """Let time pass while the study is paused."""
        since = self.look().paused
        if since is None or self.ending is not None:
            return
        yield StudyPaused(since)
        while self.look().paused is not None and self.ending is None:
            time.sleep(_PAUSE_SECONDS)
            yield Waiting()
        if self.ending is None:
            yield StudyResumed()

    def heed(self, events: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """The events, with StudyCancelled after the first that comes once the study has been cancelled."""
        try:
            while True:
                try:
                    event = next(events)
                except StopIteration as end:
                    value: T = end.value
                    return value
                yield event
                self.look()
                if self.ending == "cancel":
                    yield StudyCancelled()
        finally:
            events.close()
