"""Trials in this process, one batch after another."""

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from fer_sweep.data import Samples, Split
from fer_sweep.errors import out_of_space
from fer_sweep.training.failures import failure_of
from fer_sweep.training.records import EpochReport, Record
from fer_sweep.training.trials import Device, DeviceType, TrialRequest, device_type, run_trials


class Inline:
    """The executor of a single process."""

    slots = 1

    def __init__(self, samples: Samples, device: Device) -> None:
        self._samples, self._device = samples, device

    @property
    def device_type(self) -> DeviceType:
        """Where it trains."""
        return device_type(self._device)

    @property
    def gpus(self) -> int:
        """1 or 0."""
        return 1 if self.device_type == "cuda" else 0

    def run(
        self, requests: Sequence[TrialRequest], split: Split, *, folder: Path
    ) -> Generator[Record, str | None, None]:
        """Train all side by side."""
        return run_guarded(requests, self._samples, split, device=self._device, folder=folder)


def run_guarded(
    requests: Sequence[TrialRequest], samples: Samples, split: Split, *, device: Device, folder: Path
) -> Generator[Record, str | None, None]:
    """run_trials, but what training raises is the failure of a trial. Several that ran together run again one at a
    time, so that one does not take the others with it."""
    left = {request.number: request for request in requests}
    stop: str | None = None
    with closing(run_trials(requests, samples, split, device=device, checkpoints=folder / "checkpoints")) as records:
        while True:
            try:
                record = records.send(stop)
            except StopIteration:
                return
            except Exception as error:
                if out_of_space(error):
                    raise  # not the trial's fault: it runs again when there is space
                crash = error
                break
            if not isinstance(record, EpochReport):
                del left[record.trial]
            stop = yield record
    if len(requests) > 1:
        for request in left.values():
            yield from run_guarded([request], samples, split, device=device, folder=folder)
    else:
        yield failure_of(requests[0].number, crash)
