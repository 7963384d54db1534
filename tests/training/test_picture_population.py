"""The image engine against a plain PyTorch loop, and what the rest of training relies on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from fer_sweep.data import Samples, load_samples, make_split
from fer_sweep.models.cnn import MEAN, build_cnn
from fer_sweep.spec.data import SyntheticFaces
from fer_sweep.spec.models import CnnModel, ResnetModel
from fer_sweep.spec.removal import AbsoluteRemoval, AumRemoval, BdrRemoval, LtsRemoval, NoRemoval, RemovalConfig
from fer_sweep.spec.train import AugmentConfig, ConstantSchedule, TrainConfig
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training import picture_network, picture_trials
from fer_sweep.training.picture_network import PictureMember, PictureNetwork
from fer_sweep.training.picture_population import PicturePopulation
from fer_sweep.training.records import EpochReport, TrialFailure, TrialResult
from fer_sweep.training.seeds import derive_seed
from fer_sweep.training.trials import TrialRequest, run_trials

CPU = torch.device("cpu")
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
DEVICES = [CPU, pytest.param(torch.device("cuda"), marks=NO_GPU)]
DATA = SyntheticFaces(source="synthetic_faces", samples=56, persons=8, size=32)
CNN = CnnModel(kind="cnn", input_size=16, width=4, hidden_units=16)
RESNET = ResnetModel(kind="resnet", mode="finetune", weights="none", input_size=32)
TRAIN = TrainConfig(learning_rate=1e-3, epochs=4, batch_size=8)
CONSTANT = ConstantSchedule(kind="constant")
MANY_REMOVALS: dict[str, Any] = {"start": 2, "interval": 1, "stop_variance": None, "min_per_class": 1}


@pytest.fixture(scope="module")
def samples() -> Samples:
    return load_samples(DATA)


def member(
    samples: Samples, *, seed: int = 3, train: TrainConfig = TRAIN, n: int = 41, **settings: Any
) -> PictureMember:
    """A network that trains on the first n pictures and tests on the rest."""
    rows = np.arange(len(samples))
    parts = (rows[:0], rows[n:], rows[:n])
    return PictureMember(
        model=settings.get("model", CNN),
        train=train,
        schedule=CONSTANT,
        augment=settings.get("augment", AugmentConfig()),
        seed=seed,
        parts=parts,
        y=samples.y[:n],
    )


def population(samples: Samples, *members: PictureMember, device: torch.device = CPU) -> PicturePopulation:
    return PicturePopulation(members, samples.pictures.pixels(16), classes=7, epochs=20, device=device)


def trial(samples: Samples, **settings: Any) -> list[EpochReport | TrialResult | TrialFailure]:
    checkpoints, device = settings.pop("checkpoints", None), settings.pop("device", CPU)
    config = TrialConfig(data=DATA, **{"model": CNN, "train": TRAIN, **settings})
    split = make_split(samples, config.protocol)
    return list(run_trials([TrialRequest(0, config, 1)], samples, split, device=device, checkpoints=checkpoints))


def result_of(records: list[EpochReport | TrialResult | TrialFailure]) -> TrialResult:
    assert isinstance(records[-1], TrialResult)
    return records[-1]


def plain_loop(samples: Samples, one: PictureMember, epochs: int, device: torch.device) -> torch.nn.Module:
    """What a user would write, with the same random numbers."""
    net = build_cnn(CNN, classes=7, seed=one.seed).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=one.train.learning_rate)
    x = prepared(samples, device)
    y = torch.from_numpy(samples.y.copy()).to(device)
    for epoch in range(epochs):
        torch.manual_seed(derive_seed(one.seed, "epoch", epoch))
        batches = list(torch.split(torch.randperm(len(one.y), device=device), 8))
        if len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        net.train()
        for batch in batches:
            optimizer.zero_grad()
            functional.cross_entropy(net(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return net.eval()


def prepared(samples: Samples, device: torch.device) -> torch.Tensor:
    x = torch.tensor(samples.pictures.pixels(16)).permute(0, 3, 1, 2).float().div(255.0).sub(MEAN[0]).div(0.5)
    return x.to(device)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("n", [40, 41, 43])
def test_the_engine_is_the_plain_loop(samples: Samples, n: int, device: torch.device) -> None:
    one = member(samples, n=n, train=TRAIN.model_copy(update={"precision": "float32"}))
    with torch.random.fork_rng():
        expected = plain_loop(samples, one, 2, device)(prepared(samples, device)).softmax(-1).detach().cpu().numpy()

    engine = population(samples, one, device=device)
    engine.advance(2)

    atol = 2e-3 if device == CPU else 2e-2  # a GPU multiplies with 10 bits in convolutions
    np.testing.assert_allclose(engine.predict(-1)[0], expected[:n], atol=atol)
    np.testing.assert_allclose(engine.predict(1)[0], expected[n:], atol=atol)
    assert engine.predict(0)[0].shape == (0, 7)


def test_a_network_comes_out_the_same_whatever_trains_beside_it(samples: Samples) -> None:
    alone, beside = population(samples, member(samples)), population(samples, member(samples, seed=9), member(samples))
    for engine in (alone, beside):
        engine.advance(2)

    np.testing.assert_array_equal(alone.predict(1)[0], beside.predict(1)[1])
    assert not np.array_equal(beside.predict(1)[0], beside.predict(1)[1])
    beside.keep([1])
    np.testing.assert_array_equal(alone.predict(1)[0], beside.predict(1)[0])
    np.testing.assert_array_equal(alone.history(), beside.history())


@pytest.mark.parametrize("same_order", [True, False])
def test_what_a_picture_weighs_goes_where_mixup_blends_it(
    samples: Samples, same_order: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blending all of the next picture into each puts a batch into another order, which teaches the same."""
    train = TrainConfig(optimizer="sgd", learning_rate=0.05, epochs=4, batch_size=8, class_weights="balanced")
    model = CNN.model_copy(update={"dropout": 0.0, "head_dropout": 0.0})
    weights = np.linspace(0.2, 1.0, 41, dtype=np.float32)

    def next_one(x: torch.Tensor, goals: torch.Tensor, *_: object) -> tuple[torch.Tensor, torch.Tensor]:
        return (x, goals) if same_order else (x.roll(1, 0), goals.roll(1, 0))

    monkeypatch.setattr(picture_network, "mixed", next_one)
    plain, blended = (
        population(samples, member(samples, train=train, model=model, augment=AugmentConfig(mixup=mixup)))
        for mixup in (0.0, 0.4)
    )
    for engine in (plain, blended):
        engine.weigh(0, weights)
        engine.advance(2)

    np.testing.assert_allclose(blended.predict(1)[0], plain.predict(1)[0], atol=1e-4)


