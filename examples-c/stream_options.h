/*
 * The command line of stream_hid: what it takes, and what is wrong with what it was given. It knows nothing of the library
 * but its number types.
 */
#ifndef STREAM_OPTIONS_H
#define STREAM_OPTIONS_H

#include <dmf.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct
{
    const char* Device;
    const char* Csv;
    bool List;
    bool Json;
    ULONGLONG Count;
    ULONG Seconds;
    ULONG Requests;
    double Speed;
    ULONG Repeat;
} OPTIONS;

/* VVVV:PPPP, both in hexadecimal. */
static inline bool identity_parse(const char* text, USHORT* vendor, USHORT* product)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    unsigned int v, p;

    if (strlen(text) != 9 || strspn(text, digits) != 4 || strspn(text + 5, digits) != 4 ||
        sscanf(text, "%4x:%4x", &v, &p) != 2)
    {
        return false;
    }
    *vendor = (USHORT)v;
    *product = (USHORT)p;
    return true;
}

/* A file, or what looks like the name of one that is missing. */
static inline bool is_recording(const char* path)
{
    struct stat information;

    if (stat(path, &information) == 0)
    {
        return S_ISREG(information.st_mode);
    }
    return strncmp(path, "/dev/", 5) != 0 && strchr(path, ':') == NULL;
}

/* Whether the argument can be a device at all; if not, says what it should have been. */
static inline bool device_is_named(const char* text)
{
    struct stat information;
    USHORT vendor, product;

    if (stat(text, &information) == 0)
    {
        if (S_ISDIR(information.st_mode))
        {
            fprintf(stderr, "stream_hid: %s is a folder, not a device or a recording\n", text);
            return false;
        }
        return true;
    }
    if (strchr(text, ':') != NULL && strchr(text, '/') == NULL && !identity_parse(text, &vendor, &product))
    {
        fprintf(stderr, "stream_hid: %s is not VVVV:PPPP: four hexadecimal digits each, such as 046d:c52b\n", text);
        return false;
    }
    return true;
}

static const char usage_text[] =
    "Usage: stream_hid [OPTIONS] DEVICE\n"
    "       stream_hid --list\n"
    "Shows the reports of a HID device as they come. Ctrl-C ends it with a summary.\n"
    "\n"
    "DEVICE is /dev/hidrawN, VVVV:PPPP (vendor and product, hexadecimal) or the path of a recording.\n"
    "  --list         list the HID devices that are connected\n"
    "  --json         print a JSON object each second, and one at the end\n"
    "  --csv FILE     write a row for each report: when it came, its bytes, the time since the one before\n"
    "  --count N      end after N reports\n"
    "  --seconds N    end after N seconds\n"
    "  --requests N   keep N read Requests waiting at the device (4)\n"
    "  --speed X      recordings: X times as fast as recorded (1); 0: as fast as possible\n"
    "  --repeat N     recordings: play N times (1); 0: for ever\n"
    "  --help         this text\n";

static inline bool number_parse(const char* text, ULONGLONG maximum, ULONGLONG* value)
{
    char* end;

    if (text == NULL || text[0] < '0' || text[0] > '9')
    {
        return false;
    }
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *value <= maximum;
}

static inline bool factor_parse(const char* text, double* value)
{
    char* end;

    if (text == NULL || text[0] == '\0')
    {
        return false;
    }
    *value = strtod(text, &end);
    return *end == '\0' && *value >= 0 && *value <= 1e9;
}

static inline bool options_parse(int argc, char** argv, OPTIONS* options)
{
    for (int i = 1; i < argc; i++)
    {
        const char* name = argv[i];
        const char* text = i + 1 < argc ? argv[i + 1] : NULL;
        ULONGLONG number = 0;
        bool valid;

        if (strcmp(name, "--list") == 0)
        {
            options->List = true;
            continue;
        }
        if (strcmp(name, "--json") == 0)
        {
            options->Json = true;
            continue;
        }
        if (name[0] != '-')
        {
            if (options->Device != NULL)
            {
                fprintf(stderr, "stream_hid: one DEVICE, please: %s is the second\n", name);
                return false;
            }
            options->Device = name;
            continue;
        }

        if (strcmp(name, "--csv") == 0)
        {
            if (text == NULL)
            {
                fprintf(stderr, "stream_hid: --csv needs the name of a file\n");
                return false;
            }
            options->Csv = text;
            i++;
            continue;
        }
        if (strcmp(name, "--count") == 0)
        {
            valid = number_parse(text, UINT64_MAX, &options->Count);
        }
        else if (strcmp(name, "--seconds") == 0)
        {
            valid = number_parse(text, UINT32_MAX, &number);
            options->Seconds = (ULONG)number;
        }
        else if (strcmp(name, "--requests") == 0)
        {
            valid = number_parse(text, 1024, &number) && number > 0;
            options->Requests = (ULONG)number;
        }
        else if (strcmp(name, "--speed") == 0)
        {
            valid = factor_parse(text, &options->Speed);
        }
        else if (strcmp(name, "--repeat") == 0)
        {
            valid = number_parse(text, UINT32_MAX, &number);
            options->Repeat = (ULONG)number;
        }
        else
        {
            fprintf(stderr, "stream_hid: unknown option %s\n", name);
            return false;
        }
        if (!valid)
        {
            fprintf(stderr, "stream_hid: %s needs a number, not \"%s\"\n", name, text != NULL ? text : "");
            return false;
        }
        i++;
    }
    if (options->Device == NULL && !options->List)
    {
        fprintf(stderr, "stream_hid: which DEVICE?\n");
        return false;
    }
    return options->Device == NULL || device_is_named(options->Device);
}

#endif /* STREAM_OPTIONS_H */
