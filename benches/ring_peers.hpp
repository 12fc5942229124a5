// What can stand in RingBuffer's place: each writes and reads items of N bytes; some overwrite, some show what they hold. C is
// the capacity.
#pragma once

#include "library.hpp"
#include "peers_c.h"
#include "peers_rs.h"

#include <boost/circular_buffer.hpp>
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <cds/container/vyukov_mpmc_cycle_queue.h>
#include <concurrentqueue/concurrentqueue.h>
#include <glib.h>
#include <jack/ringbuffer.h>
#include <memory>
#include <mutex>
#include <readerwriterqueue/readerwriterqueue.h>
#include <tbb/concurrent_queue.h>
#include <xenium/vyukov_bounded_queue.hpp>

namespace bench {

constexpr size_t CAPACITY = 1024;

template <size_t N, class Library = Linked> struct Ours {
    static inline const std::string name = std::string("dmf RingBuffer") + Library::suffix;
    static constexpr Class kind = Class::Ours;
    DMFMODULE ring = nullptr;
    explicit Ours(bool overwrites)
    {
        DMF_CONFIG_RingBuffer config;
        DMF_MODULE_ATTRIBUTES attributes;
        Library::DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.ItemCount = CAPACITY;
        config.ItemSize = N;
        config.Mode = overwrites ? RingBuffer_Mode_DeleteOldestIfFullOnWrite : RingBuffer_Mode_FailIfFullOnWrite;
        require(NT_SUCCESS(Library::DMF_RingBuffer_Create(nullptr, &attributes, nullptr, &ring)), "DMF_RingBuffer_Create");
    }
    ~Ours() { Library::WdfObjectDelete(ring); }
    bool write(Item<N>& item) { return Library::DMF_RingBuffer_Write(ring, item.bytes, N) == STATUS_SUCCESS; }
    bool read(Item<N>& item) { return Library::DMF_RingBuffer_Read(ring, item.bytes, N) == STATUS_SUCCESS; }
    void overwrite(Item<N>& item) { write(item); }
    static BOOLEAN show(DMFMODULE, UCHAR* item, ULONG, VOID* context)
    {
        uint64_t value;
        std::memcpy(&value, item, 8);
        *static_cast<uint64_t*>(context) += value;
        return TRUE;
    }
    uint64_t sum()
    {
        uint64_t sum = 0;
        Library::DMF_RingBuffer_Enumerate(ring, TRUE, show, &sum);
        return sum;
    }
};

template <size_t N, bool SPIN, size_t C = CAPACITY> struct Locked {
    static constexpr const char* name = SPIN ? "C ring + pthread_spinlock" : "C ring + pthread_mutex";
    static constexpr Class kind = Class::Full;
    LOCKED_RING* ring = locked_ring_create(C, N, SPIN);
    explicit Locked(bool) {}
    ~Locked() { locked_ring_delete(ring); }
    bool write(Item<N>& item) { return locked_ring_write(ring, item.bytes); }
    bool read(Item<N>& item) { return locked_ring_read(ring, item.bytes); }
    void overwrite(Item<N>& item) { locked_ring_overwrite(ring, item.bytes); }
    static bool show(void* item, size_t, void* context)
    {
        uint64_t value;
        std::memcpy(&value, item, 8);
        *static_cast<uint64_t*>(context) += value;
        return true;
    }
    uint64_t sum()
    {
        uint64_t sum = 0;
        locked_ring_enumerate(ring, show, &sum);
        return sum;
    }
};

template <size_t N> struct CircularBuffer {
    static constexpr const char* name = "boost::circular_buffer + std::mutex";
    static constexpr Class kind = Class::Full;
    std::mutex mutex;
    boost::circular_buffer<Item<N>> ring{CAPACITY};
    explicit CircularBuffer(bool) {}
    bool write(Item<N>& item)
    {
        std::lock_guard lock(mutex);
        if (ring.full())
            return false;
        ring.push_back(item);
        return true;
    }
    bool read(Item<N>& item)
    {
        std::lock_guard lock(mutex);
        if (ring.empty())
            return false;
        item = ring.front();
        ring.pop_front();
        return true;
    }
    void overwrite(Item<N>& item)
    {
        std::lock_guard lock(mutex);
        ring.push_back(item);
    }
};

// Queues that cannot overwrite: whoever finds them full takes an item out and tries again.
template <class Q, size_t N> void overwrite_by_reading(Q& queue, Item<N>& item)
{
    Item<N> dropped;
    while (!queue.write(item))
        queue.read(dropped);
}

template <size_t N, size_t C = CAPACITY> struct Ck {
    static constexpr const char* name = "ck_ring (MPMC)";
    static constexpr Class kind = Class::Many;
    void* ring = ck_create(C, N);
    explicit Ck(bool) {}
    ~Ck() { ck_delete(ring); }
    bool write(Item<N>& item)
    {
        return N == 8 ? ck_write_8(ring, &item) : N == 64 ? ck_write_64(ring, &item) : ck_write_1024(ring, &item);
    }
    bool read(Item<N>& item)
    {
        return N == 8 ? ck_read_8(ring, &item) : N == 64 ? ck_read_64(ring, &item) : ck_read_1024(ring, &item);
    }
    void overwrite(Item<N>& item) { overwrite_by_reading(*this, item); }
};

template <size_t N, size_t C = CAPACITY> struct Rte {
    static constexpr const char* name = "rte_ring (MPMC)";
    static constexpr Class kind = Class::Many;
    void* ring = rte_create(C, N);
    explicit Rte(bool) {}
    ~Rte() { rte_delete(ring); }
    bool write(Item<N>& item) { return rte_write(ring, &item, N); }
    bool read(Item<N>& item) { return rte_read(ring, &item, N); }
    void overwrite(Item<N>& item) { overwrite_by_reading(*this, item); }
};

template <size_t N> struct BoostQueue {
    static constexpr const char* name = "boost::lockfree::queue";
    static constexpr Class kind = Class::Many;
    boost::lockfree::queue<Item<N>, boost::lockfree::fixed_sized<true>> queue{CAPACITY};
    explicit BoostQueue(bool) {}
    bool write(Item<N>& item) { return queue.push(item); }
    bool read(Item<N>& item) { return queue.pop(item); }
    void overwrite(Item<N>& item) { overwrite_by_reading(*this, item); }
};

template <size_t N> struct Moodycamel {
    static constexpr const char* name = "moodycamel::ConcurrentQueue";
    static constexpr Class kind = Class::Many;
    moodycamel::ConcurrentQueue<Item<N>> queue{4 * CAPACITY};
    explicit Moodycamel(bool) {}
    bool write(Item<N>& item) { return queue.try_enqueue(item); }
    bool read(Item<N>& item) { return queue.try_dequeue(item); }
};

template <size_t N> struct GAsync {
    static constexpr const char* name = "GAsyncQueue + g_malloc";
    static constexpr Class kind = Class::Many;
    GAsyncQueue* queue = g_async_queue_new_full(g_free);
    explicit GAsync(bool) {}
    ~GAsync() { g_async_queue_unref(queue); }
    bool write(Item<N>& item)
    {
        void* copy = g_malloc(N);
        std::memcpy(copy, &item, N);
        g_async_queue_push(queue, copy);
        return true;
    }
    bool read(Item<N>& item)
    {
        void* copy = g_async_queue_try_pop(queue);
        if (!copy)
            return false;
        std::memcpy(&item, copy, N);
        g_free(copy);
        return true;
    }
};

template <size_t N> struct BoostSpsc {
    static constexpr const char* name = "boost::lockfree::spsc_queue";
    static constexpr Class kind = Class::Single;
    boost::lockfree::spsc_queue<Item<N>> queue{CAPACITY};
    explicit BoostSpsc(bool) {}
    bool write(Item<N>& item) { return queue.push(item); }
    bool read(Item<N>& item) { return queue.pop(item); }
};

template <size_t N> struct Jack {
    static constexpr const char* name = "jack_ringbuffer";
    static constexpr Class kind = Class::Single;
    jack_ringbuffer_t* ring = jack_ringbuffer_create(CAPACITY * N * 2);
    explicit Jack(bool) {}
    ~Jack() { jack_ringbuffer_free(ring); }
    bool write(Item<N>& item)
    {
        return jack_ringbuffer_write_space(ring) >= N &&
               jack_ringbuffer_write(ring, reinterpret_cast<const char*>(item.bytes), N) == N;
    }
    bool read(Item<N>& item)
    {
        return jack_ringbuffer_read_space(ring) >= N &&
               jack_ringbuffer_read(ring, reinterpret_cast<char*>(item.bytes), N) == N;
    }
};

template <size_t N, size_t C = CAPACITY> struct TbbQueue {
    static constexpr const char* name = "tbb::concurrent_bounded_queue";
    static constexpr Class kind = Class::Many;
    tbb::concurrent_bounded_queue<Item<N>> queue;
    explicit TbbQueue(bool) { queue.set_capacity(C); }
    bool write(Item<N>& item) { return queue.try_push(item); }
    bool read(Item<N>& item) { return queue.try_pop(item); }
    void overwrite(Item<N>& item) { overwrite_by_reading(*this, item); }
};

template <size_t N, size_t C = CAPACITY> struct Cds {
    static constexpr const char* name = "libcds VyukovMPMCCycleQueue";
    static constexpr Class kind = Class::Many;
    cds::container::VyukovMPMCCycleQueue<Item<N>> queue{C};
    explicit Cds(bool) {}
    bool write(Item<N>& item) { return queue.enqueue(item); }
    bool read(Item<N>& item) { return queue.dequeue(item); }
    void overwrite(Item<N>& item) { overwrite_by_reading(*this, item); }
};

template <size_t N, size_t C = CAPACITY> struct Xenium {
    static constexpr const char* name = "xenium::vyukov_bounded_queue";
    static constexpr Class kind = Class::Many;
    xenium::vyukov_bounded_queue<Item<N>> queue{C};
    explicit Xenium(bool) {}
    bool write(Item<N>& item) { return queue.try_push(item); }
    bool read(Item<N>& item) { return queue.try_pop(item); }
    void overwrite(Item<N>& item) { overwrite_by_reading(*this, item); }
};

template <size_t N> struct ReaderWriter {
    static constexpr const char* name = "moodycamel::ReaderWriterQueue";
    static constexpr Class kind = Class::Single;
    moodycamel::ReaderWriterQueue<Item<N>> queue{CAPACITY};
    explicit ReaderWriter(bool) {}
    bool write(Item<N>& item) { return queue.try_enqueue(item); }
    bool read(Item<N>& item) { return queue.try_dequeue(item); }
};

// A crate's queue, behind C functions.
template <size_t N, RS_QUEUE (*FUNCTIONS)(size_t), size_t C = CAPACITY> struct Crate {
    static inline const RS_QUEUE functions = FUNCTIONS(N);
    void* queue = functions.create(C);
    explicit Crate(bool) {}
    ~Crate() { functions.destroy(queue); }
    bool write(Item<N>& item) { return functions.write(queue, &item); }
    bool read(Item<N>& item) { return functions.read(queue, &item); }
};

template <size_t N, RS_QUEUE (*FUNCTIONS)(size_t), size_t C = CAPACITY> struct OverwritingCrate : Crate<N, FUNCTIONS, C> {
    using Crate<N, FUNCTIONS, C>::Crate;
    void overwrite(Item<N>& item)
    {
        if (this->functions.overwrite)
            this->functions.overwrite(this->queue, &item);
        else
            overwrite_by_reading(*this, item);
    }
};

template <size_t N, size_t C = CAPACITY> struct ArrayQueue : OverwritingCrate<N, rs_array_queue, C> {
    static constexpr const char* name = "crossbeam ArrayQueue (crate)";
    static constexpr Class kind = Class::Many;
    using OverwritingCrate<N, rs_array_queue, C>::OverwritingCrate;
};

template <size_t N> struct Channel : OverwritingCrate<N, rs_channel> {
    static constexpr const char* name = "crossbeam bounded channel (crate)";
    static constexpr Class kind = Class::Many;
    using OverwritingCrate<N, rs_channel>::OverwritingCrate;
};

template <size_t N> struct Thingbuf : OverwritingCrate<N, rs_thingbuf> {
    static constexpr const char* name = "thingbuf (crate)";
    static constexpr Class kind = Class::Many;
    using OverwritingCrate<N, rs_thingbuf>::OverwritingCrate;
};

template <size_t N> struct RingbufferLocked : OverwritingCrate<N, rs_ringbuffer_locked> {
    static constexpr const char* name = "ringbuffer + parking_lot (crates)";
    static constexpr Class kind = Class::Full;
    using OverwritingCrate<N, rs_ringbuffer_locked>::OverwritingCrate;
};

template <size_t N> struct Rtrb : Crate<N, rs_rtrb> {
    static constexpr const char* name = "rtrb (crate)";
    static constexpr Class kind = Class::Single;
    using Crate<N, rs_rtrb>::Crate;
};

template <size_t N> struct Ringbuf : Crate<N, rs_ringbuf> {
    static constexpr const char* name = "ringbuf (crate)";
    static constexpr Class kind = Class::Single;
    using Crate<N, rs_ringbuf>::Crate;
};

// No synchronisation: an array, with two copies, behind C calls or not.
template <size_t N, bool CALL> struct Copies {
    static constexpr const char* name = CALL ? "floor: memcpy behind a C call" : "floor: memcpy inlined";
    static constexpr Class kind = Class::Floor;
    std::unique_ptr<Item<N>[]> items{new Item<N>[CAPACITY]()};
    size_t head = 0, tail = 0;
    explicit Copies(bool) {}
    static void copy(Item<N>* target, const Item<N>* source)
    {
        if (CALL) {
            (N == 8 ? copy_8 : N == 64 ? copy_64 : copy_1024)(target, source);
        } else {
            std::memcpy(target, source, N);
            // The item has to be there, not only its first and last word.
            asm volatile("" ::: "memory");
        }
    }
    bool write(Item<N>& item)
    {
        copy(&items[tail++ % CAPACITY], &item);
        return true;
    }
    bool read(Item<N>& item)
    {
        copy(&item, &items[head++ % CAPACITY]);
        return true;
    }
    void overwrite(Item<N>& item)
    {
        write(item);
        if (tail - head > CAPACITY)
            head = tail - CAPACITY;
    }
};

}  // namespace bench
