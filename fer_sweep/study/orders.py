"""Orders: what somebody wants of a study, left where its coordinator looks for it, wherever either of them is.

They lie in the Optuna database, as attributes of the study: whoever reaches the search can steer it, an order is there
as a whole or not at all, and the trial that obeys one names it in the transaction in which it begins, so that nothing
is obeyed twice. Every order has a key of its own, so two givers never overwrite each other.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from optuna.storages import RDBStorage

from fer_sweep.spec.search import Scalar

Kind = Literal["stop", "cancel", "retry", "enqueue"]
_ORDER, _ANSWER, _PAUSED = "order.", "answer.", "paused"


@dataclass(frozen=True)
class Order:
    """`stop` and `cancel` are for whoever runs the study at this moment; `enqueue` (assignments) and `retry` (number of
    a trial that failed) wait until a trial obeys them. at: UTC, ISO 8601."""

    id: str
    kind: Kind
    at: str
    assignments: Mapping[str, Scalar]
    trial: int | None

    @property
    def origin(self) -> str:
        """What the trial that obeys it says of where it came from."""
        return "enqueued" if self.kind == "enqueue" else f"retry of trial {self.trial}"


@dataclass(frozen=True)
class OrderBook:
    """All orders of a study at one moment. paused: since when (UTC), or None; ending: a stop or cancel that nobody has
    answered; queue: retries, then enqueued configurations, each by time, obeyed ones included."""

    paused: str | None
    ending: Order | None
    queue: tuple[Order, ...]

    @property
    def retried(self) -> frozenset[int]:
        """Failed trials that have given their place to another."""
        return frozenset(order.trial for order in self.queue if order.trial is not None)


class Orders:
    """The orders of one study."""

    def __init__(self, storage: RDBStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id

    def look(self) -> OrderBook:
        """What is wanted now."""
        kept = self._storage.get_study_user_attrs(self._study_id)
        given = sorted(
            (_order(key.removeprefix(_ORDER), body) for key, body in kept.items() if key.startswith(_ORDER)),
            key=lambda order: (order.kind == "enqueue", order.at, order.trial or 0),
        )
        open_ = [order for order in given if order.kind in ("stop", "cancel") and f"{_ANSWER}{order.id}" not in kept]
        ending = next((order for order in open_ if order.kind == "cancel"), open_[0] if open_ else None)
        queue = tuple(order for order in given if order.kind in ("retry", "enqueue"))
        return OrderBook(kept.get(_PAUSED) or None, ending, queue)

    def give(self, kind: Kind, *, assignments: Mapping[str, Scalar] | None = None, trial: int | None = None) -> Order:
        """Leave an order. It is durable when this returns; the second retry of the same trial is the first."""
        now = datetime.now(UTC).isoformat()
        order = Order(f"retry-{trial}" if kind == "retry" else uuid.uuid4().hex, kind, now, assignments or {}, trial)
        body = {"kind": kind, "at": now, "assignments": dict(order.assignments), "trial": trial}
        self._storage.set_study_user_attr(self._study_id, f"{_ORDER}{order.id}", body)
        return order

    def pause(self) -> None:
        """Let nothing new be asked, over restarts too."""
        self._storage.set_study_user_attr(self._study_id, _PAUSED, datetime.now(UTC).isoformat(timespec="seconds"))

    def resume(self) -> None:
        """Undo `pause`."""
        self._storage.set_study_user_attr(self._study_id, _PAUSED, "")

    def answer(self, order: Order, answer: Literal["obeyed", "too late"]) -> None:
        """Say what became of a stop or cancel. For the coordinator alone."""
        self._storage.set_study_user_attr(self._study_id, f"{_ANSWER}{order.id}", answer)

    def answer_to(self, order: Order) -> str | None:
        """What the coordinator said to a stop or cancel; None as long as it has not seen it."""
        found: str | None = self._storage.get_study_user_attrs(self._study_id).get(f"{_ANSWER}{order.id}")
        return found

    def forget_endings(self) -> None:
        """Answer what was meant for an earlier coordinator, so that it does not end this one."""
        while (order := self.look().ending) is not None:
            self.answer(order, "too late")


def _order(order_id: str, body: Mapping[str, Any]) -> Order:
    return Order(order_id, body["kind"], body["at"], body["assignments"], body["trial"])
