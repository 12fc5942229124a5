/* Misuse reports, the last status, the last error message, and names of statuses. */
#define _POSIX_C_SOURCE 200809L

#include "harness.h"

#include <stdatomic.h>
#include <sys/wait.h>

/* Any call that breaks the contract. */
static void break_the_contract(VOID* handle)
{
    WdfObjectDelete(handle);
}

/* ------------------------------------------------------------------------------------------------ handler */

static struct
{
    atomic_uint Calls;
    VOID* Context;
    VOID* Handle;
    char Method[128];
    char Message[512];
    pthread_t Thread;
} report;

static VOID Reported(const char* Method, VOID* Handle, const char* Message, VOID* Context)
{
    report.Context = Context;
    report.Handle = Handle;
    report.Thread = pthread_self();
    snprintf(report.Method, sizeof(report.Method), "%s", Method != NULL ? Method : "(NULL)");
    snprintf(report.Message, sizeof(report.Message), "%s", Message != NULL ? Message : "(NULL)");
    atomic_fetch_add(&report.Calls, 1);
}

static void handler_set(EVT_DMF_Misuse* handler, VOID* context)
{
    memset(&report, 0, sizeof(report));
    DMF_MisuseHandlerSet(handler, context);
}

TEST(the_handler_learns_method_handle_and_what_was_wrong)
{
    int context = 0;
    VOID* garbage = (VOID*)(uintptr_t)0xDEADBEEF;

    handler_set(Reported, &context);
    break_the_contract(garbage);
    CHECK_EQUAL(atomic_load(&report.Calls), 1);
    CHECK(strcmp(report.Method, "WdfObjectDelete") == 0);
    CHECK_POINTER(report.Handle, garbage);
    CHECK_POINTER(report.Context, &context);
    CHECK(report.Message[0] != '\0');
    CHECK(strchr(report.Message, '\n') == NULL);
    CHECK(pthread_equal(report.Thread, pthread_self()));
}

TEST(every_method_reports_under_its_own_name)
{
    VOID* buffer = NULL;
    VOID* context = NULL;
    ULONG size;

    handler_set(Reported, NULL);
    (void)DMF_BufferPool_Get(NULL, &buffer, NULL);
    CHECK(strcmp(report.Method, "DMF_BufferPool_Get") == 0);
    DMF_BufferPool_Put(NULL, &buffer);
    CHECK(strcmp(report.Method, "DMF_BufferPool_Put") == 0);
    DMF_BufferPool_PutAtHead(NULL, &buffer);
    CHECK(strcmp(report.Method, "DMF_BufferPool_PutAtHead") == 0);
    (void)DMF_BufferPool_Count(NULL);
    CHECK(strcmp(report.Method, "DMF_BufferPool_Count") == 0);
    DMF_BufferPool_ContextGet(NULL, &buffer, &context);
    CHECK(strcmp(report.Method, "DMF_BufferPool_ContextGet") == 0);
    DMF_BufferPool_ParametersGet(NULL, &buffer, NULL, NULL, &size, NULL, NULL);
    CHECK(strcmp(report.Method, "DMF_BufferPool_ParametersGet") == 0);
    (void)DMF_ContinuousRequestTarget_Start(NULL);
    CHECK(strcmp(report.Method, "DMF_ContinuousRequestTarget_Start") == 0);
    DMF_ContinuousRequestTarget_StopAndWait(NULL);
    CHECK(strcmp(report.Method, "DMF_ContinuousRequestTarget_StopAndWait") == 0);
    (void)DMF_ParentDeviceGet(NULL);
    CHECK(strcmp(report.Method, "DMF_ParentDeviceGet") == 0);
    (void)DMF_Device_Create(NULL, NULL);
    CHECK(strcmp(report.Method, "DMF_Device_Create") == 0);
    CHECK_EQUAL(atomic_load(&report.Calls), 10);
}

TEST(a_later_handler_replaces_the_earlier)
{
    int first = 0, second = 0;

    handler_set(Reported, &first);
    DMF_MisuseHandlerSet(Reported, &second);
    break_the_contract(NULL);
    CHECK_EQUAL(atomic_load(&report.Calls), 1);
    CHECK_POINTER(report.Context, &second);
}

