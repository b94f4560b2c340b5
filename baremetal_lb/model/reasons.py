"""Reasons: every "no" has one, and it is the same in conditions, events, metrics, logs and `explain`.

A member's name is the token (CamelCase, as Kubernetes wants for condition reasons), its value the sentence that people read; the
sentence is the member's docstring too.
Each package has its own enumeration of this kind: AllocationReason in ipam, ExclusionReason in election, ConfigurationReason in
api, DropReason in l2.
"""

from enum import Enum


class Reason(Enum):
    """Base of the enumerations of reasons: ``name`` is the token, ``sentence`` is for people."""

    def __init__(self, sentence: str) -> None:
        self.__doc__ = sentence

    @property
    def sentence(self) -> str:
        """What users read, with a full stop, before the particulars."""
        return str(self.value)


class InvariantViolation(AssertionError):
    """We are wrong: a rule that this program keeps by itself was found broken. Survives ``python -O``.

    Never caught; but for kinds of it that say at which place, and what is given up there.
    """
