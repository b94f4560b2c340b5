"""``bmlb validate FILES``: every problem of the resources in files, each with file, line and field. Offline.

Exit codes: 0 nothing is wrong; 1 something is (an error: the object, as it stands, would mean nothing, or ``kubectl apply`` would refuse
it; warnings alone do not count, with ``--strict`` they do); 2 a file cannot be read.

``-o json``: ``{"problems": [{"object", "field", "reason", "message", "source", "severity": "error|warning"}]}``.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Any

import typer
from rich.table import Table

from baremetal_lb.api.compile import compile_objects
from baremetal_lb.api.kinds import KIND_BY_NAME
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.api.source import SourcedObject, load, with_sources
from baremetal_lb.api.texts import SourceError
from baremetal_lb.cli.output import complain, open_console, print_json, styled
from baremetal_lb.model.ids import BAREMETAL_LB, IDENTITIES, METALLB, Identity
from baremetal_lb.model.problem import Problem
from baremetal_lb.model.views import NodeView

REFUSED = frozenset({Why.UnknownField, Why.InvalidName, Why.DuplicateKey, Why.OtherGroup})
"""Not fatal to us, yet errors: the API server, or kubectl with its usual strictness, refuses these, or nobody reads the object."""
app = typer.Typer(add_completion=False)


class IdentityName(Enum):
    """Identities to judge under."""

    AUTO = "auto"
    BAREMETAL_LB = "baremetal-lb"
    METALLB = "metallb"


class Output(Enum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"


@app.command()
def validate(
    files: Annotated[list[str], typer.Argument(help="YAML or JSON files, directories, or - for standard input.", metavar="FILES...")],
    output: Annotated[Output, typer.Option("--output", "-o", help="table or json.")] = Output.TABLE,
    identity: Annotated[
        IdentityName, typer.Option(help="Whose API group counts; auto: metallb where the files have only objects of metallb.io.")
    ] = IdentityName.AUTO,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the install (default: the identity's).")] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings, too.")] = False,
) -> None:
    """Tell every problem of resources in files, with file, line and field."""
    problems: list[Problem] = []
    try:
        sourced = load(files, problems)
    except SourceError as error:
        complain(f"Error: {error}")
        raise typer.Exit(2) from None
    chosen = _identity(identity, sourced)
    compiled = compile_objects(
        [entry.object for entry in sourced],
        identity=chosen,
        namespace=namespace or chosen.default_namespace,
        nodes=_nodes(sourced),
        last_accepted=False,
    )
    problems += with_sources(compiled, sourced)
    problems.sort(key=_by_place)
    count = sum(1 for entry in sourced if _is_ours(entry.object, IDENTITIES.values()))
    if output is Output.JSON:
        print_json({"problems": [_as_json(problem) for problem in problems]})
    else:
        _print_table(problems, count)
    if any(is_error(problem) or strict for problem in problems):
        raise typer.Exit(1)


def is_error(problem: Problem) -> bool:
    """Tell whether a problem is an error; otherwise it is a warning."""
    return problem.is_fatal or problem.reason in REFUSED


def _identity(name: IdentityName, sourced: list[SourcedObject]) -> Identity:
    if name is not IdentityName.AUTO:
        return IDENTITIES[name.value]
    groups = {
        str(entry.object.get("apiVersion")).rpartition("/")[0]
        for entry in sourced
        if (kind := KIND_BY_NAME.get(entry.object["kind"])) is not None and not kind.is_own
    }
    return METALLB if METALLB.group in groups and BAREMETAL_LB.group not in groups else BAREMETAL_LB


def _is_ours(manifest: dict[str, Any], identities: Iterable[Identity]) -> bool:
    kind = KIND_BY_NAME.get(manifest["kind"])
    group = str(manifest.get("apiVersion")).rpartition("/")[0]
    return kind is not None and group in {kind.group(identity) for identity in identities}


def _nodes(sourced: list[SourcedObject]) -> list[NodeView]:
    nodes: list[NodeView] = []
    for entry in sourced:
        metadata = entry.object.get("metadata")
        if entry.object["kind"] == "Node" and entry.object.get("apiVersion") == "v1" and isinstance(metadata, dict):
            labels = metadata.get("labels")
            labels = labels if isinstance(labels, dict) else {}
            nodes.append(NodeView(str(metadata.get("name")), {str(key): str(value) for key, value in labels.items()}))
    return nodes


def _by_place(problem: Problem) -> tuple[str, int, str, str]:
    file, _, line = (problem.source or "").rpartition(":")
    return file, int(line) if line.isdigit() else 0, problem.field, problem.reason.name


def _as_json(problem: Problem) -> dict[str, Any]:
    return {
        "object": str(problem.object),
        "field": problem.field,
        "reason": problem.reason.name,
        "message": problem.message,
        "source": problem.source,
        "severity": "error" if is_error(problem) else "warning",
    }


def _print_table(problems: list[Problem], count: int) -> None:
    console = open_console()
    if problems:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("WHERE", "OBJECT", "FIELD", "REASON", "MESSAGE"):
            table.add_column(heading, overflow="fold")
        for problem in problems:
            reason = styled((problem.reason.name, "red" if is_error(problem) else "yellow"))
            table.add_row(problem.source or "", str(problem.object), problem.field, reason, problem.message)
        console.print(table)
    errors = sum(1 for problem in problems if is_error(problem))
    console.print(f"{count} objects of ours, {errors} errors, {len(problems) - errors} warnings")
