"""docker-compose.yml against the specification of compose files and against our list of what a deployment must do."""

import json
import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fer_sweep.tracking.server import Serving, server_environment
from tests.deployment.compose import (
    COMPOSE,
    GPU,
    ROOT,
    SETTINGS,
    MissingVariableError,
    deployment,
    dockerfile_of,
    installed_scripts,
    instructions,
    resolve,
)

SCHEMA = ROOT.parent / "shared" / "data" / "reference" / "compose-spec.schema.json"
SERVICES: dict[str, Any] = deployment()["services"]
LONG_RUNNING = ("postgres", "mlflow", "ray-head", "ray-worker")
DOCKERFILES = (ROOT / "mlflow" / "Dockerfile", ROOT / "deploy" / "Dockerfile")
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from (key, *strings(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    else:
        yield str(value)


def pins(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    assert all("==" in line for line in lines), file
    return {re.sub(r"\[.*\]", "", line.split("==")[0]): line.split("==")[1] for line in lines}


@pytest.mark.parametrize("files", [(COMPOSE,), (GPU,), (COMPOSE, GPU)], ids=["alone", "override", "merged"])
def test_the_compose_files_are_what_the_specification_asks_for(files: tuple[Path, ...]) -> None:
    if not SCHEMA.exists():
        pytest.skip(f"{SCHEMA} is not on this machine")
    validator = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))

    assert [error.message for error in validator.iter_errors(deployment(*files))] == []
    misspelt = {"services": {"x": {"image": "x", "heathcheck": {}}}}
    assert [error.message for error in validator.iter_errors(misspelt)] != []  # it does look


def test_variables_are_resolved_as_compose_does() -> None:
    text = "${A}-${B:-two}-${A:-x}-$$HOME"

    assert resolve([text, 3], {"A": "1"}) == ["1-two-1-$HOME", 3]
    with pytest.raises(MissingVariableError, match="C: say it"):
        resolve("${C:?say it}", {})
    with pytest.raises(ValueError, match="a lone dollar sign"):
        resolve("$HOME", {})


def test_without_secrets_nothing_starts_and_the_remedy_is_told() -> None:
    with pytest.raises(MissingVariableError, match="run make secrets first"):
        deployment(variables={})


def test_every_setting_of_the_example_is_read_and_every_variable_is_in_it() -> None:
    used = {found for file in (COMPOSE, GPU) for found in re.findall(r"(?<!\$)\$\{(\w+)", file.read_text())}
    lines = (ROOT / ".env.example").read_text().splitlines()

    offered = {found[1] for line in lines if (found := re.match(r"(?:# )?([A-Z_]+)=", line))}

    assert offered == used
    assert SETTINGS.keys() <= used


@each_service
def test_images_are_pinned_and_built_where_they_are_ours(name: str) -> None:
    image, _, version = SERVICES[name]["image"].partition(":")

    assert re.match(r"\d+\.\d+", version)
    assert ("build" in SERVICES[name]) == image.startswith("fer-sweep/")


@each_service
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]

    assert service["user"] == "1000:1000"  # whoever ran make secrets; never root
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["logging"]["options"]["max-size"] == "10m"
    assert not {"privileged", "network_mode", "pid", "cap_add", "devices"} & service.keys()
    assert service["restart"] == ("unless-stopped" if name in LONG_RUNNING else "no")


@each_service
def test_whatever_is_written_has_a_place_to_be_written_to(name: str) -> None:
    places = [*SERVICES[name].get("tmpfs", []), *SERVICES[name].get("volumes", [])]

    assert "/tmp" in places or name == "volumes"


def test_what_runs_for_long_says_how_it_is_and_how_much_it_may_take() -> None:
    for name in LONG_RUNNING:
        assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert not {"curl", "wget"} & set(" ".join(SERVICES[name]["healthcheck"]["test"]).split())
        assert SERVICES[name]["deploy"]["resources"]["limits"]["memory"]
        assert SERVICES[name]["stop_grace_period"]


def test_only_mlflow_can_be_reached_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {"mlflow": ["127.0.0.1:5000:5000"]}
    assert deployment()["networks"]["inside"] == {"internal": True}
    assert {name for name, service in SERVICES.items() if "outside" in service["networks"]} == {"mlflow", "sweep"}


