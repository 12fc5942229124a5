/*
 * What stream_hid prints: lines, one line that is written over, a screen (stream_display.h), or JSON; and the summary.
 * It reads what the callback has counted, and asks the target for its statistics.
 */
#ifndef STREAM_OUTPUT_H
#define STREAM_OUTPUT_H

#include "stream_display.h"
#include "stream_options.h"

#include <dmf.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* So many bytes of the last report are shown: on a terminal the line has to fit, and in a log it may be longer. */
#define BYTES_SHOWN_ON_TERMINAL 8
#define BYTES_SHOWN_IN_LINES 64

/* What the callback counts, and the program shows. */
typedef struct
{
    ULONGLONG Reports;
    ULONGLONG Bytes;
    UCHAR Last[BYTES_SHOWN_IN_LINES];
    size_t LastSize;
    GAPS Gaps;
} COUNTS;

/* The device's context. */
typedef struct
{
    pthread_mutex_t Lock;
    ULONGLONG Limit; /* stop after so many reports; 0: no limit */
    COUNTS Counts;
    NTSTATUS Failure; /* what ended the stream, if something did */
    DMFMODULE Rows;   /* a ring of ROWs, if there is a CSV file */
    ULONGLONG RowsLost;
} STREAM_CONTEXT;

static inline double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void print_bytes(const UCHAR* bytes, size_t size, size_t shown)
{
    for (size_t i = 0; i < size && i < shown; i++)
    {
        printf(" %02x", bytes[i]);
    }
    printf("%s", size > shown ? " ..." : "");
}

static inline DMF_IO_TARGET_STATISTICS statistics_get(WDFIOTARGET target)
{
    DMF_IO_TARGET_STATISTICS statistics;
    memset(&statistics, 0, sizeof(statistics));
    statistics.Size = sizeof(statistics);
    (void)DMF_IoTarget_StatisticsGet(target, &statistics);
    return statistics;
}

/* How what has come is shown. */
typedef enum
{
    Show_Lines,  /* a line now and then */
    Show_Line,   /* one line, written over again and again */
    Show_Screen, /* the rate of the last minute and the times between reports as well */
    Show_Json,
} SHOW;

/* A program's or file's text as JSON has it. */
static inline void json_text(const char* text)
{
    putchar('"');
    for (; *text != '\0'; text++)
    {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f)
        {
            printf("\\u%04x", byte);
        }
        else
        {
            printf("%s%c", byte == '"' || byte == '\\' ? "\\" : "", byte);
        }
    }
    putchar('"');
}

/* Members that both a second and the summary have. */
static inline void json_counts(const COUNTS* counts, WDFIOTARGET target, double rate)
{
    DMF_IO_TARGET_STATISTICS statistics = statistics_get(target);
    size_t shown = counts->LastSize < BYTES_SHOWN_IN_LINES ? counts->LastSize : BYTES_SHOWN_IN_LINES;

    printf("\"reports\": %llu, \"bytes\": %llu, \"reports_per_second\": %.1f, \"dropped\": %llu, "
           "\"overruns_suspected\": %llu, \"last_report\": \"",
           (unsigned long long)counts->Reports, (unsigned long long)counts->Bytes, rate,
           (unsigned long long)statistics.ReportsDropped, (unsigned long long)statistics.OverrunsSuspected);
    for (size_t i = 0; i < shown; i++)
    {
        printf("%02x", counts->Last[i]);
    }
    printf("\"");
}

/* What was shown last, to show the difference. */
typedef struct
{
    SHOW How;
    double Begin;
    double Time;
    ULONGLONG Reports;
    ULONGLONG Bytes;
    double SecondTime; /* the same for the rate of a whole second */
    ULONGLONG SecondReports;
    RATES Rates;
    bool Drawn;
} DISPLAY;

static inline void line_show(const COUNTS* counts, WDFIOTARGET target, const DISPLAY* display, double elapsed)
{
    bool terminal = display->How != Show_Lines;
    DMF_IO_TARGET_STATISTICS statistics = statistics_get(target);

    printf("%s%8.0f reports/s %9.0f bytes/s %5llu dropped |", terminal ? "\r" : "",
           (double)(counts->Reports - display->Reports) / elapsed, (double)(counts->Bytes - display->Bytes) / elapsed,
           (unsigned long long)statistics.ReportsDropped);
    print_bytes(counts->Last, counts->LastSize, terminal ? BYTES_SHOWN_ON_TERMINAL : BYTES_SHOWN_IN_LINES);
    printf("%s", terminal ? "\033[K" : "\n");
}

