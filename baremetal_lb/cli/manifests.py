"""``bmlb manifests``: print all objects of an installation, for whoever installs without Helm."""

from typing import Annotated

import typer

from baremetal_lb.api.crds import render
from baremetal_lb.cli.crds import IdentityName, Output
from baremetal_lb.cli.output import print_json, print_yaml
from baremetal_lb.install import objects
from baremetal_lb.model.ids import IDENTITIES

app = typer.Typer(add_completion=False)


@app.command()
def manifests(
    *,
    bgp: Annotated[bool, typer.Option("--bgp", help="With ExaBGP and BFD beside each speaker.")] = False,
    identity: Annotated[
        IdentityName, typer.Option(help="API group, annotations and metric names to live under.")
    ] = IdentityName.BAREMETAL_LB,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the install. Default: that of the identity.")] = "",
    image: Annotated[str, typer.Option(help="Image of all containers. Default: baremetal-lb, of this version.")] = "",
    secret: Annotated[list[str] | None, typer.Option(help="Secret with a BGP password, that speakers may read. Repeatable.")] = None,
    crds: Annotated[bool, typer.Option("--crds/--no-crds", help="With the custom resource definitions.")] = True,
    output: Annotated[Output, typer.Option("--output", "-o", help="yaml, or json (one List).")] = Output.YAML,
) -> None:
    """Print all objects of an installation, for ``bmlb manifests | kubectl apply --server-side -f -``."""
    names = IDENTITIES[identity.value]
    made = objects(names, "bgp" if bgp else "l2", namespace=namespace or names.default_namespace, image=image, secrets=secret or ())
    if crds:
        made = [*render(names), *made]
    if output is Output.JSON:
        print_json({"apiVersion": "v1", "kind": "List", "items": made})
    else:
        print_yaml(made, width=140)
