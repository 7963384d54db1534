"""Removal rules in training: what they find and leave in use, and the absolute criterion against a plain loop."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch.nn import functional

from fer_sweep.data import Samples, Split, load_samples, make_split
from fer_sweep.models.mlp import as_module, initial_weights
from fer_sweep.spec.data import SyntheticFeatures
from fer_sweep.spec.trial import ProtocolConfig, TrialConfig
from fer_sweep.training.fold_data import prepare_fold
from fer_sweep.training.records import TrialResult
from fer_sweep.training.removal_metrics import removal_quality, removals_by_class
from fer_sweep.training.seeds import derive_seed
from fer_sweep.training.trials import TrialRequest, run_trials

DATA = SyntheticFeatures(
    source="synthetic_features", samples=280, persons=28, separation=5.0, person_spread=0.1, wrong_labels=0.1
)
RULES: list[dict[str, object]] = [
    {"rule": "guarded", "start": 5, "interval": 5, "alpha": 0.0, "min_per_class": 1},
    {"rule": "lts", "share": 0.1},
    {"rule": "small_loss", "noise_rate": 0.1},
    {"rule": "mixture", "min_per_class": 1},
    {"rule": "aum", "share": 0.1, "start": 30},
]


@pytest.fixture(scope="module")
def samples() -> Samples:
    return load_samples(DATA)


@pytest.fixture(scope="module")
def split(samples: Samples) -> Split:
    return make_split(samples, ProtocolConfig(split="stratified"))


def run(removals: Sequence[dict[str, object]], samples: Samples, split: Split, **train: object) -> list[TrialResult]:
    configs = [
        TrialConfig.model_validate({
            "data": DATA.model_dump(),
            "model": {"kind": "mlp", "hidden_units": 12},
            "train": {"epochs": 60, **train},
            "removal": removal,
        })
        for removal in removals
    ]  # fmt: skip
    requests = [TrialRequest(number, config, seed=1) for number, config in enumerate(configs)]
    records = run_trials(requests, samples, split, device=torch.device("cpu"))
    found = {record.trial: record for record in records if isinstance(record, TrialResult)}
    return [found[number] for number in range(len(removals))]


@pytest.mark.parametrize("batch_size", ["full", 32])
@pytest.mark.parametrize("removal", RULES, ids=lambda removal: removal["rule"])
def test_a_rule_finds_wrong_labels_and_its_control_does_not(
    removal: dict[str, object], batch_size: object, samples: Samples, split: Split
) -> None:
    assert samples.planted is not None
    ours, control = run([removal, {**removal, "at_random": True}], samples, split, batch_size=batch_size)

    found, drawn = removal_quality(ours, samples.planted), removal_quality(control, samples.planted)

    assert found.removed == drawn.removed > 10
    assert found.hits > 2 * drawn.hits
    assert found.precision is not None
    assert found.precision > 0.4
    for one, other in zip(ours.networks, control.networks, strict=True):
        assert one.active.tolist() == other.active.tolist()
        assert one.epochs == other.epochs


@pytest.mark.parametrize("removal", [*RULES, {"rule": "lms"}], ids=lambda removal: removal["rule"])
def test_what_is_in_use_is_told_the_same_way_everywhere(
    removal: dict[str, object], samples: Samples, split: Split
) -> None:
    (result,) = run([removal], samples, split)

    by_class = removals_by_class(result, samples.y, samples.classes)
    for i, (network, fold) in enumerate(zip(result.networks, split.folds, strict=True)):
        left_out = network.left_out
        assert set(left_out.tolist()) <= set(fold.train.tolist())
        assert network.active[-1] == network.train_size - len(left_out) == network.removals[-1].active_after
        assert by_class.removed[0, i].sum() == len(left_out)
        assert network.histograms[-1].sum() == network.active[-1]


def test_lts_keeps_the_same_number_throughout(samples: Samples, split: Split) -> None:
    (result,) = run([{"rule": "lts", "share": 0.3}], samples, split)

    for network in result.networks:
        assert set(network.active.tolist()) == {int(np.ceil(0.7 * network.train_size))}
        assert any(removal.readmitted for removal in network.removals)


def test_a_rule_that_chooses_again_and_again_is_recorded_about_as_often_as_it_is_observed(
    samples: Samples, split: Split
) -> None:
    (result,) = run([{"rule": "lms"}], samples, split, epochs=1000)

    for network in result.networks:
        assert 100 < len(network.removals) <= 201
        assert network.active[0] == network.active[-1] <= 2


def test_the_absolute_criterion_agrees_with_a_plain_loop(samples: Samples, split: Split) -> None:
    (result,) = run([{"rule": "absolute"}], samples, split, optimizer="sgd", learning_rate=0.5, epochs=40)

    for network, fold in zip(result.networks, split.folds, strict=True):
        data = prepare_fold(samples, fold, normalize=True)
        seed = derive_seed(1, fold.repeat, fold.fold)
        net = as_module(initial_weights(features=10, hidden_units=12, classes=7, seed=seed))
        x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y.copy())
        targets, losses = functional.one_hot(y, 7).float(), []
        for _ in range(41):
            logits = net(x)
            losses.append(functional.cross_entropy(logits, y).item())
            net.zero_grad()
            distances = (targets - logits.softmax(1)).abs().sum(1)  # 2 (1 - p): what the criterion minimizes
            (distances.sum() / (2.0 - distances.detach()).sum()).backward()  # weights p as shares of their sum
            with torch.no_grad():
                for parameter in net.parameters():
                    assert parameter.grad is not None
                    parameter.sub_(0.5 * parameter.grad)
        np.testing.assert_allclose(network.train_loss, losses, rtol=1e-4)
