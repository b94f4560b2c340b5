"""What importing the API client costs a process: no typed models, no custom resources, no command line."""

import subprocess
import sys

HEAVY = ("kubernetes.aio.client.api.", "kubernetes.aio.client.models.", "baremetal_lb.api", "scapy", "typer")


def test_the_reading_side_imports_the_transport_only():
    modules = ("records", "reflector", "queue", "lease", "patches", "events", "memory", "transport")
    code = f"import sys\nfor name in {modules!r}: __import__('baremetal_lb.kube.' + name)\nprint('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith(HEAVY)] == []
    assert "baremetal_lb.kube.reflector" in loaded
