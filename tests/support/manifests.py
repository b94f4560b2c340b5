"""The generated parts of deploy/ and of the package: `make manifests` writes them, a test fails when they are stale.

kube/rights.py --> deploy/helm/baremetal-lb/files/rights.yaml --> (helm template) --> baremetal_lb/install/rendered/IDENTITY-MODE.yaml
                                                              --> (bmlb manifests) --> deploy/kustomize/IDENTITY-MODE/install.yaml
"""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from baremetal_lb.api.yaml_writer import PlainDumper
from baremetal_lb.install import MODES, RELEASE, objects, rendered_name
from baremetal_lb.kube.rights import Rights, controller_rights, speaker_rights
from baremetal_lb.model.ids import IDENTITIES, Identity
from kind_cluster.programs import find_tools

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / RELEASE
RIGHTS = CHART / "files" / "rights.yaml"
RENDERED = ROOT / "baremetal_lb" / "install" / "rendered"
KUSTOMIZE = ROOT / "deploy" / "kustomize"
_HEAD = "# made by `make manifests`; do not edit\n"


def rights_text() -> str:
    """Return the rules of all processes as the chart reads them."""

    def plain(rights: Rights) -> dict[str, Any]:
        return {"cluster": [dict(rule) for rule in rights.cluster], "home": [dict(rule) for rule in rights.home]}

    document = {
        name: {
            "controller": plain(controller_rights(identity)),
            "speaker": plain(speaker_rights(identity, has_bgp=False)),
            "speaker-bgp": plain(speaker_rights(identity)),
        }
        for name, identity in IDENTITIES.items()
    }
    return _HEAD + yaml.dump(document, Dumper=PlainDumper, sort_keys=False, width=140)


def helm_template(helm: Path, identity: Identity, mode: str, *more: str) -> list[dict[str, Any]]:
    """Return the chart's objects, without custom resource definitions."""
    values = [f"identity={identity.name}", f"bgp.enabled={str(mode == 'bgp').lower()}", "crds.enabled=false", *more]
    command = [str(helm), "template", RELEASE, str(CHART), "--namespace", identity.default_namespace, "--set", ",".join(values)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def rendered_text(helm: Path, identity: Identity, mode: str) -> str:
    """Return the chart's output as the package has it."""
    return _HEAD + yaml.dump_all(helm_template(helm, identity, mode), Dumper=PlainDumper, sort_keys=False, width=140)


def install_text(identity: Identity, mode: str) -> str:
    """Return the installation as kustomize has it; the definitions stand in deploy/crds."""
    made = objects(identity, mode, namespace=identity.default_namespace)
    return _HEAD + yaml.dump_all(made, Dumper=PlainDumper, sort_keys=False, width=140)


def main(helm: Path) -> None:
    """Write all of it."""
    RIGHTS.write_text(rights_text(), encoding="utf-8")
    RENDERED.mkdir(exist_ok=True)
    for name, identity in IDENTITIES.items():
        for mode in MODES:
            (RENDERED / rendered_name(name, mode)).write_text(rendered_text(helm, identity, mode), encoding="utf-8")
    for name, identity in IDENTITIES.items():
        for mode in MODES:
            overlay = KUSTOMIZE / f"{name}-{mode}"
            overlay.mkdir(parents=True, exist_ok=True)
            (overlay / "install.yaml").write_text(install_text(identity, mode), encoding="utf-8")


if __name__ == "__main__":
    main(find_tools(print) / "helm")
