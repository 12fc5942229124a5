/*
 * client_target.h - targets that a test implements itself, so that each Request ends when, how and where the test says.
 *
 *     CLIENT_TARGET target;
 *     client_target_open(&target, device, CLIENT_TARGET_PENDS);
 *     ... a Request is sent; EVENTUALLY(client_target_pending(&target) == 1) ...
 *     client_target_complete(&target, STATUS_SUCCESS);
 *     client_target_close(&target);
 *
 * A target writes into the output buffer when it gets the Request and never later: what has timed out or was canceled is
 * its sender's again, and a target that does not say how to cancel is not told. What it writes is the Request's number in
 * the first four bytes, little-endian, and CLIENT_TARGET_FILL behind it. Unless a test says otherwise, a Request ends with
 * the whole length of its output (Write: of its input) as its information.
 */
#ifndef DMF_TESTS_CLIENT_TARGET_H
#define DMF_TESTS_CLIENT_TARGET_H

#include "harness.h"

#define CLIENT_TARGET_FILL 0x5A
#define CLIENT_TARGET_PENDING_MAX 1024
#define CLIENT_TARGET_INPUT_SHOWN 64

typedef enum
{
    /* Completes at once, by what its callback returns. */
    CLIENT_TARGET_COMPLETES,
    /* Keeps Requests until it is told, and does not say how to cancel them. */
    CLIENT_TARGET_PENDS,
    /* Keeps Requests until it is told, marked cancelable. */
    CLIENT_TARGET_PENDS_CANCELABLE,
    /* One way after the other. */
    CLIENT_TARGET_MIXES
} CLIENT_TARGET_ANSWER;

typedef struct CLIENT_TARGET_REQUEST
{
    WDFREQUEST Request;
    ULONG_PTR Information;
    bool Cancelable;
    double Due;
    struct CLIENT_TARGET_REQUEST* Next;
} CLIENT_TARGET_REQUEST;

/* A test sets the first members after client_target_open(), before it sends; the rest is read with the functions. */
typedef struct
{
    /* What it does. */
    CLIENT_TARGET_ANSWER Answer;
    NTSTATUS Status;         /* that of a Request that it completes by itself */
    ULONG FailNumber;        /* this Request, counted from 1, ends with FailStatus at once; 0: none */
    NTSTATUS FailStatus;
    ULONG_PTR Information;   /* CLIENT_TARGET_ALL: the whole length */
    double DelaySeconds;     /* its thread completes a Request so long after it came */

    WDFIOTARGET Target;
    /* What it saw: of all Requests, and of the last one. */
    ULONG Calls;
    ULONG Cancels;
    ULONG WrongHandles; /* the callback got another target's handle, or buffers that the Request does not have */
    WDFREQUEST Request;
    ContinuousRequestTarget_RequestType RequestType;
    ULONG Ioctl;
    size_t InputLength;
    size_t OutputLength;
    VOID* InputBuffer;
    VOID* OutputBuffer;
    UCHAR Input[CLIENT_TARGET_INPUT_SHOWN];

    CLIENT_TARGET_REQUEST Slots[CLIENT_TARGET_PENDING_MAX];
    CLIENT_TARGET_REQUEST* Free;
    CLIENT_TARGET_REQUEST* First; /* oldest first */
    CLIENT_TARGET_REQUEST** Last;
    ULONG Pending;
    bool HasThread;
    bool ThreadEnds;
    pthread_t Thread;
} CLIENT_TARGET;

#define CLIENT_TARGET_ALL ((ULONG_PTR)-1)

/* A cancel routine gets nothing but the Request, so it has to find whose it is. One lock for all targets. */
#define CLIENT_TARGETS_MAX 8
static struct
{
    pthread_mutex_t Lock;
    pthread_cond_t Changed;
    CLIENT_TARGET* Targets[CLIENT_TARGETS_MAX];
} client_targets = {.Lock = PTHREAD_MUTEX_INITIALIZER, .Changed = PTHREAD_COND_INITIALIZER};

