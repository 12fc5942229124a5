// Streams a recording through a Go function and prints how many reports it has and a digest of them (FNV-1a, 64 bits).
//
//	PKG_CONFIG_PATH=PREFIX/lib/pkgconfig go build -o stream bindings/go/stream.go
//	LD_LIBRARY_PATH=PREFIX/lib ./stream RECORDING
package main

/*
#cgo pkg-config: dmf
#include <dmf.h>
#include <stdlib.h>

ContinuousRequestTarget_BufferDisposition reportArrived(DMFMODULE, void*, size_t, void*, NTSTATUS);
*/
import "C"

import (
	"fmt"
	"os"
	"time"
	"unsafe"
)

// Written on the target's thread, read once the stream is deleted.
var (
	digest  uint64 = 0xcbf29ce484222325
	reports int
)

//export reportArrived
func reportArrived(module C.DMFMODULE, report unsafe.Pointer, size C.size_t, context unsafe.Pointer,
	status C.NTSTATUS) C.ContinuousRequestTarget_BufferDisposition {
	if status < 0 { // the recording has ended
		return C.ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming
	}
	for _, octet := range unsafe.Slice((*byte)(report), int(size)) {
		digest = (digest ^ uint64(octet)) * 0x100000001b3
	}
	reports++
	return C.ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming
}

// The library's message is the calling thread's, so nothing of Go's may come between; one failure ends the program.
func check(status C.NTSTATUS) {
	if status < 0 {
		fmt.Fprintln(os.Stderr, C.GoString(C.DMF_StatusName(status)))
		os.Exit(1)
	}
}

func main() {
	// C's memory: the attributes point to the config.
	config := (*C.DMF_CONFIG_ContinuousRequestTarget)(C.calloc(1, C.sizeof_DMF_CONFIG_ContinuousRequestTarget))
	attributes := (*C.DMF_MODULE_ATTRIBUTES)(C.calloc(1, C.sizeof_DMF_MODULE_ATTRIBUTES))
	path := C.CString(os.Args[1])
	defer C.free(unsafe.Pointer(config))
	defer C.free(unsafe.Pointer(attributes))
	defer C.free(unsafe.Pointer(path))

	C.DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(config, attributes)
	config.RequestType = C.ContinuousRequestTarget_RequestType_Read
	config.ContinuousRequestCount = 1
	config.BufferCountOutput = 2
	config.BufferOutputSize = 64
	config.EvtContinuousRequestTargetBufferOutput = (*C.EVT_DMF_ContinuousRequestTarget_BufferOutput)(C.reportArrived)

	var device C.WDFDEVICE
	var target C.WDFIOTARGET
	var stream C.DMFMODULE
	pace := C.DMF_REPLAY_PARAMS{Size: C.sizeof_DMF_REPLAY_PARAMS, Speed: 0, Repeat: 1}
	check(C.DMF_Device_Create(nil, &device))
	check(C.DMF_IoTarget_ReplayOpen(device, path, &pace, &target))
	check(C.DMF_ContinuousRequestTarget_Create(device, attributes, nil, &stream))
	check(C.DMF_ContinuousRequestTarget_IoTargetSet(stream, target))
	check(C.DMF_ContinuousRequestTarget_Start(stream))
	for C.DMF_ContinuousRequestTarget_StreamingCountGet(stream) > 0 {
		time.Sleep(time.Millisecond)
	}
	C.WdfObjectDelete(C.WDFOBJECT(device))
	fmt.Printf("%d reports %016x\n", reports, digest)
}
