"""fer-sweep pretrain: weights that others can start from, and how they came about."""

import json
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from fer_sweep.cli import pretrain as command
from fer_sweep.cli.app import app
from fer_sweep.cli.interruption import SIGNALS
from fer_sweep.data import load_samples
from fer_sweep.data.folds import without_test
from fer_sweep.errors import DataError, FerSweepError, SpecError
from fer_sweep.models.resnet import build_resnet, load_weights
from fer_sweep.models.weights_file import ORIGIN, Origin, pictures_behind
from fer_sweep.spec import load_sweep
from fer_sweep.spec.models import ResnetModel
from fer_sweep.training.picture_network import PictureNetwork
from fer_sweep.training.pretraining import note_pretraining
from fer_sweep.training.records import EpochReport
from fer_sweep.training.threads import threads_each

SWEEP = """\
name: small
data: {source: synthetic_faces, samples: 56, persons: 8, size: 32}
protocol: {folds: 2, split: person, seed: 0, validation_fraction: 0.2}
model: {kind: resnet, depth: 18, mode: finetune, weights: none, input_size: 32}
train: {optimizer: adam, learning_rate: 1e-3, epochs: 3, batch_size: 16}
parameters: {train.learning_rate: {values: [1e-3, 1e-4]}, model.weights: {values: [none, not-there.pth]}}
method: grid
"""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other are slow on a machine that others use too."""
    with threads_each(1):
        yield


@dataclass(frozen=True)
class Made:
    """What one pretraining came to."""

    file: Path
    facts: Mapping[str, Any]
    told: str

    @property
    def content(self) -> Any:
        return torch.load(self.file, weights_only=True)

    def model(self, **settings: object) -> ResnetModel:
        return ResnetModel.model_validate({"kind": "resnet", "weights": str(self.file), "input_size": 32, **settings})


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pretrain") / "small.yaml"
    file.write_text(SWEEP)
    return file


@pytest.fixture(scope="module")
def made(sweep: Path) -> Made:
    file = sweep.parent / "new" / "drawn.pth"
    done = pretrain(sweep, file, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    return Made(file, json.loads(done.stdout), done.stderr)


@pytest.fixture
def signals() -> Iterator[None]:
    """Handlers as they were, also after an interruption, which leaves its own to the end of the process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pretrain(sweep: Path, output: Path, *arguments: str) -> Result:
    home = str(sweep.parent / "home")
    return CliRunner().invoke(app, ["pretrain", str(sweep), "--output", str(output), "--home", home, *arguments])


def test_the_file_is_what_weights_accepts_and_another_start_than_none(made: Made) -> None:
    state = load_weights(made.model())
    assert state is not None
    assert not any(name.startswith("fc.") for name in state)

    ours, random = (
        build_resnet(made.model(), classes=3, seed=1),
        build_resnet(made.model(weights="none"), classes=3, seed=1),
    )

    for name, tensor in ours.state_dict().items():
        same = torch.equal(tensor, random.state_dict()[name])
        assert same == name.startswith("fc."), name
        assert name.startswith("fc.") or torch.equal(tensor, state[name])


def test_it_trains_on_all_but_the_held_out_share_and_says_how_well(made: Made, sweep: Path) -> None:
    facts, samples = made.facts, load_samples(load_sweep(sweep).data)
    fold = without_test(samples, load_sweep(sweep).protocol)

    assert (facts["samples"], facts["persons"], facts["fingerprint"]) == (56, 8, samples.fingerprint)
    assert (facts["trained_on"], facts["held_out"]) == (len(fold.train), len(fold.validation))
    assert 0 < facts["held_out"] < 20
    assert facts["person_independent"] is True
    assert set(made.content[ORIGIN]["pictures"]) == {samples.pictures.digests[i] for i in fold.train}
    assert facts["configuration"]["train.epochs"] == 3
    assert (facts["accuracy"] * facts["held_out"]) % 1 == pytest.approx(0, abs=1e-9)
    told = [line for line in made.told.splitlines() if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in told] == [f"epoch {e} of 3" for e in range(4)]
    assert told[-1].endswith(f"held out: accuracy {100 * facts['accuracy']:.2f} %")


def test_a_study_on_the_same_pictures_is_told_so_and_one_on_others_is_not(made: Made, sweep: Path) -> None:
    arguments = ["--set", f"model.weights={made.file}", "--set", "parameters={}", "--set", "model.mode=extract"]
    home = str(sweep.parent / "home")
    done = CliRunner().invoke(app, ["run", str(sweep), *arguments, "--home", home, "--offline", "--json"])
    told = f"{made.facts['trained_on']} of 56 pictures were trained on when {made.file} was made"

    assert done.exit_code == 0, (done.output, done.exception)
    assert told in done.stderr
    assert any(told in label for label in json.loads(done.stdout)["labels"])
    other = load_sweep(sweep, [*arguments[1::2], "data.seed=9"])
    assert note_pretraining(load_samples(other.data), other).warnings == ()


