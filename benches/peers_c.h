/* Peers whose headers are C: concurrency kit and DPDK, and the ring that a C programmer writes in an afternoon. Each is called through functions, as
   a library is. */
#ifndef DMF_BENCHES_PEERS_C_H
#define DMF_BENCHES_PEERS_C_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct LOCKED_RING LOCKED_RING;
/* `spin`: with pthread_spinlock_t, else with pthread_mutex_t. */
LOCKED_RING* locked_ring_create(size_t capacity, size_t size, bool spin);
void locked_ring_delete(LOCKED_RING* ring);
bool locked_ring_write(LOCKED_RING* ring, const void* item);
bool locked_ring_read(LOCKED_RING* ring, void* item);
/* Drops the oldest item of a full ring. */
void locked_ring_overwrite(LOCKED_RING* ring, const void* item);
/* Under the lock, oldest first, until the callback returns false. */
void locked_ring_enumerate(LOCKED_RING* ring, bool (*callback)(void* item, size_t size, void* context), void* context);

/* Many producers, many consumers; items of 8, 64 or 1024 bytes. */
void* ck_create(size_t capacity, size_t size);
void ck_delete(void* ring);
bool ck_write_8(void* ring, const void* item);
bool ck_read_8(void* ring, void* item);
bool ck_write_64(void* ring, const void* item);
bool ck_read_64(void* ring, void* item);
bool ck_write_1024(void* ring, const void* item);
bool ck_read_1024(void* ring, void* item);

/* As above, with DPDK's ring. Those with `rte` in their name are there if it is built in. */
void* rte_create(size_t capacity, size_t size);
void rte_delete(void* ring);
bool rte_write(void* ring, const void* item, size_t size);
bool rte_read(void* ring, void* item, size_t size);

/* DPDK's pool of buffers, with a cache for the thread that gets and one for the thread that puts, or one for both. False: its
   environment cannot be set up here. */
typedef struct RTE_POOL RTE_POOL;
bool rte_pool_works(void);
RTE_POOL* rte_pool_create(size_t size, size_t count, bool two_threads);
void rte_pool_delete(RTE_POOL* pool);
void* rte_pool_get(RTE_POOL* pool);
void rte_pool_put(RTE_POOL* pool, void* buffer);

/* A copy of a known size behind a C call: what nothing with a C ABI can be faster than. */
void copy_8(void* target, const void* source);
void copy_64(void* target, const void* source);
void copy_1024(void* target, const void* source);

#ifdef __cplusplus
}
#endif

#endif /* DMF_BENCHES_PEERS_C_H */
