"""YAML as we write it: every text reads back as the text it was, with kubectl, with PyYAML and with :mod:`baremetal_lb.api.yaml_nodes`."""

import yaml
from yaml.emitter import ScalarAnalysis

from baremetal_lb.api.yaml_scalars import TAG, is_text
from baremetal_lb.model.visible import visible_lines


class PlainDumper(yaml.SafeDumper):
    """Writes out what is there twice, instead of anchors and aliases; quotes what any reader would take for a number or a boolean."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        """Return True: nothing is an alias."""
        return True

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: tuple[bool, bool] | bool) -> str:  # noqa: FBT001 - the library's
        """Return the tag a reader finds: what PyYAML takes for a text, and Kubernetes does not (1e3, 0o17, y), is none without quotes."""
        tag = str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]  # the stubs do not say
        if kind is yaml.ScalarNode and isinstance(implicit, tuple) and implicit[0] and tag == f"{TAG}str" and not is_text(value or ""):
            return f"{TAG}value"  # any tag but a text's
        return tag

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        """Have what is not shown as it is in double quotes, the one form that has escapes."""
        analysis = super().analyze_scalar(scalar)
        if visible_lines(scalar) != scalar:
            analysis.allow_flow_plain = analysis.allow_block_plain = analysis.allow_single_quoted = analysis.allow_block = False
        return analysis

    def write_double_quoted(self, text: str, split: bool = True) -> None:  # noqa: FBT001, FBT002 - the library's signature
        """Write all but ASCII as escapes: with ``allow_unicode`` the library leaves bidirectional controls as they are."""
        kept, self.allow_unicode = self.allow_unicode, False
        super().write_double_quoted(text, split)
        self.allow_unicode = kept


def to_yaml(*documents: object, width: int = 80, explicit_start: bool = False) -> str:
    """Return documents as YAML: letters as they are, what is not shown as it is as escapes."""
    return yaml.dump_all(
        documents, Dumper=PlainDumper, sort_keys=False, allow_unicode=True, width=width, explicit_start=explicit_start or None
    )
