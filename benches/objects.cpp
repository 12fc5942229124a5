// Rows o and m: what it takes to make and delete an object, and how much memory one occupies.
//
// Memory is measured in a process of its own for each case, started as `dmf_bench --memory NAME`: 2,000 objects are made, and what
// the process grew by is divided by their number.

#include "bench.hpp"
#include "peers_c.h"

#include <dmf.h>
#include <event2/buffer.h>
#include <glib.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace bench {
namespace {

constexpr ULONG ITEMS = 32, ITEM = 64;

// Makes something under a device, and deletes it.
struct Maker {
    const char* module;  // the variant
    const char* name;
    Class kind;
    void* (*make)(WDFDEVICE device);
    void (*unmake)(void* object);
};

void delete_module(void* object)
{
    WdfObjectDelete(static_cast<WDFOBJECT>(object));
}

template <class Config> using Create = NTSTATUS(WDFDEVICE, DMF_MODULE_ATTRIBUTES*, WDF_OBJECT_ATTRIBUTES*, DMFMODULE*);
template <class Config> using Init = void(Config*, DMF_MODULE_ATTRIBUTES*);

template <class Config, Init<Config>* INIT, Create<Config>* CREATE, void (*SET)(Config&)> void* module(WDFDEVICE device)
{
    Config config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE made = nullptr;
    INIT(&config, &attributes);
    SET(config);
    if (!NT_SUCCESS(CREATE(device, &attributes, nullptr, &made)))
        fail(DMF_LastErrorMessageGet());
    return made;
}

#define MODULE(Name) module<DMF_CONFIG_##Name, DMF_CONFIG_##Name##_AND_ATTRIBUTES_INIT, DMF_##Name##_Create, set_##Name>

void set_RingBuffer(DMF_CONFIG_RingBuffer& config)
{
    config.ItemCount = ITEMS;
    config.ItemSize = ITEM;
    config.Mode = RingBuffer_Mode_DeleteOldestIfFullOnWrite;
}

void set_PingPongBuffer(DMF_CONFIG_PingPongBuffer& config)
{
    config.BufferSize = ITEMS * ITEM;
    config.PoolType = NonPagedPoolNx;
}

void set_source(BufferPool_SourceSettings& settings)
{
    settings.BufferCount = ITEMS;
    settings.BufferSize = ITEM;
}

void set_BufferPool(DMF_CONFIG_BufferPool& config)
{
    config.BufferPoolMode = BufferPool_Mode_Source;
    set_source(config.Mode.SourceSettings);
}

void set_BufferQueue(DMF_CONFIG_BufferQueue& config)
{
    set_source(config.SourceSettings);
}

VOID canceled(DMFMODULE, WDFREQUEST request, ULONG_PTR, NTSTATUS status)
{
    WdfRequestComplete(request, status);
}

void set_NotifyUserWithRequest(DMF_CONFIG_NotifyUserWithRequest& config)
{
    config.MaximumNumberOfPendingRequests = ITEMS;
    config.MaximumNumberOfPendingDataBuffers = ITEMS;
    config.SizeOfDataBuffer = ITEM;
    config.EvtPendingRequestsCancel = canceled;
}

ContinuousRequestTarget_BufferDisposition ignored(DMFMODULE, VOID*, size_t, VOID*, NTSTATUS)
{
    return ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

void set_ContinuousRequestTarget(DMF_CONFIG_ContinuousRequestTarget& config)
{
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.ContinuousRequestCount = 4;
    config.BufferCountOutput = ITEMS;
    config.BufferOutputSize = ITEM;
    config.EvtContinuousRequestTargetBufferOutput = ignored;
}

ScheduledTask_Result_Type no_work(DMFMODULE, VOID*, VOID*)
{
    return ScheduledTask_WorkResult_Success;
}

void set_QueuedWorkItem(DMF_CONFIG_QueuedWorkItem& config)
{
    set_source(config.BufferQueueConfig.SourceSettings);
    config.EvtQueuedWorkitemFunction = no_work;
}

ThreadedBufferQueue_BufferDisposition no_buffer(DMFMODULE, UCHAR*, ULONG, VOID*, NTSTATUS*)
{
    return ThreadedBufferQueue_BufferDisposition_WorkComplete;
}

void set_ThreadedBufferQueue(DMF_CONFIG_ThreadedBufferQueue& config)
{
    set_source(config.BufferQueueConfig.SourceSettings);
    config.EvtThreadedBufferQueueWork = no_buffer;
}

// What stands in for each: the parts, with a lock each and memory for as many items.
void* ring_of_items(WDFDEVICE)
{
    return locked_ring_create(ITEMS, ITEM, false);
}

void delete_ring(void* ring)
{
    locked_ring_delete(static_cast<LOCKED_RING*>(ring));
}

void* ck_of_items(WDFDEVICE)
{
    return ck_create(ITEMS, ITEM);
}

void* evbuffer_of_size(WDFDEVICE)
{
    evbuffer* made = evbuffer_new();
    evbuffer_expand(made, ITEMS * ITEM);
    return made;
}

void delete_evbuffer(void* buffer)
{
    evbuffer_free(static_cast<evbuffer*>(buffer));
}

// A GAsyncQueue of `QUEUES`, the first with all buffers in it.
template <unsigned QUEUES> struct Queues {
    GAsyncQueue* queues[QUEUES];
};

template <unsigned QUEUES> void* queues_of_buffers(WDFDEVICE)
{
    auto made = new Queues<QUEUES>;
    for (auto& queue : made->queues)
        queue = g_async_queue_new_full(g_free);
    for (unsigned i = 0; i < ITEMS; i++)
        g_async_queue_push(made->queues[0], g_malloc0(ITEM));
    return made;
}

template <unsigned QUEUES> void delete_queues(void* object)
{
    auto made = static_cast<Queues<QUEUES>*>(object);
    for (auto& queue : made->queues)
        g_async_queue_unref(queue);
    delete made;
}

const Maker MAKERS[] = {
    {"RingBuffer", "dmf RingBuffer", Class::Ours, MODULE(RingBuffer), delete_module},
    {"RingBuffer", "C ring + pthread_mutex", Class::Full, ring_of_items, delete_ring},
    {"RingBuffer", "ck_ring (MPMC)", Class::Many, ck_of_items, ck_delete},
    {"PingPongBuffer", "dmf PingPongBuffer", Class::Ours, MODULE(PingPongBuffer), delete_module},
    {"PingPongBuffer", "libevent evbuffer, expanded", Class::Single, evbuffer_of_size, delete_evbuffer},
    {"BufferPool", "dmf BufferPool", Class::Ours, MODULE(BufferPool), delete_module},
    {"BufferPool", "GAsyncQueue of buffers", Class::Many, queues_of_buffers<1>, delete_queues<1>},
    {"BufferQueue", "dmf BufferQueue", Class::Ours, MODULE(BufferQueue), delete_module},
    {"BufferQueue", "2 GAsyncQueues, buffers in one", Class::Many, queues_of_buffers<2>, delete_queues<2>},
    {"NotifyUserWithRequest", "dmf NotifyUserWithRequest", Class::Ours, MODULE(NotifyUserWithRequest), delete_module},
    {"NotifyUserWithRequest", "2 GAsyncQueues, buffers in one", Class::Many, queues_of_buffers<2>, delete_queues<2>},
    {"ContinuousRequestTarget", "dmf ContinuousRequestTarget", Class::Ours, MODULE(ContinuousRequestTarget), delete_module},
    {"ContinuousRequestTarget", "2 GAsyncQueues, buffers in one", Class::Many, queues_of_buffers<2>, delete_queues<2>},
    {"QueuedWorkItem", "dmf QueuedWorkItem", Class::Ours, MODULE(QueuedWorkItem), delete_module},
    {"QueuedWorkItem", "2 GAsyncQueues, buffers in one", Class::Many, queues_of_buffers<2>, delete_queues<2>},
    {"ThreadedBufferQueue", "dmf ThreadedBufferQueue", Class::Ours, MODULE(ThreadedBufferQueue), delete_module},
    {"ThreadedBufferQueue", "2 GAsyncQueues, buffers in one", Class::Many, queues_of_buffers<2>, delete_queues<2>},
};

double make_and_delete(const Maker& maker, size_t operations)
{
    WDFDEVICE device = nullptr;
    require(NT_SUCCESS(DMF_Device_Create(nullptr, &device)), "DMF_Device_Create");
    double start = 0;
    for (size_t n : {size_t(16), operations}) {
        start = nanoseconds();
        for (size_t i = 0; i < n; i++)
            maker.unmake(maker.make(device));
    }
    double took = nanoseconds() - start;
    WdfObjectDelete(device);
    return took / double(operations);
}

// Row m: memory.

constexpr size_t OBJECTS = 2000;

// Bytes of memory that only this process has, from the kernel.
double private_memory()
{
    double total = 0;
    FILE* file = std::fopen("/proc/self/smaps_rollup", "r");
    require(file != nullptr, "/proc/self/smaps_rollup");
    char line[256];
    double kilobytes;
    while (std::fgets(line, sizeof(line), file))
        if (std::sscanf(line, "Private_Dirty: %lf kB", &kilobytes) == 1 || std::sscanf(line, "Private_Clean: %lf kB", &kilobytes) == 1)
            total += kilobytes * 1024;
    std::fclose(file);
    return total;
}

double measured_in_a_process(const Maker& maker)
{
    int ends[2];
    require(pipe(ends) == 0, "pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    std::string number = std::to_string(&maker - MAKERS);
    const char* words[] = {"dmf_bench", "--memory", number.c_str(), nullptr};
    pid_t child;
    require(posix_spawn(&child, "/proc/self/exe", &actions, nullptr, const_cast<char**>(words), environ) == 0, "posix_spawn");
    close(ends[1]);
    FILE* answer = fdopen(ends[0], "r");
    double bytes = 0;
    int status = 0;
    bool understood = std::fscanf(answer, "%lf", &bytes) == 1;
    std::fclose(answer);
    posix_spawn_file_actions_destroy(&actions);
    require(waitpid(child, &status, 0) == child && status == 0 && understood, "the process that measures memory failed");
    return bytes;
}

}  // namespace

int memory(size_t number)
{
    require(number < std::size(MAKERS), "no such object");
    const Maker& maker = MAKERS[number];
    WDFDEVICE device = nullptr;
    require(NT_SUCCESS(DMF_Device_Create(nullptr, &device)), "DMF_Device_Create");
    std::vector<void*> all(OBJECTS + 16);
    // What the first ones of a kind need once is not counted.
    for (size_t i = 0; i < 16; i++)
        all[i] = maker.make(device);
    double before = private_memory();
    for (size_t i = 16; i < all.size(); i++)
        all[i] = maker.make(device);
    std::printf("%.0f\n", (private_memory() - before) / double(OBJECTS));
    for (void* one : all)
        maker.unmake(one);
    WdfObjectDelete(device);
    return 0;
}

void add_objects()
{
    for (const Maker& maker : MAKERS) {
        cases().push_back({"o", "Create and delete an object (32 items of 64 bytes)", maker.module, maker.name, maker.kind,
                           [&maker](size_t operations) { return make_and_delete(maker, operations); }, 4000});
        cases().push_back({"m", "Memory of an object (32 items of 64 bytes)", maker.module, maker.name, maker.kind,
                           [&maker](size_t) { return measured_in_a_process(maker); }, 1, "bytes"});
    }
}

}  // namespace bench
