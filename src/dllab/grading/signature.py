"""Signed results: ed25519 (RFC 8032) over the canonical JSON of everything but the signature."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dllab.errors import LabError, require
from dllab.result import Result

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )


def key_path() -> Path:
    """The grader's private key: `DLLAB_GRADER_KEY`, else in the user's config folder."""
    named = os.environ.get("DLLAB_GRADER_KEY")
    config = os.environ.get("XDG_CONFIG_HOME", "~/.config")
    return Path(named or f"{config}/dllab/grader.pem").expanduser()


def sign(result: Result) -> Result:
    """The result with its signature, base16. A key is made on first use, readable by nobody else.

    The public half lies beside it as `grader.pub`: that is what to hand to learners.
    """
    return replace(result, signature=_private_key().sign(_signed(result.plain())).hex())


def ensure_key() -> Path:
    """The public half of the grader's key; both halves are made if there are none.

    Raises LabError when the key cannot be read, or the package that signs is not installed.
    """
    _private_key()
    return key_path().with_suffix(".pub")


def verify(result: Mapping[str, Any], public_key: Path) -> bool:
    """Whether the signature fits the content of a result.json, as it stands there, and the key.

    Raises LabError when the key file cannot be read, or the result carries no signature.
    """
    require("cryptography", "grade", "checking a signature")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = serialization.load_pem_public_key(public_key.read_bytes())
    except (OSError, ValueError) as error:
        raise LabError(f"{public_key} is not a public key: {error}", "give grader.pub") from None
    if not isinstance(key, Ed25519PublicKey):
        raise LabError(f"{public_key} is not an ed25519 key", "give the grader's grader.pub")
    signature = result.get("signature")
    if not isinstance(signature, str):
        raise LabError("this result is not signed", "only official grades carry a signature")
    return _holds(key, signature, result)


def is_ours(result: Result) -> bool:
    """Whether this grader's own key signed the result."""
    key = _private_key().public_key()
    return result.signature is not None and _holds(key, result.signature, result.plain())


def _holds(key: "Ed25519PublicKey", signature: str, result: Mapping[str, Any]) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(bytes.fromhex(signature), _signed(result))
    except (InvalidSignature, ValueError):
        return False
    return True


def canonical(value: Mapping[str, Any]) -> bytes:
    """Sorted keys, no spaces: the same bytes for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _signed(result: Mapping[str, Any]) -> bytes:
    return canonical({name: value for name, value in result.items() if name != "signature"})


def _private_key() -> "Ed25519PrivateKey":
    require("cryptography", "grade", "signing a grade")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = key_path()
    try:
        if not path.is_file():
            _make_key(path)
    except OSError as error:
        raise LabError(
            f"the grader's key cannot be made in {path.parent}: {error.strerror}",
            "DLLAB_GRADER_KEY=/a/folder/of/yours/grader.pem says where else",
        ) from None
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise LabError(f"{path} is not a private key: {error}", "put the right one there") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise LabError(f"{path} is not an ed25519 key", "move it away; a new one is made")
    return key


def _make_key(path: Path) -> None:
    """Write a new pair, whole or not at all; where two do so at once, the first one's stays."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        return
    finally:
        partial.unlink()
    path.with_suffix(".pub").write_bytes(public)
