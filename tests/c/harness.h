/*
 * harness.h - what the C tests share: checks that say what was expected, tests whose names read as sentences, a recorder
 * for misuse reports, a watchdog, and one scale for everything that takes time.
 *
 * A test is a function without parameters:
 *
 *     TEST(put_of_a_buffer_twice_changes_nothing) { ... CHECK_EQUAL(DMF_BufferPool_Count(pool), 1); CHECK_MISUSE(1); }
 *     int main(void) { RUN(put_of_a_buffer_twice_changes_nothing); return TESTS_RESULT(); }
 *
 * CHECK_... reports and goes on, REQUIRE_... reports and leaves the test. A test must account for the misuse it causes
 * (CHECK_MISUSE or MISUSE_IGNORE): what is left at its end fails it. When all tests are over, so are all threads.
 *
 * Environment: DMF_TEST_SCALE multiplies the rounds of stress tests (1; 0.01 for valgrind and sanitizers, 100 for a long run);
 * DMF_TEST_ONLY names the one test to run.
 */
#ifndef DMF_TESTS_HARNESS_H
#define DMF_TESTS_HARNESS_H

#include <dmf.h>

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where the header of valgrind is missing, so is valgrind. */
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_CLO_CHANGE(Option)
#endif

#define HARNESS_UNUSED __attribute__((unused))

/* A test that has not ended after so many seconds hangs. Generous: valgrind and a busy machine are slow. */
#define HARNESS_WATCHDOG_SECONDS 300
/* How long EVENTUALLY waits. */
#ifndef HARNESS_EVENTUALLY_SECONDS
#define HARNESS_EVENTUALLY_SECONDS 30
#endif

static struct
{
    const char* Test;
    int Tests;
    int TestsFailed;
    int Failures; /* of the running test */
    unsigned Threads; /* before the first test */
    /* The recorder: the library may report from any thread. */
    pthread_mutex_t Lock;
    unsigned MisuseCount; /* not accounted for yet */
    VOID* MisuseHandle;
    char MisuseMethod[128];
    char MisuseMessage[512];
} harness = {.Lock = PTHREAD_MUTEX_INITIALIZER};

/* ------------------------------------------------------------------------------------------------- checks */

static HARNESS_UNUSED void harness_failure(const char* file, int line, const char* expression)
{
    pthread_mutex_lock(&harness.Lock);
    harness.Failures++;
    pthread_mutex_unlock(&harness.Lock);
    printf("    %s:%d: %s\n", file, line, expression);
}

static HARNESS_UNUSED bool harness_check(bool holds, const char* file, int line, const char* expression)
{
    if (!holds)
    {
        harness_failure(file, line, expression);
    }
    return holds;
}

static HARNESS_UNUSED bool harness_check_equal(long long got, long long expected, const char* file, int line,
                                               const char* expression)
{
    if (got != expected)
    {
        harness_failure(file, line, expression);
        printf("        got %lld (0x%llx), expected %lld (0x%llx)\n", got, (unsigned long long)got, expected,
               (unsigned long long)expected);
    }
    return got == expected;
}

static HARNESS_UNUSED bool harness_check_status(NTSTATUS got, NTSTATUS expected, const char* file, int line,
                                                const char* expression)
{
    if (got != expected)
    {
        harness_failure(file, line, expression);
        printf("        got %s (0x%08" PRIX32 "), expected %s; last error message: \"%s\"\n", DMF_StatusName(got),
               (uint32_t)got, DMF_StatusName(expected), DMF_LastErrorMessageGet());
    }
    return got == expected;
}

static HARNESS_UNUSED bool harness_check_text(const char* got, const char* expected, const char* file, int line,
                                              const char* expression)
{
    bool holds = got != NULL && strstr(got, expected) != NULL;
    if (!holds)
    {
        harness_failure(file, line, expression);
        printf("        got \"%s\", expected it to contain \"%s\"\n", got != NULL ? got : "(NULL)", expected);
    }
    return holds;
}

/* Whether Size bytes are all Value. */
static HARNESS_UNUSED bool harness_bytes_are(const void* bytes, int value, size_t size)
{
    for (size_t i = 0; i < size; i++)
    {
        if (((const unsigned char*)bytes)[i] != (unsigned char)value)
        {
            return false;
        }
    }
    return true;
}

