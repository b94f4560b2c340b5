"""Where the cluster is, as kubectl finds it: ``--kubeconfig``, ``$KUBECONFIG``, ``~/.kube/config``, else the ServiceAccount of the Pod.

``$KUBECONFIG`` may name several files, which count together; what two of them say is taken from the first.
"""

import os
from pathlib import Path
from typing import Any

from baremetal_lb.api.yaml_nodes import read_document

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def kubeconfig_path(given: str) -> str | None:
    """Return where the kubeconfig is; None for the ServiceAccount of a Pod."""
    if given:
        return given
    named = os.environ.get("KUBECONFIG")
    if named:
        return named
    usual = Path.home() / ".kube" / "config"
    is_in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    return None if is_in_cluster and not usual.exists() else str(usual)


def context_namespace(kubeconfig: str, context: str) -> str:
    """Return the namespace that the context names, as kubectl would take it: of several files, whichever says it first.

    In a Pod, that of its ServiceAccount; ``default`` where nothing names one. A file that cannot be read is told by whoever opens it.
    """
    path = kubeconfig_path(kubeconfig)
    if path is None:
        return _read(POD_NAMESPACE).strip() or "default"
    configs = [_mapping(_read(Path(each))) for each in path.split(os.pathsep) if each]
    name = context or next((config["current-context"] for config in configs if config.get("current-context")), None)
    contexts = [each for config in configs for each in _list(config.get("contexts")) if isinstance(each, dict)]
    found = next((each.get("context") for each in contexts if each.get("name") == name), None)
    return str((found if isinstance(found, dict) else {}).get("namespace") or "default")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(text: str) -> dict[str, Any]:
    value, _ = read_document(text)
    return value if isinstance(value, dict) else {}
