// Rows i and s: NotifyUserWithRequest, and a ContinuousRequestTarget over a target that answers at once.

#include "bench.hpp"
#include "peers_c.h"

#include <dmf.h>
#include <mutex>
#include <pthread.h>
#include <semaphore>

namespace bench {
namespace {

// Row i: Requests and data that meet.

constexpr size_t REQUESTS = 4096;
constexpr size_t DATA = 64;
uint64_t delivered, delivered_sum;

VOID deliver(DMFMODULE, WDFREQUEST request, ULONG_PTR context, NTSTATUS status)
{
    uint64_t value;
    std::memcpy(&value, reinterpret_cast<const void*>(context), 8);
    delivered++;
    delivered_sum += value;
    WdfRequestCompleteWithInformation(request, status, DATA);
}

VOID canceled(DMFMODULE, WDFREQUEST request, ULONG_PTR, NTSTATUS status)
{
    WdfRequestComplete(request, status);
}

VOID completed(WDFREQUEST, NTSTATUS, ULONG_PTR, VOID*) {}

void check_deliveries(size_t count)
{
    if (delivered != count || delivered_sum != uint64_t(count) * (count + 1) / 2)
        wrong()++;
}

// The Requests are made before and deleted afterwards: a program has them anyway.
template <bool DATA_FIRST> double notify(size_t operations)
{
    DMF_CONFIG_NotifyUserWithRequest config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = nullptr;
    WDFDEVICE device = nullptr;
    DMF_CONFIG_NotifyUserWithRequest_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.MaximumNumberOfPendingRequests = 32;
    config.MaximumNumberOfPendingDataBuffers = 32;
    config.SizeOfDataBuffer = DATA;
    config.EvtPendingRequestsCancel = canceled;
    require(NT_SUCCESS(DMF_Device_Create(nullptr, &device)), "DMF_Device_Create");
    require(NT_SUCCESS(DMF_NotifyUserWithRequest_Create(device, &attributes, nullptr, &module)),
            "DMF_NotifyUserWithRequest_Create");
    std::vector<WDFREQUEST> requests(operations);
    for (auto& request : requests)
        require(NT_SUCCESS(DMF_Request_Create(device, nullptr, 0, nullptr, 0, 0, completed, nullptr, &request)),
                "DMF_Request_Create");
    delivered = delivered_sum = 0;
    Item<DATA> item{};
    double start = nanoseconds();
    for (size_t i = 0; i < operations; i++) {
        item.set(i + 1);
        if (!DATA_FIRST)
            DMF_NotifyUserWithRequest_RequestProcess(module, requests[i]);
        DMF_NotifyUserWithRequest_DataProcess(module, deliver, &item, STATUS_SUCCESS);
        if (DATA_FIRST)
            DMF_NotifyUserWithRequest_RequestProcess(module, requests[i]);
    }
    double took = nanoseconds() - start;
    check_deliveries(operations);
    for (auto request : requests)
        WdfObjectDelete(request);
    WdfObjectDelete(device);
    return took / double(operations);
}

// What stands in for it: two fixed rings behind one std::mutex. The callback is called without the lock.
struct Pair {
    std::mutex mutex;
    void* requests[32];
    unsigned requests_head = 0, requests_count = 0;
    Item<DATA> data[32];
    unsigned data_head = 0, data_count = 0;
    void (*callback)(void* request, const Item<DATA>& data);

