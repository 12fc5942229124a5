/* See peers_c.h. */
#define _GNU_SOURCE
#include "peers_c.h"

#include <ck_ring.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A ring with a lock. */

struct LOCKED_RING
{
    pthread_mutex_t Mutex;
    pthread_spinlock_t Spin;
    bool UsesSpin;
    size_t Capacity;
    size_t Size;
    size_t Head;
    size_t Count;
    unsigned char* Items;
};

static inline void take(LOCKED_RING* ring)
{
    if (ring->UsesSpin)
    {
        pthread_spin_lock(&ring->Spin);
    }
    else
    {
        pthread_mutex_lock(&ring->Mutex);
    }
}

static inline void release(LOCKED_RING* ring)
{
    if (ring->UsesSpin)
    {
        pthread_spin_unlock(&ring->Spin);
    }
    else
    {
        pthread_mutex_unlock(&ring->Mutex);
    }
}

LOCKED_RING* locked_ring_create(size_t capacity, size_t size, bool spin)
{
    LOCKED_RING* ring = calloc(1, sizeof(*ring));
    pthread_mutex_init(&ring->Mutex, NULL);
    pthread_spin_init(&ring->Spin, PTHREAD_PROCESS_PRIVATE);
    ring->UsesSpin = spin;
    ring->Capacity = capacity;
    ring->Size = size;
    ring->Items = aligned_alloc(64, capacity * size);
    memset(ring->Items, 0, capacity * size);
    return ring;
}

void locked_ring_delete(LOCKED_RING* ring)
{
    free(ring->Items);
    free(ring);
}

static inline unsigned char* item_at(LOCKED_RING* ring, size_t index)
{
    size_t position = ring->Head + index;
    return ring->Items + (position >= ring->Capacity ? position - ring->Capacity : position) * ring->Size;
}

static inline void drop_oldest(LOCKED_RING* ring)
{
    ring->Head = ring->Head + 1 == ring->Capacity ? 0 : ring->Head + 1;
    ring->Count--;
}

bool locked_ring_write(LOCKED_RING* ring, const void* item)
{
    take(ring);
    bool fits = ring->Count < ring->Capacity;
    if (fits)
    {
        memcpy(item_at(ring, ring->Count++), item, ring->Size);
    }
    release(ring);
    return fits;
}

bool locked_ring_read(LOCKED_RING* ring, void* item)
{
    take(ring);
    bool found = ring->Count > 0;
    if (found)
    {
        memcpy(item, item_at(ring, 0), ring->Size);
        drop_oldest(ring);
    }
    release(ring);
    return found;
}

void locked_ring_overwrite(LOCKED_RING* ring, const void* item)
{
    take(ring);
    if (ring->Count == ring->Capacity)
    {
        drop_oldest(ring);
    }
    memcpy(item_at(ring, ring->Count++), item, ring->Size);
    release(ring);
}

void locked_ring_enumerate(LOCKED_RING* ring, bool (*callback)(void* item, size_t size, void* context), void* context)
{
    take(ring);
    for (size_t i = 0; i < ring->Count && callback(item_at(ring, i), ring->Size, context); i++)
    {
    }
    release(ring);
}

/* Concurrency kit. */

typedef struct
{
    ck_ring_t Ring;
    void* Buffer;
} CK;

void* ck_create(size_t capacity, size_t size)
{
    /* One place stays empty. */
    CK* ck = aligned_alloc(128, (sizeof(CK) + 127) / 128 * 128);
    ck_ring_init(&ck->Ring, (unsigned)capacity * 2);
    ck->Buffer = aligned_alloc(64, capacity * 2 * size);
    memset(ck->Buffer, 0, capacity * 2 * size);
    return ck;
}

void ck_delete(void* ring)
{
    free(((CK*)ring)->Buffer);
    free(ring);
}

#define CK_PEER(Size)                                                                                                  \
    struct item_##Size                                                                                                 \
    {                                                                                                                  \
        unsigned char Bytes[Size];                                                                                     \
    };                                                                                                                 \
    CK_RING_PROTOTYPE(of_##Size, item_##Size)                                                                          \
    bool ck_write_##Size(void* ring, const void* item)                                                                 \
    {                                                                                                                  \
        CK* ck = ring;                                                                                                 \
        return CK_RING_ENQUEUE_MPMC(of_##Size, &ck->Ring, ck->Buffer, (struct item_##Size*)(size_t)item);              \
    }                                                                                                                  \
    bool ck_read_##Size(void* ring, void* item)                                                                        \
    {                                                                                                                  \
        CK* ck = ring;                                                                                                 \
        return CK_RING_DEQUEUE_MPMC(of_##Size, &ck->Ring, ck->Buffer, (struct item_##Size*)item);                      \
    }

CK_PEER(8)
CK_PEER(64)
CK_PEER(1024)

/* The floor. */

#define COPY(Size)                                                                                                     \
    void copy_##Size(void* target, const void* source)                                                                 \
    {                                                                                                                  \
        memcpy(target, source, Size);                                                                                  \
    }

COPY(8)
COPY(64)
COPY(1024)
