/*
 * event_pipe - a pipe of events between two threads, with a DMF_NotifyUserWithRequest in the middle.
 *
 * The consumer keeps a few Requests pending, each with room for one event. The producer posts events and never waits:
 *
 *   consumer --RequestProcess--> Requests --+
 *                                           +--> EventDelivered, which copies the event and completes the Request
 *   producer --DataProcess-----> events  ---+
 *
 * The oldest event goes to the oldest Request. When nobody asks for a while the events wait; when there is no room left
 * the oldest is dropped, and DMF_NotifyUserWithRequest_DiscardedCountGet says how many were. The events are numbered, so
 * the consumer sees which ones it has missed, and here both counts must agree.
 */
#define _POSIX_C_SOURCE 200809L

#include <dmf.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    REQUESTS = 4,        /* pending at the same time */
    EVENTS_WAITING = 16, /* for a Request; more, and the oldest is dropped */
    EVENTS_DEFAULT = 1000,
    EVENTS_BETWEEN_PAUSES = 200, /* the consumer has other things to do now and then */
    GAPS_SHOWN = 5,
};

/* What goes through the pipe. */
typedef struct
{
    ULONG Number; /* 1, 2, 3 ... */
    BOOLEAN IsLast;
    char Text[24];
} EVENT;

/* A Request of the consumer's, and the event that it brings. */
typedef struct
{
    WDFREQUEST Request;
    EVENT Event;
} ASKED;

static struct
{
    DMFMODULE Module;
    ULONG Events;
} event_pipe;

/* What the consumer has seen. */
typedef struct
{
    ULONG Received;
    ULONG Missed;
    ULONG Gaps;
    bool InOrder;
} TALLY;

static void check(NTSTATUS status, const char* what)
{
    if (!NT_SUCCESS(status))
    {
        fprintf(stderr, "event_pipe: cannot %s: %s (%s)\n", what, DMF_LastErrorMessageGet(), DMF_StatusName(status));
        exit(1);
    }
}

static void pause_milliseconds(long milliseconds)
{
    struct timespec time = {0, milliseconds * 1000 * 1000};
    nanosleep(&time, NULL);
}

/* ------------------------------------------------------------------------------------------- the producer */

/*
 * Runs when there are both an event and a Request for it: on the producer's thread if the Request was first, else on the
 * consumer's. Context is the address of the Module's copy of the event, valid during the call.
 */
static EVT_DMF_NotifyUserWithRequest_Complete EventDelivered;

static VOID EventDelivered(DMFMODULE DmfModule, WDFREQUEST Request, ULONG_PTR Context, NTSTATUS NtStatus)
{
    VOID* buffer;
    NTSTATUS status = WdfRequestRetrieveOutputBuffer(Request, sizeof(EVENT), &buffer, NULL);

    UNREFERENCED_PARAMETER(DmfModule);
    if (!NT_SUCCESS(status))
    {
        WdfRequestComplete(Request, status);
        return;
    }
    memcpy(buffer, (const VOID*)Context, sizeof(EVENT));
    WdfRequestCompleteWithInformation(Request, NtStatus, sizeof(EVENT));
}

