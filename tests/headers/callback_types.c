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
static EVT_DMF_Hid_Change HidChange;
static EVT_DMF_ContinuousRequestTarget_BufferInput BufferInput;
static EVT_DMF_ContinuousRequestTarget_BufferOutput BufferOutput;
static EVT_DMF_RingBuffer_Enumeration RingEnumeration;
static EVT_DMF_BufferPool_Enumeration PoolEnumeration;
static EVT_DMF_BufferPool_TimerCallback TimerExpired;
static EVT_DMF_BufferQueue_ReuseCleanup QueueReuseCleanup;
static EVT_DMF_QueuedWorkItem_Callback WorkItem;
static EVT_DMF_Thread_Function ThreadPre;
static EVT_DMF_Thread_Function ThreadPost;
static EVT_DMF_ThreadedBufferQueue_Callback ThreadWork;
static EVT_DMF_ThreadedBufferQueue_ReuseCleanup ThreadReuseCleanup;
static EVT_DMF_ContinuousRequestTarget_SendCompletion SendCompletion;
static EVT_DMF_Request_Completion RequestCompletion;
static EVT_DMF_IoTarget_Request TargetRequest;
static EVT_DMF_IoTarget_Removal TargetRemoval;
static EVT_DMF_NotifyUserWithRequest_Function NotifyComplete;
static EVT_WDF_REQUEST_CANCEL RequestCancel;

void callback_types(WDF_OBJECT_ATTRIBUTES* object, DMF_MODULE_ATTRIBUTES* module, DMF_MODULE_EVENT_CALLBACKS* events,
                    DMF_CONFIG_ContinuousRequestTarget* stream);
void callback_types_of_buffers(DMFMODULE module, DMF_CONFIG_BufferQueue* queue, DMF_CONFIG_QueuedWorkItem* work_item,
                               DMF_CONFIG_ThreadedBufferQueue* threaded);
void callback_types_of_requests(DMFMODULE module, WDFREQUEST request, WDFIOTARGET target,
                                DMF_CONFIG_NotifyUserWithRequest* notify);

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
    (void)DMF_Hid_WatchStart(NULL, NULL, HidChange, NULL, NULL);
}

void callback_types_of_buffers(DMFMODULE module, DMF_CONFIG_BufferQueue* queue, DMF_CONFIG_QueuedWorkItem* work_item,
                               DMF_CONFIG_ThreadedBufferQueue* threaded)
{
    DMF_RingBuffer_Enumerate(module, TRUE, RingEnumeration, NULL);
    DMF_RingBuffer_EnumerateToFindItem(module, RingEnumeration, NULL, NULL, 0);
    DMF_BufferPool_Enumerate(module, PoolEnumeration, NULL, NULL, NULL);
    DMF_BufferPool_PutInSinkWithTimer(module, NULL, 0, TimerExpired, NULL);
    DMF_BufferQueue_Enumerate(module, PoolEnumeration, NULL, NULL, NULL);
    (void)DMF_BufferQueue_EnqueueWithTimer(module, NULL, 0, TimerExpired, NULL);
    queue->EvtBufferQueueReuseCleanup = QueueReuseCleanup;
    work_item->EvtQueuedWorkitemFunction = WorkItem;
    threaded->EvtThreadedBufferQueuePre = ThreadPre;
    threaded->EvtThreadedBufferQueueWork = ThreadWork;
    threaded->EvtThreadedBufferQueuePost = ThreadPost;
    threaded->EvtThreadedBufferQueueReuseCleanup = ThreadReuseCleanup;
}

