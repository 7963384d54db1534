"""ResNets: what learns in which mode, and where weights come from."""

import copy
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision.models import ResNet, ResNet18_Weights, ResNet50_Weights, ResNet101_Weights, resnet18

from fer_sweep.data import load_samples, make_split
from fer_sweep.data.cache import Cache
from fer_sweep.errors import DataError
from fer_sweep.models import resnet
from fer_sweep.models.resnet import build_backbone, build_resnet, load_weights
from fer_sweep.spec import SweepSpec, load_sweep
from fer_sweep.spec.data import SyntheticFaces
from fer_sweep.spec.models import ResnetModel
from fer_sweep.spec.train import AugmentConfig, TrainConfig
from fer_sweep.spec.trial import TrialConfig
from fer_sweep.training import backbone
from fer_sweep.training.backbone import Backbone, with_last_layer
from fer_sweep.training.explanation import explain
from fer_sweep.training.picture_network import PictureNetwork
from fer_sweep.training.records import TrialFailure, TrialResult
from fer_sweep.training.trials import TrialRequest, require_weights, run_trials

CPU = torch.device("cpu")
DATA = SyntheticFaces(source="synthetic_faces", samples=56, persons=8, size=32)


def config(**settings: object) -> ResnetModel:
    return ResnetModel.model_validate({"kind": "resnet", "weights": "none", "input_size": 32, **settings})


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ResNet-18 weights as torchvision saves them."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(resnet18(weights=None).state_dict(), path)
    return path


@pytest.mark.parametrize(("depth", "features"), [(18, 512), (50, 2048)])
def test_the_backbone_is_frozen_and_ends_before_the_last_layer(depth: int, features: int) -> None:
    net = build_backbone(config(depth=depth))

    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, features)
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_in_finetune_every_weight_and_batch_statistic_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    networks: list[PictureNetwork] = []
    before: list[dict[str, torch.Tensor]] = []
    original = PictureNetwork.__init__

    def spy(self: PictureNetwork, *given: object, **named: object) -> None:
        original(self, *given, **named)  # type: ignore[arg-type]
        networks.append(self)
        before.append(copy.deepcopy(self.module.state_dict()))

    monkeypatch.setattr(PictureNetwork, "__init__", spy)
    run(config(mode="finetune"), epochs=1)

    after = networks[0].module.state_dict()
    assert [name for name, tensor in before[0].items() if torch.equal(tensor, after[name])] == []


def test_in_extract_the_backbone_is_the_same_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[torch.nn.Module] = []

    def spy(model: ResnetModel) -> torch.nn.Module:
        built.append(build_backbone(model))
        return built[0]

    monkeypatch.setattr(backbone, "build_backbone", spy)
    result = run(config(mode="extract"), epochs=20)

    fresh = build_backbone(config()).state_dict()
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in built[0].state_dict().items())
    assert result.networks[0].train_loss[-1] < result.networks[0].train_loss[0]


def run(model: ResnetModel, *, epochs: int) -> TrialResult:
    samples = load_samples(DATA)
    train = TrainConfig(learning_rate=1e-3, epochs=epochs, batch_size=8)
    trial = TrialConfig(data=DATA, model=model, train=train, augment=AugmentConfig(flip=True))
    split = make_split(samples, trial.protocol)
    result = list(run_trials([TrialRequest(0, trial, 1)], samples, split, device=CPU))[-1]
    assert isinstance(result, TrialResult)
    return result


def test_extracted_features_are_the_backbones_and_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = load_samples(DATA, Cache(tmp_path)).pictures
    x = torch.tensor(pictures.pixels(32)).permute(0, 3, 1, 2).float() / 255.0
    x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    net = build_backbone(config())
    with torch.inference_mode():
        expected, mirrored = net(x).numpy(), net(x.flip(-1)).numpy()

    first = Backbone(config(), CPU).features(pictures)
    np.testing.assert_allclose(first[0], expected, atol=1e-4)
    np.testing.assert_allclose(first[1], mirrored, atol=1e-4)

    monkeypatch.setattr(Backbone, "_pass_all", None)
    np.testing.assert_array_equal(Backbone(config(), CPU).features(pictures)[0], first[0])


def test_too_little_memory_for_the_backbone_fails_its_trial_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: ResNet, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] == 64:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore words.")
        features: torch.Tensor = original(self, x)
        return features

    original = ResNet.forward
    monkeypatch.setattr(ResNet, "forward", full)
    train = TrainConfig(epochs=2, batch_size=8)
    large, small = (TrialConfig(data=DATA, model=config(input_size=size), train=train) for size in (64, 32))
    samples, split = load_samples(DATA), make_split(load_samples(DATA), small.protocol)

    both = list(run_trials([TrialRequest(0, large, 1), TrialRequest(1, small, 1)], samples, split, device=CPU))
    alone = list(run_trials([TrialRequest(0, large, 1)], samples, split, device=CPU))

    assert alone == [both[0]]
    assert both[0] == TrialFailure(
        trial=0,
        kind="memory",
        message="the GPU's memory is too small for the frozen ResNet-18 on 32 pictures at once with model.input_size: "
        "64. A smaller input size or model.depth needs less, and resources.device: cpu none: features are computed "
        "once. "
        "(CUDA out of memory. Tried to allocate 2 GiB.)",
    )
    assert isinstance(both[-1], TrialResult)
    assert both[-1].trial == 1


def test_weights_come_from_a_file(weights: Path) -> None:
    loaded = build_resnet(config(weights=str(weights)), classes=7, seed=0).state_dict()
    saved = torch.load(weights, weights_only=True)

    assert all(torch.equal(loaded[name], tensor) for name, tensor in saved.items() if not name.startswith("fc."))
    assert loaded["fc.weight"].shape == (7, 512)