static VOID CallsTheLibrary(const char* Method, VOID* Handle, const char* Message, VOID* Context)
{
    WDFDEVICE device = NULL;
    Reported(Method, Handle, Message, Context);
    if (NT_SUCCESS(DMF_Device_Create(NULL, &device)))
    {
        WdfObjectDelete(device);
    }
    DMF_MisuseHandlerSet(Reported, NULL);
}

TEST(the_handler_may_call_the_library)
{
    handler_set(CallsTheLibrary, NULL);
    break_the_contract(NULL);
    break_the_contract(NULL);
    CHECK_EQUAL(atomic_load(&report.Calls), 2);
}

static VOID BreaksTheContractToo(const char* Method, VOID* Handle, const char* Message, VOID* Context)
{
    UNREFERENCED_PARAMETER(Method);
    UNREFERENCED_PARAMETER(Handle);
    UNREFERENCED_PARAMETER(Message);
    UNREFERENCED_PARAMETER(Context);
    if (atomic_fetch_add(&report.Calls, 1) < 100)
    {
        break_the_contract(NULL);
    }
}

TEST(a_handler_that_breaks_the_contract_itself_ends)
{
    handler_set(BreaksTheContractToo, NULL);
    break_the_contract(NULL);
    CHECK(atomic_load(&report.Calls) >= 1);
    CHECK(atomic_load(&report.Calls) <= 101);
}

static VOID Counts(const char* Method, VOID* Handle, const char* Message, VOID* Context)
{
    UNREFERENCED_PARAMETER(Method);
    UNREFERENCED_PARAMETER(Handle);
    UNREFERENCED_PARAMETER(Message);
    UNREFERENCED_PARAMETER(Context);
    atomic_fetch_add(&report.Calls, 1);
}

static void* breaks_the_contract_often(void* unused)
{
    UNREFERENCED_PARAMETER(unused);
    for (int i = 0; i < 1000; i++)
    {
        break_the_contract(NULL);
    }
    return NULL;
}

