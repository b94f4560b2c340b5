"""Completion of names and options: as each shell asks for it, and as kubectl asks for that of its plugin."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from baremetal_lb.lab.servers import find_or_build

BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
FISH = {"_BMLB_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}


def run(*command, **environment):
    """Run a command and return what it printed."""
    return subprocess.run(command, env=ENVIRONMENT | environment, capture_output=True, text=True, check=True, timeout=60).stdout


def ask(shell, line):
    """Ask for the completions of a line as the script of that shell does."""
    match shell:
        case "bash":
            return run("bmlb", _BMLB_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(line.split(" ")) - 1))
        case "zsh" | "powershell":
            given = {"_BMLB_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
            return run("bmlb", **given, _TYPER_COMPLETE_WORD_TO_COMPLETE=line.rpartition(" ")[2])
    return run("bmlb", **FISH, _TYPER_COMPLETE_ARGS=line)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        ("bmlb s", ("svc", "speaker"), "pool"),
        ("bmlb svc ", ("list", "explain"), "svc"),
        ("bmlb svc list --all", ("--all-namespaces",), "-o"),
    ],
    ids=["a command", "a command of a group", "an option"],
)
def test_every_shell_completes_commands_of_the_lazy_group_and_their_options(shell, line, wanted, unwanted):
    answer = ask(shell, line)
    assert all(name in answer for name in wanted), answer
    assert unwanted not in answer.split()


def test_the_script_for_bash_completes_in_bash():
    script = run("bmlb", "--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    typed = 'COMP_WORDS=(bmlb no); COMP_CWORD=1; _bmlb_completion bmlb; printf "%s\\n" "${COMPREPLY[@]}"'
    assert run("bash", "-c", f"{script}\n{typed}").split() == ["node"]


def test_the_names_of_commands_are_completed_without_importing_them():
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", BIN / "bmlb"],
        env=ENVIRONMENT | FISH | {"_TYPER_COMPLETE_ARGS": "bmlb "}, capture_output=True, text=True, check=True, timeout=60,
    ).stderr  # fmt: skip
    assert "baremetal_lb.cli.main" in loaded or "baremetal_lb.cli" in loaded
    assert "baremetal_lb.cli.svc" not in loaded


@pytest.mark.kube
def test_kubectl_runs_the_plugin_under_its_own_name_and_completes_it():
    kubectl = str(find_or_build(print) / "kubectl")
    assert "Usage: kubectl bmlb svc [OPTIONS]" in run(kubectl, "bmlb", "svc", "--help")
    assert "--install-completion" not in run(kubectl, "bmlb", "--help")
    lines = run(kubectl, "__complete", "bmlb", "svc", "").splitlines()
    assert [line.partition("\t")[0] for line in lines] == ["list", "explain", ":0"]
    assert run(kubectl, "__complete", "bmlb", "svc", "list", "--all").startswith("--all-namespaces\t")
