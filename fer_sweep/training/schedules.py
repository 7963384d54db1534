"""Learning rates over the epochs, as data: a function of the settings alone."""

import numpy as np
import numpy.typing as npt

from fer_sweep.spec.train import (
    ConstantSchedule,
    CosineSchedule,
    ExponentialSchedule,
    ScheduleConfig,
    StepSchedule,
    TrainConfig,
)

Rates = npt.NDArray[np.float64]


def learning_rates(train: TrainConfig, schedule: ScheduleConfig) -> Rates:
    """(epochs,) learning rate of the updates in epoch e, which lead from e completed epochs to e + 1.

    Linear warm-up reaches the full rate in its last epoch. The epochs of `step` are counted from the start of training,
    those of `exponential` and `cosine` from the end of the warm-up. `stop_at` cuts a schedule short, it does not
    squeeze it.
    """
    epochs = np.arange(train.epochs)
    since = np.maximum(epochs - schedule.warm_up, 0)
    match schedule:
        case ConstantSchedule():
            factor = np.ones(train.epochs)
        case StepSchedule(at=at):
            factor = schedule.factor ** (epochs[:, None] >= np.array(at)).sum(axis=1)
        case ExponentialSchedule():
            factor = schedule.factor ** since.astype(np.float64)
        case CosineSchedule(final=final):
            share = since / max(train.epochs - schedule.warm_up - 1, 1)
            factor = final + (1.0 - final) * 0.5 * (1.0 + np.cos(np.pi * share))
    if schedule.warm_up:
        factor = factor * np.minimum(1.0, (epochs + 1) / schedule.warm_up)
    rates: Rates = train.learning_rate * factor
    return rates


def rates_until(epochs: int, train: TrainConfig, schedule: ScheduleConfig) -> Rates:
    """(epochs,) learning rates of a network that may idle beyond its own last epoch, at its last rate."""
    own = learning_rates(train, schedule)
    return np.concatenate([own, np.full(max(0, epochs - len(own)), own[-1])])[:epochs]