/* Takes a Request off the list; NULL for the oldest. The lock is held. */
static HARNESS_UNUSED bool client_target_take(CLIENT_TARGET* target, WDFREQUEST request, CLIENT_TARGET_REQUEST* taken)
{
    for (CLIENT_TARGET_REQUEST** link = &target->First; *link != NULL; link = &(*link)->Next)
    {
        CLIENT_TARGET_REQUEST* slot = *link;
        if (request != NULL && slot->Request != request)
        {
            continue;
        }
        *taken = *slot;
        *link = slot->Next;
        if (target->Last == &slot->Next)
        {
            target->Last = link;
        }
        slot->Next = target->Free;
        target->Free = slot;
        target->Pending--;
        return true;
    }
    return false;
}

static HARNESS_UNUSED EVT_WDF_REQUEST_CANCEL ClientTargetCancel;

static HARNESS_UNUSED VOID ClientTargetCancel(WDFREQUEST Request)
{
    CLIENT_TARGET_REQUEST taken;

    pthread_mutex_lock(&client_targets.Lock);
    for (int i = 0; i < CLIENT_TARGETS_MAX; i++)
    {
        /* Not found: somebody took it, and learned from WdfRequestUnmarkCancelable that this routine completes it. */
        if (client_targets.Targets[i] != NULL && client_target_take(client_targets.Targets[i], Request, &taken))
        {
            client_targets.Targets[i]->Cancels++;
            break;
        }
    }
    pthread_mutex_unlock(&client_targets.Lock);
    WdfRequestComplete(Request, STATUS_CANCELLED);
}

static HARNESS_UNUSED void client_target_fill(VOID* buffer, size_t length, ULONG number)
{
    UCHAR* bytes = (UCHAR*)buffer;

    for (size_t i = 0; i < length; i++)
    {
        bytes[i] = i < 4 ? (UCHAR)(number >> (8 * i)) : CLIENT_TARGET_FILL;
    }
}

/* The number that a target wrote into an output buffer. */
static HARNESS_UNUSED ULONG client_target_number(const VOID* buffer)
{
    const UCHAR* bytes = (const UCHAR*)buffer;
    return (ULONG)bytes[0] | (ULONG)bytes[1] << 8 | (ULONG)bytes[2] << 16 | (ULONG)bytes[3] << 24;
}

static HARNESS_UNUSED EVT_DMF_IoTarget_Request ClientTargetRequest;

static HARNESS_UNUSED NTSTATUS ClientTargetRequest(WDFIOTARGET Target, WDFREQUEST Request,
                                                   ContinuousRequestTarget_RequestType RequestType, ULONG Ioctl,
                                                   VOID* InputBuffer, size_t InputLength, VOID* OutputBuffer,
                                                   size_t OutputLength, ULONG_PTR* Information, VOID* Context)
{
    CLIENT_TARGET* target = (CLIENT_TARGET*)Context;
    CLIENT_TARGET_REQUEST* slot;
    CLIENT_TARGET_ANSWER answer;
    NTSTATUS status;

    pthread_mutex_lock(&client_targets.Lock);
    target->Calls++;
    answer = target->Answer == CLIENT_TARGET_MIXES ? (CLIENT_TARGET_ANSWER)(target->Calls % CLIENT_TARGET_MIXES)
                                                   : target->Answer;
    target->WrongHandles += (target->Target != NULL && Target != target->Target) || Request == NULL;
    target->Request = Request;
    target->RequestType = RequestType;
    target->Ioctl = Ioctl;
    target->InputBuffer = InputBuffer;
    target->InputLength = InputLength;
    target->OutputBuffer = OutputBuffer;
    target->OutputLength = OutputLength;
    memset(target->Input, 0, sizeof(target->Input));
    if (InputLength > 0)
    {
        memcpy(target->Input, InputBuffer, InputLength < sizeof(target->Input) ? InputLength : sizeof(target->Input));
    }
    client_target_fill(OutputBuffer, OutputLength, target->Calls - 1);
    *Information = target->Information;
    if (*Information == CLIENT_TARGET_ALL)
    {
        *Information = RequestType == ContinuousRequestTarget_RequestType_Write ? InputLength : OutputLength;
    }

    if (target->Calls == target->FailNumber)
    {
        status = target->FailStatus;
        *Information = 0;
    }
    else if (answer == CLIENT_TARGET_COMPLETES || target->Free == NULL)
    {
        status = target->Free == NULL ? STATUS_INSUFFICIENT_RESOURCES : target->Status;
    }
    else
    {
        /* The Ex form never calls the routine itself, so it may be called with the lock, which the routine takes. */
        status = answer == CLIENT_TARGET_PENDS_CANCELABLE
                     ? WdfRequestMarkCancelableEx(Request, ClientTargetCancel)
                     : STATUS_SUCCESS;
        if (NT_SUCCESS(status))
        {
            slot = target->Free;
            target->Free = slot->Next;
            slot->Request = Request;
            slot->Information = *Information;
            slot->Cancelable = answer == CLIENT_TARGET_PENDS_CANCELABLE;
            slot->Due = harness_seconds() + target->DelaySeconds;
            slot->Next = NULL;
            *target->Last = slot;
            target->Last = &slot->Next;
            target->Pending++;
            status = STATUS_PENDING;
        }
        else
        {
            *Information = 0;
        }
    }
    pthread_cond_broadcast(&client_targets.Changed);
    pthread_mutex_unlock(&client_targets.Lock);
    return status;
}

