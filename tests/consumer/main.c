/* The smallest program that shows that the library was found, linked and loaded. */
#include <dmf.h>

#include <stdio.h>

int main(void)
{
    ULONG version = DMF_VersionGet();
    WDFDEVICE device = NULL;
    NTSTATUS status = DMF_Device_Create(WDF_NO_OBJECT_ATTRIBUTES, &device);

    if (!NT_SUCCESS(status)) {
        fprintf(stderr, "DMF_Device_Create: %s\n", DMF_StatusName(status));
        return 1;
    }
    WdfObjectDelete(device);

    if (version != ((DMF_VERSION_MAJOR << 16) | (DMF_VERSION_MINOR << 8) | DMF_VERSION_PATCH)) {
        fprintf(stderr, "headers and library are of different versions\n");
        return 1;
    }
    printf("dmf %u.%u.%u\n", version >> 16, (version >> 8) & 0xFF, version & 0xFF);
    return 0;
}
