/*
 * A bug that AddressSanitizer must find in the library's own code: a ring copies from memory that is freed.
 */
#include <dmf.h>

#include <stdlib.h>

int main(void)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE ring = NULL;
    UCHAR* volatile item = malloc(64);

    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = 4;
    config.ItemSize = 64;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    if (item == NULL || DMF_RingBuffer_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &ring) != STATUS_SUCCESS)
    {
        return 0;
    }
    free(item);
    DMF_RingBuffer_Write(ring, item, 64);
    return 0;
}