/*
 * Takes a Request off the list in order to complete it; the lock is held. What is canceled meanwhile completes in its
 * routine: that waits for the lock, so the Request is still there when WdfRequestUnmarkCancelable says so.
 */
static HARNESS_UNUSED bool client_target_take_to_complete(CLIENT_TARGET* target, CLIENT_TARGET_REQUEST* taken)
{
    while (client_target_take(target, NULL, taken))
    {
        if (!taken->Cancelable || NT_SUCCESS(WdfRequestUnmarkCancelable(taken->Request)))
        {
            return true;
        }
        target->Cancels++;
    }
    return false;
}

static HARNESS_UNUSED void client_target_finish(const CLIENT_TARGET_REQUEST* taken, NTSTATUS status)
{
    WdfRequestCompleteWithInformation(taken->Request, status, NT_SUCCESS(status) ? taken->Information : 0);
}

/* Completes the oldest pending Request; false: there is none. */
static HARNESS_UNUSED bool client_target_complete(CLIENT_TARGET* target, NTSTATUS status)
{
    CLIENT_TARGET_REQUEST taken;
    bool found;

    pthread_mutex_lock(&client_targets.Lock);
    found = client_target_take_to_complete(target, &taken);
    pthread_mutex_unlock(&client_targets.Lock);
    if (found)
    {
        client_target_finish(&taken, status);
    }
    return found;
}

static HARNESS_UNUSED void client_target_complete_all(CLIENT_TARGET* target, NTSTATUS status)
{
    while (client_target_complete(target, status))
    {
    }
}

static HARNESS_UNUSED ULONG client_target_read(const ULONG* value)
{
    ULONG copy;
    pthread_mutex_lock(&client_targets.Lock);
    copy = *value;
    pthread_mutex_unlock(&client_targets.Lock);
    return copy;
}

/* What the target was asked last. A stream that has stopped leaves a callback of the target to itself: it may still run. */
static HARNESS_UNUSED CLIENT_TARGET client_target_seen(const CLIENT_TARGET* target)
{
    CLIENT_TARGET copy;
    pthread_mutex_lock(&client_targets.Lock);
    copy = *target;
    pthread_mutex_unlock(&client_targets.Lock);
    return copy;
}

static HARNESS_UNUSED ULONG client_target_pending(CLIENT_TARGET* target)
{
    return client_target_read(&target->Pending);
}

static HARNESS_UNUSED ULONG client_target_calls(CLIENT_TARGET* target)
{
    return client_target_read(&target->Calls);
}

static HARNESS_UNUSED ULONG client_target_cancels(CLIENT_TARGET* target)
{
    return client_target_read(&target->Cancels);
}

static HARNESS_UNUSED void client_target_answer(CLIENT_TARGET* target, CLIENT_TARGET_ANSWER answer)
{
    pthread_mutex_lock(&client_targets.Lock);
    target->Answer = answer;
    pthread_mutex_unlock(&client_targets.Lock);
}