TEST(no_report_is_lost_between_threads)
{
    pthread_t threads[4];

    handler_set(Counts, NULL);
    for (int i = 0; i < 4; i++)
    {
        pthread_create(&threads[i], NULL, breaks_the_contract_often, NULL);
    }
    for (int i = 0; i < 4; i++)
    {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQUAL(atomic_load(&report.Calls), 4000);
}

TEST(right_use_is_not_reported)
{
    WDFDEVICE device = NULL;

    handler_set(Reported, NULL);
    CHECK_SUCCESS(DMF_Device_Create(NULL, &device));
    CHECK(device != NULL);
    WdfObjectDelete(device);
    CHECK_EQUAL(atomic_load(&report.Calls), 0);
}

/* ------------------------------------------------------------------- the default handler, in a new process */

static const char* program;

/* How this program, started again, uses the library with the default handler. */
static int run_as_child(int calls)
{
    DMF_MisuseHandlerSet(Reported, NULL);
    DMF_MisuseHandlerSet(NULL, NULL);
    for (int i = 0; i < calls; i++)
    {
        break_the_contract((VOID*)(uintptr_t)0xDEADBEEF);
    }
    return DMF_LastStatusGet() == STATUS_INVALID_HANDLE ? 0 : 1;
}

/* Runs it; gives what it wrote to standard error (and how many lines), and its status of wait(). */
static int child_run(const char* misuse, const char* calls, char* errors, size_t size, unsigned* lines)
{
    int pipe_ends[2];
    size_t used = 0;
    int status = -1;
    pid_t child;

    *lines = 0;
    memset(errors, 0, size);
    fflush(stdout);
    if (pipe(pipe_ends) != 0 || (child = fork()) < 0)
    {
        perror("pipe or fork");
        return -1;
    }
    if (child == 0)
    {
        dup2(pipe_ends[1], STDERR_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        if (misuse != NULL)
        {
            setenv("DMF_MISUSE", misuse, 1);
        }
        else
        {
            unsetenv("DMF_MISUSE");
        }
        execl(program, program, "--child", calls, (char*)NULL);
        _exit(127);
    }
    close(pipe_ends[1]);
    for (;;)
    {
        char block[4096];
        ssize_t got = read(pipe_ends[0], block, sizeof(block));
        if (got <= 0)
        {
            break;
        }
        for (ssize_t i = 0; i < got; i++)
        {
            *lines += block[i] == '\n' ? 1 : 0;
            if (used + 1 < size)
            {
                errors[used++] = block[i];
            }
        }
    }
    close(pipe_ends[0]);
    waitpid(child, &status, 0);
    return status;
}

TEST(by_default_misuse_is_one_line_on_standard_error)
{
    char errors[4096];
    unsigned lines;
    int status = child_run(NULL, "1", errors, sizeof(errors), &lines);

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQUAL(lines, 1);
    CHECK_CONTAINS(errors, "WdfObjectDelete");
}

TEST(the_default_handler_does_not_flood)
{
    char errors[4096];
    unsigned lines;
    int status = child_run(NULL, "100000", errors, sizeof(errors), &lines);

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(lines >= 1);
    CHECK(lines < 1000);
}

TEST(the_environment_can_ask_for_lines)
{
    char errors[4096];
    unsigned lines;
    int status = child_run("print", "1", errors, sizeof(errors), &lines);

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQUAL(lines, 1);
}

TEST(the_environment_can_ask_for_silence)
{
    char errors[4096];
    unsigned lines;
    int status = child_run("ignore", "10", errors, sizeof(errors), &lines);

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(errors[0] == '\0');
}

TEST(the_environment_can_ask_for_an_abort)
{
    char errors[4096];
    unsigned lines;
    int status = child_run("abort", "1", errors, sizeof(errors), &lines);

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_CONTAINS(errors, "WdfObjectDelete");
}

TEST(an_unknown_wish_in_the_environment_is_as_none)
{
    char errors[4096];
    unsigned lines;
    int status = child_run("dance", "1", errors, sizeof(errors), &lines);

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(lines >= 1);
    CHECK_CONTAINS(errors, "WdfObjectDelete");
}

/* -------------------------------------------------------------------------------------------- last status */

TEST(the_last_status_is_that_of_methods_that_return_none)
{
    WDFDEVICE device = NULL;

    handler_set(Counts, NULL);
    WdfObjectDelete(NULL);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    /* Create returns its own status. */
    CHECK_SUCCESS(DMF_Device_Create(NULL, &device));
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    WdfObjectDelete(device);
    CHECK_SUCCESS(DMF_LastStatusGet());
}

static void* reads_its_last_status(void* unused)
{
    NTSTATUS first = DMF_LastStatusGet();
    UNREFERENCED_PARAMETER(unused);
    (void)DMF_BufferPool_Count(NULL);
    return first == STATUS_SUCCESS && DMF_LastStatusGet() == STATUS_INVALID_HANDLE ? NULL : (void*)1;
}

TEST(the_last_status_is_the_threads_own)
{
    WDFDEVICE device = NULL;
    pthread_t thread;
    void* result = (void*)1;

    handler_set(Counts, NULL);
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    WdfObjectDelete(device);
    CHECK_SUCCESS(DMF_LastStatusGet());
    pthread_create(&thread, NULL, reads_its_last_status, NULL);
    pthread_join(thread, &result);
    CHECK(result == NULL);
    CHECK_SUCCESS(DMF_LastStatusGet());
}

/* ------------------------------------------------------------------------------------------- last message */

TEST(the_last_error_message_explains_a_failure_in_one_line)
{
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    CHECK_STATUS(DMF_IoTarget_ReplayOpen(device, "/nonexistent/one", NULL, &target), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_CONTAINS(DMF_LastErrorMessageGet(), "/nonexistent/one");
    CHECK(strchr(DMF_LastErrorMessageGet(), '\n') == NULL);
    CHECK_STATUS(DMF_IoTarget_ReplayOpen(device, "/nonexistent/two", NULL, &target), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_CONTAINS(DMF_LastErrorMessageGet(), "/nonexistent/two");
    WdfObjectDelete(device);
    CHECK_CONTAINS(DMF_LastErrorMessageGet(), "/nonexistent/two");
}

static void* reads_its_last_message(void* unused)
{
    const char* message = DMF_LastErrorMessageGet();
    UNREFERENCED_PARAMETER(unused);
    return message != NULL && message[0] == '\0' ? NULL : (void*)1;
}

TEST(a_thread_without_failure_has_an_empty_message)
{
    pthread_t thread;
    void* result = (void*)1;

    handler_set(Counts, NULL);
    break_the_contract(NULL);
    CHECK(DMF_LastErrorMessageGet()[0] != '\0');
    pthread_create(&thread, NULL, reads_its_last_message, NULL);
    pthread_join(thread, &result);
    CHECK(result == NULL);
}

TEST(a_very_long_path_does_no_harm)
{
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    char path[100000];

    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    CHECK(!NT_SUCCESS(DMF_IoTarget_ReplayOpen(device, path, NULL, &target)));
    CHECK(DMF_LastErrorMessageGet()[0] != '\0');
    WdfObjectDelete(device);
}

TEST(a_path_that_is_not_utf_8_does_no_harm)
{
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMF_HID_OPEN_PARAMS parameters;

    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    CHECK(!NT_SUCCESS(DMF_IoTarget_ReplayOpen(device, "/nonexistent/\xff\xfe\x80", NULL, &target)));
    DMF_HID_OPEN_PARAMS_INIT(&parameters);
    parameters.Path = "/nonexistent/\xff\xfe\x80";
    CHECK(!NT_SUCCESS(DMF_IoTarget_HidOpen(device, &parameters, &target)));
    MISUSE_IGNORE();
    WdfObjectDelete(device);
}

TEST(a_path_that_leads_to_no_device_says_what_is_wrong_with_it)
{
    char* deep = malloc(8192);
    const struct
    {
        const char* Path;
        NTSTATUS Status;
    } paths[] = {
        {"/nonexistent", STATUS_OBJECT_NAME_NOT_FOUND}, {"/dev/null/below", STATUS_OBJECT_NAME_NOT_FOUND},
        {deep, STATUS_OBJECT_NAME_NOT_FOUND},           {"/", STATUS_INVALID_PARAMETER},
        {"/dev/null", STATUS_INVALID_PARAMETER},        {"/proc/self/exe", STATUS_INVALID_PARAMETER},
    };
    WDFDEVICE device = NULL;
    WDFIOTARGET target = NULL;
    DMF_HID_OPEN_PARAMS parameters;

    REQUIRE(deep != NULL);
    memset(deep, 'x', 8191);
    deep[0] = '/';
    deep[8191] = 0;
    REQUIRE_SUCCESS(DMF_Device_Create(NULL, &device));
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
    {
        DMF_HID_OPEN_PARAMS_INIT(&parameters);
        parameters.Path = paths[i].Path;
        CHECK_STATUS(DMF_IoTarget_HidOpen(device, &parameters, &target), paths[i].Status);
        CHECK_STATUS(DMF_IoTarget_ReplayOpen(device, paths[i].Path, NULL, &target), paths[i].Status);
        CHECK(target == NULL);
    }
    WdfObjectDelete(device);
    free(deep);
}

/* -------------------------------------------------------------------------------------------------- names */

TEST(every_status_has_its_name)
{
    static const struct
    {
        NTSTATUS Status;
        ULONG Value;
        const char* Name;
    } statuses[] = {
        {STATUS_SUCCESS, 0, "STATUS_SUCCESS"},
        {STATUS_PENDING, 0x103, "STATUS_PENDING"},
        {STATUS_UNSUCCESSFUL, 0xC0000001, "STATUS_UNSUCCESSFUL"},
        {STATUS_INVALID_HANDLE, 0xC0000008, "STATUS_INVALID_HANDLE"},
        {STATUS_INVALID_PARAMETER, 0xC000000D, "STATUS_INVALID_PARAMETER"},
        {STATUS_NO_SUCH_DEVICE, 0xC000000E, "STATUS_NO_SUCH_DEVICE"},
        {STATUS_INVALID_DEVICE_REQUEST, 0xC0000010, "STATUS_INVALID_DEVICE_REQUEST"},
        {STATUS_ACCESS_DENIED, 0xC0000022, "STATUS_ACCESS_DENIED"},
        {STATUS_BUFFER_TOO_SMALL, 0xC0000023, "STATUS_BUFFER_TOO_SMALL"},
        {STATUS_OBJECT_NAME_NOT_FOUND, 0xC0000034, "STATUS_OBJECT_NAME_NOT_FOUND"},
        {STATUS_DELETE_PENDING, 0xC0000056, "STATUS_DELETE_PENDING"},
        {STATUS_INTEGER_OVERFLOW, 0xC0000095, "STATUS_INTEGER_OVERFLOW"},
        {STATUS_INSUFFICIENT_RESOURCES, 0xC000009A, "STATUS_INSUFFICIENT_RESOURCES"},
        {STATUS_DEVICE_NOT_CONNECTED, 0xC000009D, "STATUS_DEVICE_NOT_CONNECTED"},
        {STATUS_IO_TIMEOUT, 0xC00000B5, "STATUS_IO_TIMEOUT"},
        {STATUS_NOT_SUPPORTED, 0xC00000BB, "STATUS_NOT_SUPPORTED"},
        {STATUS_INTERNAL_ERROR, 0xC00000E5, "STATUS_INTERNAL_ERROR"},
        {STATUS_CANCELLED, 0xC0000120, "STATUS_CANCELLED"},
        {STATUS_INVALID_DEVICE_STATE, 0xC0000184, "STATUS_INVALID_DEVICE_STATE"},
        {STATUS_INVALID_BUFFER_SIZE, 0xC0000206, "STATUS_INVALID_BUFFER_SIZE"},
        {STATUS_OBJECTID_NOT_FOUND, 0xC00002F0, "STATUS_OBJECTID_NOT_FOUND"},
    };

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
    {
        CHECK_EQUAL((ULONG)statuses[i].Status, statuses[i].Value);
        CHECK(strcmp(DMF_StatusName(statuses[i].Status), statuses[i].Name) == 0);
        CHECK_EQUAL(NT_SUCCESS(statuses[i].Status), statuses[i].Value < 0x80000000u);
    }
}

TEST(a_status_that_nobody_knows_has_a_name_too)
{
    static const NTSTATUS unknown[] = {1, -1, 0x7FFFFFFF, (NTSTATUS)0x80000000L, (NTSTATUS)0xC0FFEE00L};

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
    {
        const char* name = DMF_StatusName(unknown[i]);
        CHECK(name != NULL && name[0] != '\0');
    }
}

TEST(the_library_has_the_headers_version)
{
    CHECK_EQUAL(DMF_VersionGet(), DMF_VERSION_MAJOR << 16 | DMF_VERSION_MINOR << 8 | DMF_VERSION_PATCH);
}

int main(int argc, char** argv)
{
    program = argv[0];
    if (argc == 3 && strcmp(argv[1], "--child") == 0)
    {
        return run_as_child(atoi(argv[2]));
    }
    RUN(the_handler_learns_method_handle_and_what_was_wrong);
    RUN(every_method_reports_under_its_own_name);
    RUN(a_later_handler_replaces_the_earlier);
    RUN(the_handler_may_call_the_library);
    RUN(a_handler_that_breaks_the_contract_itself_ends);
    RUN(no_report_is_lost_between_threads);
    RUN(right_use_is_not_reported);
    RUN(by_default_misuse_is_one_line_on_standard_error);
    RUN(the_default_handler_does_not_flood);
    RUN(the_environment_can_ask_for_lines);
    RUN(the_environment_can_ask_for_silence);
    RUN(the_environment_can_ask_for_an_abort);
    RUN(an_unknown_wish_in_the_environment_is_as_none);
    RUN(the_last_status_is_that_of_methods_that_return_none);
    RUN(the_last_status_is_the_threads_own);
    RUN(the_last_error_message_explains_a_failure_in_one_line);
    RUN(a_thread_without_failure_has_an_empty_message);
    RUN(a_very_long_path_does_no_harm);
    RUN(a_path_that_is_not_utf_8_does_no_harm);
    RUN(a_path_that_leads_to_no_device_says_what_is_wrong_with_it);
    RUN(every_status_has_its_name);
    RUN(a_status_that_nobody_knows_has_a_name_too);
    RUN(the_library_has_the_headers_version);
    return TESTS_RESULT();
}
