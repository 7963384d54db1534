"""What a sweep would do: its first configurations and how long it would take, from a short measured probe."""

import math
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import optuna

from fer_sweep.data import Samples, Split
from fer_sweep.execution.opening import pool_slots
from fer_sweep.spec import SweepSpec, grid_size
from fer_sweep.spec.search import Scalar
from fer_sweep.study.base import base_in_space, planned_trials
from fer_sweep.study.proposals import Proposer
from fer_sweep.study.sampling import STARTUP_TRIALS
from fer_sweep.study.search import trials_at_once
from fer_sweep.training.records import EpochReport
from fer_sweep.training.trials import Device, TrialRequest, device_type, run_trials


@dataclass(frozen=True)
class Plan:
    """What `run` would do. seconds: estimate for all trials at full length, None without a known number of trials;
    seconds_confirm: the same for the confirmation."""

    trials: int | None
    at_once: int
    space: int | None
    networks_per_trial: int
    first: tuple[Mapping[str, Scalar], ...]
    base_in_space: bool
    probe_seconds: float
    network_epochs_per_second: float
    seconds: float | None
    seconds_confirm: float


def first_configurations(spec: SweepSpec, count: int, *, at_once: int) -> tuple[Mapping[str, Scalar], ...]:
    """The first proposals, as `run` would make them before it knows any result."""
    known = count
    if spec.method == "bayes":  # the batch that begins with enough finished trials is modelled on their results
        known = math.ceil(STARTUP_TRIALS / at_once) * at_once
    study = optuna.create_study(direction=spec.metric.goal)
    proposer = Proposer(spec)
    trials = min(count, known, planned_trials(spec) or count)
    return tuple(proposer.ask(study, number, number) for number in range(trials))


def make_plan(
    spec: SweepSpec, samples: Samples, split: Split, *, device: Device, first: int, probe_seconds: float = 2.0
) -> Plan:
    """Plan a sweep. Trains copies of the base for about `probe_seconds` to measure the speed here and now."""
    trials = planned_trials(spec)
    slots = max(1, pool_slots(spec.resources))
    at_once = trials_at_once(spec, split, device=device_type(device), slots=slots)
    copies = at_once if trials is None else min(at_once, trials)
    begun = time.perf_counter()
    speed = _probe(spec, samples, split, device=device, copies=copies, seconds=probe_seconds)
    networks = len(split.folds)
    epochs = spec.train.last_epoch
    confirm = 0.0
    if spec.confirm is not None:
        confirm = (1 + spec.confirm.top_k) * spec.confirm.repeats * spec.protocol.folds * epochs / speed
    return Plan(
        trials=trials,
        at_once=at_once,
        space=grid_size(spec.parameters),
        networks_per_trial=networks,
        first=first_configurations(spec, first, at_once=at_once),
        base_in_space=base_in_space(spec),
        probe_seconds=time.perf_counter() - begun,
        network_epochs_per_second=speed,
        seconds=None if trials is None else trials * networks * epochs / speed,
        seconds_confirm=confirm,
    )


def _probe(spec: SweepSpec, samples: Samples, split: Split, *, device: Device, copies: int, seconds: float) -> float:
    """Network-epochs per second of the base, `copies` of it trained side by side as the search would."""
    requests = [TrialRequest(number, spec.base, number) for number in range(copies)]
    networks = copies * len(split.folds)
    begun = time.perf_counter()
    with closing(run_trials(requests, samples, split, device=device)) as records:
        for record in records:
            passed = time.perf_counter() - begun
            if isinstance(record, EpochReport) and record.epoch == 0:
                begun = time.perf_counter()  # setting up is not training
            elif isinstance(record, EpochReport) and passed > seconds:
                return max(record.epoch, 1) * networks / passed
    passed = time.perf_counter() - begun
    return spec.base.train.last_epoch * networks / max(passed, 1e-6)