static HARNESS_UNUSED void* client_target_works(void* context)
{
    CLIENT_TARGET* target = (CLIENT_TARGET*)context;

    pthread_mutex_lock(&client_targets.Lock);
    while (!target->ThreadEnds)
    {
        CLIENT_TARGET_REQUEST taken;
        double wait = target->First == NULL ? 3600 : target->First->Due - harness_seconds();

        if (wait > 0)
        {
            struct timespec time;
            clock_gettime(CLOCK_REALTIME, &time);
            wait += (double)time.tv_nsec / 1e9;
            time.tv_sec += (time_t)wait;
            time.tv_nsec = (long)((wait - (double)(time_t)wait) * 1e9);
            pthread_cond_timedwait(&client_targets.Changed, &client_targets.Lock, &time);
            continue;
        }
        if (client_target_take_to_complete(target, &taken))
        {
            pthread_mutex_unlock(&client_targets.Lock);
            client_target_finish(&taken, target->Status);
            pthread_mutex_lock(&client_targets.Lock);
        }
    }
    pthread_mutex_unlock(&client_targets.Lock);
    return NULL;
}

/* From now on a thread of the target's own completes what is pending, DelaySeconds after it came. */
static HARNESS_UNUSED void client_target_thread_start(CLIENT_TARGET* target, double delay_seconds)
{
    pthread_mutex_lock(&client_targets.Lock);
    target->DelaySeconds = delay_seconds;
    target->ThreadEnds = false;
    pthread_mutex_unlock(&client_targets.Lock);
    target->HasThread = pthread_create(&target->Thread, NULL, client_target_works, target) == 0;
    CHECK(target->HasThread);
}

static HARNESS_UNUSED void client_target_thread_stop(CLIENT_TARGET* target)
{
    if (target->HasThread)
    {
        pthread_mutex_lock(&client_targets.Lock);
        target->ThreadEnds = true;
        pthread_cond_broadcast(&client_targets.Changed);
        pthread_mutex_unlock(&client_targets.Lock);
        pthread_join(target->Thread, NULL);
        target->HasThread = false;
    }
}

/* Target stays NULL if it could not be made. */
static HARNESS_UNUSED void client_target_open(CLIENT_TARGET* target, WDFDEVICE device, CLIENT_TARGET_ANSWER answer)
{
    int place = 0;

    memset(target, 0, sizeof(*target));
    target->Answer = answer;
    target->FailStatus = STATUS_UNSUCCESSFUL;
    target->Information = CLIENT_TARGET_ALL;
    target->Last = &target->First;
    for (int i = 0; i < CLIENT_TARGET_PENDING_MAX; i++)
    {
        target->Slots[i].Next = target->Free;
        target->Free = &target->Slots[i];
    }
    pthread_mutex_lock(&client_targets.Lock);
    while (place < CLIENT_TARGETS_MAX && client_targets.Targets[place] != NULL)
    {
        place++;
    }
    if (place < CLIENT_TARGETS_MAX)
    {
        client_targets.Targets[place] = target;
    }
    pthread_mutex_unlock(&client_targets.Lock);
    CHECK(place < CLIENT_TARGETS_MAX);
    CHECK_SUCCESS(DMF_IoTarget_ClientCreate(device, ClientTargetRequest, target, &target->Target));
}

/* The library's target is deleted: what is on the list is over, and no routine looks for this target any more. */
static HARNESS_UNUSED void client_target_forget(CLIENT_TARGET* target)
{
    client_target_thread_stop(target);
    CHECK_EQUAL(target->WrongHandles, 0);
    pthread_mutex_lock(&client_targets.Lock);
    for (int i = 0; i < CLIENT_TARGETS_MAX; i++)
    {
        if (client_targets.Targets[i] == target)
        {
            client_targets.Targets[i] = NULL;
        }
    }
    pthread_mutex_unlock(&client_targets.Lock);
}

/* Answers what is left, at once, and deletes the target. */
static HARNESS_UNUSED void client_target_close(CLIENT_TARGET* target)
{
    client_target_thread_stop(target);
    client_target_complete_all(target, STATUS_CANCELLED);
    if (target->Target != NULL)
    {
        WdfObjectDelete(target->Target);
    }
    client_target_forget(target);
}

#endif /* DMF_TESTS_CLIENT_TARGET_H */
