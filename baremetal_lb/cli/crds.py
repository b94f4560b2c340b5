"""``bmlb crds``: print the custom resource definitions, or write them to a directory, one file each."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from baremetal_lb.api.crds import file_name, render, to_yaml
from baremetal_lb.cli.output import print_json, say
from baremetal_lb.model.ids import IDENTITIES

app = typer.Typer(add_completion=False)


class IdentityName(Enum):
    """Identities that definitions can be rendered for."""

    BAREMETAL_LB = "baremetal-lb"
    METALLB = "metallb"


class Output(Enum):
    """Forms of output."""

    YAML = "yaml"
    JSON = "json"


@app.command()
def crds(
    identity: Annotated[IdentityName, typer.Option(help="API group of the kinds that MetalLB has, too.")] = IdentityName.BAREMETAL_LB,
    output: Annotated[Output, typer.Option("--output", "-o", help="yaml, or json (one List).")] = Output.YAML,
    directory: Annotated[
        Path | None, typer.Option(help="Write one YAML file for each definition here, and remove those of other kinds.")
    ] = None,
) -> None:
    """Print the custom resource definitions, for ``bmlb crds | kubectl apply --server-side -f -``."""
    definitions = render(IDENTITIES[identity.value])
    if directory is None:
        if output is Output.YAML:
            say(*to_yaml(definitions).splitlines())
        else:
            print_json({"apiVersion": "v1", "kind": "List", "items": definitions})
        return
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {file_name(crd): to_yaml([crd]) for crd in definitions}
    for path in sorted(directory.glob("*.*.yaml")):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (directory / name).write_text(text, encoding="utf-8")
    say(f"{len(wanted)} definitions written to {directory}")
