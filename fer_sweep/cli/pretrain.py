"""fer-sweep pretrain: a ResNet learns on one set of faces, and a file of its weights is what comes out."""

import json
import math
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from fer_sweep.cli.console import err, out, warn
from fer_sweep.cli.interruption import Interruption
from fer_sweep.cli.progress import noted_bars
from fer_sweep.data import load_samples
from fer_sweep.data.cache import Cache
from fer_sweep.data.folds import without_test
from fer_sweep.errors import DataError, out_of_space
from fer_sweep.models.weights_file import Origin, weights_file
from fer_sweep.spec import SweepSpec
from fer_sweep.spec.models import ResnetModel
from fer_sweep.study.home import Home
from fer_sweep.study.journal import write_atomically
from fer_sweep.training.pretraining import Pretrained, note_pretraining, pretrain, require_backbone
from fer_sweep.training.records import EpochReport
from fer_sweep.training.trials import choose_device, require_weights

LINES = 10
"""How often a pipe is told how far it is."""


def pretrain_backbone(spec: SweepSpec, output: Path, *, force: bool, home: Home, as_json: bool) -> None:
    """Train the base of a sweep on all its data but the validation share, and write its weights.

    Raises SpecError for a model without a backbone to learn, DataError for data or an output that cannot be used,
    TrainingFailed if the loss becomes no number.
    """
    alone = spec.model_copy(update={"parameters": {}})
    require_backbone(spec.base)
    _check_output(output, force=force)
    require_weights(alone)
    with err.status("reading the pictures"):
        samples = note_pretraining(load_samples(spec.data, Cache(home.cache)), alone)
        fold = without_test(samples, spec.protocol)
    for warning in samples.warnings:
        warn(warning)
    checkpoint, device = output.with_name(f"{output.name}.checkpoint"), choose_device(spec.resources.device)
    with Interruption("at the end of this epoch, to go on from there") as interruption:
        reports = pretrain(spec.base, samples, fold, seed=spec.seed, device=device, checkpoint=checkpoint)
        pretrained = _follow(reports, interruption, epochs=spec.base.train.last_epoch)
    content = weights_file(pretrained.weights, pretrained.origin)
    with _writing(output):
        write_atomically(output, content)
    checkpoint.unlink(missing_ok=True)
    if as_json:
        facts = {name: value for name, value in asdict(pretrained.origin).items() if name != "pictures"}
        out.print_json(json.dumps({"weights": str(output), "bytes": len(content), **facts}))
        return
    for line in _lines(pretrained.origin, output, spec.base.model):
        out.print(line, soft_wrap=True)


def _check_output(output: Path, *, force: bool) -> None:
    """Before anything is computed: is this a file that may be written?"""
    if output.is_dir():
        raise DataError(f"--output: {output} is a folder. Name a file in it, such as {output / 'weights.pth'}.")
    if output.exists() and not force:
        raise DataError(
            f"--output: {output} exists already. Name another file, or say --force to replace it; studies that "
            "started from it would then no longer be what their name says."
        )
    with _writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output.parent):
            pass


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if out_of_space(error) is not None:
            raise
        raise DataError(
            f"--output: {output} cannot be written: {error.strerror}. Name a file in another folder."
        ) from error


def _follow(
    reports: Generator[EpochReport, None, Pretrained], interruption: Interruption, *, epochs: int
) -> Pretrained:
    """Show how it does, to the end; in a pipe, LINES times."""
    with closing(reports), noted_bars(err) as bars:
        task, told = bars.add_task("epochs", total=epochs, note=""), 0
        while True:
            try:
                report = next(reports)
            except StopIteration as end:
                result: Pretrained = end.value
                return result
            note = _note(report)
            bars.update(task, completed=report.epoch, note=note)
            if not err.is_terminal and report.epoch * LINES >= told * epochs:
                err.print(f"epoch {report.epoch} of {epochs}: {note}", soft_wrap=True)
                told = report.epoch * LINES // epochs + 1
            interruption.check()


def _note(report: EpochReport) -> str:
    accuracy = (report.validation or report.test).accuracy
    measured = "" if math.isnan(accuracy) else f", held out: accuracy {100 * accuracy:.2f} %"
    return f"loss {report.train_loss:.3f}, accuracy {100 * report.train_accuracy:.2f} %{measured}"


def _lines(origin: Origin, output: Path, model: object) -> Iterator[str]:
    assert isinstance(model, ResnetModel)
    yield (
        f"a ResNet-{model.depth} was trained on {origin.trained_on:,} of {origin.samples:,} pictures of "
        f"{len(origin.class_names)} classes; training accuracy {100 * origin.train_accuracy:.2f} %"
    )
    if origin.accuracy is None or origin.most_frequent is None or origin.uar is None:
        yield "nothing was held out, so how well it learnt is not known; --set protocol.validation_fraction=0.1 tells"
    else:
        persons = "other persons" if origin.person_independent else "partly the same persons"
        if origin.persons == origin.samples:
            persons = "whoever it may be, as no persons are known"
        yield (
            f"held out: accuracy {100 * origin.accuracy:.2f} %, UAR {100 * origin.uar:.2f} % on {origin.held_out:,} "
            f"pictures of {persons} (always the commonest class: {100 * origin.most_frequent:.2f} %)"
        )
    settings = f"kind: resnet, depth: {model.depth}, mode: finetune, weights: {json.dumps(str(output))}"
    yield f"in a sweep file: model: {{{settings}, input_size: {model.input_size}}}"