#define CHECK(Expression) harness_check((Expression), __FILE__, __LINE__, #Expression)
#define CHECK_EQUAL(Got, Expected)                                                                                     \
    harness_check_equal((long long)(Got), (long long)(Expected), __FILE__, __LINE__, #Got " == " #Expected)
#define CHECK_POINTER(Got, Expected)                                                                                   \
    harness_check_equal((long long)(intptr_t)(Got), (long long)(intptr_t)(Expected), __FILE__, __LINE__,               \
                        #Got " == " #Expected)
#define CHECK_STATUS(Got, Expected)                                                                                    \
    harness_check_status((Got), (Expected), __FILE__, __LINE__, #Got " is " #Expected)
#define CHECK_SUCCESS(Got) CHECK_STATUS(Got, STATUS_SUCCESS)
#define CHECK_CONTAINS(Got, Text) harness_check_text((Got), (Text), __FILE__, __LINE__, #Got)
#define CHECK_ALL_BYTES(Address, Value, Size)                                                                          \
    harness_check(harness_bytes_are((Address), (Value), (Size)), __FILE__, __LINE__,                                   \
                  "all " #Size " bytes of " #Address " are " #Value)

#define REQUIRE(Expression)                                                                                            \
    do                                                                                                                 \
    {                                                                                                                  \
        if (!CHECK(Expression))                                                                                        \
            return;                                                                                                    \
    } while (0)
#define REQUIRE_SUCCESS(Got)                                                                                           \
    do                                                                                                                 \
    {                                                                                                                  \
        if (!CHECK_SUCCESS(Got))                                                                                       \
            return;                                                                                                    \
    } while (0)

/* ------------------------------------------------------------------------------------------------- misuse */

static HARNESS_UNUSED VOID harness_misuse(const char* Method, VOID* Handle, const char* Message, VOID* Context)
{
    UNREFERENCED_PARAMETER(Context);
    pthread_mutex_lock(&harness.Lock);
    harness.MisuseCount++;
    harness.MisuseHandle = Handle;
    snprintf(harness.MisuseMethod, sizeof(harness.MisuseMethod), "%s", Method != NULL ? Method : "(NULL)");
    snprintf(harness.MisuseMessage, sizeof(harness.MisuseMessage), "%s", Message != NULL ? Message : "(NULL)");
    pthread_mutex_unlock(&harness.Lock);
}

static HARNESS_UNUSED unsigned harness_misuse_take(void)
{
    unsigned count;
    pthread_mutex_lock(&harness.Lock);
    count = harness.MisuseCount;
    harness.MisuseCount = 0;
    pthread_mutex_unlock(&harness.Lock);
    return count;
}

static HARNESS_UNUSED void harness_check_misuse(unsigned expected, const char* file, int line)
{
    unsigned got = harness_misuse_take();
    if (got != expected)
    {
        harness_failure(file, line, "misuse reports");
        printf("        got %u, expected %u; the last one: %s: %s\n", got, expected, harness.MisuseMethod,
               harness.MisuseMessage);
    }
}

/* So many misuse reports since the last such check. */
#define CHECK_MISUSE(Count) harness_check_misuse((Count), __FILE__, __LINE__)
/* Misuse may or may not have been reported; it does not matter here. */
#define MISUSE_IGNORE() ((void)harness_misuse_take())

/* -------------------------------------------------------------------------------------------------- time */

static HARNESS_UNUSED double harness_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static HARNESS_UNUSED void harness_sleep_milliseconds(long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* Checks that a condition becomes true. */
#define EVENTUALLY(Condition)                                                                                          \
    do                                                                                                                 \
    {                                                                                                                  \
        double harness_end = harness_seconds() + HARNESS_EVENTUALLY_SECONDS;                                           \
        while (!(Condition) && harness_seconds() < harness_end)                                                        \
            harness_sleep_milliseconds(1);                                                                             \
        harness_check((Condition), __FILE__, __LINE__, "eventually " #Condition);                                      \
    } while (0)

/* A number of rounds, scaled; at least 1. */
static HARNESS_UNUSED unsigned harness_rounds(unsigned rounds)
{
    const char* text = getenv("DMF_TEST_SCALE");
    double scaled = (text != NULL ? atof(text) : 1.0) * rounds;
    return scaled < 1.0 ? 1u : (unsigned)scaled;
}

/* How many threads the process has; not those that have left their last function and are only taken apart. */
static HARNESS_UNUSED unsigned harness_threads(void)
{
    const unsigned exiting = 4; /* PF_EXITING */
    unsigned count = 0;
    DIR* tasks = opendir("/proc/self/task");
    struct dirent* entry;

    while (tasks != NULL && (entry = readdir(tasks)) != NULL)
    {
        char path[300], text[512] = "";
        const char* facts;
        unsigned flags;
        FILE* file;

        snprintf(path, sizeof(path), "/proc/self/task/%s/stat", entry->d_name);
        if (entry->d_name[0] == '.' || (file = fopen(path, "r")) == NULL)
        {
            continue;
        }
        facts = fgets(text, sizeof(text), file) != NULL ? strrchr(text, ')') : NULL;
        fclose(file);
        count += facts != NULL && sscanf(facts, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & exiting) == 0;
    }
    if (tasks != NULL)
    {
        closedir(tasks);
    }
    return count;
}

static HARNESS_UNUSED void* harness_ends_at_once(void* context)
{
    return context;
}

/* The threads of a process without the library's. With the first of the program's a sanitizer starts one of its own. */
static HARNESS_UNUSED unsigned harness_threads_without_library(void)
{
    pthread_t first;
    if (pthread_create(&first, NULL, harness_ends_at_once, NULL) == 0)
    {
        pthread_join(first, NULL);
    }
    return harness_threads();
}

/* ------------------------------------------------------------------------------------------------- runner */

static HARNESS_UNUSED void harness_print_name(const char* verdict)
{
    printf("%s ", verdict);
    for (const char* c = harness.Test; *c != '\0'; c++)
    {
        putchar(*c == '_' ? ' ' : *c);
    }
    printf("\n");
    fflush(stdout);
}

static HARNESS_UNUSED void harness_watchdog(int signal_number)
{
    static const char text[] = "    hangs; the watchdog ends it: ";
    ssize_t ignored;
    (void)signal_number;
    ignored = write(STDOUT_FILENO, text, sizeof(text) - 1);
    ignored = write(STDOUT_FILENO, harness.Test, strlen(harness.Test));
    ignored = write(STDOUT_FILENO, "\n", 1);
    (void)ignored;
    _exit(124);
}

static HARNESS_UNUSED void harness_run(const char* name, void (*test)(void))
{
    const char* only = getenv("DMF_TEST_ONLY");

    if (only != NULL && strcmp(only, name) != 0)
    {
        return;
    }
    if (harness.Tests == 0)
    {
        harness.Threads = harness_threads_without_library();
    }
    harness.Test = name;
    harness.Failures = 0;
    harness.Tests++;
    (void)harness_misuse_take();
    DMF_MisuseHandlerSet(harness_misuse, NULL);
    signal(SIGALRM, harness_watchdog);
    alarm(HARNESS_WATCHDOG_SECONDS);
    test();
    alarm(0);
    harness_check_misuse(0, "(end of the test)", 0);
    if (harness.Failures != 0)
    {
        harness.TestsFailed++;
    }
    harness_print_name(harness.Failures == 0 ? "ok  " : "FAIL");
}

static HARNESS_UNUSED int harness_result(void)
{
    /* A thread that ended its own object ends soon, with nobody to join it; valgrind calls it lost meanwhile. */
    harness.Failures = 0;
    EVENTUALLY(harness_threads() <= harness.Threads);
    printf("%d of %d tests passed\n", harness.Tests - harness.TestsFailed, harness.Tests);
    return harness.TestsFailed == 0 && harness.Failures == 0 ? 0 : 1;
}

#define TEST(Name) static void Name(void)
#define RUN(Name) harness_run(#Name, Name)
#define TESTS_RESULT() harness_result()

/* -------------------------------------------------------------------------------------------- bad handles */

/* Values that were never a handle: small numbers, patterns, an address of data and one of code. */
static HARNESS_UNUSED size_t harness_garbage(VOID** garbage)
{
    static int data[16];
    size_t count = 0;
    garbage[count++] = (VOID*)(uintptr_t)1;
    garbage[count++] = (VOID*)(uintptr_t)8;
    garbage[count++] = (VOID*)(uintptr_t)0xFFFF;
    garbage[count++] = (VOID*)(uintptr_t)0xDEADBEEF;
    garbage[count++] = (VOID*)UINTPTR_MAX;
    garbage[count++] = (VOID*)(UINTPTR_MAX - 7);
    garbage[count++] = (VOID*)(UINTPTR_MAX / 2 + 1);
    garbage[count++] = (VOID*)(UINTPTR_MAX / 255 * 0xA5);
    garbage[count++] = (VOID*)data;
    garbage[count++] = (VOID*)((char*)data + 3);
    return count;
}
/* How many that are, at most. */
#define HARNESS_GARBAGE_MAX 16

#endif /* DMF_TESTS_HARNESS_H */
