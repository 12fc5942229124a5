/*
 * How much stack the library's own frames take: below each Method, above each callback, and on each of its threads. A stack
 * is painted, used, and searched for the deepest place that has another colour.
 *
 *     stack [--all]      the most of each kind, or everything
 */
#define _GNU_SOURCE

#include "every_call.h"

#include <sys/mman.h>
#include <sys/prctl.h>

/* What is promised. */
#define MOST_STACK 16384
/* What a thread of the library has for a callback, whatever the environment says. */
#define STACK_OF_THREADS (2u << 20)

#define COLOUR 0xA5
#define PAINTED (256 * 1024)
/* The signal-free zone of a leaf function below its frame, and what painting itself needs. */
#define SPARE 256

typedef struct
{
    char Name[64];
    size_t Bytes;
} ROW;

typedef struct
{
    const char* Title;
    ROW Rows[192];
    size_t Count;
} TABLE;

static TABLE methods = {.Title = "below a Method"};
static TABLE above = {.Title = "above a callback"};
static TABLE threads = {.Title = "on a thread of the library, with its callbacks"};
static pthread_mutex_t tables_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t smallest_thread = SIZE_MAX;

static void table_add(TABLE* table, const char* name, size_t bytes)
{
    pthread_mutex_lock(&tables_lock);
    size_t i = 0;
    while (i < table->Count && strcmp(table->Rows[i].Name, name) != 0)
    {
        i++;
    }
    if (i < sizeof(table->Rows) / sizeof(table->Rows[0]))
    {
        if (i == table->Count)
        {
            snprintf(table->Rows[i].Name, sizeof(table->Rows[i].Name), "%s", name);
            table->Count++;
        }
        if (bytes > table->Rows[i].Bytes)
        {
            table->Rows[i].Bytes = bytes;
        }
    }
    pthread_mutex_unlock(&tables_lock);
}

static int row_compare(const void* left, const void* right)
{
    size_t a = ((const ROW*)left)->Bytes, b = ((const ROW*)right)->Bytes;
    return a < b ? 1 : a > b ? -1 : 0;
}

static void table_print(TABLE* table, bool all)
{
    qsort(table->Rows, table->Count, sizeof(ROW), row_compare);
    printf("    bytes of stack %s (%zu):\n", table->Title, table->Count);
    for (size_t i = 0; i < table->Count && (all || i < 5); i++)
    {
        printf("    %6zu %s\n", table->Rows[i].Bytes, table->Rows[i].Name);
    }
}

/* Paints or searches [low, high) without a call, so that nothing but its own frame, above, is in use. */
__attribute__((noinline)) static void paint(volatile unsigned char* low, volatile unsigned char* high)
{
    while (low < high)
    {
        *low++ = COLOUR;
    }
}

__attribute__((noinline)) static unsigned char* deepest(volatile unsigned char* low, volatile unsigned char* high)
{
    while (low < high && *low == COLOUR)
    {
        low++;
    }
    return (unsigned char*)(uintptr_t)low;
}

/* Where the calling thread was when it called the Method; NULL on the library's own threads. */
static _Thread_local unsigned char* mark;
static _Thread_local unsigned char* top;
static _Thread_local unsigned char* painted;

static void world_entered(const char* callback)
{
    unsigned char* here = __builtin_frame_address(0);

    if (mark != NULL)
    {
        if (here < mark)
        {
            table_add(&above, callback, (size_t)(mark - here));
        }
        return;
    }
    if (top == NULL)
    {
        pthread_attr_t attributes;
        void* low = NULL;
        size_t size = 0;
        if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        {
            return;
        }
        pthread_attr_getstack(&attributes, &low, &size);
        pthread_attr_destroy(&attributes);
        top = (unsigned char*)low + size;
        pthread_mutex_lock(&tables_lock);
        smallest_thread = size < smallest_thread ? size : smallest_thread;
        pthread_mutex_unlock(&tables_lock);
    }
    table_add(&above, callback, (size_t)(top - here));
    if (painted != NULL)
    {
        char name[17] = "";
        prctl(PR_GET_NAME, name);
        table_add(&threads, name, (size_t)(top - deepest(painted, here)));
    }
    painted = here - PAINTED;
    paint(painted, here - SPARE);
}

__attribute__((noinline)) static void measure(const CALL* call, WORLD* world, unsigned char* low)
{
    unsigned char* here = __builtin_frame_address(0);
    uint64_t answer;

    paint(low, here - SPARE);
    mark = here;
    answer = call->Run(world);
    mark = NULL;
    table_add(&methods, call->Name, (size_t)(here - deepest(low, here)));
    if (call->Kind == ANSWERS_STATUS && !NT_SUCCESS((NTSTATUS)answer) && answer != (uint64_t)STATUS_NO_SUCH_DEVICE)
    {
        printf("    %s: %s\n", call->Name, DMF_StatusName((NTSTATUS)answer));
    }
}

/* The deletion of everything, with all the callbacks of the end. */
__attribute__((noinline)) static void measure_end(WORLD* world, unsigned char* low)
{
    unsigned char* here = __builtin_frame_address(0);

    paint(low, here - SPARE);
    mark = here;
    world_end(world);
    mark = NULL;
    table_add(&methods, "WdfObjectDelete (of a device with all kinds of objects)", (size_t)(here - deepest(low, here)));
}

#define STACK_SIZE (1u << 20)

/* On a stack of its own; nothing of the thread before is left on it. */
static void* measures_all(void* stack)
{
    for (size_t i = 0; i < CALLS; i++)
    {
        WORLD* world = calloc(1, sizeof(WORLD));
        mark = __builtin_frame_address(0);
        world_make(world);
        measure(&calls[i], world, (unsigned char*)stack + 4096);
        harness_sleep_milliseconds(5); /* the library's threads work on */
        measure_end(world, (unsigned char*)stack + 4096);
        free(world);
    }
    return NULL;
}

static bool print_all;

TEST(the_librarys_own_frames_take_less_than_16_kib)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void* stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

    REQUIRE(stack != MAP_FAILED);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, STACK_SIZE);
    REQUIRE(pthread_create(&thread, &attributes, measures_all, stack) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    munmap(stack, STACK_SIZE);
    MISUSE_IGNORE();

    table_print(&methods, print_all);
    table_print(&above, print_all);
    table_print(&threads, print_all);
    CHECK_EQUAL(methods.Count, CALLS + 1);
    CHECK(above.Count > 15);
    CHECK(threads.Count >= 4);
    CHECK(methods.Rows[0].Bytes > 100 && methods.Rows[0].Bytes < MOST_STACK);
    CHECK(above.Rows[0].Bytes > 100 && above.Rows[0].Bytes < MOST_STACK);
    /* The callbacks of this test call one Method each, and the C library's threads keep some bytes at the top. */
    CHECK(threads.Rows[0].Bytes < 2 * MOST_STACK);
}

TEST(the_librarys_threads_have_the_stack_that_is_documented)
{
    CHECK(smallest_thread != SIZE_MAX);
    /* The C library keeps a little of it for itself. */
    CHECK(smallest_thread >= STACK_OF_THREADS - 8192);
    printf("    the smallest stack of a thread: %zu bytes\n", smallest_thread);
}

int main(int argc, char** argv)
{
    print_all = argc > 1 && strcmp(argv[1], "--all") == 0;
    /* std takes it for a default; the library must not. */
    setenv("RUST_MIN_STACK", "65536", 1);
    RUN(the_librarys_own_frames_take_less_than_16_kib);
    RUN(the_librarys_threads_have_the_stack_that_is_documented);
    return TESTS_RESULT();
}
