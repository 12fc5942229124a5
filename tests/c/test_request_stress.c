/*
 * Requests under many threads: all of them send to one target, cancel, wait for time-outs and complete, while another
 * thread starts, stops and clears the stream that runs beside them.
 *
 * Every send has a place of its own, which counts how often it was sent and how often it ended: a completion that comes
 * twice, or not at all, shows.
 */
#define _DEFAULT_SOURCE 1

#include "client_target.h"

#include <sched.h>
#include <stdatomic.h>

/* So many Requests in all, scaled by DMF_TEST_SCALE; nothing may hang longer than this. */
#define REQUESTS 1000000u
#define WATCHDOG_SECONDS 120

#define READ ContinuousRequestTarget_RequestType_Read
#define WRITE ContinuousRequestTarget_RequestType_Write
#define IOCTL ContinuousRequestTarget_RequestType_Ioctl

enum
{
    THREADS = 8,
    PLACES = 16, /* sends under way, per thread */
    STREAM_REQUESTS = 4,
    STREAM_BUFFERS = 7,
    BYTES = 8
};

typedef struct
{
    UCHAR In[BYTES];
    UCHAR Out[BYTES];
    RequestTarget_DmfRequestCancel Id;
    RequestTarget_DmfRequestReuse Cookie;
    atomic_uint Sent;
    atomic_uint Ended;
} PLACE;

static struct
{
    WDFDEVICE Device;
    DMFMODULE Module;
    CLIENT_TARGET Target;
    PLACE Places[THREADS][PLACES];
    unsigned PerThread;
    atomic_uint Sent;
    atomic_uint Refused;
    atomic_uint Succeeded, Canceled, TimedOut, Others;
    atomic_uint Doubled;
    atomic_uint StreamCalls;
    atomic_bool Keeps;
    atomic_bool Over;
    pthread_mutex_t Lock;
    VOID* Kept[STREAM_BUFFERS + 1];
    unsigned KeptCount;
} stress = {.Lock = PTHREAD_MUTEX_INITIALIZER};

static void count_end(NTSTATUS status)
{
    atomic_fetch_add(status == STATUS_SUCCESS      ? &stress.Succeeded
                     : status == STATUS_CANCELLED  ? &stress.Canceled
                     : status == STATUS_IO_TIMEOUT ? &stress.TimedOut
                                                   : &stress.Others,
                     1);
}

static EVT_DMF_ContinuousRequestTarget_SendCompletion Ended;

static VOID Ended(DMFMODULE DmfModule, VOID* ClientRequestContext, VOID* InputBuffer, size_t InputBufferBytesWritten,
                  VOID* OutputBuffer, size_t OutputBufferBytesRead, NTSTATUS CompletionStatus)
{
    PLACE* place = (PLACE*)ClientRequestContext;
    unsigned sent = atomic_load(&place->Sent);

    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(InputBufferBytesWritten);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputBufferBytesRead);
    count_end(CompletionStatus);
    /* From here on the place may be used again. */
    if (atomic_fetch_add(&place->Ended, 1) + 1 != sent)
    {
        atomic_fetch_add(&stress.Doubled, 1);
    }
}

/* Sends from that place; false: it was refused, since the target is being changed. */
static bool send_from(PLACE* place, unsigned choice)
{
    DMFMODULE module = stress.Module;
    NTSTATUS status;

    atomic_fetch_add(&place->Sent, 1);
    switch (choice % 5)
    {
    case 0:
        status = DMF_ContinuousRequestTarget_Send(module, NULL, 0, place->Out, BYTES, READ, 0, 0, Ended, place);
        break;
    case 1:
        status = DMF_ContinuousRequestTarget_Send(module, place->In, BYTES, place->Out, BYTES, IOCTL, 1, 1, Ended,
                                                  place);
        break;
    case 2:
        status = DMF_ContinuousRequestTarget_SendEx(module, place->In, BYTES, NULL, 0, WRITE, 0, 0,
                                                    ContinuousRequestTarget_CompletionOptions_Passive, Ended, place);
        break;
    case 3:
        status = DMF_ContinuousRequestTarget_ReuseSend(module, place->Cookie, place->In, BYTES, place->Out, BYTES,
                                                       IOCTL, 2, choice % 2 == 0 ? 1 : 0, Ended, place, &place->Id);
        break;
    default:
        status = DMF_ContinuousRequestTarget_SendEx_2025(module, NULL, 0, place->Out, BYTES, READ, 0, 0, Ended, place,
                                                         &place->Id);
        break;
    }
    if (NT_SUCCESS(status))
    {
        atomic_fetch_add(&stress.Sent, 1);
        return true;
    }
    atomic_fetch_sub(&place->Sent, 1);
    atomic_fetch_add(status == STATUS_INVALID_DEVICE_STATE ? &stress.Refused : &stress.Doubled, 1);
    return false;
}

