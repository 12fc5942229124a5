/* DPDK's ring, on memory of its own: no huge pages, no environment. In a file of its own for its compiler flags. */
#include "peers_c.h"

#ifdef BENCH_WITH_RTE
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <stdlib.h>
#include <string.h>

void* rte_create(size_t capacity, size_t size)
{
    ssize_t bytes = rte_ring_get_memsize_elem((unsigned)size, (unsigned)capacity * 2);
    struct rte_ring* ring = aligned_alloc(128, ((size_t)bytes + 127) / 128 * 128);
    memset(ring, 0, (size_t)bytes);
    if (rte_ring_init(ring, "peer", (unsigned)capacity * 2, 0) != 0)
    {
        abort();
    }
    return ring;
}

void rte_delete(void* ring)
{
    free(ring);
}

bool rte_write(void* ring, const void* item, size_t size)
{
    return rte_ring_enqueue_elem(ring, (void*)(size_t)item, (unsigned)size) == 0;
}

bool rte_read(void* ring, void* item, size_t size)
{
    return rte_ring_dequeue_elem(ring, item, (unsigned)size) == 0;
}
#else
void* rte_create(size_t capacity, size_t size)
{
    (void)capacity, (void)size;
    return NULL;
}
void rte_delete(void* ring)
{
    (void)ring;
}
bool rte_write(void* ring, const void* item, size_t size)
{
    (void)ring, (void)item, (void)size;
    return false;
}
bool rte_read(void* ring, void* item, size_t size)
{
    (void)ring, (void)item, (void)size;
    return false;
}
#endif
