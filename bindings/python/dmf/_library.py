"""The shared library: where it is, and its functions with their prototypes."""

import ctypes
import ctypes.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

from . import _abi

NAME = f"libdmf.so.{_abi.ABI}"


def library_path() -> str:
    """DMF_LIBRARY; then the folder that pkg-config names; then what the system's loader knows."""
    named = os.environ.get("DMF_LIBRARY")
    if named:
        return named
    if shutil.which("pkg-config"):
        asked = subprocess.run(["pkg-config", "--variable=libdir", "dmf"], capture_output=True, text=True, check=False)
        library = Path(asked.stdout.strip()) / NAME
        if asked.returncode == 0 and library.exists():
            return str(library)
    try:
        # By its name alone: LD_LIBRARY_PATH, the loader's cache, the system's folders.
        ctypes.CDLL(NAME)
    except OSError:
        raise ImportError(f"{NAME} was not found: install the library, or set DMF_LIBRARY to its path") from None
    return NAME


def _checked(kind: Any) -> Any:
    """For an integer type of C: a type of parameters that refuses what does not fit, where ctypes takes a part of it."""

    def from_param(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        made = kind(value)
        if made.value != value:
            raise OverflowError(f"{value} does not fit the {ctypes.sizeof(kind) * 8} bits that the library has for it")
        return made

    return type(f"checked_{kind.__name__}", (kind,), {"from_param": staticmethod(from_param)})


def _set_member(self: Any, name: str, value: Any) -> None:
    """Refuses in structures what a parameter would refuse."""
    object.__setattr__(self, name, value)
    if isinstance(value, int) and (getattr(self, name) or 0) != value:
        raise OverflowError(f"{name}: {value} does not fit")


_INTEGERS = {
    kind: _checked(kind)
    for bits in (8, 16, 32, 64)
    for kind in (getattr(ctypes, f"c_int{bits}"), getattr(ctypes, f"c_uint{bits}"))
}


def _load() -> ctypes.CDLL:
    path = library_path()
    try:
        library = ctypes.CDLL(path)
        for name, (result, parameters) in _abi.PROTOTYPES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = [_INTEGERS.get(kind, kind) for kind in cast(Any, parameters)]
    except (OSError, AttributeError) as error:
        raise ImportError(f"{path} is not the library that the package is for: {error}") from error
    for structure in _abi.STRUCTURES.values():
        setattr(structure, "__setattr__", _set_member)
    return library


lib = _load()
