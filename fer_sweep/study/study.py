"""run_study: the whole of it as one generator of events. Search, then confirmation, then the end."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from fer_sweep.data import Samples, Split, make_split
from fer_sweep.execution.executor import Executor
from fer_sweep.spec import SweepSpec
from fer_sweep.study.claim import claimed
from fer_sweep.study.confirm import confirm
from fer_sweep.study.database import alone, opened_storage
from fer_sweep.study.events import Confirmed, Event, SearchEnded, StudyFinished
from fer_sweep.study.facts import StudyFacts, save_facts
from fer_sweep.study.home import Home, StudyFiles
from fer_sweep.study.identity import identity
from fer_sweep.study.kept_sweep import keep_sweep
from fer_sweep.study.lock import coordinator_lock
from fer_sweep.study.search import Search
from fer_sweep.study.steering import STOPPED, Steering
from fer_sweep.study.store import StudyStore, resolve


@dataclass(frozen=True)
class OpenStudy:
    """A study that this process coordinates: its lock is held, its data and splits are fixed."""

    spec: SweepSpec
    samples: Samples
    split: Split
    store: StudyStore
    files: StudyFiles

    @property
    def name(self) -> str:
        return self.store.name

    @property
    def facts(self) -> StudyFacts:
        """What the study is, apart from its trials."""
        return StudyFacts(self.name, self.spec, self.samples, self.split, self.samples.fingerprint, self.store.id)


@contextmanager
def open_study(spec: SweepSpec, samples: Samples, home: Home, *, branch: bool = False) -> Iterator[OpenStudy]:
    """Create or resume the study of a sweep file and hold its lock.

    Raises StudyError if another process runs it, or if the sweep file or the data changed since (unless `branch`).
    """
    split = make_split(samples, spec.protocol)
    parts = identity(spec, fingerprint=samples.fingerprint, split_hash=split.hash)
    with opened_storage(home) as storage:
        with alone(home):  # nobody else creates it meanwhile
            name = resolve(spec, storage, parts=parts, branch=branch)
        files = home.study(name)
        with coordinator_lock(name, files), claimed(home, name) as claim:
            study = OpenStudy(spec, samples, split, StudyStore(storage, name, claim), files)
            save_facts(study.facts, files)
            keep_sweep(storage, name, spec)
            study.store.orders.forget_endings()
            yield study


def run_study(study: OpenStudy, *, executor: Executor) -> Generator[Event, None, None]:
    """Run the search to its caps, confirm if the sweep file asks for it, and say how it ended. An order to stop ends
    the search after the trials that run, and leaves out the confirmation."""
    steering = Steering(study.store.orders)
    search = Search(
        study.spec,
        study.samples,
        study.split,
        store=study.store,
        files=study.files,
        executor=executor,
        steering=steering,
    )
    reason = ""
    with closing(steering.heed(search.events())) as events:
        for event in events:
            if isinstance(event, SearchEnded):
                reason = event.reason
            yield event
    rows = study.store.rows()
    confirmed: tuple[Confirmed, ...] = ()
    if study.spec.confirm is not None and steering.ending is None and any(row.state == "complete" for row in rows):
        confirmed = yield from steering.heed(
            confirm(study.spec, study.samples, rows, files=study.files, executor=executor, steering=steering)
        )
        reason = STOPPED if steering.ending is not None else reason
    yield StudyFinished(tuple(rows), confirmed, reason)
