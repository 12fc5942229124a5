/*
 * buffer_pipeline - threads that produce work, and threads that do it, with a DMF_BufferQueue between them.
 *
 * All buffers are made at the start and go round:
 *
 *            Fetch            Enqueue           Dequeue            Reuse
 *   unused ---------> producer -------> queued -------> consumer -------> unused
 *
 * A buffer belongs to one thread at a time, so nobody locks anything to fill or to read it. There are as many readings on
 * their way as there are buffers: producers that are faster than the consumers wait for a buffer to come back.
 */
#define _POSIX_C_SOURCE 200809L

#include <dmf.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PRODUCERS = 3,
    CONSUMERS = 2,
    BUFFERS = 16,
    READINGS_DEFAULT = 100000, /* of each producer */
};

/* What a buffer carries. */
typedef struct
{
    unsigned Producer;
    unsigned Number;
    double Value;
} READING;

/* What the pipeline itself wants to know about a buffer; lies beside it, in the buffer's context. */
typedef struct
{
    double Enqueued; /* seconds */
} TICKET;

/* What one consumer has seen. Each has its own, so that they need no lock. */
typedef struct
{
    unsigned Readings[PRODUCERS];
    double Sum[PRODUCERS];
    double LongestWait;
} TALLY;

static struct
{
    DMFMODULE Queue;
    unsigned Readings; /* each producer makes so many */
    /* The queue never waits: an empty one says so. These let threads sleep until there is something. */
    sem_t Unused;
    sem_t Queued;
} pipeline;

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void wait_for(sem_t* semaphore)
{
    while (sem_wait(semaphore) != 0 && errno == EINTR)
    {
    }
}

/* Ends the program if a Method has failed; any thread may do so. */
static void check(NTSTATUS status, const char* what)
{
    if (!NT_SUCCESS(status))
    {
        fprintf(stderr, "buffer_pipeline: cannot %s: %s (%s)\n", what, DMF_LastErrorMessageGet(),
                DMF_StatusName(status));
        exit(1);
    }
}

/* The same for what is not of this library and returns 0, or the error's number. */
static void check_system(int error, const char* what)
{
    if (error != 0)
    {
        fprintf(stderr, "buffer_pipeline: cannot %s: %s\n", what, strerror(error));
        exit(1);
    }
}

/* ------------------------------------------------------------------------------------------- the threads */

static void* produce(void* argument)
{
    unsigned producer = (unsigned)(size_t)argument;

    for (unsigned number = 0; number < pipeline.Readings; number++)
    {
        VOID* buffer;
        VOID* context;

        wait_for(&pipeline.Unused);
        check(DMF_BufferQueue_Fetch(pipeline.Queue, &buffer, &context), "fetch a buffer");

        /* The buffer is this thread's now, and all zeros. */
        READING* reading = (READING*)buffer;
        reading->Producer = producer;
        reading->Number = number;
        reading->Value = producer + number % 100 / 100.0;
        ((TICKET*)context)->Enqueued = seconds_now();

        /* From here on it is not. Giving a buffer that one holds cannot fail, so Enqueue and Reuse return nothing. */
        DMF_BufferQueue_Enqueue(pipeline.Queue, buffer);
        sem_post(&pipeline.Queued);
    }
    return NULL;
}

static void* consume(void* argument)
{
    TALLY* tally = (TALLY*)argument;

    for (;;)
    {
        VOID* buffer;
        VOID* context;
        NTSTATUS status;

        wait_for(&pipeline.Queued);
        status = DMF_BufferQueue_Dequeue(pipeline.Queue, &buffer, &context);
        if (status == STATUS_UNSUCCESSFUL)
        {
            /* Woken, and nothing is queued: that is how the program says that no more will come. */
            break;
        }
        check(status, "dequeue a buffer");

        const READING* reading = (const READING*)buffer;
        double waited = seconds_now() - ((const TICKET*)context)->Enqueued;
        tally->Readings[reading->Producer]++;
        tally->Sum[reading->Producer] += reading->Value;
        tally->LongestWait = waited > tally->LongestWait ? waited : tally->LongestWait;

        DMF_BufferQueue_Reuse(pipeline.Queue, buffer);
        sem_post(&pipeline.Unused);
    }
    return NULL;
}

