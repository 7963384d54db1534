"""A network whose losses are no numbers says so, and so does one that follows it."""

import numpy as np
import pytest

from fer_sweep.data import load_samples, make_split
from fer_sweep.spec.data import SyntheticFeatures
from fer_sweep.spec.removal import BdrRemoval
from fer_sweep.spec.train import TrainConfig
from fer_sweep.spec.trial import ProtocolConfig, TrialConfig
from fer_sweep.training.fold_data import prepare_fold
from fer_sweep.training.network_run import Network, NetworkRun, with_shadow

DATA = SyntheticFeatures(source="synthetic_features", samples=56, persons=8)


def network(*, at_random: bool) -> Network:
    samples = load_samples(DATA)
    fold = make_split(samples, ProtocolConfig()).folds[0]
    removal = BdrRemoval(rule="bdr", start=10, interval=10, at_random=at_random)
    config = TrialConfig(data=DATA, train=TrainConfig(epochs=100), removal=removal)
    return Network(0, prepare_fold(samples, fold, True), config, seed=1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_diverges_ends_so(value: float) -> None:
    run = NetworkRun(network(at_random=False))
    losses = np.linspace(0.1, 2.0, len(run.active))
    losses[3] = value

    assert not run.attend(10, losses, losses)
    assert run.ended == "diverged"


def test_a_control_ends_with_the_network_that_it_follows() -> None:
    follower, shadow = with_shadow(network(at_random=True))
    assert shadow is not None
    leader = NetworkRun(shadow)
    run = NetworkRun(follower, leader)
    well = np.linspace(0.1, 2.0, len(run.active))

    leader.attend(10, np.full_like(well, np.nan), well)
    run.attend(10, well, well)

    assert run.ended == "diverged"


def test_a_network_that_lives_to_its_last_epoch_ends_there() -> None:
    run = NetworkRun(network(at_random=False))

    run.attend(100, np.ones(len(run.active)), np.ones(len(run.active)))

    assert run.ended == "epochs"