def test_torchs_own_generator_is_left_as_it_was(samples: Samples) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    population(samples, member(samples)).advance(1)

    assert torch.rand(1) == expected


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_the_same_seed_gives_the_same_result_twice(samples: Samples, device: torch.device) -> None:
    augment = AugmentConfig(flip=True, crop=0.1, rotation=10.0, colour=0.2, erasing=0.3, mixup=0.2)
    train = TRAIN.model_copy(update={"deterministic": True})
    first, second = (result_of(trial(samples, augment=augment, train=train, device=device)) for _ in range(2))

    for one, other in zip(first.networks, second.networks, strict=True):
        np.testing.assert_array_equal(one.test_probabilities, other.test_probabilities)
        np.testing.assert_array_equal(one.train_loss, other.train_loss)


def test_folds_share_no_person(samples: Samples) -> None:
    first, second = result_of(trial(samples)).networks

    assert not set(samples.person[first.test]) & set(samples.person[second.test])


def test_removed_samples_are_not_trained_on(samples: Samples) -> None:
    engine = population(samples, member(samples))
    engine.weigh(0, np.array([1.0] + 40 * [0.0], dtype=np.float32))
    before = engine.networks[0].losses.clone()
    engine.advance(1)

    assert (engine.networks[0].losses != before).nonzero().tolist() == [[0]]


def test_errors_are_those_of_the_network_in_evaluation_mode_on_unchanged_pictures(samples: Samples) -> None:
    engine = population(samples, member(samples, augment=AugmentConfig(crop=0.5, colour=1.0)))
    engine.advance(1)
    probabilities = engine.predict(-1)[0].astype(np.float64)
    targets = np.eye(7)[samples.y[:41]]

    cross_entropy, half_sse = engine.errors()

    np.testing.assert_allclose(cross_entropy[0], -np.log((probabilities * targets).sum(1)), rtol=1e-4)
    np.testing.assert_allclose(half_sse[0], 0.5 * ((probabilities - targets) ** 2).sum(1), rtol=1e-4)
    assert not np.allclose(engine.recent()[0][0], cross_entropy[0])


