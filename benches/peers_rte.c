/* DPDK's ring, on memory of its own, and its pool, for which DPDK's environment is set up without huge pages. In a file of
   its own for its compiler flags. */
#include "peers_c.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mempool.h>
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

struct RTE_POOL
{
    struct rte_mempool* Pool;
    struct rte_mempool_cache* OfGet;
    struct rte_mempool_cache* OfPut;
};

bool rte_pool_works(void)
{
    static int result;
    if (result == 0)
    {
        char* words[] = {"dmf_bench", "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "--log-level=1", "-m", "64", "-l", "0"};
        result = rte_eal_init(sizeof(words) / sizeof(*words), words);
    }
    return result > 0;
}

RTE_POOL* rte_pool_create(size_t size, size_t count, bool two_threads)
{
    RTE_POOL* pool = calloc(1, sizeof(*pool));
    pool->Pool = rte_mempool_create("peer", (unsigned)count, (unsigned)size, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
    if (pool->Pool == NULL)
    {
        abort();
    }
    /* A cache keeps what is put up to half as much again: the other thread must not run dry. */
    pool->OfGet = rte_mempool_cache_create((unsigned)count / 4, SOCKET_ID_ANY);
    pool->OfPut = two_threads ? rte_mempool_cache_create((unsigned)count / 4, SOCKET_ID_ANY) : pool->OfGet;
    return pool;
}

void rte_pool_delete(RTE_POOL* pool)
{
    if (pool->OfPut != pool->OfGet)
    {
        rte_mempool_cache_flush(pool->OfPut, pool->Pool);
        rte_mempool_cache_free(pool->OfPut);
    }
    rte_mempool_cache_flush(pool->OfGet, pool->Pool);
    rte_mempool_cache_free(pool->OfGet);
    rte_mempool_free(pool->Pool);
    free(pool);
}

void* rte_pool_get(RTE_POOL* pool)
{
    void* buffer = NULL;
    return rte_mempool_generic_get(pool->Pool, &buffer, 1, pool->OfGet) == 0 ? buffer : NULL;
}

void rte_pool_put(RTE_POOL* pool, void* buffer)
{
    rte_mempool_generic_put(pool->Pool, &buffer, 1, pool->OfPut);
}
