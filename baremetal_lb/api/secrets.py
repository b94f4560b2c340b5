"""Secrets that BGPPeers name: whether they are there and hold a password. What the password is never leaves this module.

A Secret is looked up by name in the namespace of the install, whatever namespace the reference names (as in the reference).
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

BASIC_AUTH = "kubernetes.io/basic-auth"


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """What is wrong with a Secret as the holder of a password; None: nothing."""

    flaw: str | None


def read_secrets(objects: Iterable[Mapping[str, Any]], namespace: str) -> dict[str, SecretFacts]:
    """Return the facts of all Secrets of the namespace, by name."""
    facts: dict[str, SecretFacts] = {}
    for manifest in objects:
        if not isinstance(manifest, Mapping) or manifest.get("kind") != "Secret" or manifest.get("apiVersion") != "v1":
            continue
        metadata = manifest.get("metadata")
        if isinstance(metadata, Mapping) and isinstance(metadata.get("name"), str) and metadata.get("namespace") in (None, namespace):
            facts[metadata["name"]] = SecretFacts(_flaw(manifest))
    return facts


def _flaw(manifest: Mapping[str, Any]) -> str | None:
    if manifest.get("type") != BASIC_AUTH:
        return f"Its type is not {BASIC_AUTH}."
    password = _password(manifest)
    if password is None:
        return "It has no key password."
    if has_control_characters(password):
        return "The password has a line break or another control character."
    return None


def _password(manifest: Mapping[str, Any]) -> str | None:
    plain, encoded = manifest.get("stringData"), manifest.get("data")
    if isinstance(plain, Mapping) and isinstance(plain.get("password"), str):
        return str(plain["password"])
    if not isinstance(encoded, Mapping) or not isinstance(encoded.get("password"), str):
        return None
    try:
        return base64.b64decode(encoded["password"], validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None


def has_control_characters(text: str) -> bool:
    """Tell whether the text has a line break or another control character, which could end a line of a router's configuration."""
    return any(ord(character) < 0x20 or ord(character) == 0x7F for character in text)