static void* produce(void* context)
{
    UNREFERENCED_PARAMETER(context);
    for (ULONG number = 1; number <= event_pipe.Events; number++)
    {
        EVENT event = {number, number == event_pipe.Events, ""};

        snprintf(event.Text, sizeof(event.Text), "event %lu", (unsigned long)number);
        /* The Module copies the event, so this one may go. */
        DMF_NotifyUserWithRequest_DataProcess(event_pipe.Module, EventDelivered, &event, STATUS_SUCCESS);
        if (number % 10 == 0)
        {
            pause_milliseconds(1);
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------- the consumer */

/* Asks for the next event. */
static void ask(ASKED* asked)
{
    check(DMF_Request_Create(NULL, NULL, 0, &asked->Event, sizeof(asked->Event), 0, NULL, NULL, &asked->Request),
          "create a request");
    check(DMF_NotifyUserWithRequest_RequestProcess(event_pipe.Module, asked->Request), "ask for an event");
}

/* Waits for the event that was asked for. */
static EVENT receive(ASKED* asked)
{
    NTSTATUS status;
    ULONG_PTR information;

    check(DMF_Request_Wait(asked->Request, 0, &status, &information), "wait for an event");
    check(status, "receive an event");
    /* The Request is over: it is this thread's, and so is its buffer. */
    WdfObjectDelete(asked->Request);
    return asked->Event;
}

static void count(TALLY* tally, const EVENT* event)
{
    ULONG next = tally->Received + tally->Missed + 1;

    if (event->Number < next)
    {
        tally->InOrder = false;
        return;
    }
    if (event->Number > next)
    {
        tally->Missed += event->Number - next;
        tally->Gaps++;
        if (tally->Gaps <= GAPS_SHOWN)
        {
            printf("before \"%s\" %lu were dropped\n", event->Text, (unsigned long)(event->Number - next));
        }
    }
    tally->Received++;
}

static void* consume(void* context)
{
    TALLY* tally = (TALLY*)context;
    ASKED asked[REQUESTS];
    unsigned oldest = 0;
    EVENT event;

    for (unsigned i = 0; i < REQUESTS; i++)
    {
        ask(&asked[i]);
    }
    for (;;)
    {
        event = receive(&asked[oldest]);
        count(tally, &event);
        if (event.IsLast)
        {
            break;
        }
        ask(&asked[oldest]);
        oldest = (oldest + 1) % REQUESTS;
        if (tally->Received % EVENTS_BETWEEN_PAUSES == 0)
        {
            pause_milliseconds(20);
        }
    }

    /* The others wait for events that will not come. */
    for (unsigned i = 1; i < REQUESTS; i++)
    {
        WDFREQUEST request = asked[(oldest + i) % REQUESTS].Request;
        (void)DMF_Request_Cancel(request);
        check(DMF_Request_Wait(request, 0, NULL, NULL), "wait for a canceled request");
        WdfObjectDelete(request);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ the pipe */

static NTSTATUS pipe_create(WDFDEVICE device, DMFMODULE* module)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;

    DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.MaximumNumberOfPendingRequests = REQUESTS;
    config.MaximumNumberOfPendingDataBuffers = EVENTS_WAITING;
    config.SizeOfDataBuffer = sizeof(EVENT);
    return DMF_NotifyUserWithRequest_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, module);
}

/* The number that a text of up to eight digits names; 0 for any other text. */
static unsigned long number_parse(const char* text)
{
    size_t length = strspn(text, "0123456789");

    return length == 0 || length > 8 || text[length] != '\0' ? 0 : strtoul(text, NULL, 10);
}

int main(int argc, char** argv)
{
    TALLY tally = {0, 0, 0, true};
    ULONGLONG dropped;
    WDFDEVICE device;
    pthread_t producer, consumer;
    bool complete;

    event_pipe.Events = argc > 1 ? (ULONG)number_parse(argv[1]) : EVENTS_DEFAULT;
    if (argc > 2 || event_pipe.Events == 0)
    {
        fprintf(stderr, "usage: event_pipe [EVENTS]\n");
        return 2;
    }
    check(DMF_Device_Create(WDF_NO_OBJECT_ATTRIBUTES, &device), "create the device");
    check(pipe_create(device, &event_pipe.Module), "create the pipe");

    if (pthread_create(&consumer, NULL, consume, &tally) != 0 || pthread_create(&producer, NULL, produce, NULL) != 0)
    {
        fprintf(stderr, "event_pipe: cannot start a thread\n");
        return 1;
    }
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);

    dropped = DMF_NotifyUserWithRequest_DiscardedCountGet(event_pipe.Module);
    complete = tally.InOrder && tally.Missed == dropped && tally.Received + tally.Missed == event_pipe.Events;
    printf("%lu events: %lu received, %llu dropped, gaps: %lu\n", (unsigned long)event_pipe.Events,
           (unsigned long)tally.Received, (unsigned long long)dropped, (unsigned long)tally.Gaps);
    printf("%s\n", complete ? "every event was received in order, or counted as dropped" : "events are missing");
    WdfObjectDelete(device);
    return complete ? 0 : 1;
}
