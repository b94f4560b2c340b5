"""Whose Services are meant where no namespace is given: those of the context's namespace, as kubectl finds it."""

import os

import pytest

from baremetal_lb.cli import kubeconfig


def config(current=None, **namespaces):
    """Return a kubeconfig; a context for each name, with its namespace or none."""
    contexts = "".join(
        f"\n- name: {name}\n  context: {{cluster: c, user: u{f', namespace: {namespace}' if namespace else ''}}}"
        for name, namespace in namespaces.items()
    )
    return f"kind: Config\n{f'current-context: {current}' if current else ''}\ncontexts:{contexts or ' []'}\n"


@pytest.mark.parametrize(
    ("files", "context", "expected"),
    [
        ([config("a", a="shop", b="bank")], "", "shop"),
        ([config("a", a="shop", b="bank")], "b", "bank"),
        ([config("a", a=None)], "", "default"),
        ([config("a", b="bank")], "", "default"),
        ([config(a="shop"), config("a", a="late")], "", "shop"),
        ([config("b", a="shop"), config("a", b="bank")], "", "bank"),
        (["- a list"], "", "default"),
        (["contexts: [text, {name: a, context: text}]\ncurrent-context: a"], "", "default"),
        (["{"], "", "default"),
        ([None, config("a", a="shop")], "", "shop"),
    ],
    ids=["current", "asked for", "none named", "unknown", "first file wins", "across files", "a list", "texts", "no YAML", "one missing"],
)
def test_the_namespace_is_that_of_the_context(files, context, expected, tmp_path, monkeypatch):
    paths = [tmp_path / f"config{number}" for number in range(len(files))]
    for path, text in zip(paths, files, strict=True):
        if text is not None:
            path.write_text(text)
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, paths)))
    assert kubeconfig.context_namespace("", context) == expected


def test_in_a_pod_it_is_that_of_the_pod(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "198.51.100.1")
    monkeypatch.setattr(kubeconfig, "POD_NAMESPACE", tmp_path / "namespace")
    assert kubeconfig.context_namespace("", "") == "default"
    (tmp_path / "namespace").write_text("shop\n")
    assert kubeconfig.context_namespace("", "") == "shop"