    __attribute__((noinline)) void request(void* request)
    {
        Item<DATA> found;
        {
            std::lock_guard lock(mutex);
            if (data_count == 0) {
                requests[(requests_head + requests_count++) % 32] = request;
                return;
            }
            found = data[data_head++ % 32];
            data_count--;
        }
        callback(request, found);
    }
    __attribute__((noinline)) void post(const Item<DATA>& item)
    {
        void* found;
        {
            std::lock_guard lock(mutex);
            if (requests_count == 0) {
                data[(data_head + data_count++) % 32] = item;
                return;
            }
            found = requests[requests_head++ % 32];
            requests_count--;
        }
        callback(found, item);
    }
};

template <bool DATA_FIRST> double pair(size_t operations)
{
    auto pair = new Pair;
    pair->callback = [](void* request, const Item<DATA>& item) {
        delivered++;
        delivered_sum += item.first();
        *static_cast<size_t*>(request) = DATA;
    };
    delivered = delivered_sum = 0;
    std::vector<size_t> information(operations);
    Item<DATA> item{};
    double start = nanoseconds();
    for (size_t i = 0; i < operations; i++) {
        item.set(i + 1);
        if (!DATA_FIRST)
            pair->request(&information[i]);
        pair->post(item);
        if (DATA_FIRST)
            pair->request(&information[i]);
    }
    double took = nanoseconds() - start;
    check_deliveries(operations);
    delete pair;
    return took / double(operations);
}

// Row s: a stream.

std::atomic<uint64_t> reports, reports_wanted, reports_wrong;
std::binary_semaphore all_reported{0};

NTSTATUS answer(WDFIOTARGET, WDFREQUEST, ContinuousRequestTarget_RequestType, ULONG, VOID*, size_t, VOID* output,
                size_t length, ULONG_PTR* information, VOID*)
{
    std::memset(output, 0x5A, length);
    *information = length;
    return STATUS_SUCCESS;
}

ContinuousRequestTarget_BufferDisposition report(DMFMODULE, VOID* output, size_t size, VOID*, NTSTATUS)
{
    if (size != DATA || static_cast<unsigned char*>(output)[DATA - 1] != 0x5A)
        reports_wrong++;
    uint64_t count = ++reports;
    if (count == reports_wanted)
        all_reported.release();
    return count >= reports_wanted
               ? ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndStopStreaming
               : ContinuousRequestTarget_BufferDisposition_ContinuousRequestTargetAndContinueStreaming;
}

template <unsigned REQUESTS_SENT> double stream(size_t operations)
{
    DMF_CONFIG_ContinuousRequestTarget config;
    DMF_MODULE_ATTRIBUTES attributes;
    DMFMODULE module = nullptr;
    WDFDEVICE device = nullptr;
    WDFIOTARGET target = nullptr;
    DMF_CONFIG_ContinuousRequestTarget_AND_ATTRIBUTES_INIT(&config, &attributes);
    config.ContinuousRequestCount = REQUESTS_SENT;
    config.BufferCountOutput = REQUESTS_SENT * 2;
    config.BufferOutputSize = DATA;
    config.RequestType = ContinuousRequestTarget_RequestType_Read;
    config.EvtContinuousRequestTargetBufferOutput = report;
    require(NT_SUCCESS(DMF_Device_Create(nullptr, &device)), "DMF_Device_Create");
    require(NT_SUCCESS(DMF_IoTarget_ClientCreate(device, answer, nullptr, &target)), "DMF_IoTarget_ClientCreate");
    require(NT_SUCCESS(DMF_ContinuousRequestTarget_Create(device, &attributes, nullptr, &module)),
            "DMF_ContinuousRequestTarget_Create");
    require(NT_SUCCESS(DMF_ContinuousRequestTarget_IoTargetSet(module, target)), "IoTargetSet");
    reports = reports_wrong = 0;
    reports_wanted = operations;
    double start = nanoseconds();
    require(NT_SUCCESS(DMF_ContinuousRequestTarget_Start(module)), "DMF_ContinuousRequestTarget_Start");
    // Without a look at the count meanwhile: that would take its cache line, or the core, away.
    all_reported.acquire();
    double took = nanoseconds() - start;
    DMF_ContinuousRequestTarget_StopAndWait(module);
    if (reports_wrong)
        wrong()++;
    WdfObjectDelete(device);
    return took / double(reports);
}

// The callbacks alone, called through pointers.
double bare(size_t operations)
{
    auto volatile ask = answer;
    auto volatile tell = report;
    unsigned char output[DATA];
    ULONG_PTR information;
    reports = reports_wrong = 0;
    reports_wanted = operations;
    double start = nanoseconds();
    for (size_t i = 0; i < operations; i++) {
        ask(nullptr, nullptr, ContinuousRequestTarget_RequestType_Read, 0, nullptr, 0, output, DATA, &information, nullptr);
        tell(nullptr, output, information, nullptr, STATUS_SUCCESS);
    }
    all_reported.acquire();
    return (nanoseconds() - start) / double(operations);
}

// Four pairs of pthread_mutex_lock and _unlock: what the bar of row s is made of.
double four_locks(size_t operations)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    double start = nanoseconds();
    for (size_t i = 0; i < operations * 4; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return (nanoseconds() - start) / double(operations);
}

void add(const char* row, const char* what, const char* peer, Class kind, double (*run)(size_t), size_t operations)
{
    cases().push_back({row, what, std::to_string(DATA), peer, kind, run, operations});
}

}  // namespace

void add_requests()
{
    const char* i = "NotifyUserWithRequest: Request pending, then data";
    add("i", i, "dmf NotifyUserWithRequest", Class::Ours, notify<false>, REQUESTS);
    add("i", i, "2 fixed rings + std::mutex", Class::Full, pair<false>, REQUESTS);
    const char* first = "NotifyUserWithRequest: data first";
    add("i2", first, "dmf NotifyUserWithRequest", Class::Ours, notify<true>, REQUESTS);
    add("i2", first, "2 fixed rings + std::mutex", Class::Full, pair<true>, REQUESTS);
    const char* s = "ContinuousRequestTarget: a report, 1 Request";
    add("s", s, "dmf, 1 Request", Class::Ours, stream<1>, 60000);
    add("s", s, "dmf, 4 Requests", Class::Full, stream<4>, 60000);
    add("s", s, "dmf, 16 Requests", Class::Full, stream<16>, 60000);
    add("s", s, "floor: the two callbacks alone", Class::Floor, bare, 60000);
    add("s", s, "floor: 4 pthread locks and unlocks", Class::Floor, four_locks, 60000);
}

}  // namespace bench
