/*
 * DMF_Hid_WatchStart where no device comes or goes: its arguments, its end. The virtual machine's tests plug devices in.
 */
#define _GNU_SOURCE

#include "harness.h"

static EVT_DMF_Hid_Change Changed;

static VOID Changed(const DMF_HID_DEVICE_INFORMATION* Information, BOOLEAN Arrived, VOID* Context)
{
    unsigned* arrivals = Context;

    CHECK(Information != NULL && Information->Size == sizeof *Information);
    CHECK(Information->Path[0] == '/');
    if (arrivals != NULL && Arrived)
    {
        ++*arrivals;
    }
}

/* Nothing has this product. */
static DMF_HID_OPEN_PARAMS nothing_there(void)
{
    DMF_HID_OPEN_PARAMS params;

    DMF_HID_OPEN_PARAMS_INIT(&params);
    params.VendorId = 0xDEAD;
    params.ProductId = 0xBEEF;
    return params;
}

static BOOLEAN Count(const DMF_HID_DEVICE_INFORMATION* Information, VOID* Context)
{
    UNREFERENCED_PARAMETER(Information);
    ++*(unsigned*)Context;
    return TRUE;
}

TEST(a_watch_tells_what_is_there_before_it_has_started)
{
    WDFOBJECT watch = NULL;
    unsigned listed = 0;
    unsigned arrivals = 0;

    CHECK_SUCCESS(DMF_Hid_Enumerate(Count, &listed));
    CHECK_SUCCESS(DMF_Hid_WatchStart(NULL, NULL, Changed, &arrivals, &watch));
    CHECK((arrivals > 0) == (listed > 0));
    WdfObjectDelete(watch);
    CHECK_SUCCESS(DMF_LastStatusGet());
}

TEST(a_watch_of_what_never_comes_tells_nothing_and_ends)
{
    const DMF_HID_OPEN_PARAMS params = nothing_there();
    WDFOBJECT watch = NULL;
    unsigned arrivals = 0;
    unsigned round;

    for (round = 0; round < 10; round++)
    {
        CHECK_SUCCESS(DMF_Hid_WatchStart(NULL, &params, Changed, &arrivals, &watch));
        if (round % 2 != 0)
        {
            harness_sleep_milliseconds(20);
        }
        WdfObjectDelete(watch);
        CHECK_SUCCESS(DMF_LastStatusGet());
    }
    CHECK_EQUAL(arrivals, 0);
    WdfObjectDelete(watch);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

TEST(a_watch_ends_with_its_device)
{
    WDFDEVICE device = NULL;
    WDFOBJECT watch = NULL;

    REQUIRE_SUCCESS(DMF_Device_Create(WDF_NO_OBJECT_ATTRIBUTES, &device));
    CHECK_SUCCESS(DMF_Hid_WatchStart(device, NULL, Changed, NULL, &watch));
    WdfObjectDelete(device);
    WdfObjectDelete(watch);
    CHECK_STATUS(DMF_LastStatusGet(), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

TEST(bad_arguments_start_nothing)
{
    DMF_HID_OPEN_PARAMS params = nothing_there();
    WDFDEVICE device = NULL;
    WDFOBJECT watch = (WDFOBJECT)&params;

    CHECK_STATUS(DMF_Hid_WatchStart(NULL, NULL, NULL, NULL, &watch), STATUS_INVALID_PARAMETER);
    CHECK_POINTER(watch, NULL);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_Hid_WatchStart(NULL, NULL, Changed, NULL, NULL), STATUS_INVALID_PARAMETER);
    CHECK_MISUSE(1);
    params.Size--;
    CHECK_STATUS(DMF_Hid_WatchStart(NULL, &params, Changed, NULL, &watch), STATUS_INVALID_PARAMETER);
    CHECK_POINTER(watch, NULL);
    CHECK_MISUSE(1);
    CHECK_STATUS(DMF_Hid_WatchStart((WDFDEVICE)&params, NULL, Changed, NULL, &watch), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
    REQUIRE_SUCCESS(DMF_Device_Create(WDF_NO_OBJECT_ATTRIBUTES, &device));
    WdfObjectDelete(device);
    CHECK_STATUS(DMF_Hid_WatchStart(device, NULL, Changed, NULL, &watch), STATUS_INVALID_HANDLE);
    CHECK_MISUSE(1);
}

int main(void)
{
    RUN(a_watch_tells_what_is_there_before_it_has_started);
    RUN(a_watch_of_what_never_comes_tells_nothing_and_ends);
    RUN(a_watch_ends_with_its_device);
    RUN(bad_arguments_start_nothing);
    return TESTS_RESULT();
}
