"""The pinned requirements are those of pyproject.toml: `make requirements` compiles them anew."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
RUNTIME = PROJECT["project"]["dependencies"]
FILES = {"runtime": RUNTIME, "dev": RUNTIME + GROUPS["dev"], "build": GROUPS["build"], "uv": GROUPS["uv"]}
BLOCK = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?P<rest>.*\n(?:[ #].*\n)*)", re.MULTILINE)


def compiled(file: str) -> dict[str, re.Match[str]]:
    return {block["name"]: block for block in BLOCK.finditer((ROOT / "requirements" / f"{file}.txt").read_text())}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(("file", "declared"), FILES.items())
def test_what_is_asked_for_directly_is_what_is_pinned(file, declared):
    direct = {name: block["version"] for name, block in compiled(file).items() if "baremetal-lb (pyproject.toml" in block["rest"]}
    assert direct == {normal(name): version for name, version in (entry.split("==") for entry in declared)}


@pytest.mark.parametrize("file", FILES)
def test_every_package_has_hashes_and_no_address(file):
    assert all("--hash=sha256:" in block["rest"] for block in compiled(file).values())
    assert "://" not in (ROOT / "requirements" / f"{file}.txt").read_text()


@pytest.mark.parametrize("file", ["runtime", "build"])
def test_packages_in_several_files_have_one_version(file):
    development = compiled("dev")
    assert {name: block["version"] for name, block in compiled(file).items() if name in development} == {
        name: development[name]["version"] for name in compiled(file) if name in development
    }


def test_the_build_system_is_the_pinned_one():
    assert set(PROJECT["build-system"]["requires"]) <= set(GROUPS["build"])
