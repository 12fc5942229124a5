/*
 * A bug that LeakSanitizer and valgrind must find: memory is lost. It is the program's, since what the library forgets to free
 * cannot be brought about from outside; both see the allocations of a process alike.
 */
#include <dmf.h>

#include <stdlib.h>

static VOID* volatile lost;

static VOID Loses(WDFOBJECT Object)
{
    (void)Object;
    lost = malloc(64);
    lost = NULL;
}

int main(void)
{
    WDF_OBJECT_ATTRIBUTES attributes;
    WDFDEVICE device = NULL;

    WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
    attributes.EvtCleanupCallback = Loses;
    if (DMF_Device_Create(&attributes, &device) == STATUS_SUCCESS)
    {
        WdfObjectDelete(device);
    }
    return 0;
}
