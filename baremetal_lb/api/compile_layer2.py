"""L2Advertisement: from specs to ``model.configuration.L2Advertisement``.

References to pools that are not there are told and otherwise ignored, as in the reference; an advertisement that selects pools of which
none is there speaks of none (not of all).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from baremetal_lb.api.base import LabelSelector as LabelSelectorModel
from baremetal_lb.api.compile_pools import duration_at
from baremetal_lb.api.faults import Fault
from baremetal_lb.api.frame import Item
from baremetal_lb.api.layer2 import L2AdvertisementSpec, PreemptionModel
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.api.selectors import compile_selector, compile_selectors, duplicates
from baremetal_lb.model.configuration import L2Advertisement, Pool, PreemptionPolicy, Preference
from baremetal_lb.model.labels import LabelSelector, matches_any
from baremetal_lb.model.text import INTERFACE_NAME
from baremetal_lb.model.time import SECOND

DEFAULT_PREEMPTION_DELAY = 60 * SECOND


@dataclass(frozen=True, slots=True)
class PoolChoice:
    """Which pools an advertisement speaks of, before they are looked up; neither: all."""

    names: tuple[str, ...] = ()
    selectors: tuple[LabelSelector, ...] = ()

    @property
    def is_all(self) -> bool:
        """Tell whether it means all pools."""
        return not self.names and not self.selectors

    def of(self, pools: Iterable[Pool]) -> frozenset[str] | None:
        """Return the names of the pools meant that are in force; None for all."""
        if self.is_all:
            return None
        return frozenset(pool.name for pool in pools if pool.name in self.names or matches_any(self.selectors, pool.labels))

    def faults(self, known: Mapping[str, Mapping[str, str]]) -> list[Fault]:
        """Tell which references lead nowhere, given the labels of all pools that exist, in force or not; never fatal."""
        faults = [
            Fault(f"spec.ipAddressPools[{index}]", Why.UnknownPool, f"{name!r} is ignored.", is_fatal=False)
            for index, name in enumerate(self.names)
            if name not in known
        ]
        selects = any(name in known for name in self.names) or any(matches_any(self.selectors, labels) for labels in known.values())
        if self.selectors and not selects:
            faults.append(Fault("spec.ipAddressPoolSelectors", Why.SelectsNoPool, is_fatal=False))
        return faults


@dataclass(frozen=True, slots=True)
class L2Draft:
    """An L2Advertisement whose pools are not looked up yet."""

    advertisement: L2Advertisement
    choice: PoolChoice

    def resolved(self, pools: Iterable[Pool]) -> L2Advertisement:
        """Return the advertisement with the pools that are in force."""
        return replace(self.advertisement, pools=self.choice.of(pools))


def compile_l2_advertisement(item: Item, spec: L2AdvertisementSpec) -> tuple[L2Draft, list[Fault]]:
    """Compile one advertisement by itself."""
    choice, faults = pool_choice(spec.ip_address_pools, spec.ip_address_pool_selectors)
    node_selectors, found = compile_selectors(spec.node_selectors, "spec.nodeSelectors")
    faults += found
    service_selectors, found = compile_selectors(spec.service_selectors, "spec.serviceSelectors")
    faults += found
    preferences: list[Preference] = []
    for index, preferred in enumerate(spec.preferred_node_selectors or ()):
        selector, found = compile_selector(preferred.preference, f"spec.preferredNodeSelectors[{index}].preference")
        preferences.append(Preference(preferred.weight, selector))
        faults += found
    policy, delay, found = _preemption(spec.preemption)
    faults += found
    faults += [
        Fault(f"spec.interfaces[{index}]", Why.InvalidInterfaceName, INTERFACE_NAME.sentence)
        for index, name in enumerate(spec.interfaces or ())
        if not INTERFACE_NAME.admits(name)
    ]
    advertisement = L2Advertisement(
        name=item.name,
        node_selectors=node_selectors,
        interfaces=tuple(dict.fromkeys(spec.interfaces or ())),
        service_selectors=service_selectors,
        preferences=tuple(preferences),
        preemption=policy,
        preemption_delay=delay,
    )
    return L2Draft(advertisement, choice), faults


def pool_choice(names: Sequence[str] | None, selectors: Sequence[LabelSelectorModel] | None) -> tuple[PoolChoice, list[Fault]]:
    """Compile which pools an advertisement speaks of."""
    faults = duplicates(names, "spec.ipAddressPools")
    compiled, found = compile_selectors(selectors, "spec.ipAddressPoolSelectors")
    return PoolChoice(tuple(names or ()), compiled), faults + found


def _preemption(model: PreemptionModel | None) -> tuple[PreemptionPolicy, int, list[Fault]]:
    if model is None:
        return PreemptionPolicy.NEVER, 0, []
    policy = PreemptionPolicy(model.policy)
    if policy is PreemptionPolicy.NEVER:
        faults = [Fault("spec.preemption.delay", Why.DelayWithoutPreemption)] if model.delay is not None else []
        return policy, 0, faults
    delay, faults = duration_at(model.delay, "spec.preemption.delay", DEFAULT_PREEMPTION_DELAY)
    return policy, delay, faults


class L2Claims:
    """L2Advertisements contradict nobody; they are only told where their references lead nowhere."""

    def __init__(self, known: Mapping[str, Mapping[str, str]]) -> None:
        self._known = known

    def faults(self, item: Item, value: L2Draft, *, is_incumbent: bool) -> list[Fault]:  # noqa: ARG002  # see precedence.Claims
        """Return the references that lead nowhere."""
        return value.choice.faults(self._known)

    def add(self, item: Item, value: L2Draft) -> None:
        """Take nothing."""

    def remove(self, item: Item, value: L2Draft) -> None:
        """Give up nothing."""
