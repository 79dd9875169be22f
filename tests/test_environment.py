"""The requirements stand in two places and the lock in a third: all agree, and ilib imports nothing undeclared."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"torch": "pytorch"}  # where the conda package is called differently
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = PROJECT["optional-dependencies"]["bm3d"]  # never installed unless asked for: its licence
EVERYTHING = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]


def specifiers(requirements: list[str]) -> dict[str, str]:
    return {canonicalize_name(r.name): str(r.specifier) for r in map(Requirement, requirements)}


def test_conda_names_the_same_requirements() -> None:
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    in_conda = specifiers([line for line in conda if isinstance(line, str) and line != "pip"])
    in_project = specifiers([f"python{PROJECT['requires-python']}", *EVERYTHING])
    assert in_conda == {CONDA_NAMES.get(name, name): version for name, version in in_project.items()}


def test_core_has_floors_not_pins() -> None:
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert [s.operator for s in requirement.specifier] == [">="], requirement


def test_lock_has_every_requirement_but_torch() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = [Requirement(line) for line in lines]
    names = {canonicalize_name(requirement.name) for requirement in locked}
    assert set(specifiers(EVERYTHING)) - names == {"torch"}
    floors = {canonicalize_name(r.name): r.specifier for r in map(Requirement, EVERYTHING)}
    for requirement in locked:
        version = str(requirement.specifier).removeprefix("==")
        assert floors.get(canonicalize_name(requirement.name), requirement.specifier).contains(version), requirement


@pytest.mark.parametrize("line", (ROOT / "requirements.lock").read_text().splitlines())
def test_lock_names_no_host(line: str) -> None:
    assert re.fullmatch(r"[\w.\-]+==[\w.!+]+( ; .+)?", line), line


def imports(tree: ast.AST) -> set[str]:
    """Collect the first part of every absolute import below a node."""
    plain = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    relative = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module and not n.level}
    return {module.split(".")[0] for module in plain | relative}


@pytest.mark.parametrize("module", sorted((ROOT / "ilib").rglob("*.py")), ids=lambda path: path.stem)
def test_ilib_imports_what_is_declared(module: Path) -> None:
    distributions = packages_distributions()
    for name in imports(ast.parse(module.read_text())) - set(sys.stdlib_module_names) - {"ilib"}:
        owners = {canonicalize_name(owner) for owner in distributions.get(name, [name])}
        assert owners & set(specifiers(EVERYTHING + OPTIONAL)), f"{module.name}: pyproject.toml does not name {name}"


FLOORS = ["errors", "files", "project", "kernels", "operators", "degrade", "cameras", "physics", "metrics", "data",
          "classical", "blind", "dehaze", "networks", "gan", "patch_prior", "epll", "plug_and_play", "bm3d", "tiles",
          "deblur", "results", "priors", "live", "show", "chooser", "check"]  # fmt: skip


def floors_imported(module: Path) -> set[str]:
    """Name the floors of ilib that a module imports from, in either way of writing it."""
    parts = module.relative_to(ROOT).parts
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {".".join(name.name.split(".")[:2]) for name in node.names}
        if isinstance(node, ast.ImportFrom):
            base = ".".join(parts[: len(parts) - node.level]) if node.level else ""
            source = ".".join(filter(None, [base, node.module]))
            found |= {".".join(f"{source}.{name.name}".split(".")[:2]) for name in node.names}
    return {name.removeprefix("ilib.") for name in found if name.startswith("ilib.")} & set(FLOORS)


@pytest.mark.parametrize("module", sorted((ROOT / "ilib").rglob("*.py")), ids=lambda path: path.stem)
def test_floors_of_ilib(module: Path) -> None:
    """A floor imports only from itself and the floors below it, and every module stands on a floor."""
    floor = module.relative_to(ROOT / "ilib").parts[0].removesuffix(".py")
    allowed = FLOORS[: FLOORS.index(floor) + 1] if floor != "__init__" else []
    assert floors_imported(module) <= set(allowed)


def test_floors_are_seen_in_either_way_of_writing() -> None:
    assert "errors" in floors_imported(ROOT / "ilib" / "kernels.py")
    assert floors_imported(ROOT / "ilib" / "errors.py") == set()
