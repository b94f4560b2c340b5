"""The roster as this package makes it; the values themselves stand in ``model``, since ``election`` and others read them too."""

from baremetal_lb.model.roster import BOTH_FAMILIES, InterfaceFacts, Member, Roster

__all__ = ["BOTH_FAMILIES", "InterfaceFacts", "Member", "Roster"]
