"""The command line prints through one door, baremetal_lb/cli/output.py, which lets text out only as text."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "baremetal_lb"
DOOR = PACKAGE / "cli" / "output.py"
FORBIDDEN_CALLS = {"print", "echo", "secho", "prompt", "Console", "pprint", "print_exc", "rprint"}
FORBIDDEN_MODULES = {"click", "rich.markup", "getpass"}
FORBIDDEN_STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
# The one line of completion, which kubectl reads, and the traceback of a crash, written out there.
MAY_WRITE = {"cli/main.py"}
# What a lab's own processes write for each other and into logs; the first writes lines of progress, written out there.
LAB_MAY_WRITE = {"lab/up.py", "lab/privilege.py", "lab/fetch.py", "lab/kube_api.py", "lab/router_gobgp_fib.py", "lab/build.py"}


def ways_of_printing(source: str) -> list[str]:
    """Return what of a module prints by itself, with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
                found.append(f"{node.lineno}: {name}()")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="typer" | "click" | "rich" | "traceback" as module), attr=name)) if (
                name in FORBIDDEN_CALLS | {"confirm", "print_exception"}
            ):
                found.append(f"{node.lineno}: {module}.{name}()")
            case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in FORBIDDEN_STREAMS:
                found.append(f"{node.lineno}: sys.{name}")
            case ast.ImportFrom(module=module, names=names):
                full = {f"{module}.{each.name}" for each in names} | {module}
                if full & (
                    FORBIDDEN_MODULES
                    | {"typer.echo", "typer.secho", "typer.confirm", "typer.prompt", "rich.print", "sys.stdout", "sys.stderr"}
                ):
                    found.append(f"{node.lineno}: from {module}")
            case ast.Import(names=names) if {each.name for each in names} & FORBIDDEN_MODULES:
                found.append(f"{node.lineno}: import")
    return found


def modules(folder: str, but: set[str]) -> list[Path]:
    return [path for path in sorted((PACKAGE / folder).rglob("*.py")) if path != DOOR and str(path.relative_to(PACKAGE)) not in but]


@pytest.mark.parametrize("path", modules("cli", MAY_WRITE) + modules("lab", LAB_MAY_WRITE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_module_prints(path):
    assert ways_of_printing(path.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "print('a')",
        "typer.echo('a')",
        "typer.confirm('a')",
        "from typer import echo",
        "from click import echo",
        "import click",
        "sys.stdout.write('a')",
        "print('a', file=sys.stderr)",
        "Console().print('a')",
        "rich.print('a')",
        "from rich import print",
        "from rich.markup import escape",
    ],
)
def test_each_way_of_printing_is_seen(line):
    assert ways_of_printing(line)


@pytest.mark.parametrize("line", ["say('a')", "open_console().print('a')", "sys.stdin.isatty()", "from rich.console import Console"])
def test_what_goes_through_the_door_is_let_through(line):
    assert ways_of_printing(line) == []
