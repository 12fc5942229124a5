/* Peers that are crates: benches/peers-rs, a static library of C functions. A Rust program calls them without the C call
   (and with it, the copy of an item) that is measured here; the floor behind a C call says what that costs. */
#ifndef DMF_BENCHES_PEERS_RS_H
#define DMF_BENCHES_PEERS_RS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A queue of items of one size. `overwrite` drops the oldest item of a full queue; NULL where the crate has nothing like it. */
typedef struct
{
    void* (*create)(size_t capacity);
    void (*destroy)(void* queue);
    bool (*write)(void* queue, const void* item);
    bool (*read)(void* queue, void* item);
    void (*overwrite)(void* queue, const void* item);
} RS_QUEUE;

/* For items of 8, 64 or 1024 bytes. */
RS_QUEUE rs_array_queue(size_t size);        /* crossbeam ArrayQueue */
RS_QUEUE rs_channel(size_t size);            /* crossbeam bounded channel */
RS_QUEUE rs_thingbuf(size_t size);           /* thingbuf */
RS_QUEUE rs_ringbuffer_locked(size_t size);  /* ringbuffer behind a parking_lot Mutex */
RS_QUEUE rs_rtrb(size_t size);               /* rtrb: one producer, one consumer */
RS_QUEUE rs_ringbuf(size_t size);            /* ringbuf: one producer, one consumer */

/* lockfree-object-pool: buffers of 64 or 4096 bytes, with crossbeam's ArrayQueue for those that are enqueued. One thread at a
   time fetches and enqueues, one dequeues and reuses. */
void* rs_pool_create(size_t size, size_t count);
void rs_pool_delete(void* pool, size_t size);
void* rs_pool_fetch_64(void* pool);
void* rs_pool_fetch_4096(void* pool);
void rs_pool_enqueue_64(void* pool);
void rs_pool_enqueue_4096(void* pool);
void* rs_pool_dequeue_64(void* pool);
void* rs_pool_dequeue_4096(void* pool);
void rs_pool_reuse_64(void* pool);
void rs_pool_reuse_4096(void* pool);

/* parking_lot::Mutex */
void* rs_mutex_create(void);
void rs_mutex_delete(void* mutex);
void rs_mutex_lock(void* mutex);
void rs_mutex_unlock(void* mutex);

#ifdef __cplusplus
}
#endif

#endif /* DMF_BENCHES_PEERS_RS_H */