def test_what_is_recent_is_of_the_last_epoch_and_before_it_of_the_pictures_as_they_are(samples: Samples) -> None:
    engine = population(samples, member(samples))
    before, right_before = engine.recent()
    np.testing.assert_array_equal(before, engine.errors()[0])
    np.testing.assert_array_equal(right_before[0], engine.predict(-1)[0].argmax(1) == samples.y[:41])

    engine.advance(1)
    after, right = engine.recent()

    assert (after != before).all()
    assert 0 < right.sum() < right.size
    assert right[0][after[0] < np.log(2)].all(), "a class with more than half of the probability is predicted"
    assert not right[0][after[0] > np.log(7)].any()


def test_a_sample_that_comes_back_counts_as_it_does_now(samples: Samples) -> None:
    engine = population(samples, member(samples))
    weights = np.ones(41, np.float32)
    weights[:5] = 0.0
    engine.weigh(0, weights)  # before it was ever trained on
    engine.advance(2)
    stale, _ = engine.recent()

    engine.weigh(0, np.ones(41, np.float32))
    losses, right = engine.recent()

    np.testing.assert_array_equal(stale[0, :5], 0.0)
    np.testing.assert_allclose(losses[0, :5], engine.errors()[0][0, :5])
    np.testing.assert_array_equal(losses[0, 5:], stale[0, 5:])
    np.testing.assert_array_equal(right[0, :5], engine.predict(-1)[0][:5].argmax(1) == samples.y[:5])


def test_bdr_removes_from_networks_on_pictures_and_random_removal_as_many(samples: Samples) -> None:
    bdr = result_of(trial(samples, removal=BdrRemoval(rule="bdr", **MANY_REMOVALS)))
    random = result_of(trial(samples, removal=BdrRemoval(rule="bdr", at_random=True, **MANY_REMOVALS)))

    rounds = [[(r.epoch, len(r.removed)) for r in n.removals] for n in bdr.networks]
    assert any(rounds)
    assert rounds == [[(r.epoch, len(r.removed)) for r in n.removals] for n in random.networks]
    for network in bdr.networks:
        for removal in network.removals:
            assert min(removal.errors) >= removal.threshold


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_bfloat16_is_close_to_float32(samples: Samples, device: torch.device) -> None:
    exact, rough = (
        result_of(trial(samples, train=TRAIN.model_copy(update={"precision": precision}), device=device))
        for precision in ("float32", "bfloat16")
    )

    np.testing.assert_allclose(exact.networks[0].test_probabilities, rough.networks[0].test_probabilities, atol=0.1)
    assert not np.array_equal(exact.networks[0].test_probabilities, rough.networks[0].test_probabilities)


def test_the_cnn_can_learn_a_small_set_by_heart(samples: Samples) -> None:
    model = CnnModel(kind="cnn", input_size=16, width=8, dropout=0.0, head_dropout=0.0)
    train = TrainConfig(learning_rate=3e-3, epochs=20, batch_size=7)
    engine = population(samples, member(samples, n=14, model=model, train=train))
    engine.advance(20)

    assert (engine.predict(-1)[0].argmax(1) == samples.y[:14]).mean() >= 13 / 14


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(
    "removal",
    [
        NoRemoval(rule="none"),
        BdrRemoval(rule="bdr", **MANY_REMOVALS),
        BdrRemoval(rule="bdr", at_random=True, **MANY_REMOVALS),
        LtsRemoval(rule="lts", interval=1),
        AumRemoval(rule="aum", start=5),
        AbsoluteRemoval(rule="absolute"),
    ],
    ids=lambda removal: removal.rule,
)
def test_an_interrupted_trial_goes_on_as_if_nothing_had_happened(
    samples: Samples, tmp_path: Path, removal: RemovalConfig, device: torch.device
) -> None:
    train = TRAIN.model_copy(update={"epochs": 6, "deterministic": True})
    config = TrialConfig(data=DATA, model=CNN, train=train, removal=removal)
    split, request = make_split(samples, config.protocol), TrialRequest(5, config, 1)
    whole = list(run_trials([request], samples, split, device=device))
    interrupted = run_trials([request], samples, split, device=device, checkpoints=tmp_path)
    for _ in range(5):
        next(interrupted)
    interrupted.close()
    assert [file.name for file in tmp_path.iterdir()] == ["00005.pt"]

    trained: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        original = PictureNetwork.train_one_epoch

        def counting(self: PictureNetwork, epoch: int) -> Iterator[None]:
            trained.append(epoch)
            return original(self, epoch)

        patch.setattr(PictureNetwork, "train_one_epoch", counting)
        resumed = list(run_trials([request], samples, split, device=device, checkpoints=tmp_path))

    assert set(trained) == {4, 5}
    assert resumed[:-1] == whole[:-1]
    for one, other in zip(result_of(resumed).networks, result_of(whole).networks, strict=True):
        np.testing.assert_array_equal(one.test_probabilities, other.test_probabilities)
        np.testing.assert_array_equal(one.histograms, other.histograms)
        np.testing.assert_array_equal(one.train_loss, other.train_loss)
        assert repr(one.removals) == repr(other.removals)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_trial_or_a_damaged_one_is_not_used(samples: Samples, tmp_path: Path) -> None:
    fresh = result_of(trial(samples))
    other = TrialConfig(data=DATA, model=CNN, train=TRAIN.model_copy(update={"learning_rate": 0.1}))
    begun = run_trials(
        [TrialRequest(0, other, 1)], samples, make_split(samples, other.protocol), device=CPU, checkpoints=tmp_path
    )
    for _ in range(3):
        next(begun)
    begun.close()

    for damage in (None, b"damaged", b"", b"abc", b"\x80"):
        if damage is not None:
            (tmp_path / "00000.pt").write_bytes(damage)
        again = result_of(trial(samples, checkpoints=tmp_path))
        np.testing.assert_array_equal(fresh.networks[0].test_probabilities, again.networks[0].test_probabilities)


