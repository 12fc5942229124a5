// Row t: 10,000 buffers put into a BufferPool with a timer each, and taken out again before any of them expires.

#include "bench.hpp"

#include <deque>
#include <dmf.h>
#include <event2/event.h>
#include <glib.h>
#include <map>
#include <mutex>

namespace bench {
namespace {

constexpr size_t BUFFERS = 10000;
constexpr unsigned MILLISECONDS = 600000;  // no timer expires

struct OurPools {
    static constexpr const char* name = "dmf BufferPool";
    static constexpr Class kind = Class::Ours;
    WDFDEVICE device = nullptr;
    DMFMODULE source = nullptr, sink = nullptr;
    std::vector<void*> made;
    OurPools()
    {
        DMF_CONFIG_BufferPool config;
        DMF_MODULE_ATTRIBUTES attributes;
        require(NT_SUCCESS(DMF_Device_Create(nullptr, &device)), "DMF_Device_Create");
        DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferPoolMode = BufferPool_Mode_Source;
        config.Mode.SourceSettings.BufferCount = BUFFERS;
        config.Mode.SourceSettings.BufferSize = 64;
        config.Mode.SourceSettings.CreateWithTimer = TRUE;
        require(NT_SUCCESS(DMF_BufferPool_Create(device, &attributes, nullptr, &source)), "DMF_BufferPool_Create");
        DMF_CONFIG_BufferPool_AND_ATTRIBUTES_INIT(&config, &attributes);
        config.BufferPoolMode = BufferPool_Mode_Sink;
        require(NT_SUCCESS(DMF_BufferPool_Create(device, &attributes, nullptr, &sink)), "DMF_BufferPool_Create");
        for (size_t i = 0; i < BUFFERS; i++) {
            void* buffer = nullptr;
            require(NT_SUCCESS(DMF_BufferPool_Get(source, &buffer, nullptr)), "DMF_BufferPool_Get");
            made.push_back(buffer);
        }
    }
    ~OurPools()
    {
        for (void* buffer : made)
            DMF_BufferPool_Put(source, buffer);
        WdfObjectDelete(device);
    }
    static VOID expired(DMFMODULE, VOID*, VOID*, VOID*) { wrong()++; }
    void put(void* buffer) { DMF_BufferPool_PutInSinkWithTimer(sink, buffer, MILLISECONDS, expired, nullptr); }
    void* get()
    {
        void* buffer = nullptr;
        DMF_BufferPool_Get(sink, &buffer, nullptr);
        return buffer;
    }
};

// The buffers of a peer. One struct for each, so that a timer is found from its buffer.
template <class Timer> struct Timed {
    Timer timer{};
    unsigned char bytes[64];
};

struct Multimap {
    static constexpr const char* name = "std::deque + std::multimap of times + std::mutex";
    static constexpr Class kind = Class::Full;
    using Times = std::multimap<uint64_t, void*>;
    std::mutex mutex;
    std::deque<Timed<Times::iterator>*> queue;
    Times times;
    std::vector<Timed<Times::iterator>> all = std::vector<Timed<Times::iterator>>(BUFFERS);
    std::vector<void*> made;
    Multimap()
    {
        for (auto& one : all)
            made.push_back(&one);
    }
    void put(void* buffer)
    {
        auto one = static_cast<Timed<Times::iterator>*>(buffer);
        std::lock_guard lock(mutex);
        one->timer = times.emplace(uint64_t(nanoseconds()) + MILLISECONDS * 1000000ull, buffer);
        queue.push_back(one);
    }
    void* get()
    {
        std::lock_guard lock(mutex);
        if (queue.empty())
            return nullptr;
        auto one = queue.front();
        queue.pop_front();
        times.erase(one->timer);
        return one;
    }
};

// libevent's timers: a heap in the event base, which has its own lock.
struct Libevent {
    static constexpr const char* name = "std::deque + libevent timers + std::mutex";
    static constexpr Class kind = Class::Full;
    std::mutex mutex;
    std::deque<Timed<event*>*> queue;
    event_base* base = event_base_new();
    std::vector<Timed<event*>> all = std::vector<Timed<event*>>(BUFFERS);
    std::vector<void*> made;
    static void expired(evutil_socket_t, short, void*) { wrong()++; }
    Libevent()
    {
        for (auto& one : all) {
            one.timer = evtimer_new(base, expired, &one);
            made.push_back(&one);
        }
    }
    ~Libevent()
    {
        for (auto& one : all)
            event_free(one.timer);
        event_base_free(base);
    }
    void put(void* buffer)
    {
        auto one = static_cast<Timed<event*>*>(buffer);
        timeval after = {MILLISECONDS / 1000, 0};
        std::lock_guard lock(mutex);
        event_add(one->timer, &after);
        queue.push_back(one);
    }
    void* get()
    {
        std::lock_guard lock(mutex);
        if (queue.empty())
            return nullptr;
        auto one = queue.front();
        queue.pop_front();
        event_del(one->timer);
        return one;
    }
};

struct Glib {
    static constexpr const char* name = "GAsyncQueue + g_timeout_source";
    static constexpr Class kind = Class::Full;
    GAsyncQueue* queue = g_async_queue_new();
    GMainContext* context = g_main_context_new();
    std::vector<Timed<GSource*>> all = std::vector<Timed<GSource*>>(BUFFERS);
    std::vector<void*> made;
    static gboolean expired(void*)
    {
        wrong()++;
        return G_SOURCE_REMOVE;
    }
    Glib()
    {
        for (auto& one : all)
            made.push_back(&one);
    }
    ~Glib()
    {
        g_async_queue_unref(queue);
        g_main_context_unref(context);
    }
    void put(void* buffer)
    {
        auto one = static_cast<Timed<GSource*>*>(buffer);
        one->timer = g_timeout_source_new(MILLISECONDS);
        g_source_set_callback(one->timer, expired, nullptr, nullptr);
        g_source_attach(one->timer, context);
        g_async_queue_push(queue, one);
    }
    void* get()
    {
        auto one = static_cast<Timed<GSource*>*>(g_async_queue_try_pop(queue));
        if (one) {
            g_source_destroy(one->timer);
            g_source_unref(one->timer);
        }
        return one;
    }
};

template <class Q> double put_and_take(size_t operations)
{
    Q pools;
    uint64_t bad = 0;
    size_t rounds = std::max<size_t>(1, operations / BUFFERS);
    double start = 0;
    for (size_t n : {size_t(1), rounds}) {
        start = nanoseconds();
        for (size_t round = 0; round < n; round++) {
            for (size_t i = 0; i < BUFFERS; i++)
                pools.put(pools.made[i]);
            for (size_t i = 0; i < BUFFERS; i++)
                bad |= pools.get() != pools.made[i];
        }
    }
    double took = nanoseconds() - start;
    if (bad)
        wrong()++;
    return took / double(rounds * BUFFERS);
}

template <class Q> void add_pools()
{
    cases().push_back({"t", "BufferPool: 10,000 buffers put with a timer each, then taken", "64", Q::name, Q::kind,
                       put_and_take<Q>, 3 * BUFFERS});
}

}  // namespace

void add_timers()
{
    add_pools<OurPools>();
    add_pools<Multimap>();
    add_pools<Libevent>();
    add_pools<Glib>();
}

}  // namespace bench