static void* sends(void* context)
{
    PLACE* places = stress.Places[(intptr_t)context];
    unsigned seed = (unsigned)(intptr_t)context + 1;
    unsigned sent = 0;

    while (sent < stress.PerThread)
    {
        PLACE* place = &places[rand_r(&seed) % PLACES];
        unsigned choice = (unsigned)rand_r(&seed);

        if (atomic_load(&place->Sent) == atomic_load(&place->Ended))
        {
            sent += send_from(place, choice);
        }
        if (choice % 3 == 0)
        {
            /* It may be over, or another's by now: then nothing happens. */
            (void)DMF_ContinuousRequestTarget_Cancel(stress.Module, places[choice / 3 % PLACES].Id);
        }
        /* Seldom enough that many are under way, and some of those that may take a millisecond only time out. */
        if (choice % 32 == 0)
        {
            (void)client_target_complete(&stress.Target, STATUS_SUCCESS);
        }
        else if (choice % 64 == 63)
        {
            sched_yield();
        }
    }
    return NULL;
}

static EVT_DMF_ContinuousRequestTarget_BufferOutput StreamOutput;

static ContinuousRequestTarget_BufferDisposition StreamOutput(DMFMODULE DmfModule, VOID* OutputBuffer,
                                                              size_t OutputBufferSize, VOID* ClientBufferContextOutput,
                                                              NTSTATUS CompletionStatus)
{
    unsigned calls = atomic_fetch_add(&stress.StreamCalls, 1);

    UNREFERENCED_PARAMETER(DmfModule);
    UNREFERENCED_PARAMETER(OutputBufferSize);
    UNREFERENCED_PARAMETER(ClientBufferContextOutput);
    if (atomic_load(&stress.Keeps) && NT_SUCCESS(CompletionStatus))
    {
        pthread_mutex_lock(&stress.Lock);
        if (stress.KeptCount <= STREAM_BUFFERS)
        {
            stress.Kept[stress.KeptCount++] = OutputBuffer;
        }
        pthread_mutex_unlock(&stress.Lock);
        return ContinuousRequestTarget_BufferDisposition_ClientAndContinueStreaming;
    }
    return calls % 16 == 15
               ? ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming
               : ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

static unsigned kept_count(void)
{
    unsigned count;
    pthread_mutex_lock(&stress.Lock);
    count = stress.KeptCount;
    pthread_mutex_unlock(&stress.Lock);
    return count;
}

static void* starts_stops_and_clears(void* context)
{
    unsigned seed = 99;

    UNREFERENCED_PARAMETER(context);
    while (!atomic_load(&stress.Over))
    {
        NTSTATUS status = DMF_ContinuousRequestTarget_Start(stress.Module);

        /* UNSUCCESSFUL: a target that cannot be canceled still has the buffers. */
        if (status != STATUS_SUCCESS && status != STATUS_INVALID_DEVICE_STATE && status != STATUS_UNSUCCESSFUL)
        {
            CHECK_STATUS(status, STATUS_SUCCESS);
        }
        harness_sleep_milliseconds(rand_r(&seed) % 3);
        switch (rand_r(&seed) % 4)
        {
        case 0:
            DMF_ContinuousRequestTarget_Stop(stress.Module);
            break;
        case 1:
            DMF_ContinuousRequestTarget_StopAndWait(stress.Module);
            break;
        default:
            DMF_ContinuousRequestTarget_StopAndWait(stress.Module);
            DMF_ContinuousRequestTarget_IoTargetClear(stress.Module);
            CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(stress.Module, stress.Target.Target));
            break;
        }
    }
    return NULL;
}

static void create_all(void)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;

    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ContinuousRequestCount = STREAM_REQUESTS;
    config.RequestType = IOCTL;
    config.BufferCountInput = STREAM_REQUESTS;
    config.BufferInputSize = BYTES;
    config.BufferCountOutput = STREAM_BUFFERS;
    config.BufferOutputSize = BYTES;
    config.EvtContinuousRequestTargetBufferOutput = StreamOutput;
    CHECK_SUCCESS(DMF_Device_Create(NULL, &stress.Device));
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Create(stress.Device, &attributes, NULL, &stress.Module));
    client_target_open(&stress.Target, stress.Device, CLIENT_TARGET_MIXES);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(stress.Module, stress.Target.Target));
    for (int thread = 0; thread < THREADS; thread++)
    {
        for (int place = 0; place < PLACES; place++)
        {
            CHECK_SUCCESS(
                DMF_ContinuousRequestTarget_ReuseCreate(stress.Module, &stress.Places[thread][place].Cookie));
        }
    }
}

