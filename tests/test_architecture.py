"""The house rules, enforced: which way imports point, who owns which library, and how large a module may grow."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fer_sweep"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOORS = (
    "errors",
    "cores",
    "spec",
    "data",
    "features",
    "models",
    "serving",
    "training",
    "execution",
    "study",
    "tracking",
    "reporting",
    "cli",
    "__main__",
)
"""Bottom to top. A module imports from its own floor and the ones below."""

OWNERS = {
    "ruamel": ("spec",),
    "pydantic": ("spec", "serving/folder.py"),
    "openpyxl": ("data/workbook.py",),
    "torch": ("models", "serving/network.py", "training"),
    "torchvision": ("models",),
    "cv2": ("data/faces.py", "features"),
    "sklearn": ("models/svm.py",),
    "safetensors": ("serving/folder.py",),
    "optuna": ("study",),
    "scipy": ("data/persons.py", "study"),
    "numba": ("training/fused_tiles.py",),
    "ray": ("execution/ray_",),
    "filelock": ("training/compilation.py", "study/lock.py", "study/database.py", "tracking/client.py"),
    "mlflow": ("tracking",),
    "alembic": ("tracking/schema.py",),
    "pandas": ("tracking/model_artifact.py", "tracking/served_model.py"),
    "sqlalchemy": (
        "study/claim.py",
        "study/database.py",
        "study/writing.py",
        "tracking/client.py",
        "tracking/schema.py",
    ),
    "matplotlib": ("tracking/figures", "reporting/paper/figures.py"),
    "PIL": ("data", "tracking/figures"),
    "psutil": ("tracking/provenance.py", "tracking/listeners.py"),
    "jinja2": ("reporting",),
    "markupsafe": ("reporting",),
    "typer": ("cli",),
    "rich": ("cli",),
}
FORBIDDEN_NAMES = ("utils", "util", "common", "helpers", "helper", "manager", "misc")
LONGEST_MODULE, LONGEST_FUNCTION = 310, 60


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module


def floor_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_stands_on_a_floor() -> None:
    assert {floor_of(path) for path in MODULES} - {"__init__"} == set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    if floor_of(path) == "__init__":
        return
    allowed = FLOORS[: FLOORS.index(floor_of(path)) + 1]
    for module in imported(path):
        if module.startswith("fer_sweep."):
            assert module.split(".")[1] in allowed, f"{path} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_library_is_imported_by_its_owner_alone(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for module in imported(path):
        owners = OWNERS.get(module.split(".")[0])
        assert owners is None or place.startswith(owners), f"{place} imports {module}; it belongs to {owners}"


def test_there_are_no_import_cycles() -> None:
    names = {".".join(("fer_sweep", *p.relative_to(PACKAGE).with_suffix("").parts)): p for p in MODULES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    edges = {name: {m for m in imported(path) if m in names and m != name} for name, path in names.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"cycle: {' -> '.join((*trail, name))}"
        if name not in done:
            for target in edges[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in names:
        visit(name, ())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{path}: {node.name}"


def test_the_server_folder_does_not_shadow_mlflow() -> None:
    assert list((ROOT / "mlflow").rglob("*.py")) == []
    assert mlflow.__file__ is not None
    assert "site-packages" in mlflow.__file__


@pytest.mark.parametrize("module", ["fer_sweep.spec", "fer_sweep.data", "fer_sweep.cli.app", "fer_sweep.cli.validate"])
def test_light_floors_do_not_load_heavy_libraries(module: str) -> None:
    heavy = "{'torch', 'mlflow', 'optuna', 'matplotlib', 'sklearn', 'cv2', 'skimage'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert printed.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["tracking.writer", "cli.sync", "cli.registry", "cli.status"])
def test_who_trains_nothing_does_not_load_torch(module: str) -> None:
    code = f"import sys, fer_sweep.{module}; print('torch' in sys.modules)"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert printed.stdout.strip() == "False"
