/*
 * recording.h - recordings for tests: files in the hid-recorder text format, written when a test needs them.
 *
 * The device of recording_numbered() has reports of 8 bytes; the first four are the report's number, little-endian.
 */
#ifndef DMF_TESTS_RECORDING_H
#define DMF_TESTS_RECORDING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDING_UNUSED __attribute__((unused))

/* Report descriptors: 8 bytes of input from a vendor's page, without a report ID and with report ID 5. */
#define RECORDING_DESCRIPTOR_WITHOUT_ID                                                                                \
    "R: 21 06 00 ff 09 01 a1 01 15 00 26 ff 00 75 08 95 08 09 01 81 02 c0\n"
#define RECORDING_DESCRIPTOR_WITH_ID_5                                                                                 \
    "R: 23 06 00 ff 09 01 a1 01 85 05 15 00 26 ff 00 75 08 95 08 09 01 81 02 c0\n"
#define RECORDING_IDENTITY "N: Test device\nP: test/input0\nI: 3 1234 abcd\n"

/* What a report of recording_numbered() has in a buffer: the report ID byte that the library puts first, and 8 bytes. */
#define RECORDING_REPORT_SIZE 9

typedef struct
{
    char Path[128];
} RECORDING;

static RECORDING_UNUSED FILE* recording_open(RECORDING* recording)
{
    const char* directory = getenv("TMPDIR");
    int descriptor;

    snprintf(recording->Path, sizeof(recording->Path), "%s/dmf-recording-XXXXXX",
             directory != NULL && strlen(directory) < 90 ? directory : "/tmp");
    descriptor = mkstemp(recording->Path);
    if (descriptor < 0)
    {
        perror(recording->Path);
        exit(99);
    }
    return fdopen(descriptor, "w");
}

/* A file with exactly these bytes. */
static RECORDING_UNUSED RECORDING recording_of_bytes(const void* bytes, size_t size)
{
    RECORDING recording;
    FILE* file = recording_open(&recording);
    if (fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
    {
        perror(recording.Path);
        exit(99);
    }
    return recording;
}

/* A file with exactly this text. */
static RECORDING_UNUSED RECORDING recording_of_text(const char* text)
{
    return recording_of_bytes(text, strlen(text));
}

/* Reports 0, 1, 2 ..., one every so many microseconds. */
static RECORDING_UNUSED RECORDING recording_numbered(uint32_t count, uint64_t interval_microseconds)
{
    RECORDING recording;
    FILE* file = recording_open(&recording);

    fprintf(file, "# numbered reports\n" RECORDING_DESCRIPTOR_WITHOUT_ID RECORDING_IDENTITY);
    for (uint32_t number = 0; number < count; number++)
    {
        uint64_t time = number * interval_microseconds;
        fprintf(file, "E: %06llu.%06llu 8 %02x %02x %02x %02x 11 22 33 44\n", (unsigned long long)(time / 1000000),
                (unsigned long long)(time % 1000000), number & 0xFF, number >> 8 & 0xFF, number >> 16 & 0xFF,
                number >> 24 & 0xFF);
    }
    if (fclose(file) != 0)
    {
        perror(recording.Path);
        exit(99);
    }
    return recording;
}

/* The number of a report from recording_numbered(), as it stands in a buffer. */
static RECORDING_UNUSED uint32_t recording_number(const void* buffer)
{
    const unsigned char* bytes = (const unsigned char*)buffer + 1;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static RECORDING_UNUSED void recording_remove(const RECORDING* recording)
{
    unlink(recording->Path);
}

#endif /* DMF_TESTS_RECORDING_H */