@each_service
def test_secrets_come_from_files_and_from_nowhere_else(name: str) -> None:
    service = SERVICES[name]
    for key, value in service.get("environment", {}).items():
        assert not re.search(r"PASSWORD|SECRET_KEY|TOKEN$", key) or key.endswith("_FILE"), key
        assert not re.search(r"://[^/@]*:[^/@]*@", value), f"{key} has a password in its address"
    needed = {found for text in strings(service) for found in re.findall(r"/run/secrets/(\w+)", text)}
    assert set(service.get("secrets", [])) == needed


def test_every_secret_is_a_file_that_git_and_docker_leave_alone() -> None:
    for name, secret in deployment()["secrets"].items():
        assert secret == {"file": f"./deploy/secrets/{name}"}
    ignored = ["deploy/secrets/ray_token", ".env", "backups/x.tar"]
    listed = subprocess.run(
        ["git", "check-ignore", *ignored], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert listed == ignored
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert not any(path.startswith(("deploy/secrets", ".env", ".git")) or path == "deploy" for path in let_in)


@each_service
def test_no_mounted_folder_has_the_secrets_in_it(name: str) -> None:
    sources = [v.split(":")[0] for v in SERVICES[name].get("volumes", []) if v.startswith(".")]

    assert not {".", "./", "./deploy", "./deploy/", "./deploy/secrets"} & set(sources)
    assert all(source in ("./backups", "./sweeps", "./data") or (ROOT / source).is_file() for source in sources)


def test_the_administrators_password_is_seen_by_nothing_that_serves_or_trains() -> None:
    holders = {name for name, service in SERVICES.items() if "mlflow_admin_password" in service.get("secrets", [])}

    assert holders == {"mlflow-migrate", "mlflow-gc"}


def test_the_schema_is_upgraded_after_a_dump_and_before_the_server() -> None:
    waits = {name: {k: v["condition"] for k, v in s.get("depends_on", {}).items()} for name, s in SERVICES.items()}

    assert waits["dump-before-upgrade"] == {"postgres": "service_healthy"}
    assert waits["mlflow-migrate"]["dump-before-upgrade"] == "service_completed_successfully"
    assert waits["mlflow"]["mlflow-migrate"] == "service_completed_successfully"
    assert waits["sweep"]["mlflow"] == "service_healthy"
    assert waits["ray-worker"]["ray-head"] == "service_healthy"


def test_docker_compose_up_starts_the_team_and_nothing_else() -> None:
    started = {name for name, service in SERVICES.items() if "profiles" not in service}

    assert started == {*LONG_RUNNING, "dump-before-upgrade", "mlflow-migrate"}


def test_mlflow_is_guarded_as_by_fer_sweep_serve(tmp_path: Path) -> None:
    serving = Serving("sqlite:///x.db", "file:///x", "0.0.0.0", 5000, ("mlflow:*",), 2, None, tmp_path / "log")
    guards = {k: v for k, v in server_environment(serving, {}).items() if v in ("true", "false")}
    environment = SERVICES["mlflow"]["environment"]

    assert guards.items() <= environment.items()
    assert environment["MLFLOW_SERVER_ALLOWED_HOSTS"] == "mlflow:*,localhost:*,127.0.0.1:*,localhost"
    assert "*" not in environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert SERVICES["mlflow"]["command"][:4] == ["mlflow", "server", "--app-name", "basic-auth"]
    assert environment["MLFLOW_WORKERS"] in ("1", "2")
    named = deployment(variables={**SETTINGS, "MLFLOW_PUBLIC_NAME": "box.org"})["services"]["mlflow"]["environment"]
    assert named["MLFLOW_SERVER_ALLOWED_HOSTS"].endswith(",box.org")
    assert named["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].endswith(",https://box.org")


def test_mlflow_and_optuna_share_no_database_and_no_user() -> None:
    auth = (ROOT / "mlflow" / "auth.ini").read_text()
    addresses = [
        SERVICES["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"],
        SERVICES["sweep"]["environment"]["FER_SWEEP_STORAGE"],
        str(re.findall(r"database_uri = (.*)", auth)[0]),
    ]

    parts = [re.fullmatch(r"postgresql\+psycopg://(\w+)@postgres:5432/(\w+)\?passfile=\S+", a) for a in addresses]

    assert [part and part.groups() for part in parts] == [("mlflow",) * 2, ("optuna",) * 2, ("mlflow_auth",) * 2]
    assert "admin_password" not in auth


def test_ray_asks_for_its_token_everywhere_and_opens_no_jobs_api() -> None:
    for name in ("ray-head", "ray-worker", "sweep"):
        assert SERVICES[name]["environment"]["RAY_AUTH_MODE"] == "token"
        assert SERVICES[name]["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    assert "--include-dashboard=false" in (ROOT / "deploy" / "ray-node.sh").read_text()


def test_the_gpus_are_for_workers_and_sweeps_and_only_with_the_override() -> None:
    with_gpus = deployment(COMPOSE, GPU)["services"]
    asked = {
        name: service["deploy"]["resources"]["reservations"]["devices"]
        for name, service in with_gpus.items()
        if "reservations" in service.get("deploy", {}).get("resources", {})
    }

    assert asked.keys() == {"ray-worker", "sweep"}
    assert all(devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}] for devices in asked.values())
    assert with_gpus["ray-worker"]["deploy"]["resources"]["limits"]  # merged, not replaced
    assert not any("nvidia" in text for text in strings(SERVICES))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.parent.name)