def test_wrapped_and_old_files_load_too(weights: Path, tmp_path: Path) -> None:
    saved = torch.load(weights, weights_only=True)
    old = {f"module.{name}": tensor for name, tensor in saved.items() if "num_batches" not in name}
    torch.save({"state_dict": old}, tmp_path / "old.pth")

    assert load_weights(config(weights=str(tmp_path / "old.pth"))) is not None
    build_resnet(config(weights=str(tmp_path / "old.pth")), classes=7, seed=0)


def test_weights_that_cannot_be_had_are_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.pth does not exist \(looked for .*Allowed: imagenet, none, or the"):
        load_weights(config(weights="nowhere.pth"))
    with pytest.raises(DataError, match=r"does not fit a ResNet-50: \d+ tensors differ, such as .*Check model.depth"):
        load_weights(config(depth=50, weights=str(weights)))
    with pytest.raises(DataError, match=r"cannot be read: .*Is a directory.* Name a file that may be read."):
        load_weights(config(weights=str(tmp_path)))
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(DataError, match=r"cannot be loaded as plain tensors: .*torch.save\(model.state_dict"):
        load_weights(config(weights=str(tmp_path / "text.pth")))
    for content in (b"", b"abc", b"\x80"):
        (tmp_path / "torn.pth").write_bytes(content)
        with pytest.raises(DataError, match=r"torn.pth cannot be loaded as plain tensors: .+ Save the state"):
            load_weights(config(weights=str(tmp_path / "torn.pth")))
    torch.save(resnet18(weights=None), tmp_path / "module.pth")
    with pytest.raises(DataError, match="cannot be loaded as plain tensors"):
        load_weights(config(weights=str(tmp_path / "module.pth")))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataError, match=r"holds no state_dict \(names and tensors\)"):
        load_weights(config(weights=str(tmp_path / "list.pth")))


def test_without_network_the_file_and_its_folder_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", offline)

    with pytest.raises(DataError, match=r"needs resnet18-f37072fd.pth, which is not in .*checkpoints and could not be"):
        load_weights(config(weights="imagenet"))


def test_a_damaged_download_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    file.write_text("garbage")

    with pytest.raises(
        DataError, match=r"resnet18-f37072fd.pth cannot be loaded: it is damaged.* Delete it to have it"
    ):
        load_weights(config(weights="imagenet"))


def test_weights_that_are_no_numbers_are_refused(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    state["conv1.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")

    with pytest.raises(DataError, match=r"nan.pth holds values that are no finite numbers, in conv1.weight"):
        load_weights(config(weights=str(tmp_path / "nan.pth")))


def sweep(tmp_path: Path, model: str, parameters: str = "") -> SweepSpec:
    file = tmp_path / "sweep.yaml"
    file.write_text(
        f"name: x\ndata: {{source: synthetic_faces}}\nmodel: {model}\nmethod: random\nrun_cap: 2\n"
        f"parameters: {{train.learning_rate: {{values: [0.1, 0.01]}}{parameters}}}\n"
    )
    return load_sweep(file)


def test_all_weights_that_the_search_can_come_to_are_asked_for_at_once(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no network")

    for enum in (ResNet18_Weights, ResNet50_Weights, ResNet101_Weights):
        monkeypatch.setattr(enum, "get_state_dict", offline)

    require_weights(sweep(tmp_path, "{kind: mlp}"))
    require_weights(sweep(tmp_path, "{kind: resnet, weights: none}", ", model.depth: {values: [18, 50, 101]}"))
    require_weights(sweep(tmp_path, f"{{kind: resnet, weights: {weights}}}"))
    with pytest.raises(DataError) as caught:
        require_weights(sweep(tmp_path, f"{{kind: resnet, weights: {weights}}}", ", model.depth: {values: [18, 50]}"))
    assert "does not fit a ResNet-50" in str(caught.value)
    with pytest.raises(DataError) as caught:
        require_weights(
            sweep(tmp_path, "{kind: resnet, weights: none}",
                  ", model.weights: {values: [none, imagenet]}, model.depth: {values: [50, 101]}")
        )  # fmt: skip
    told = str(caught.value).splitlines()
    assert [line.split(",")[0] for line in told] == [
        f"model.weights: imagenet needs resnet{depth}.pth" for depth in ("50-0676ba61", "101-63fe2227")
    ]


def test_what_a_frozen_network_sees_is_what_the_whole_one_does() -> None:
    samples = load_samples(DATA)
    rng = np.random.default_rng(3)
    last = {"output": rng.normal(size=(7, 512)).astype(np.float32), "output_bias": np.zeros(7, np.float32)}
    rows = np.array([4, 1, 9])
    whole = build_resnet(config(), classes=7, seed=0)
    whole.load_state_dict({name: torch.from_numpy(array) for name, array in with_last_layer(config(), last).items()})
    x = torch.tensor(samples.pictures.pixels(32)[rows]).permute(0, 3, 1, 2).float() / 255.0
    x = (x - torch.tensor(resnet.MEAN)[:, None, None]) / torch.tensor(resnet.DEVIATION)[:, None, None]
    expected = explain(whole.eval(), x, rows, samples.pictures.pixels(32)[rows])
    frozen = Backbone(config(), CPU)

    frozen.explain(samples.pictures, rows[1:], last)
    seen = frozen.explain(samples.pictures, rows, last)  # two of them known from before

    np.testing.assert_array_equal(seen.predicted, expected.predicted)
    np.testing.assert_array_equal(seen.pictures, expected.pictures)
    np.testing.assert_allclose(seen.grad_cam, expected.grad_cam, atol=1e-4)
    for one, other in zip(seen.activations, expected.activations, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
