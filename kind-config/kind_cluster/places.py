"""Where things are: sources in kind-config/, built things in the cache, the state of what runs in .kind/ of the checkout."""

from pathlib import Path

from baremetal_lb.lab.gobuild import cache_folder

CONFIG = Path(__file__).resolve().parent.parent
CHECKOUT = CONFIG.parent
STATE = CHECKOUT / ".kind"
KUBECONFIG = STATE / "kubeconfig"
CLUSTER = "bmlb"
NETWORK = "kind"
"""The Docker network that kind makes for its clusters."""


def cache() -> Path:
    """Return the folder of what is built once, and made if it is not there."""
    folder = cache_folder() / "kind"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
