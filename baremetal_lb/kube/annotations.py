"""Annotations under the identity's prefix and, for whoever migrates, under the legacy one."""

from collections.abc import Mapping

from baremetal_lb.model.ids import Identity


class Annotations:
    """Our annotations of one object: the identity's prefix wins wherever it is present, even when empty, then the legacy one."""

    __slots__ = ("_all", "_legacy", "_prefix", "deprecated")

    def __init__(self, annotations: Mapping[str, str] | None, identity: Identity) -> None:
        self._all = annotations or {}
        self._prefix = identity.prefix
        self._legacy = identity.legacy_prefix
        self.deprecated: list[str] = []
        """Full names of the legacy annotations that were met, in the order asked for."""

    def get(self, name: str) -> str | None:
        """Return the annotation of this name, None when it is absent."""
        value = self._all.get(self._prefix + name)
        if self._legacy is not None and (legacy := self._all.get(self._legacy + name)) is not None:
            self.deprecated.append(self._legacy + name)
            return legacy if value is None else value
        return value
