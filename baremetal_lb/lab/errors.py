"""What can go wrong with a lab, said to people: each message names the fault and, where there is one, the next command."""


class LabError(Exception):
    """A command of the lab cannot do what it was asked for; its text is printed as it is."""

    exit_code = 1


class NoSuchLab(LabError):
    """There is no lab of this name."""

    exit_code = 2


class NotPossibleHere(LabError):
    """The machine lacks something that a lab needs: a tool, or the right to make namespaces."""