static inline void screen_show(const COUNTS* counts, WDFIOTARGET target, DISPLAY* display, double elapsed)
{
    bool blocks = display_has_blocks();

    if (display->Drawn)
    {
        printf("\033[%dA", DISPLAY_LINES);
    }
    display->Drawn = true;
    line_show(counts, target, display, elapsed);
    printf("\n\033[K\nreports/s, the last minute (most: %.0f)\033[K\n", rates_highest(&display->Rates));
    rates_draw(&display->Rates, blocks);
    printf("time between reports\033[K\n");
    gaps_draw(&counts->Gaps, blocks);
}

/* Shows what has come since the last time. */
static inline void progress_show(STREAM_CONTEXT* stream, WDFIOTARGET target, DISPLAY* display)
{
    double now = seconds_now();
    double elapsed = now - display->Time;
    COUNTS counts;

    /* A copy: the callback takes this lock, and must not wait for a terminal. */
    pthread_mutex_lock(&stream->Lock);
    counts = stream->Counts;
    pthread_mutex_unlock(&stream->Lock);

    if (now - display->SecondTime >= 1)
    {
        rates_add(&display->Rates, (double)(counts.Reports - display->SecondReports) / (now - display->SecondTime));
        display->SecondTime = now;
        display->SecondReports = counts.Reports;
    }
    if (display->How == Show_Json)
    {
        printf("{\"type\": \"progress\", \"seconds\": %.3f, ", now - display->Begin);
        json_counts(&counts, target, (double)(counts.Reports - display->Reports) / elapsed);
        printf("}\n");
    }
    else if (display->How == Show_Screen)
    {
        screen_show(&counts, target, display, elapsed);
    }
    else
    {
        line_show(&counts, target, display, elapsed);
    }
    display->Reports = counts.Reports;
    display->Bytes = counts.Bytes;
    display->Time = now;
    fflush(stdout);
}

static inline SHOW show_choose(const OPTIONS* options)
{
    if (options->Json)
    {
        return Show_Json;
    }
    return display_fits() ? Show_Screen : isatty(STDOUT_FILENO) ? Show_Line : Show_Lines;
}

static inline void summary_show(const STREAM_CONTEXT* stream, WDFIOTARGET target, double elapsed, const OPTIONS* options)
{
    DMF_IO_TARGET_STATISTICS statistics = statistics_get(target);
    const COUNTS* counts = &stream->Counts;
    const GAPS* gaps = &counts->Gaps;
    double rate = elapsed > 0 ? (double)counts->Reports / elapsed : 0.0;
    double mean = gaps->Gaps > 0 ? gaps->Sum / (double)gaps->Gaps * 1e3 : 0.0;

    if (options->Json)
    {
        printf("{\"type\": \"summary\", \"device\": ");
        json_text(options->Device);
        printf(", \"seconds\": %.3f, ", elapsed);
        json_counts(counts, target, rate);
        printf(", \"milliseconds_between_reports\": {\"mean\": %.6f, \"longest\": %.6f, \"classes\": [", mean,
               gaps->Longest * 1e3);
        for (int i = 0; i < GAP_CLASSES; i++)
        {
            if (i < GAP_CLASSES - 1)
            {
                printf("{\"up_to\": %.2f, \"count\": %llu}, ", gap_class_limit(i), gaps->Count[i]);
            }
            else
            {
                printf("{\"up_to\": null, \"count\": %llu}", gaps->Count[i]);
            }
        }
        printf("]}, \"ended_by\": \"%s\"}\n", DMF_StatusName(stream->Failure));
        return;
    }
    printf("%llu reports, %llu bytes in %.1f s (%.0f reports/s); %llu dropped, %llu overruns suspected\n",
           (unsigned long long)counts->Reports, (unsigned long long)counts->Bytes, elapsed, rate,
           (unsigned long long)statistics.ReportsDropped, (unsigned long long)statistics.OverrunsSuspected);
    if (counts->Reports > 0)
    {
        printf("last report:");
        print_bytes(counts->Last, counts->LastSize, BYTES_SHOWN_IN_LINES);
        printf("\n");
    }
    if (gaps->Gaps > 0)
    {
        printf("time between reports: %.3f ms on average, %.3f ms at most\n", mean, gaps->Longest * 1e3);
    }
}

#endif /* STREAM_OUTPUT_H */