/* Starts everything, and waits for its end. */
static void threads_run(TALLY* tallies)
{
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];

    for (size_t i = 0; i < CONSUMERS; i++)
    {
        check_system(pthread_create(&consumers[i], NULL, consume, &tallies[i]), "start a consumer");
    }
    for (size_t i = 0; i < PRODUCERS; i++)
    {
        check_system(pthread_create(&producers[i], NULL, produce, (void*)i), "start a producer");
    }
    for (size_t i = 0; i < PRODUCERS; i++)
    {
        pthread_join(producers[i], NULL);
    }
    /* Everything is queued, and has its post already: one more for each consumer ends it. */
    for (size_t i = 0; i < CONSUMERS; i++)
    {
        sem_post(&pipeline.Queued);
    }
    for (size_t i = 0; i < CONSUMERS; i++)
    {
        pthread_join(consumers[i], NULL);
    }
}

/* -------------------------------------------------------------------------------------------- the program */

static NTSTATUS queue_create(WDFDEVICE device, DMFMODULE* queue)
{
    DMF_CONFIG_BufferQueue config;
    DMF_MODULE_ATTRIBUTES attributes;

    DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.SourceSettings.BufferCount = BUFFERS;
    config.SourceSettings.BufferSize = sizeof(READING);
    config.SourceSettings.BufferContextSize = sizeof(TICKET);
    return DMF_BufferQueue_Create(device, &attributes, WDF_NO_OBJECT_ATTRIBUTES, queue);
}

/* Adds up what the consumers have seen. Whether nothing is missing. */
static bool summary_show(const TALLY* tallies, double elapsed)
{
    bool complete = true;
    double longest_wait = 0;

    for (int producer = 0; producer < PRODUCERS; producer++)
    {
        unsigned readings = 0;
        double sum = 0;
        for (int consumer = 0; consumer < CONSUMERS; consumer++)
        {
            readings += tallies[consumer].Readings[producer];
            sum += tallies[consumer].Sum[producer];
        }
        printf("producer %d: %u readings, average %.3f\n", producer, readings, readings > 0 ? sum / readings : 0.0);
        complete = complete && readings == pipeline.Readings;
    }
    for (int consumer = 0; consumer < CONSUMERS; consumer++)
    {
        double waited = tallies[consumer].LongestWait;
        longest_wait = waited > longest_wait ? waited : longest_wait;
    }
    printf("%.2f s, %d buffers; the longest wait in the queue was %.2f ms\n", elapsed, BUFFERS, longest_wait * 1e3);
    return complete;
}

/* The number that a text of up to eight digits names; 0 for any other text. */
static unsigned long number_parse(const char* text)
{
    size_t length = strspn(text, "0123456789");

    return length == 0 || length > 8 || text[length] != '\0' ? 0 : strtoul(text, NULL, 10);
}

int main(int argc, char** argv)
{
    TALLY tallies[CONSUMERS];
    WDFDEVICE device;
    double begin;
    bool complete;

    pipeline.Readings = argc > 1 ? (unsigned)number_parse(argv[1]) : READINGS_DEFAULT;
    if (argc > 2 || pipeline.Readings == 0)
    {
        fprintf(stderr, "usage: buffer_pipeline [READINGS OF EACH PRODUCER]\n");
        return 2;
    }

    /* The parent of the queue: deleting it deletes all of it. */
    check(DMF_Device_Create(WDF_NO_OBJECT_ATTRIBUTES, &device), "create the device");
    check(queue_create(device, &pipeline.Queue), "create the queue");
    check_system(sem_init(&pipeline.Unused, 0, BUFFERS) == 0 ? 0 : errno, "make a semaphore");
    check_system(sem_init(&pipeline.Queued, 0, 0) == 0 ? 0 : errno, "make a semaphore");

    memset(tallies, 0, sizeof(tallies));
    begin = seconds_now();
    threads_run(tallies);
    complete = summary_show(tallies, seconds_now() - begin);

    sem_destroy(&pipeline.Queued);
    sem_destroy(&pipeline.Unused);
    WdfObjectDelete(device);
    return complete ? 0 : 1;
}
