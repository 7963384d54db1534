"""How many networks train at once is a question of memory."""

from pathlib import Path

import pytest
import torch

from fer_sweep.models.cnn import build_cnn
from fer_sweep.spec.models import CnnModel
from fer_sweep.training import memory
from fer_sweep.training.memory import bytes_kept, networks_at_once, own_memory


@pytest.fixture
def cnn() -> torch.nn.Module:
    return build_cnn(CnnModel(kind="cnn", input_size=16, width=4, hidden_units=8), classes=7, seed=0)


def test_a_forward_pass_keeps_the_inputs_of_convolutions_and_changes_nothing(cnn: torch.nn.Module) -> None:
    before = {name: tensor.clone() for name, tensor in cnn.state_dict().items()}
    inputs = 3 * 16 * 16 + 4 * 16 * 16 + (4 + 8) * 8 * 8 + (8 + 16) * 4 * 4  # of the six convolutions, in numbers

    kept = bytes_kept(cnn, torch.rand(1, 3, 16, 16))

    assert 4 * inputs < kept < 4 * 5 * inputs
    assert cnn.training
    assert all(torch.equal(before[name], tensor) for name, tensor in cnn.state_dict().items())


def test_twice_the_pictures_keep_twice_as_much(cnn: torch.nn.Module) -> None:
    assert bytes_kept(cnn, torch.rand(2, 3, 16, 16)) == pytest.approx(2 * bytes_kept(cnn, torch.rand(1, 3, 16, 16)))


@pytest.mark.parametrize(("memory_of", "networks"), [(0.9, 1), (2.1, 1), (6.1, 3), (100.1, 50)])
def test_networks_share_half_of_the_memory_and_one_always_trains(
    cnn: torch.nn.Module, memory_of: float, networks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = torch.rand(1, 3, 16, 16)
    needed = 8 * bytes_kept(cnn, picture)
    monkeypatch.setattr(memory, "own_memory", lambda: int(memory_of * needed))

    assert networks_at_once(cnn, picture, 8) == networks


@pytest.mark.parametrize(("written", "limited"), [("max\n", False), ("1048576\n", True)])
def test_a_containers_limit_counts(
    written: str, limited: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(written)
    monkeypatch.setattr(memory, "_GROUP_LIMITS", (str(tmp_path / "memory.max"), str(tmp_path / "absent")))

    assert (own_memory() == 1 << 20) is limited
    assert own_memory() > 0
