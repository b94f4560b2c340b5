"""The real control plane as one process of the lab, which starts and ends etcd, kube-apiserver and kube-controller-manager (``servers``).

    python -m baremetal_lb.lab.kube_api DIRECTORY PORT

It runs in the namespace ``api``. ``stop_api`` and ``start_api`` are what the faults of that name do; etcd goes on meanwhile, so nothing
is lost. kube-controller-manager runs without the controllers that would judge nodes by the heartbeats of kubelets, which there are none
of, and would mark every Pod as not ready after 40 s.
"""

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from baremetal_lb.lab.build import find_or_build
from baremetal_lb.lab.servers import ControlPlane, ServerOptions

ETCD_PORT = 2379
_LOOK_S = 0.5
CONTROLLERS = (
    "*",
    "-node-lifecycle-controller",
    "-taint-eviction-controller",
    "-pod-garbage-collector-controller",
)


def control_plane(directory: Path, port: int, users: Sequence[str], prefix: Sequence[str] = ()) -> ControlPlane:
    """Return the control plane whose files are in ``directory/kube``, be it running or not."""
    return ControlPlane(
        ServerOptions(
            binaries=find_or_build(_say),
            work=directory / "kube",
            port=port,
            etcd_port=ETCD_PORT,
            users=tuple(users),
            prefix=tuple(prefix),
        )
    )


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _end(number: int, frame: object) -> None:
    del number, frame
    raise SystemExit(0)


def main() -> None:
    """Start it all, and stop it all on SIGTERM."""
    directory, port, users = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    signal.signal(signal.SIGTERM, _end)
    plane = control_plane(directory, port, users)
    try:
        plane.start()
        plane.start_controller_manager(*CONTROLLERS)
        while plane.pid("controller-manager") is not None:
            time.sleep(_LOOK_S)
        raise SystemExit(f"kube-controller-manager ended; its log is {plane.work / 'controller-manager.log'}")
    finally:
        plane.stop()


if __name__ == "__main__":
    main()
