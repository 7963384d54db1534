"""Training on pictures against the plain PyTorch loop a user would write, side by side in one run.

The plain loop: a Dataset that opens, resizes and normalizes a file whenever it is asked for it, a DataLoader, float32,
one network after another; for a frozen ResNet, the backbone in every epoch. The pictures are drawn and written as PNG
files of 720 x 576 pixels, as SFEW's are. The hardware's peak is what large matrix products reach on it.

    python benchmarks/images.py [--quick]
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

from fer_sweep.data import Samples, load_samples, make_split
from fer_sweep.data.cache import Cache
from fer_sweep.models import cnn, resnet
from fer_sweep.spec.data import FolderData, SyntheticFaces
from fer_sweep.spec.models import CnnModel, ResnetModel
from fer_sweep.spec.train import AugmentConfig, ConstantSchedule, TrainConfig
from fer_sweep.spec.trial import ProtocolConfig, TrialConfig
from fer_sweep.training.picture_network import PictureMember
from fer_sweep.training.picture_population import PicturePopulation
from fer_sweep.training.records import EpochReport
from fer_sweep.training.trials import TrialRequest, choose_device, run_trials

CLASSES = 7
EPOCHS = 150
"""Of the last layer alone, as in the paper."""

CONSTANT = ConstantSchedule(kind="constant")


class Files(Dataset[tuple[torch.Tensor, int]]):
    """What a user would write."""

    def __init__(self, samples: Samples, size: int, source: type, *, flip: bool) -> None:
        self._samples = samples
        self._transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                *([transforms.RandomHorizontalFlip()] if flip else []),
                transforms.ToTensor(),
                transforms.Normalize(source.MEAN, source.DEVIATION),  # type: ignore[attr-defined]
            ]
        )

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        path = self._samples.pictures.sources[i]
        assert isinstance(path, Path)
        return self._transform(Image.open(path).convert("RGB")), int(self._samples.y[i])


def write_pictures(folder: Path, count: int) -> None:
    """Drawn faces as PNG files of SFEW's size."""
    drawn = load_samples(SyntheticFaces(source="synthetic_faces", samples=count, persons=max(4, count // 8)))
    for i in range(count):
        place = folder / drawn.class_names[drawn.y[i]] / f"{drawn.person_names[drawn.person[i]]}_{i:04d}.png"
        place.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(drawn.pictures.whole(i)).resize((720, 576)).save(place)


def built(model: CnnModel | ResnetModel) -> nn.Module:
    module: nn.Module = (
        cnn.build_cnn(model, classes=CLASSES, seed=0)
        if isinstance(model, CnnModel)
        else resnet.build_resnet(model, classes=CLASSES, seed=0)
    )
    return module


def operations(model: CnnModel | ResnetModel) -> int:
    """Floating-point operations of matrix products and convolutions, forward and backward, of one picture."""
    module, pictures = built(model), 2  # batch normalization needs two
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(pictures, 3, model.input_size, model.input_size)).sum().backward()
    return int(counter.get_total_flops()) // pictures


def peak(device: torch.device, *, side: int) -> float:
    """Operations per second of square matrix products, in the precision that the engine computes in there."""
    bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    a = torch.rand(side, side, device=device, dtype=torch.bfloat16 if bfloat16 else torch.float32)
    a @ a
    return 2.0 * side**3 / min(timed(lambda: a @ a, device) for _ in range(10))


def plain_epoch(
    samples: Samples, model: CnnModel | ResnetModel, batch: int, device: torch.device
) -> Callable[[], object]:
    """One epoch of the plain loop that trains all weights."""
    source = cnn if isinstance(model, CnnModel) else resnet
    module = built(model).to(device)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    files = Files(samples, model.input_size, source, flip=isinstance(model, ResnetModel))  # type: ignore[arg-type]
    loader = DataLoader(files, batch_size=batch, shuffle=True, num_workers=2 if device.type == "cuda" else 0)

    def run() -> None:
        module.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = functional.cross_entropy(module(x.to(device)), y.to(device))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()

    return run


def engine_epoch(
    samples: Samples, model: CnnModel | ResnetModel, batch: int, device: torch.device, *, networks: int = 1
) -> Callable[[], object]:
    """One epoch of the image engine on the same pictures, of so many networks."""
    everyone = np.arange(len(samples))
    member = PictureMember(
        model=model,
        train=TrainConfig(learning_rate=1e-3, epochs=10_000, batch_size=batch),
        schedule=CONSTANT,
        augment=AugmentConfig(flip=isinstance(model, ResnetModel)),
        seed=0,
        parts=(everyone[:0], everyone[:0], everyone),
        y=samples.y,
    )
    pixels = samples.pictures.pixels(model.input_size)
    population = PicturePopulation([member] * networks, pixels, classes=CLASSES, epochs=10_000, device=device)
    return lambda: population.advance(1)


def compare(  # noqa: PLR0917 (a line of a table)
    name: str,
    samples: Samples,
    model: CnnModel | ResnetModel,
    batch: int,
    device: torch.device,
    rounds: int,
    best: float,
) -> None:
    """A line of the table: images per second of both, alternating, and the engine's share of the peak `best`."""
    runs = [make(samples, model, batch, device) for make in (plain_epoch, engine_epoch)]
    for run in runs:
        run()
    times = np.array([[timed(run, device) for run in runs] for _ in range(rounds)])
    speeds = len(samples) / np.median(times, axis=0)
    ratio = np.median(times[:, 0] / times[:, 1])
    share = speeds[1] * operations(model) / best
    print(f"{name:<22}{batch:>6}{speeds[0]:>12.1f}{speeds[1]:>12.1f}{ratio:>9.2f}x{share:>9.0%}", flush=True)


def compare_folds(  # noqa: PLR0917 (a line of a table)
    name: str, samples: Samples, model: CnnModel | ResnetModel, batch: int, device: torch.device, rounds: int
) -> None:
    """What two networks gain by training at once, as the folds of a trial do, rather than one after another."""
    one, two = (engine_epoch(samples, model, batch, device, networks=networks) for networks in (1, 2))
    for run in (one, two):
        run()
    ratios = [2 * timed(one, device) / timed(two, device) for _ in range(rounds)]
    print(f"two {name}, batch {batch}: {np.median(ratios):.2f}x as fast as one after another", flush=True)


def compare_extract(samples: Samples, device: torch.device) -> None:
    """The last layer of a frozen ResNet-18, both folds, 150 epochs, batch 8: everything included in ours; the plain
    loop is measured for one epoch of one fold, and takes as many times longer."""
    model = ResnetModel(kind="resnet", weights="none")
    config = TrialConfig(
        data=SyntheticFaces(source="synthetic_faces"),
        model=model,
        train=TrainConfig(learning_rate=1e-3, epochs=EPOCHS, batch_size=8),
        augment=AugmentConfig(flip=True),
    )
    split = make_split(samples, ProtocolConfig())
    begun = time.perf_counter()
    for record in run_trials([TrialRequest(0, config, 0)], samples, split, device=device):
        assert isinstance(record, EpochReport) or hasattr(record, "networks"), record
    ours = time.perf_counter() - begun

    backbone = resnet.build_backbone(model).to(device)
    head = nn.Linear(512, CLASSES).to(device)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    files = Files(samples, model.input_size, resnet, flip=True)  # type: ignore[arg-type]

    def plain() -> None:
        for x, y in DataLoader(files, batch_size=8, shuffle=True):
            with torch.no_grad():
                features = backbone(x.to(device))
            optimizer.zero_grad()
            functional.cross_entropy(head(features), y.to(device)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    plain()
    folds, half = len(split.folds), 0.5  # an epoch of a fold sees half of the pictures
    theirs = timed(plain, device) * half * folds * EPOCHS
    print(f"\nfrozen ResNet-18, {folds} folds x {EPOCHS} epochs: plain loop {theirs:.0f} s (from one epoch), "
          f"extract {ours:.1f} s, everything included: {theirs / ours:.0f}x")  # fmt: skip


def timed(work: Callable[[], object], device: torch.device) -> float:
    begun = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time the ways to train on pictures.")
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs; the numbers mean nothing")
    quick: bool = parser.parse_args(arguments).quick
    device = choose_device("auto")
    where = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    print(
        f"{where}, torch {torch.__version__} ({torch.get_num_threads()} threads), torchvision {torchvision.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder) / "faces", 28 if quick else 128 if device.type == "cpu" else 675)
        source = FolderData(source="folder", path=str(Path(folder) / "faces"))
        samples = load_samples(source, Cache(Path(folder) / "cache"))
        print(f"{len(samples)} PNG files of 720 x 576; images per second, training, medians\n")
        print(f"{'network':<22}{'batch':>6}{'plain loop':>12}{'engine':>12}{'ratio':>10}{'of peak':>9}")
        best = peak(device, side=256 if quick else 2048 if device.type == "cpu" else 8192)
        size = (32, 32) if quick else (160, 224)
        networks: tuple[tuple[str, CnnModel | ResnetModel], ...] = (
            (f"CNN {size[0]} px", CnnModel(kind="cnn", input_size=size[0])),
            (
                f"ResNet-18 {size[1]} px",
                ResnetModel(kind="resnet", mode="finetune", weights="none", input_size=size[1]),
            ),
        )
        for name, model in networks:
            for batch in (8,) if quick else (8, 32):
                compare(name, samples, model, batch, device, rounds=1 if quick else 3, best=best)
        print()
        for name, model in networks:
            compare_folds(name, samples, model, 8, device, rounds=1 if quick else 3)
        compare_extract(samples, device)
        print(f"peak: {best / 1e12:.2f} TFLOP/s, of matrix products")


if __name__ == "__main__":
    main()
