## Streams a recording through a Nim procedure and prints how many reports it has and a digest of them (FNV-1a, 64 bits).
##
##     PKG_CONFIG_PATH=PREFIX/lib/pkgconfig nim compile --gc:arc -d:release --out:stream bindings/nim/stream.nim
##     LD_LIBRARY_PATH=PREFIX/lib ./stream RECORDING
##
## --gc:arc, since the callback runs on a thread that is not Nim's. The types are the C headers', so the C compiler lays
## them out.
import std/[os, strutils]

{.passC: staticExec("pkg-config --cflags dmf").}
{.passL: staticExec("pkg-config --libs dmf").}
{.push header: "<dmf.h>".}

type
  Device {.importc: "WDFDEVICE".} = distinct pointer
  Target {.importc: "WDFIOTARGET".} = distinct pointer
  Module {.importc: "DMFMODULE".} = distinct pointer
  Disposition {.importc: "ContinuousRequestTarget_BufferDisposition".} = distinct cint
  BufferOutput = proc (module: Module, report: pointer, size: csize_t, context: pointer,
                       status: int32): Disposition {.cdecl.}
  Pace {.importc: "DMF_REPLAY_PARAMS".} = object
    Size, Repeat: uint32
    Speed: cdouble
  Attributes {.importc: "DMF_MODULE_ATTRIBUTES".} = object
  Config {.importc: "DMF_CONFIG_ContinuousRequestTarget".} = object
    ContinuousRequestCount, BufferCountOutput, BufferOutputSize: uint32
    RequestType: cint
    EvtContinuousRequestTargetBufferOutput: BufferOutput

let
  readRequests {.importc: "ContinuousRequestTarget_RequestType_Read".}: cint
  goOn {.importc: "ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming".}: Disposition
  stop {.importc: "ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming".}: Disposition

proc createDevice(attributes: pointer, device: var Device): int32 {.importc: "DMF_Device_Create".}
proc openRecording(device: Device, path: cstring, pace: ptr Pace, target: var Target): int32 {.
  importc: "DMF_IoTarget_ReplayOpen".}
proc init(config: var Config, attributes: var Attributes) {.
  importc: "DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT".}
proc createStream(device: Device, attributes: var Attributes, objectAttributes: pointer, stream: var Module): int32 {.
  importc: "DMF_ContinuousRequestTarget_Create".}
proc setTarget(stream: Module, target: Target): int32 {.importc: "DMF_ContinuousRequestTarget_IoTargetSet".}
proc start(stream: Module): int32 {.importc: "DMF_ContinuousRequestTarget_Start".}
proc streamingCount(stream: Module): uint32 {.importc: "DMF_ContinuousRequestTarget_StreamingCountGet".}
proc delete(device: Device) {.importc: "WdfObjectDelete".}
proc lastErrorMessage(): cstring {.importc: "DMF_LastErrorMessageGet".}
{.pop.}

# Written on the target's thread, read once the stream is deleted.
var
  digest = 0xcbf29ce484222325'u64
  reports = 0

{.push stackTrace: off.}
proc reportArrived(module: Module, report: pointer, size: csize_t, context: pointer,
                   status: int32): Disposition {.cdecl.} =
  if status < 0: # the recording has ended
    return stop
  let bytes = cast[ptr UncheckedArray[uint8]](report)
  for i in 0 ..< int(size):
    digest = (digest xor bytes[i]) * 0x100000001b3'u64
  inc reports
  goOn
{.pop.}

proc check(status: int32) =
  if status < 0:
    quit($lastErrorMessage())

var
  config: Config
  attributes: Attributes
  device: Device
  target: Target
  stream: Module
  pace = Pace(Size: uint32(sizeof(Pace)), Speed: 0, Repeat: 1)
init(config, attributes)
config.RequestType = readRequests
config.ContinuousRequestCount = 1
config.BufferCountOutput = 2
config.BufferOutputSize = 64
config.EvtContinuousRequestTargetBufferOutput = reportArrived
check createDevice(nil, device)
check openRecording(device, cstring(paramStr(1)), addr pace, target)
check createStream(device, attributes, nil, stream)
check setTarget(stream, target)
check start(stream)
while streamingCount(stream) > 0:
  sleep(1)
delete(device)
echo reports, " reports ", toHex(digest).toLowerAscii
