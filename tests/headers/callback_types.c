/*
 * Every callback type, used as a Client uses it: the type declares the function, and the function is what is passed or
 * stored. Compiled as C11, C23 and C++17, never run. run.sh refuses a callback type that a generated header names and
 * this file does not.
 */
#include <dmf.h>

static EVT_WDF_OBJECT_CONTEXT_CLEANUP Cleanup;
static EVT_WDF_OBJECT_CONTEXT_DESTROY Destroy;
static EVT_DMF_MODULE_OnDeviceNotificationPostOpen PostOpen;
static EVT_DMF_MODULE_OnDeviceNotificationPreClose PreClose;
static EVT_DMF_Misuse Misuse;
static EVT_DMF_Hid_Enumeration HidEnumeration;
static EVT_DMF_ContinuousRequestTarget_BufferInput BufferInput;
static EVT_DMF_ContinuousRequestTarget_BufferOutput BufferOutput;

void callback_types(WDF_OBJECT_ATTRIBUTES* object, DMF_MODULE_ATTRIBUTES* module, DMF_MODULE_EVENT_CALLBACKS* events,
                    DMF_CONFIG_ContinuousRequestTarget* stream);

void callback_types(WDF_OBJECT_ATTRIBUTES* object, DMF_MODULE_ATTRIBUTES* module, DMF_MODULE_EVENT_CALLBACKS* events,
                    DMF_CONFIG_ContinuousRequestTarget* stream)
{
    object->EvtCleanupCallback = Cleanup;
    object->EvtDestroyCallback = Destroy;
    module->InstanceCreator = DMF_ContinuousRequestTarget_Create;
    events->EvtModuleOnDeviceNotificationPostOpen = PostOpen;
    events->EvtModuleOnDeviceNotificationPreClose = PreClose;
    stream->EvtContinuousRequestTargetBufferInput = BufferInput;
    stream->EvtContinuousRequestTargetBufferOutput = BufferOutput;
    DMF_MisuseHandlerSet(Misuse, NULL);
    (void)DMF_Hid_Enumerate(HidEnumeration, NULL);
}

static VOID Cleanup(WDFOBJECT Object)
{
    UNREFERENCED_PARAMETER(Object);
}

static VOID Destroy(WDFOBJECT Object)
{
    UNREFERENCED_PARAMETER(Object);
}

static VOID PostOpen(DMFMODULE DmfModule)
{
    UNREFERENCED_PARAMETER(DmfModule);
}

static VOID PreClose(DMFMODULE DmfModule)
{
    UNREFERENCED_PARAMETER(DmfModule);
}

static VOID Misuse(const char* Method, VOID* Handle, const char* Message, VOID* Context)
{
    UNREFERENCED_PARAMETER(Method);
    UNREFERENCED_PARAMETER(Handle);
    UNREFERENCED_PARAMETER(Message);
    UNREFERENCED_PARAMETER(Context);
}

static BOOLEAN HidEnumeration(const DMF_HID_DEVICE_INFORMATION* Information, VOID* Context)
{
    UNREFERENCED_PARAMETER(Information);
    UNREFERENCED_PARAMETER(Context);
    return TRUE;
}

static VOID BufferInput(DMFMODULE DmfModule, VOID* InputBuffer, size_t* InputBufferSize, VOID* ClientBuferContextInput)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(InputBufferSize);
    UNREFERENCED_PARAMETER(ClientBuferContextInput);
}

static ContinuousRequestTarget_BufferDisposition BufferOutput(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                              size_t OutputBufferSize, VOID* ClientBufferContextOutput,
                                                              NTSTATUS CompletionStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputBufferSize);
    UNREFERENCED_PARAMETER(ClientBufferContextOutput);
    UNREFERENCED_PARAMETER(CompletionStatus);
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}
