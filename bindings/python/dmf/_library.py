"""The shared library: where it is, and its functions with their prototypes."""

import ctypes
import ctypes.util
import os
import shutil
import subprocess
from pathlib import Path

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


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(library_path())
    for name, (result, parameters) in _abi.PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = parameters
    return library


lib = _load()
