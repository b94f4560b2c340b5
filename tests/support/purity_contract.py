"""The contract of purity for import-linter: modules are pure but for those listed, and the list has no module that is pure."""

from pathlib import Path
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

from tests.support.purity import allowed_in, expanded, impurities, source_of, unused, verdicts


class PureContract(Contract):
    """``impure``: lines ``package: module module``; ``allowed``: lines ``package: library``, that its modules may import and stay pure."""

    type_name = "pure"
    impure = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001, ARG002 - import-linter calls it so
        """Read all modules of ours and compare them with the list."""
        roots = tuple(self.session_options["root_packages"])
        modules = {name for name in graph.modules if name.partition(".")[0] in roots}
        sources = {name: source_of(name, Path.cwd()) for name in sorted(modules)}
        allowed = cast("list[str]", self.allowed or [])
        found = {name: impurities(name, source, allowed=allowed_in(name, allowed).union(roots)) for name, source in sources.items()}
        imported = {name: graph.find_modules_directly_imported_by(name) for name in modules}
        wrong = verdicts(modules, imported, found, expanded(cast("list[str]", self.impure))) + unused(allowed, sources)
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print what is wrong."""
        for sentence in check.metadata["wrong"]:
            output.print_error(sentence)