TEST(every_request_ends_once_whatever_happens_to_it_and_no_buffer_is_lost)
{
    pthread_t threads[THREADS], changer;
    double begin = harness_seconds();
    unsigned lost = 0;

    alarm(WATCHDOG_SECONDS);
    create_all();
    stress.PerThread = harness_rounds(REQUESTS) / THREADS;
    REQUIRE(pthread_create(&changer, NULL, starts_stops_and_clears, NULL) == 0);
    for (intptr_t i = 0; i < THREADS; i++)
    {
        REQUIRE(pthread_create(&threads[i], NULL, sends, (void*)i) == 0);
    }
    for (int i = 0; i < THREADS; i++)
    {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&stress.Over, true);
    pthread_join(changer, NULL);
    DMF_ContinuousRequestTarget_StopAndWait(stress.Module);
    CHECK_EQUAL(DMF_ContinuousRequestTarget_StreamingCountGet(stress.Module), 0);

    /* What the target has not begun yet it gets now, and answers. */
    client_target_thread_start(&stress.Target, 0);
    EVENTUALLY(atomic_load(&stress.Succeeded) + atomic_load(&stress.Canceled) + atomic_load(&stress.TimedOut) +
                   atomic_load(&stress.Others) >=
               atomic_load(&stress.Sent));
    for (int thread = 0; thread < THREADS; thread++)
    {
        for (int place = 0; place < PLACES; place++)
        {
            lost += atomic_load(&stress.Places[thread][place].Sent) !=
                    atomic_load(&stress.Places[thread][place].Ended);
        }
    }
    CHECK_EQUAL(lost, 0);
    CHECK_EQUAL(atomic_load(&stress.Doubled), 0);
    CHECK_EQUAL(atomic_load(&stress.Others), 0);
    CHECK_EQUAL(atomic_load(&stress.Sent), THREADS * stress.PerThread);
    CHECK_EQUAL(atomic_load(&stress.Succeeded) + atomic_load(&stress.Canceled) + atomic_load(&stress.TimedOut),
                atomic_load(&stress.Sent));
    printf("    %u sends: %u succeeded, %u canceled, %u timed out; %u were refused; %u stream callbacks; %.1f s\n",
           atomic_load(&stress.Sent), atomic_load(&stress.Succeeded), atomic_load(&stress.Canceled),
           atomic_load(&stress.TimedOut), atomic_load(&stress.Refused), atomic_load(&stress.StreamCalls),
           harness_seconds() - begin);

    /* All buffers are there: every Request starts, and the Client can take each output buffer, which are all different. */
    client_target_answer(&stress.Target, CLIENT_TARGET_COMPLETES);
    EVENTUALLY(client_target_pending(&stress.Target) == 0);
    atomic_store(&stress.Keeps, true);
    CHECK_SUCCESS(DMF_ContinuousRequestTarget_Start(stress.Module));
    EVENTUALLY(kept_count() == STREAM_BUFFERS);
    harness_sleep_milliseconds(5);
    CHECK_EQUAL(kept_count(), STREAM_BUFFERS);
    for (unsigned i = 0; i < kept_count(); i++)
    {
        for (unsigned j = 0; j < i; j++)
        {
            CHECK(stress.Kept[i] != stress.Kept[j]);
        }
    }
    DMF_ContinuousRequestTarget_StopAndWait(stress.Module);
    for (unsigned i = 0; i < kept_count(); i++)
    {
        DMF_ContinuousRequestTarget_BufferPut(stress.Module, stress.Kept[i]);
    }
    for (int thread = 0; thread < THREADS; thread++)
    {
        for (int place = 0; place < PLACES; place++)
        {
            CHECK_EQUAL(
                DMF_ContinuousRequestTarget_ReuseDelete(stress.Module, stress.Places[thread][place].Cookie), TRUE);
        }
    }
    CHECK_MISUSE(0);
    client_target_close(&stress.Target);
    WdfObjectDelete(stress.Device);
}

int main(void)
{
    RUN(every_request_ends_once_whatever_happens_to_it_and_no_buffer_is_lost);
    return TESTS_RESULT();
}