def test_too_little_memory_fails_the_trial_with_what_to_try(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(picture_trials, "form_cohorts", full)

    (failure,) = trial(samples)

    assert isinstance(failure, TrialFailure)
    assert "too small for 2 networks of a trial with train.batch_size: 8 and model.input_size: 16" in failure.message


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(
    ("model", "blocks"),
    [
        (CNN, [(4, 8, 8), (8, 4, 4), (16, 2, 2)]),
        (RESNET, [(16, 8, 8), (16, 4, 4), (16, 2, 2), (16, 1, 1)]),
        (RESNET.model_copy(update={"mode": "extract"}), [(16, 8, 8), (16, 4, 4), (16, 2, 2), (16, 1, 1)]),
    ],
    ids=["cnn", "finetune", "extract"],
)  # fmt: skip
def test_a_result_shows_what_its_first_network_looks_at(
    samples: Samples, model: CnnModel | ResnetModel, blocks: list[tuple[int, int, int]], device: torch.device
) -> None:
    result = result_of(trial(samples, model=model, train=TRAIN.model_copy(update={"epochs": 1}), device=device))
    shown = result.explanation

    assert shown is not None
    assert [maps.shape for maps in shown.activations] == blocks
    assert sorted(samples.y[shown.samples]) == list(range(7))
    assert set(shown.samples) <= set(result.networks[0].test)
    assert shown.pictures.shape == (7, model.input_size, model.input_size, 3)
    assert shown.grad_cam.shape == shown.pictures.shape[:3]
    assert 0.0 <= shown.grad_cam.min() <= shown.grad_cam.max() <= 1.0
    rows = {row: i for i, row in enumerate(result.networks[0].test.tolist())}
    predicted = result.networks[0].test_probabilities.argmax(1)
    assert [predicted[rows[row]] for row in shown.samples.tolist()] == shown.predicted.tolist()


@pytest.mark.parametrize("repeatable", [False, True])
def test_a_gpu_takes_fast_or_repeatable_algorithms_and_then_those_of_before(
    repeatable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)

    with picture_trials.algorithms(repeatable=repeatable, device=torch.device("cuda")):
        assert torch.backends.cudnn.benchmark is not repeatable
        assert torch.are_deterministic_algorithms_enabled() is repeatable

    assert torch.backends.cudnn.benchmark is False
    assert torch.are_deterministic_algorithms_enabled() is False


def test_the_series_of_a_network_and_the_reports_tell_the_same_of_every_epoch(samples: Samples) -> None:
    *reports, result = trial(samples)
    assert isinstance(result, TrialResult)
    told = [report.train_loss for report in reports if isinstance(report, EpochReport)]
    variances = [report.loss_variance for report in reports if isinstance(report, EpochReport)]

    assert len(told) == TRAIN.epochs + 1
    np.testing.assert_allclose(np.mean([n.train_loss for n in result.networks], axis=0), told, rtol=1e-6)
    np.testing.assert_allclose(np.mean([n.loss_variance for n in result.networks], axis=0), variances, atol=1e-6)
