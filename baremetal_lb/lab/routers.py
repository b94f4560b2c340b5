"""Routers of a lab as values: what one is to do, the files and processes that make it do so, and how to speak to it.

One router is one RouterSpec, lives in one network namespace, and keeps all that it has (configuration, sockets, pid files) in one
directory of its own; nothing of it is under ``/etc`` or ``/run``, so many stand side by side and beside the machine's own.

======  ================================================  ==============================  =====================================
kind    processes, in this order                          routes in the kernel            command line
======  ================================================  ==============================  =====================================
FRR     ``zebra``, ``bfdd`` where BFD is asked, ``bgpd``  by zebra                        ``vtysh``
BIRD    ``bird``                                          by itself                       ``birdc``
GoBGP   ``gobgpd``, ``fib``                               by ``fib`` (router_gobgp_fib)   ``gobgp``
======  ================================================  ==============================  =====================================

All processes run in the foreground, as root or as root of a user namespace, and may be started in any moment after the one before:
each waits for what it needs. Nothing here does input or output; ``render`` says what is to be written and run.

What a router cannot do is refused with RouterCannot rather than left out: a lab or a test that asks for BFD is not served without.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from baremetal_lb.lab import router_bird, router_frr, router_gobgp
from baremetal_lb.lab.router_spec import RouterCannot, RouterKind, RouterPlan, RouterProcess, RouterSession, RouterSpec
from baremetal_lb.model.text import INTERFACE_NAME, OBJECT_NAME, PASSWORD

__all__ = ["RouterCannot", "RouterKind", "RouterPlan", "RouterProcess", "RouterSession", "RouterSpec", "control_command", "render"]

_SESSION_NAME = re.compile("[A-Za-z0-9_]{1,64}", re.ASCII)
_RENDERERS = {RouterKind.FRR: router_frr.render, RouterKind.BIRD: router_bird.render, RouterKind.GOBGP: router_gobgp.render}


def render(spec: RouterSpec, directory: Path) -> RouterPlan:
    """Return the files and processes of a router that has this directory, an absolute path, to itself.

    Raises:
        RouterCannot: this kind of router has no such feature.
    """
    _check(spec)
    return _RENDERERS[spec.kind](spec, directory)


def control_command(kind: RouterKind, directory: Path, command: Sequence[str]) -> tuple[str, ...]:
    """Return the command as it must be given to reach this router: ``birdc show route`` becomes ``birdc -s DIR/bird.ctl show route``.

    Commands that are no command line of a router come back as they are.
    """
    sockets = {
        (RouterKind.FRR, "vtysh"): ("--config_dir", str(directory), "--vty_socket", str(directory)),
        (RouterKind.BIRD, "birdc"): ("-s", str(directory / "bird.ctl")),
        (RouterKind.GOBGP, "gobgp"): ("--target", f"unix://{directory / 'gobgp.sock'}"),
    }
    program, *rest = command
    return (program, *sockets.get((kind, program), ()), *rest)


def _check(spec: RouterSpec) -> None:
    names = [session.name for session in spec.sessions]
    if len(set(names)) != len(names) or not all(map(_SESSION_NAME.fullmatch, names)):
        raise ValueError(f"sessions are named uniquely, by letters, digits and underscores: {names}")
    for session in spec.sessions:
        if session.remote is None and session.interface is None:
            raise ValueError(f"session {session.name} has neither address nor interface")
        if session.interface is not None and not INTERFACE_NAME.admits(session.interface):
            raise ValueError(f"the interface of session {session.name} has no such name. {INTERFACE_NAME.sentence}")
        if session.bfd is not None and not OBJECT_NAME.admits(session.bfd.name):
            raise ValueError(f"the BFD profile of session {session.name} has no such name. {OBJECT_NAME.sentence}")
        password = session.password
        if password is not None and (not PASSWORD.admits(password) or any(character in '"\\ ' for character in password)):
            raise ValueError(f"the password of session {session.name} has characters that configurations of routers cannot hold")
        if session.has_ttl_security and session.is_multihop:
            raise ValueError(f"session {session.name} is to be of one hop and of many")