def test_our_images_are_pinned_and_run_as_nobody_in_particular(dockerfile: Path) -> None:
    lines = instructions(dockerfile)

    assert [rest for name, rest in lines if name == "FROM"] == ["python:3.11.15-slim-bookworm"]
    assert not [rest for name, rest in lines if name == "ADD"]
    assert not any(re.search(r"https?://", rest) for name, rest in lines if name in ("COPY", "RUN"))
    assert [rest for name, rest in lines if name == "USER"] == ["${UID}:${GID}"]
    assert ("ARG", "UID=10001") in lines
    assert all("--constraint" in rest for name, rest in lines if "pip install" in rest)
    assert lines[-2][0] == "ENTRYPOINT" or lines[-1][0] == "ENTRYPOINT"


def test_everything_that_an_image_copies_is_there_and_let_in() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for dockerfile, context in zip(DOCKERFILES, (ROOT / "mlflow", ROOT), strict=True):
        for name, rest in instructions(dockerfile):
            if name == "COPY":
                *sources, _ = [part for part in rest.split() if not part.startswith("--")]
                for source in sources:
                    assert (context / source).exists(), source
                    assert context != ROOT or source in let_in, source


def test_the_versions_of_the_images_are_those_that_the_project_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    server, sweep = pins(ROOT / "mlflow" / "constraints.txt"), pins(ROOT / "deploy" / "constraints.txt")
    asked = [*project["dependencies"], *extras["auth"], *extras["postgres"], *extras.get("ray", [])]

    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        assert sweep[name] in requirement.specifier, requirement
        assert name not in server or server[name] in requirement.specifier, requirement
    assert pins(ROOT / "mlflow" / "requirements.txt").items() <= server.items()
    assert server["mlflow"] == sweep["mlflow"]  # a server understands its clients
    assert SERVICES["mlflow"]["image"].endswith(f":{server['mlflow']}")
    assert SERVICES["sweep"]["image"].endswith(f":{project['version']}")
    assert SERVICES["dump-before-upgrade"]["command"] == ["--before-upgrade", f"mlflow-{server['mlflow']}"]


@each_service
def test_commands_and_health_checks_are_in_their_image(name: str) -> None:
    service = SERVICES[name]
    dockerfile = dockerfile_of(service)
    if dockerfile is None:
        return
    scripts = installed_scripts(dockerfile, ROOT / service["build"]["context"])
    entrypoint = service.get("entrypoint") or json.loads(dict(instructions(dockerfile))["ENTRYPOINT"])
    check = service.get("healthcheck", {}).get("test", ["CMD", "mlflow"])

    assert entrypoint[0] in scripts or entrypoint == ["true"]
    assert check[1] in {*scripts, "mlflow"}
    for file in scripts.values():
        assert file.stat().st_mode & stat.S_IXUSR
        assert file.read_text().startswith("#!/bin/sh\n")  # the slim images' own


def test_the_makefile_and_the_services_have_the_same_names() -> None:
    makefile = (ROOT / "Makefile").read_text()

    for name in re.findall(r"docker compose run --rm ([\w-]+)", makefile + COMPOSE.read_text()):
        assert name in SERVICES
