"""Objects from files, each with the place that it and its fields stand at.

    paths -> files (directories: *.yaml, *.yml, *.json in them, "-": standard input) -> documents -> objects (List kinds: their items)

What cannot be read as YAML or JSON is a problem with its line, and hides nothing else; a file that cannot be opened is a SourceError.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baremetal_lb.api.compile import Compiled
from baremetal_lb.api.faults import Fault
from baremetal_lb.api.fields import Part, field_parts
from baremetal_lb.api.parse import json_type
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.api.texts import SourceError, texts
from baremetal_lb.api.yaml_nodes import Document, Flaw, parse_documents
from baremetal_lb.model.ids import ObjectKey, ObjectRef
from baremetal_lb.model.problem import Problem


@dataclass(frozen=True, slots=True)
class SourcedObject:
    """One object and where it stands."""

    object: dict[str, Any]
    file: str
    """Path as it was given, ``-`` for standard input."""
    document: Document
    prefix: tuple[Part, ...] = ()
    """Place in the document: ``items[i]`` of a List."""

    @property
    def line(self) -> int:
        """Line that the object starts at."""
        return self.document.line_of(self.prefix)

    def line_of(self, field_path: str) -> int:
        """Return the line of a field (``spec.addresses[2]``), or of the nearest field around it that is there."""
        return self.document.line_of(self.prefix + field_parts(field_path))

    def place(self, field_path: str = "") -> str:
        """Return ``file:line`` of a field, or of the object."""
        return f"{self.file}:{self.line_of(field_path) if field_path else self.line}"


def load(paths: Iterable[str | Path], problems: list[Problem] | None = None) -> list[SourcedObject]:
    """Read all objects of files and directories, in their order; ``problems`` takes what is wrong with the texts.

    Raises:
        SourceError: a path cannot be read; or a text is broken and ``problems`` is None.
    """
    objects: list[SourcedObject] = []
    found: list[Problem] = []
    for file, text in texts(paths):
        if isinstance(text, Why):
            problem = Fault("", text).of(ObjectRef("Document", ObjectKey("", file)))
            found.append(replace(problem, source=f"{file}:1"))
            continue
        for number, document in enumerate(parse_documents(text), start=1):
            ref = ObjectRef("Document", ObjectKey("", f"{file}#{number}"))
            members = list(_members(file, document))
            found += [_flaw_problem(flaw, file, document, members, ref) for flaw in document.flaws]
            for member in members:
                if isinstance(member.object, dict) and isinstance(member.object.get("kind"), str):
                    objects.append(member)
                else:
                    found.append(_stranger(member, ref))
    if problems is not None:
        problems += found
    elif found:
        raise SourceError(f"{found[0].source}: {found[0].message}")
    return objects


def with_sources(compiled: Compiled, sourced: list[SourcedObject]) -> list[Problem]:
    """Return the problems of a compilation of these objects, each with its place."""
    return [
        replace(problem, source=sourced[origin].place(problem.field))
        for problem, origin in zip(compiled.problems, compiled.origins, strict=True)
    ]


def _members(file: str, document: Document) -> Iterator[SourcedObject]:
    """Yield the object of a document, or the items of a List."""
    value = document.value
    if value is None:
        return
    if isinstance(value, dict) and str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            place: tuple[Part, ...] = ("items", index)
            typed = _typed(item, value)
            yield SourcedObject(typed, file, document, place)
        return
    yield SourcedObject(value, file, document)


def _typed(item: Any, of: dict[str, Any]) -> Any:
    """Give the item of a typed List (IPAddressPoolList) the kind and version that the API leaves out of it."""
    kind = str(of["kind"]).removesuffix("List")
    if not isinstance(item, dict) or not kind:
        return item
    return {**({} if "apiVersion" in item else {"apiVersion": of.get("apiVersion")}), **({} if "kind" in item else {"kind": kind}), **item}


def _flaw_problem(flaw: Flaw, file: str, document: Document, members: list[SourcedObject], ref: ObjectRef) -> Problem:
    if len(members) == 1 and not members[0].prefix:
        ref = _ref(members[0].object) or ref
    problem = Fault(flaw.field, flaw.reason, flaw.message, is_fatal=True).of(ref)
    return replace(problem, source=f"{file}:{flaw.line or document.line}")


def _ref(manifest: object) -> ObjectRef | None:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("kind"), str):
        return None
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    namespace, name = metadata.get("namespace"), metadata.get("name")
    return ObjectRef(manifest["kind"], ObjectKey(namespace if isinstance(namespace, str) else "", name if isinstance(name, str) else ""))


def _stranger(member: SourcedObject, ref: ObjectRef) -> Problem:
    what = "It has no kind." if isinstance(member.object, dict) else f"It is {json_type(member.object)}."
    return replace(Fault("", Why.NotAnObject, what).of(ref), source=member.place())
