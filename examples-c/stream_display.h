/*
 * What stream_hid shows of a stream: the rate over the last minute, and how long apart the reports came. It knows nothing
 * of the library. stream_output.h draws with it.
 *
 * The times are those between one call of the callback and the next. When a report left its device nobody tells, so this
 * is no latency: it is the device's own rhythm and whatever the system and the library add to it.
 */
#ifndef STREAM_DISPLAY_H
#define STREAM_DISPLAY_H

#include <langinfo.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    RATE_SECONDS = 60,
    GAP_CLASSES = 10, /* up to 0.25 ms, 0.5 ms ... 64 ms, and longer */
    BAR_WIDTH = 40,
    DISPLAY_LINES = 5 + GAP_CLASSES,
    DISPLAY_COLUMNS = 80,
};

/* How long apart the reports came. The callback adds, so whoever reads takes the callback's lock. */
typedef struct
{
    unsigned long long Count[GAP_CLASSES];
    unsigned long long Gaps;
    double Before; /* when the last report came, in seconds; 0: none has yet */
    double Sum;    /* seconds */
    double Longest;
} GAPS;

/* The longest time in milliseconds that a class takes; the last takes all. */
static inline double gap_class_limit(int class_index)
{
    return 0.25 * (double)(1 << class_index);
}

/* A report has come. The seconds since the one before; 0 for the first. */
static inline double gaps_add(GAPS* gaps, double now)
{
    double gap = gaps->Before > 0 ? now - gaps->Before : 0;
    int class_index = 0;

    if (gaps->Before > 0)
    {
        while (class_index < GAP_CLASSES - 1 && gap * 1e3 > gap_class_limit(class_index))
        {
            class_index++;
        }
        gaps->Count[class_index]++;
        gaps->Gaps++;
        gaps->Sum += gap;
        gaps->Longest = gap > gaps->Longest ? gap : gaps->Longest;
    }
    gaps->Before = now;
    return gap;
}

/* Reports in each of the last seconds, the newest last. */
typedef struct
{
    double PerSecond[RATE_SECONDS];
    int Filled;
} RATES;

static inline void rates_add(RATES* rates, double rate)
{
    if (rates->Filled == RATE_SECONDS)
    {
        memmove(rates->PerSecond, rates->PerSecond + 1, sizeof(rates->PerSecond) - sizeof(rates->PerSecond[0]));
        rates->Filled--;
    }
    rates->PerSecond[rates->Filled++] = rate;
}

static inline double rates_highest(const RATES* rates)
{
    double highest = 0;

    for (int i = 0; i < rates->Filled; i++)
    {
        highest = rates->PerSecond[i] > highest ? rates->PerSecond[i] : highest;
    }
    return highest;
}

/* Whether the display can be drawn: on a terminal that has room for it. */
static inline bool display_fits(void)
{
    struct winsize size;

    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > DISPLAY_LINES &&
           size.ws_col >= DISPLAY_COLUMNS;
}

/* Whether block characters can be shown; elsewhere ASCII has to do. Call setlocale(LC_CTYPE, "") first. */
static inline bool display_has_blocks(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* A line: one character for each second. */
static inline void rates_draw(const RATES* rates, bool blocks)
{
    static const char* const heights[2][9] = {
        {" ", ".", ":", "-", "=", "+", "*", "#", "@"},
        {" ", "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"},
    };
    double highest = rates_highest(rates);

    for (int i = 0; i < RATE_SECONDS - rates->Filled; i++)
    {
        fputs(" ", stdout);
    }
    for (int i = 0; i < rates->Filled; i++)
    {
        /* Whatever is more than nothing is to be seen. */
        double height = highest > 0 ? rates->PerSecond[i] / highest * 8 : 0;
        fputs(heights[blocks][height > 0 && height < 1 ? 1 : (int)(height + 0.5)], stdout);
    }
    fputs("\033[K\n", stdout);
}

/* A line for each class. */
static inline void gaps_draw(const GAPS* gaps, bool blocks)
{
    unsigned long long most = 1;

    for (int i = 0; i < GAP_CLASSES; i++)
    {
        most = gaps->Count[i] > most ? gaps->Count[i] : most;
    }
    for (int i = 0; i < GAP_CLASSES; i++)
    {
        bool last = i == GAP_CLASSES - 1;
        int width = (int)((double)gaps->Count[i] / (double)most * BAR_WIDTH);

        width = width == 0 && gaps->Count[i] > 0 ? 1 : width;
        printf("%s %5.2f ms ", last ? " longer than" : "       up to", gap_class_limit(last ? i - 1 : i));
        for (int column = 0; column < width; column++)
        {
            fputs(blocks ? "\u2588" : "#", stdout);
        }
        if (gaps->Count[i] > 0)
        {
            printf(" %llu", gaps->Count[i]);
        }
        fputs("\033[K\n", stdout);
    }
}

#endif /* STREAM_DISPLAY_H */
