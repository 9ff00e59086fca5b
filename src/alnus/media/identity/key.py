"""The secret that pseudonyms, UIDs and shifted dates are made with: 32 random bytes, outside every output folder."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from alnus.errors import UsageError
from alnus.media.refusal import shown

KEY_BYTES = 32
_HEX = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def default_key_path() -> Path:
    """Return where the key lies unless the user says otherwise.

    Source: XDG Base Directory Specification 0.8 (a relative XDG_CONFIG_HOME is ignored).
    """
    configured = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    home = configured if configured.is_absolute() else Path.home() / ".config"
    return home / "alnus" / "identity.key"


def load_or_make_key(path: Path | None = None, *, outside: Iterable[Path] = ()) -> bytes:
    """Return the key in a file that only its owner can read (64 hexadecimal digits); make it where it is missing.

    outside: folders that are handed on (cine store, DICOM output, run): a key inside one would undo the pseudonyms.
    Raises UsageError where the key lies in one of them, cannot be read or written, is malformed or open to others.
    """
    path = default_key_path() if path is None else Path(path)
    _check_outside(path, outside)
    try:
        return _made(path)
    except FileExistsError:
        return _loaded(path)
    except OSError as error:
        raise UsageError(
            f"{shown(path)}: the identity key cannot be written ({error.strerror}); name another place"
        ) from None


def _check_outside(path: Path, folders: Iterable[Path]) -> None:
    for folder in folders:
        if path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"{shown(path)}: the identity key lies inside {shown(folder)}, which may be handed on; "
                "keep it outside every output folder"
            )


def _made(path: Path) -> bytes:
    """Write a new key under a temporary name and link it into place. Raises FileExistsError where there is one."""
    if path.exists() or path.is_symlink():
        raise FileExistsError
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError:  # a file stands where the folder should
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    key = secrets.token_bytes(KEY_BYTES)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(key.hex() + "\n")
        os.link(temporary, path)  # unlike a rename it never replaces a key that another process has just made
    finally:
        temporary.unlink()
    return key


def _loaded(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(f"{shown(path)}: the identity key is no file; name another")
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise UsageError(f"{shown(path)}: the identity key cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        text = ""
    if mode & _OTHERS:
        raise UsageError(f"{shown(path)}: others can read or change the identity key; run `chmod 600` on it")
    if not _HEX.fullmatch(text):
        raise UsageError(
            f"{shown(path)}: is no identity key: it must hold {2 * KEY_BYTES} hexadecimal digits. Restore it from your "
            "copy, or name another place for a new one, which gives other pseudonyms"
        )
    return bytes.fromhex(text)
