"""The part of the C ABI that the package calls: where the library is, its structures and its prototypes."""

import ctypes
import ctypes.util
import os
import shutil
import subprocess
from ctypes import POINTER, c_char_p, c_double, c_int, c_int32, c_size_t, c_uint8, c_uint16, c_uint32, c_void_p
from pathlib import Path

# A callback's C return type is an enumeration, which is an int.
BufferOutput = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, c_void_p, c_int32)
BUFFER_BACK_AND_CONTINUE = 1
BUFFER_BACK_AND_STOP = 2
REQUEST_TYPE_READ = 3


class ReplayParams(ctypes.Structure):
    _fields_ = [("Size", c_uint32), ("Speed", c_double), ("Repeat", c_uint32)]


class HidOpenParams(ctypes.Structure):
    _fields_ = [
        ("Size", c_uint32),
        ("Path", c_char_p),
        ("VendorId", c_uint16),
        ("ProductId", c_uint16),
        ("SerialNumber", c_char_p),
        ("UsagePage", c_uint16),
        ("Usage", c_uint16),
        ("WaitMilliseconds", c_uint32),
    ]


class ModuleAttributes(ctypes.Structure):
    _fields_ = [
        ("SizeOfHeader", c_uint32),
        ("ModuleConfigPointer", c_void_p),
        ("SizeOfModuleSpecificConfig", c_uint32),
        ("InstanceCreator", c_void_p),
        ("ClientCallbacks", c_void_p),
        ("ResultantDmfModule", c_void_p),
        ("ClientModuleInstanceName", c_char_p),
        ("DynamicModuleImmediate", c_uint8),
        ("DynamicModule", c_uint8),
        ("TransportModuleAdd", c_void_p),
        ("PassiveLevel", c_uint8),
        ("IsTransportModule", c_uint8),
    ]


class StreamConfig(ctypes.Structure):
    _fields_ = [
        ("ContinuousRequestCount", c_uint32),
        ("BufferCountInput", c_uint32),
        ("BufferCountOutput", c_uint32),
        ("RequestType", c_int),
        ("BufferInputSize", c_uint32),
        ("BufferContextInputSize", c_uint32),
        ("BufferOutputSize", c_uint32),
        ("BufferContextOutputSize", c_uint32),
        ("EnableLookAsideOutput", c_uint32),
        ("PoolTypeInput", c_int),
        ("PoolTypeOutput", c_int),
        ("EvtContinuousRequestTargetBufferInput", c_void_p),
        ("EvtContinuousRequestTargetBufferOutput", BufferOutput),
        ("ContinuousRequestTargetIoctl", c_uint32),
        ("PurgeAndStartTargetInD0Callbacks", c_uint8),
        ("CancelAndResendRequestInD0Callbacks", c_uint8),
        ("ContinuousRequestTargetMode", c_int),
    ]


# The structures by their C names, for whoever compares them with what the C compiler says.
STRUCTURES: "dict[str, type[ctypes.Structure]]" = {
    "DMF_REPLAY_PARAMS": ReplayParams,
    "DMF_HID_OPEN_PARAMS": HidOpenParams,
    "DMF_MODULE_ATTRIBUTES": ModuleAttributes,
    "DMF_CONFIG_ContinuousRequestTarget": StreamConfig,
}


def library_path() -> str:
    """DMF_LIBRARY, then pkg-config's folder, then what the system's loader knows."""
    named = os.environ.get("DMF_LIBRARY")
    if named:
        return named
    if shutil.which("pkg-config"):
        asked = subprocess.run(["pkg-config", "--variable=libdir", "dmf"], capture_output=True, text=True, check=False)
        library = Path(asked.stdout.strip()) / "libdmf.so.0"
        if asked.returncode == 0 and library.exists():
            return str(library)
    found = ctypes.util.find_library("dmf")
    if found:
        return found
    raise ImportError("libdmf.so.0 was not found: install the library, or set DMF_LIBRARY to its path")


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(library_path())
    attributes, status = c_void_p, c_int32
    prototypes = {
        "DMF_Device_Create": (status, [attributes, POINTER(c_void_p)]),
        "DMF_IoTarget_ReplayOpen": (status, [c_void_p, c_char_p, POINTER(ReplayParams), POINTER(c_void_p)]),
        "DMF_HID_OPEN_PARAMS_INIT": (None, [POINTER(HidOpenParams)]),
        "DMF_IoTarget_HidOpen": (status, [c_void_p, POINTER(HidOpenParams), POINTER(c_void_p)]),
        "DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT": (
            None, [POINTER(StreamConfig), POINTER(ModuleAttributes)]),
        "DMF_ContinuousRequestTarget_Create": (
            status, [c_void_p, POINTER(ModuleAttributes), attributes, POINTER(c_void_p)]),
        "DMF_ContinuousRequestTarget_IoTargetSet": (status, [c_void_p, c_void_p]),
        "DMF_ContinuousRequestTarget_Start": (status, [c_void_p]),
        "DMF_ContinuousRequestTarget_StreamingCountGet": (c_uint32, [c_void_p]),
        "WdfObjectDelete": (None, [c_void_p]),
        "DMF_LastErrorMessageGet": (c_char_p, []),
        "DMF_StatusName": (c_char_p, [status]),
        "DMF_VersionGet": (c_uint32, []),
    }
    for name, (result, parameters) in prototypes.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = parameters
    return library


lib = _load()
