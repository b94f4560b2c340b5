"""A pool's spec from options, and what differs."""

import pytest

from baremetal_lb.cli.pool_fields import BadOption, PoolOptions, apply_options, difference, labels_of

SPEC = {"addresses": ["198.51.100.0/24", "2001:db8::/64"]}


@pytest.mark.parametrize(
    ("removed", "left"),
    [
        ("198.51.100.0/24", ["2001:db8::/64"]),
        ("198.51.100.0/25", ["198.51.100.128-198.51.100.255", "2001:db8::/64"]),
        ("198.51.100.10", ["198.51.100.0-198.51.100.9", "198.51.100.11-198.51.100.255", "2001:db8::/64"]),
        ("198.51.100.1-198.51.100.255", ["198.51.100.0/32", "2001:db8::/64"]),
    ],
)
def test_what_is_taken_out_leaves_the_rest(removed, left):
    assert apply_options(SPEC, PoolOptions(remove_addresses=(removed,)))["addresses"] == left


def test_what_is_added_comes_last_and_once():
    options = PoolOptions(add_addresses=("203.0.113.0/28", "198.51.100.0/24"))
    assert apply_options(SPEC, options)["addresses"] == [*SPEC["addresses"], "203.0.113.0/28"]


def test_options_that_are_not_given_change_nothing():
    assert apply_options({**SPEC, "autoAssign": False}, PoolOptions()) == {**SPEC, "autoAssign": False}


def test_every_option_has_its_field():
    options = PoolOptions(
        add_excluded=("198.51.100.7",), auto_assign=False, avoid_buggy_ips=True, priority=3, namespaces=("shop",),
        namespace_labels="team=a,tier=b", service_labels="app=web", quota=2, retain_for="24h",
    )  # fmt: skip
    assert apply_options(SPEC, options) == {
        **SPEC,
        "excluded": ["198.51.100.7"],
        "autoAssign": False,
        "avoidBuggyIPs": True,
        "retainFor": "24h",
        "quotas": [{"addresses": 2}],
        "serviceAllocation": {
            "priority": 3,
            "namespaces": ["shop"],
            "namespaceSelectors": [{"matchLabels": {"team": "a", "tier": "b"}}],
            "serviceSelectors": [{"matchLabels": {"app": "web"}}],
        },
    }


def test_the_last_exclusion_that_goes_takes_the_field_with_it():
    assert apply_options({**SPEC, "excluded": ["198.51.100.7"]}, PoolOptions(remove_excluded=("198.51.100.7",))) == SPEC


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (PoolOptions(remove_addresses=("203.0.113.0/24",)), "nothing of it is in 198.51.100.0/24, 2001:db8::/64"),
        (PoolOptions(add_addresses=("here",)), "neither a CIDR"),
        (PoolOptions(namespace_labels="team"), "write a=b,c=d"),
    ],
)
def test_an_option_that_cannot_be_meant_says_why(options, complaint):
    with pytest.raises(BadOption, match=complaint):
        apply_options(SPEC, options)


def test_a_difference_names_each_field_once():
    assert difference({"addresses": ["a"], "autoAssign": True}, {"addresses": ["a", "b"], "autoAssign": True, "disabled": True}) == [
        "addresses: a -> a, b",
        "disabled: not set -> True",
    ]


def test_labels_may_have_empty_values():
    assert labels_of("a=,b=c") == {"matchLabels": {"a": "", "b": "c"}}
