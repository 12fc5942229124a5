/*
 * measure.h - what a process has: memory, threads, descriptors and handles, sampled once a second, and whether any of it grows.
 *
 * The rule for memory: the slope of the resident set (least squares) from the end of the warm-up on. The warm-up is half of
 * the run, 300 s at most. Windows of 10 minutes or more must stay under 1 KiB/s; shorter ones under the slope that makes the
 * same 600 KiB of them; windows under 30 s say nothing and are not judged.
 */
#ifndef DMF_TESTS_MEASURE_H
#define DMF_TESTS_MEASURE_H

#include <dmf.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEASURE_SLOPE_KIB 1.0
#define MEASURE_LONG_SECONDS 600.0
#define MEASURE_SHORTEST_SECONDS 30.0
#define MEASURE_WARM_UP_MAX 300.0

typedef struct
{
    double Seconds;
    double MemoryKib;
    unsigned Threads;
    unsigned Descriptors;
    unsigned Slot; /* the number of the slot that a new object gets */
} SAMPLE;

typedef struct
{
    SAMPLE* Samples;
    size_t Count;
    size_t Room;
} MEASURE;

static unsigned measure_entries(const char* path)
{
    DIR* folder = opendir(path);
    unsigned count = 0;
    while (folder != NULL && readdir(folder) != NULL)
    {
        count++;
    }
    if (folder != NULL)
    {
        closedir(folder);
    }
    return count;
}

static SAMPLE measure_take(MEASURE* measure, double seconds)
{
    SAMPLE sample = {.Seconds = seconds};
    unsigned long size = 0, resident = 0;
    FILE* memory = fopen("/proc/self/statm", "r");
    WDFDEVICE device = NULL;

    if (memory != NULL)
    {
        if (fscanf(memory, "%lu %lu", &size, &resident) != 2)
        {
            resident = 0;
        }
        fclose(memory);
    }
    sample.MemoryKib = (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024.0;
    sample.Threads = measure_entries("/proc/self/task") - 2;
    sample.Descriptors = measure_entries("/proc/self/fd") - 3;
    if (NT_SUCCESS(DMF_Device_Create(NULL, &device)))
    {
        sample.Slot = (unsigned)((uintptr_t)device & 0xFFFFFF);
        WdfObjectDelete(device);
    }
    if (measure->Count == measure->Room)
    {
        measure->Room = measure->Room == 0 ? 4096 : 2 * measure->Room;
        measure->Samples = realloc(measure->Samples, measure->Room * sizeof(SAMPLE));
        if (measure->Samples == NULL)
        {
            abort();
        }
    }
    measure->Samples[measure->Count++] = sample;
    return sample;
}

/* Says what grew; false if something did. */
static bool measure_judge(const MEASURE* measure, double run_seconds)
{
    double warm_up = run_seconds / 2 < MEASURE_WARM_UP_MAX ? run_seconds / 2 : MEASURE_WARM_UP_MAX;
    double n = 0, x = 0, y = 0, xx = 0, xy = 0, window, slope, limit;
    SAMPLE first = {0}, least = {0}, most = {0};
    unsigned early_slot = 0, early_threads = 0, early_descriptors = 0;
    bool flat = true;

    for (size_t i = 0; i < measure->Count; i++)
    {
        const SAMPLE* sample = &measure->Samples[i];
        /* What the first half has seen at most is what the second may have. */
        if (sample->Seconds < run_seconds / 2)
        {
            early_slot = sample->Slot > early_slot ? sample->Slot : early_slot;
            early_threads = sample->Threads > early_threads ? sample->Threads : early_threads;
            early_descriptors = sample->Descriptors > early_descriptors ? sample->Descriptors : early_descriptors;
        }
        if (sample->Seconds < warm_up)
        {
            continue;
        }
        if (n == 0)
        {
            first = least = most = *sample;
        }
        n++;
        x += sample->Seconds;
        y += sample->MemoryKib;
        xx += sample->Seconds * sample->Seconds;
        xy += sample->Seconds * sample->MemoryKib;
        least.MemoryKib = sample->MemoryKib < least.MemoryKib ? sample->MemoryKib : least.MemoryKib;
        most.MemoryKib = sample->MemoryKib > most.MemoryKib ? sample->MemoryKib : most.MemoryKib;
        most.Threads = sample->Threads > most.Threads ? sample->Threads : most.Threads;
        most.Descriptors = sample->Descriptors > most.Descriptors ? sample->Descriptors : most.Descriptors;
        most.Slot = sample->Slot > most.Slot ? sample->Slot : most.Slot;
    }
    if (n < 2)
    {
        printf("too short to be measured\n");
        return true;
    }
    window = measure->Samples[measure->Count - 1].Seconds - first.Seconds;
    slope = (n * xy - x * y) / (n * xx - x * x);
    limit = window >= MEASURE_LONG_SECONDS ? MEASURE_SLOPE_KIB : MEASURE_SLOPE_KIB * MEASURE_LONG_SECONDS / window;
    printf("measured for %.0f s after %.0f s of warm-up: memory %.0f to %.0f KiB, slope %+.3f KiB/s (limit %.2f%s); "
           "up to %u threads, %u descriptors, slot %u\n",
           window, warm_up, least.MemoryKib, most.MemoryKib, slope, limit,
           window < MEASURE_SHORTEST_SECONDS ? ", not judged" : "", most.Threads, most.Descriptors, most.Slot);
    if (window >= MEASURE_SHORTEST_SECONDS && slope >= limit)
    {
        printf("FAILED: the memory grows\n");
        flat = false;
    }
    /* Twice as many is no chance; some more is. */
    if (most.Slot > 2 * early_slot + 64)
    {
        printf("FAILED: the handles grow: slot %u, and %u in the first half\n", most.Slot, early_slot);
        flat = false;
    }
    if (most.Threads > early_threads + 40)
    {
        printf("FAILED: the threads grow: %u, and %u in the first half\n", most.Threads, early_threads);
        flat = false;
    }
    if (most.Descriptors > early_descriptors + 20)
    {
        printf("FAILED: the descriptors grow: %u, and %u in the first half\n", most.Descriptors, early_descriptors);
        flat = false;
    }
    return flat;
}

static void measure_end(MEASURE* measure)
{
    free(measure->Samples);
    *measure = (MEASURE){0};
}

#endif /* DMF_TESTS_MEASURE_H */
