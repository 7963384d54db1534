"""Caps: what ends a search, exactly, whatever was interrupted, ordered or tried again."""

from collections.abc import Sequence

from fer_sweep.spec import SweepSpec
from fer_sweep.study.base import search_size
from fer_sweep.study.budget import Budget
from fer_sweep.study.orders import OrderBook
from fer_sweep.study.rows import ENDS, TrialRow
from fer_sweep.study.store import StudyStore

MOST_SKIPS = 50
"""Skipped duplicates in a row after which the space counts as exhausted."""


def counted(store: StudyStore, book: OrderBook) -> int:
    """How many trials count for run_cap: not skipped ones, nor failed ones whose place a retry has or will have."""
    return store.states.total() - store.states["skipped"] - len(book.retried)


def why_stop(spec: SweepSpec, store: StudyStore, book: OrderBook, budget: Budget) -> str | None:
    """Which cap a search has reached, or None."""
    every, size = store.rows(), search_size(spec)
    skips = next((i for i, row in enumerate(reversed(every)) if row.state != "skipped"), len(every))
    waiting = any(order.id not in store.obeyed for order in book.queue)
    if size is not None and store.proposed >= size and not waiting:
        return f"the search space is exhausted: all {size} configurations are done"
    if spec.run_cap is not None and counted(store, book) >= spec.run_cap:
        return f"run_cap: {spec.run_cap} trials"
    if store.states["failed"] and (reason := _too_many_failed(spec, every, book)) is not None:
        return reason
    if skips >= MOST_SKIPS and not waiting:
        return f"the search space is exhausted: {skips} proposals in a row were duplicates (duplicates: skip)"
    return budget.exceeded()


def _too_many_failed(spec: SweepSpec, every: Sequence[TrialRow], book: OrderBook) -> str | None:
    """Failures without copies of other failures, and without those that are ordered again."""
    ended = [
        row
        for row in every
        if row.state in ENDS
        and not (row.state == "failed" and (row.reused_from is not None or row.number in book.retried))
    ]
    failed = [row for row in ended if row.state == "failed"]
    most, most_in_a_row = spec.budget.max_failed, spec.budget.max_failed_in_a_row
    if most is not None and len(failed) >= most:
        return f"budget.max_failed: {len(failed)} trials failed, the last with: {failed[-1].note}"
    in_a_row = next((i for i, row in enumerate(reversed(ended)) if row.state != "failed"), len(ended))
    if most_in_a_row is not None and in_a_row >= most_in_a_row:
        return f"budget.max_failed_in_a_row: {in_a_row} trials failed in a row, the last with: {failed[-1].note}"
    return None
