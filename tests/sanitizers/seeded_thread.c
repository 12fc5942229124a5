/*
 * A bug that ThreadSanitizer must find in the library's own code: two threads have it write into the same variable.
 */
#include <dmf.h>

#include <pthread.h>

static ULONG shared;
/* Two: a thread that is late at the one is not to be ordered by the other's arrival at the next. */
static pthread_barrier_t begin;
static pthread_barrier_t end;

static void* fill(void* argument)
{
    DMF_CONFIG_RingBuffer config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE ring = NULL;
    int round;

    DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ItemCount = 4;
    config.ItemSize = 64;
    config.Mode = RingBuffer_Mode_FailIfFullOnWrite;
    if (DMF_RingBuffer_Create(NULL, &attributes, WDF_NO_OBJECT_ATTRIBUTES, &ring) != STATUS_SUCCESS)
    {
        return argument;
    }
    /* Creating and deleting are ordered by the library's locks; what comes in between is not. */
    pthread_barrier_wait(&begin);
    /* Few: of a thread that did much after it had written, the tool has forgotten where that was, and says nothing. */
    for (round = 0; round < 10; round++)
    {
        DMF_RingBuffer_TotalSizeGet(ring, &shared);
    }
    pthread_barrier_wait(&end);
    WdfObjectDelete(ring);
    return argument;
}

int main(void)
{
    pthread_t other;

    if (pthread_barrier_init(&begin, NULL, 2) != 0 || pthread_barrier_init(&end, NULL, 2) != 0 ||
        pthread_create(&other, NULL, fill, NULL) != 0)
    {
        return 0;
    }
    fill(NULL);
    pthread_join(other, NULL);
    return 0;
}