void callback_types_of_requests(DMFMODULE module, WDFREQUEST request, WDFIOTARGET target,
                                DMF_CONFIG_NotifyUserWithRequest* notify)
{
    PFN_WDF_REQUEST_CANCEL cancel = RequestCancel;
    (void)DMF_ContinuousRequestTarget_Send(module, NULL, 0, NULL, 0, ContinuousRequestTarget_RequestType_Read, 0, 0,
                                           SendCompletion, NULL);
    (void)DMF_Request_Create(NULL, NULL, 0, NULL, 0, 0, RequestCompletion, NULL, &request);
    (void)DMF_IoTarget_RemovalCallbackSet(target, TargetRemoval, NULL);
    (void)DMF_IoTarget_ClientCreate(NULL, TargetRequest, NULL, &target);
    DMF_NotifyUserWithRequest_DataProcess(module, NotifyComplete, NULL, STATUS_SUCCESS);
    DMF_NotifyUserWithRequest_RequestReturn(module, NotifyComplete, 0, STATUS_SUCCESS);
    notify->EvtPendingRequestsCancel = NotifyComplete;
    notify->EvtDataCleanup = QueueReuseCleanup;
    WdfRequestMarkCancelable(request, cancel);
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

static VOID HidChange(const DMF_HID_DEVICE_INFORMATION* Information, BOOLEAN Arrived, VOID* Context)
{
    UNREFERENCED_PARAMETER(Information);
    UNREFERENCED_PARAMETER(Arrived);
    UNREFERENCED_PARAMETER(Context);
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

static BOOLEAN RingEnumeration(DMFMODULE DmfModule, UCHAR* Buffer, ULONG BufferSize, VOID* CallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(BufferSize);
    UNREFERENCED_PARAMETER(CallbackContext);
    return TRUE;
}

static BufferPool_EnumerationDispositionType PoolEnumeration(DMFMODULE DmfModule, VOID* ClientBuffer,
                                                             VOID* ClientBufferContext,
                                                             VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    UNREFERENCED_PARAMETER(ClientDriverCallbackContext);
    return BufferPool_EnumerationDisposition_ContinueEnumeration;
}

static VOID TimerExpired(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext,
                         VOID* ClientDriverCallbackContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    UNREFERENCED_PARAMETER(ClientDriverCallbackContext);
}

static VOID QueueReuseCleanup(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
}

static ScheduledTask_Result_Type WorkItem(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
    return ScheduledTask_WorkResult_Success;
}

static VOID ThreadPre(DMFMODULE DmfModule)
{
    UNREFERENCED_PARAMETER(DmfModule);
}

static VOID ThreadPost(DMFMODULE DmfModule)
{
    UNREFERENCED_PARAMETER(DmfModule);
}

static ThreadedBufferQueue_BufferDisposition ThreadWork(DMFMODULE DmfModule, UCHAR* ClientWorkBuffer,
                                                        ULONG ClientWorkBufferSize, VOID* ClientWorkBufferContext,
                                                        NTSTATUS* NtStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientWorkBuffer);
    UNREFERENCED_PARAMETER(ClientWorkBufferSize);
    UNREFERENCED_PARAMETER(ClientWorkBufferContext);
    *NtStatus = STATUS_SUCCESS;
    return ThreadedBufferQueue_BufferDisposition_WorkComplete;
}

static VOID ThreadReuseCleanup(DMFMODULE DmfModule, VOID* ClientBuffer, VOID* ClientBufferContext)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientBuffer);
    UNREFERENCED_PARAMETER(ClientBufferContext);
}

static VOID SendCompletion(DMFMODULE DmfModule, VOID* ClientRequestContext, VOID* InputBuffer,
                           size_t InputBufferBytesWritten, VOID* OutputBuffer, size_t OutputBufferBytesRead,
                           NTSTATUS CompletionStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(ClientRequestContext);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(InputBufferBytesWritten);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputBufferBytesRead);
    UNREFERENCED_PARAMETER(CompletionStatus);
}

static VOID RequestCompletion(WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information, VOID* Context)
{
    UNREFERENCED_PARAMETER(Request);
    UNREFERENCED_PARAMETER(Status);
    UNREFERENCED_PARAMETER(Information);
    UNREFERENCED_PARAMETER(Context);
}

static NTSTATUS TargetRequest(WDFIOTARGET Target, WDFREQUEST Request, ContinuousRequestTarget_RequestType RequestType,
                              ULONG Ioctl, VOID* InputBuffer, size_t InputLength, VOID* OutputBuffer,
                              size_t OutputLength, ULONG_PTR* Information, VOID* Context)
{
    UNREFERENCED_PARAMETER(Target);
    UNREFERENCED_PARAMETER(Request);
    UNREFERENCED_PARAMETER(RequestType);
    UNREFERENCED_PARAMETER(Ioctl);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(InputLength);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputLength);
    UNREFERENCED_PARAMETER(Context);
    *Information = 0;
    return STATUS_SUCCESS;
}

static VOID TargetRemoval(WDFIOTARGET target, VOID* context)
{
    (void)target;
    (void)context;
}

static VOID NotifyComplete(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(Context);
    WdfRequestComplete(Request, NtStatus);
}

static VOID RequestCancel(WDFREQUEST Request)
{
    WdfRequestComplete(Request, STATUS_CANCELLED);
}
