"""``bmlb version``: of this program, of what is installed, and of the API server."""

import asyncio
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Annotated

import typer

from baremetal_lb.cli.live import Cluster, Context, IdentityOption, Kubeconfig, Namespace, Object, fetch_all
from baremetal_lb.cli.output import print_json, say
from baremetal_lb.kube.errors import KubeError
from baremetal_lb.kube.resources import Resource

if TYPE_CHECKING:  # it costs half a second, and only those pay who talk to a cluster
    from baremetal_lb.kube.transport import Transport

app = typer.Typer(add_completion=False)
WORKLOADS = (Resource("apps", "v1", "deployments"), Resource("apps", "v1", "daemonsets"))
NAME_LABEL = "app.kubernetes.io/name"


@app.command()
def version(
    *,
    client: Annotated[bool, typer.Option("--client", help="Only of this program; no cluster is asked.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    namespace: Namespace = "",
    identity: IdentityOption = "baremetal-lb",
) -> None:
    """Print the versions of this program, of the install and of Kubernetes."""
    told = {"bmlb": version_of("baremetal-lb")}
    if not client:
        cluster = Cluster(kubeconfig, context, namespace, identity)
        told |= cluster.run(lambda transport: _ask(transport, cluster))
    if output == "json":
        print_json(told)
        return
    for name, text in told.items():
        say(f"{name + ':':<14}{text}")


async def _ask(transport: "Transport", cluster: Cluster) -> dict[str, str]:
    server = await transport.server_version()
    try:
        lists = await asyncio.gather(*(fetch_all(transport, resource, cluster.home) for resource in WORKLOADS))
    except KubeError:  # whoever may not see Deployments may still see the rest
        lists = []
    images = {name: image for found in lists for name, image in _images(found)}
    return {"kubernetes": server.text, **dict(sorted(images.items()))}


def _images(workloads: list[Object]) -> list[tuple[str, str]]:
    """Return component and image of what is ours."""
    found = []
    for item in workloads:
        labels = item["metadata"].get("labels") or {}
        if labels.get(NAME_LABEL) == "baremetal-lb":
            image = item["spec"]["template"]["spec"]["containers"][0]["image"]
            found.append((str(labels.get("app.kubernetes.io/component")), str(image)))
    return found
