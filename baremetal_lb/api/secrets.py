"""Secrets that BGPPeers name: whether they are there and hold a password. What the password is never leaves this module.

A Secret is looked up by name in the namespace of the install, whatever namespace the reference names (as in the reference).
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_lb.model.reasons import Reason
from baremetal_lb.model.text import PASSWORD

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
    if not password:
        return "It has no key password, or an empty one."
    return None if PASSWORD.admits(password) else PASSWORD.sentence


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


class SecretReason(Reason):
    """Why a Secret gives no password."""

    SecretMissing = "There is no Secret of this name in the namespace of the install."
    SecretNotGranted = "The speaker may not read the Secret; the installation has to name it."
    SecretOfWrongType = "The Secret is not of type kubernetes.io/basic-auth."
    SecretWithoutPassword = "The Secret has no key password, or an empty one."  # a sentence
    SecretNotPrintable = "The password is not of 1 to 80 printable characters of ASCII; a line break at its end is none either."


def password_of(manifest: Mapping[str, Any]) -> str | SecretReason:
    """Return the password that a Secret holds, or why it holds none."""
    if manifest.get("type") != BASIC_AUTH:
        return SecretReason.SecretOfWrongType
    password = _password(manifest)
    if not password:
        return SecretReason.SecretWithoutPassword
    return password if PASSWORD.admits(password) else SecretReason.SecretNotPrintable