def test_it_goes_on_from_other_weights_and_remembers_their_pictures(made: Made, sweep: Path, tmp_path: Path) -> None:
    file = tmp_path / "both.pth"
    file.write_text("to be replaced")
    settings = [f"model.weights={made.file}", "data.seed=2", "protocol.validation_fraction=0", "train.epochs=1"]

    done = pretrain(sweep, file, "--force", *(part for one in settings for part in ("--set", one)))

    assert done.exit_code == 0, (done.output, done.exception)
    assert pictures_behind(str(file)) > pictures_behind(str(made.file))
    assert len(pictures_behind(str(file))) == made.facts["trained_on"] + 56
    assert torch.load(file, weights_only=True)[ORIGIN]["accuracy"] is None
    assert done.stdout.startswith("a ResNet-18 was trained on 56 of 56 pictures of 7 classes; training accuracy ")
    assert "nothing was held out, so how well it learnt is not known" in done.stdout
    assert f'in a sweep file: model: {{kind: resnet, depth: 18, mode: finetune, weights: "{file}"' in done.stdout
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("persons", "independent", "told"),
    [
        (8, True, "on 12 pictures of other persons (always the commonest class: 16.67 %)"),
        (8, False, "on 12 pictures of partly the same persons ("),
        (56, True, "on 12 pictures of whoever it may be, as no persons are known ("),
    ],
)
def test_whose_pictures_were_held_out_is_said_as_far_as_it_is_known(
    persons: int, independent: bool, told: str, made: Made
) -> None:
    facts = {**made.content[ORIGIN], "persons": persons, "person_independent": independent}
    origin = Origin(**{**facts, "held_out": 12, "most_frequent": 1 / 6})

    assert told in list(command._lines(origin, made.file, made.model()))[1]


def test_interrupted_it_writes_nothing_and_goes_on_where_it_stopped(
    made: Made, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals: None
) -> None:
    file, note, trained = tmp_path / "again.pth", command._note, list[int]()
    train = PictureNetwork.train_one_epoch

    def interrupting(report: EpochReport) -> str:
        if report.epoch == 1:
            signal.raise_signal(signal.SIGINT)
        return note(report)

    def counting(self: PictureNetwork, epoch: int) -> Iterator[None]:
        trained.append(epoch)
        return train(self, epoch)

    monkeypatch.setattr(PictureNetwork, "train_one_epoch", counting)
    with monkeypatch.context() as patch:
        patch.setattr(command, "_note", interrupting)
        done = pretrain(sweep, file)
    assert done.exit_code == 130
    assert "interrupted. The same command goes on where it stopped." in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["again.pth.checkpoint"]

    done = pretrain(sweep, file)

    assert done.exit_code == 0, (done.output, done.exception)
    assert trained == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [file]
    again = torch.load(file, weights_only=True)
    assert again[ORIGIN] == made.content[ORIGIN]
    assert all(torch.equal(tensor, made.content["state_dict"][name]) for name, tensor in again["state_dict"].items())


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--set", "model.mode=extract"], SpecError, r"model\.mode: extract learns a new last layer only.* finetune\."),
        (
            ["--set", "model={kind: cnn}", "--set", "parameters={}"],
            SpecError,
            r"model\.kind: cnn never starts from a file of weights, so .* Use model\.kind: resnet with model\.mode",
        ),
        (["--set", "data={source: folder, path: nowhere}"], DataError, r"data\.path: nowhere does not exist"),
        (["--set", "model.weights=nothing.pth"], DataError, r"model\.weights: nothing\.pth does not exist"),
        (["--output", "HERE"], DataError, r"--output: \S+ is a folder\. Name a file in it, such as \S+weights\.pth\."),
        (
            ["--output", "HERE/old.pth"],
            DataError,
            r"old\.pth exists already\. Name another file, or say --force to repl",
        ),
        (
            ["--output", "HERE/old.pth/new.pth"],
            DataError,
            r"--output: \S+ cannot be written: .*\. Name a file in anothe",
        ),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_computed(
    arguments: list[str], kind: type[FerSweepError], message: str, sweep: Path, tmp_path: Path
) -> None:
    (tmp_path / "old.pth").write_text("kept")

    done = pretrain(sweep, tmp_path / "new.pth", *(argument.replace("HERE", str(tmp_path)) for argument in arguments))

    assert isinstance(done.exception, kind)
    assert done.exception.exit_code == 2
    with pytest.raises(kind, match=message):
        raise done.exception
    assert "epoch" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["old.pth"]
    assert (tmp_path / "old.pth").read_text() == "kept"
