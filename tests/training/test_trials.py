"""The population engine and run_trials, against the plain loop a user would write."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from fer_sweep.data import Samples, Split, load_samples, make_split
from fer_sweep.spec.data import SyntheticFeatures
from fer_sweep.spec.trial import ProtocolConfig, TrialConfig
from fer_sweep.training import cohort, population
from fer_sweep.training.fold_data import prepare_fold
from fer_sweep.training.member import Member
from fer_sweep.training.metrics import scores_on_test
from fer_sweep.training.records import EpochReport, Record, TrialFailure, TrialResult, report_from
from fer_sweep.training.removal_metrics import removal_quality
from fer_sweep.training.seeds import derive_seed
from fer_sweep.training.trials import TrialRequest, run_trials
from tests.training.reference import train_reference

CPU = torch.device("cpu")
DATA = SyntheticFeatures(source="synthetic_features", samples=210, persons=21, separation=3.0, wrong_labels=0.1)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return load_samples(DATA)


@pytest.fixture(scope="module")
def split(samples: Samples) -> Split:
    return make_split(samples, ProtocolConfig())


def config(*, hidden: int = 20, removal: Mapping[str, object] | None = None, **train: Any) -> TrialConfig:
    return TrialConfig.model_validate({
        "data": DATA.model_dump(),
        "model": {"kind": "mlp", "hidden_units": hidden},
        "train": {"epochs": 100, **train},
        "removal": removal or {"rule": "none"},
    })  # fmt: skip


def run(configs: Sequence[TrialConfig], samples: Samples, split: Split) -> list[Record]:
    requests = [TrialRequest(number, one, seed=number) for number, one in enumerate(configs)]
    return list(run_trials(requests, samples, split, device=CPU))


def results(records: Sequence[Record]) -> dict[int, TrialResult]:
    return {record.trial: record for record in records if isinstance(record, TrialResult)}


BDR = {"rule": "bdr", "start": 50, "interval": 10, "min_per_class": 0, "min_keep_fraction": 0.0}


@pytest.mark.parametrize(
    "train",
    [
        {"optimizer": "adam"},
        {"optimizer": "adam", "weight_decay": 0.01},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01},
        {"optimizer": "adam", "batch_size": 32},
        {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9, "batch_size": 30},
        {"optimizer": "adam", "normalize": False},
    ],
    ids=str,
)
def test_engine_agrees_with_the_plain_loop(train: dict[str, Any], samples: Samples, split: Split) -> None:
    configs = [
        config(hidden=20, **train),
        config(hidden=17, **train),  # narrower: padded
        config(hidden=20, removal=BDR, **train),
        config(hidden=20, **{**train, "epochs": 60}),  # ends earlier and leaves the batch
    ]

    found = results(run(configs, samples, split))

    for number, one in enumerate(configs):
        for network, fold in zip(found[number].networks, split.folds, strict=True):
            seed = derive_seed(number, fold.repeat, fold.fold)
            data = prepare_fold(samples, fold, one.train.normalize)
            reference = train_reference(one, data, classes=samples.classes, seed=seed)
            assert network.epochs == reference.epochs
            first_removal = reference.removals[0][0] if reference.removals else 100
            np.testing.assert_allclose(
                network.train_loss[:first_removal], reference.losses[:first_removal], rtol=1e-4, atol=1e-6
            )
            np.testing.assert_allclose(
                network.loss_variance[:first_removal], reference.variances[:first_removal], rtol=1e-3, atol=1e-6
            )
            assert [(r.epoch, r.removed) for r in network.removals][:1] == reference.removals[:1]


def test_bdr_decisions_agree_to_the_end_where_outliers_are_well_separated() -> None:
    data = SyntheticFeatures(source="synthetic_features", samples=280, persons=28, separation=8.0, wrong_labels=0.1)
    samples = load_samples(data)
    split = make_split(samples, ProtocolConfig())
    one = config(hidden=30, removal={**BDR, "start": 20}, epochs=100)

    (result,) = results(run([one], samples, split)).values()

    for network, fold in zip(result.networks, split.folds, strict=True):
        reference = train_reference(
            one, prepare_fold(samples, fold, True), classes=7, seed=derive_seed(0, fold.repeat, fold.fold)
        )
        assert [(r.epoch, r.removed) for r in network.removals] == reference.removals
        assert len(reference.removals) >= 1
        assert network.epochs == reference.epochs
        np.testing.assert_allclose(network.test_probabilities, reference.test_probabilities, atol=1e-3)


def test_bdr_finds_planted_labels_far_better_than_chance() -> None:
    data = SyntheticFeatures(source="synthetic_features", samples=420, persons=42, separation=4.0, wrong_labels=0.1)
    samples = load_samples(data)
    assert samples.planted is not None
    split = make_split(samples, ProtocolConfig())

    found = results(
        run(
            [config(removal={**BDR, "start": 20}), config(removal={**BDR, "at_random": True, "start": 20})],
            samples,
            split,
        )
    )

    bdr, control = (removal_quality(found[number], samples.planted) for number in (0, 1))
    assert bdr.recall is not None
    assert bdr.recall > 0.9
    assert bdr.precision is not None
    assert control.precision is not None
    assert bdr.precision > 3 * control.precision


def test_a_network_trains_the_same_alone_and_in_a_crowd(samples: Samples, split: Split) -> None:
    one = config(hidden=20, removal=BDR)

    alone = results(run([one], samples, split))[0]
    crowd = results(run([one, *[config(hidden=h) for h in (20, 12, 18, 25, 3)]], samples, split))[0]

    for a, b in zip(alone.networks, crowd.networks, strict=True):
        np.testing.assert_allclose(a.train_loss[:50], b.train_loss[:50], rtol=1e-4)
        assert a.removals[0].removed == b.removals[0].removed


def test_random_removal_mirrors_bdr_epoch_by_epoch(samples: Samples, split: Split) -> None:
    found = results(run([config(removal=BDR), config(removal={**BDR, "at_random": True})], samples, split))
    # the control leads itself by a shadow with its own seed, so compare with BDR trained with that seed
    request = TrialRequest(0, config(removal=BDR), seed=1)
    (bdr,) = results(list(run_trials([request], samples, split, device=CPU))).values()

    for network, leader in zip(found[1].networks, bdr.networks, strict=True):
        assert [(r.epoch, len(r.removed)) for r in network.removals] == [
            (r.epoch, len(r.removed)) for r in leader.removals
        ]
        assert network.epochs == leader.epochs
        assert network.ended == leader.ended
        assert {r.removed for r in network.removals} != {r.removed for r in leader.removals}
        np.testing.assert_allclose(network.train_loss[:50], leader.train_loss[:50], rtol=1e-4)  # same initial weights


def test_the_oracle_removes_exactly_the_planted_training_labels(samples: Samples, split: Split) -> None:
    (result,) = results(run([config(removal={"rule": "oracle", "start": 5})], samples, split)).values()

    assert samples.planted is not None
    for network, fold in zip(result.networks, split.folds, strict=True):
        (removal,) = network.removals
        assert removal.epoch == 5
        assert set(removal.removed) == set(fold.train[samples.planted[fold.train]].tolist())


def test_early_stopping_ends_training_where_it_says(samples: Samples, split: Split) -> None:
    found = results(run([config(stop_at=30), config(epochs=30)], samples, split))

    for number in (0, 1):
        assert {network.epochs for network in found[number].networks} == {30}
        assert found[number].networks[0].train_loss.shape == (31,)


def test_half_sse_is_a_different_error_with_different_removals(samples: Samples, split: Split) -> None:
    found = results(run([config(removal=BDR), config(removal={**BDR, "error": "half_sse"})], samples, split))

    errors = [found[number].networks[0].removals[0].errors for number in (0, 1)]
    assert max(errors[1]) <= 1.0
    assert errors[0] != errors[1]


def test_reports_come_in_order_and_cover_the_whole_training(samples: Samples, split: Split) -> None:
    records = run([config(epochs=450)], samples, split)

    epochs = [record.epoch for record in records if isinstance(record, EpochReport)]
    assert epochs[0] == 0
    assert epochs[-1] == 450
    assert epochs == sorted(epochs)
    assert len(epochs) <= 202
    assert isinstance(records[-1], TrialResult)
    assert [report.epoch for report in records[-1].reports] == epochs


def test_reports_hold_the_losses_and_accuracies_of_both_parts(samples: Samples, split: Split) -> None:
    records = run([config(removal=BDR)], samples, split)
    reports = [record for record in records if isinstance(record, EpochReport)]
    networks = results(records)[0].networks

    chances = [n.test_probabilities[np.arange(len(n.test)), samples.y[n.test]] for n in networks]
    trained = [np.setdiff1d(np.arange(len(samples)), n.test) for n in networks]
    kept = [np.setdiff1d(t, [i for r in n.removals for i in r.removed]) for n, t in zip(networks, trained, strict=True)]
    assert reports[-1].test_loss == pytest.approx(np.mean([-np.log(chance).mean() for chance in chances]), rel=1e-5)
    assert reports[0].test_loss == pytest.approx(np.log(7), abs=0.4)
    assert 1.0 >= reports[-1].train_accuracy > reports[0].train_accuracy
    assert reports[-1].active_samples == np.mean([len(k) for k in kept]) < len(trained[0])
    wrong = [(1.0 - n.train_accuracy) * len(t) for n, t in zip(networks, trained, strict=True)]
    gone = [len(t) - len(k) for t, k in zip(trained, kept, strict=True)]
    least = np.mean([max(w - g, 0) / len(k) for w, g, k in zip(wrong, gone, kept, strict=True)])
    assert 1.0 - reports[-1].train_accuracy >= least - 1e-9


def test_reports_kept_by_an_earlier_version_can_be_read() -> None:
    values = {"accuracy": 0.5, "macro_f1": 0.5, "uar": 0.5}
    kept = {"trial": 1, "epoch": 3, "last_epoch": 9, "train_loss": 1.0, "loss_variance": 1.0, "active_samples": 7.0}

    report = report_from({**kept, "test": values, "validation": None})

    assert (report.epoch, report.test.uar) == (3, 0.5)
    assert np.isnan([report.train_accuracy, report.test_loss]).all()


def test_a_trial_stops_where_it_is_told_to_and_the_others_go_on(samples: Samples, split: Split) -> None:
    requests = [TrialRequest(number, config(), seed=number) for number in (0, 1)]
    records = run_trials(requests, samples, split, device=CPU)
    found: dict[int, TrialResult] = {}
    answer: str | None = None
    while True:
        try:
            record = records.send(answer)
        except StopIteration:
            break
        stop = isinstance(record, EpochReport) and record.trial == 0 and record.epoch == 40
        answer = "median" if stop else None
        if isinstance(record, TrialResult):
            found[record.trial] = record

    assert found[0].stopped == "median"
    assert {network.epochs for network in found[0].networks} == {40}
    assert found[1].stopped is None
    assert {network.epochs for network in found[1].networks} == {100}


def test_a_diverging_trial_fails_alone_with_a_remedy(samples: Samples, split: Split) -> None:
    wild = config(optimizer="sgd", learning_rate=1000.0, weight_decay=1.0)  # weights grow a thousandfold per epoch
    records = run([wild, config(epochs=20)], samples, split)

    (failure,) = [record for record in records if isinstance(record, TrialFailure)]
    assert failure.trial == 0
    assert failure.kind == "diverged"
    assert "learning_rate (now 1000)" in failure.message
    assert set(results(records)) == {1}


def test_validation_parts_are_predicted_and_kept_apart(samples: Samples) -> None:
    protocol = ProtocolConfig(validation_fraction=0.25)
    split = make_split(samples, protocol)

    (result,) = results(run([config()], samples, split)).values()

    for network, fold in zip(result.networks, split.folds, strict=True):
        assert network.validation.tolist() == fold.validation.tolist()
        assert network.validation_probabilities.shape == (len(fold.validation), 7)
        assert network.train_size == len(fold.train)
    assert result.reports[-1].validation is not None


def test_normalization_looks_at_the_training_part_only(samples: Samples, split: Split) -> None:
    data = prepare_fold(samples, split.folds[0], True)

    np.testing.assert_allclose(data.train.x.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(data.train.x.std(axis=0), 1.0, atol=1e-5)
    assert abs(data.test.x.mean(axis=0)).max() > 1e-3
    everything = prepare_fold(samples, split.folds[0], "all")
    both = np.concatenate([everything.train.x, everything.test.x])
    np.testing.assert_allclose(both.mean(axis=0), 0.0, atol=1e-5)


def test_an_svm_learns_and_has_no_epochs(samples: Samples, split: Split) -> None:
    svm = TrialConfig.model_validate({"data": DATA.model_dump(), "model": {"kind": "svm"}})

    (result,) = results(run([svm], samples, split)).values()

    assert scores_on_test(result, samples.y, samples.classes).accuracy.mean > 0.3
    assert result.reports == ()
    np.testing.assert_allclose(result.networks[0].test_probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_widths_too_different_do_not_share_a_population(
    samples: Samples, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    original = population.Population.__init__

    def spy(self: population.Population, members: Sequence[Member], **rest: object) -> None:
        sizes.append(len(members))
        original(self, members, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(population.Population, "__init__", spy)
    run([config(hidden=4, epochs=3, batch_size=32), config(hidden=200, epochs=3, batch_size=32)], samples, split)

    assert sizes == [2, 2]


def test_networks_that_have_ended_may_idle_in_the_batch_without_a_trace(
    samples: Samples, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [config(removal=BDR), config(epochs=30), config(epochs=60), config(removal={**BDR, "at_random": True})]
    leaving = results(run(configs, samples, split))
    monkeypatch.setitem(cohort.IDLE_SHARE, "cpu", 0.9)

    idling = results(run(configs, samples, split))

    for number in range(len(configs)):
        for a, b in zip(leaving[number].networks, idling[number].networks, strict=True):
            assert a.epochs == b.epochs
            assert [(r.epoch, r.removed) for r in a.removals] == [(r.epoch, r.removed) for r in b.removals]
            np.testing.assert_allclose(a.train_loss, b.train_loss, rtol=1e-3, atol=1e-5)
