// dmf::buffer_pool, and dmf::buffer itself.
#include "check.hpp"

#include <string>
#include <vector>

struct reading {
    ULONG number;
    double value;
};

static dmf::buffer_pool made_source(const dmf::device& device, ULONG buffers, bool timers = false)
{
    dmf::buffer_pool source;
    CHECK(!dmf::buffer_pool::create_source(device, {buffers, sizeof(reading), sizeof(ULONG), false, timers}, source));
    return source;
}
static dmf::buffer_pool made_sink(const dmf::device& device, const dmf::buffer_pool& source)
{
    dmf::buffer_pool sink;
    CHECK(!dmf::buffer_pool::create_sink(device, source, sink));
    return sink;
}
static dmf::buffer taken(dmf::buffer_pool& pool)
{
    dmf::buffer buffer;
    CHECK(!pool.get(buffer));
    return buffer;
}

static void a_buffer_goes_back_at_the_end_of_its_scope()
{
    const dmf::device device = made_device();
    dmf::buffer_pool source = made_source(device, 1);
    {
        dmf::buffer buffer = taken(source), second;
        CHECK(source.count() == 0 && source.get(second) == status(STATUS_UNSUCCESSFUL) && !second);
        CHECK(buffer.size() == sizeof(reading) && buffer[0] == 0 && buffer.memory());
        CHECK(dmf::memory_buffer(buffer.memory()).data() == buffer.data());
        CHECK(dmf::memory_buffer(buffer.memory()).size() == buffer.size());
        buffer.as<reading>()->value = 2.5;
        *buffer.context_as<ULONG>() = 7;
        CHECK(!buffer.as<char[100]>());
        second = std::move(buffer);
        CHECK(!buffer && buffer.empty() && source.count() == 0);
        dmf::buffer third(std::move(second));
        CHECK(third.as<reading>()->value == 2.5 && source.count() == 0);
    }
    CHECK(source.count() == 1);
    CHECK(taken(source).as<reading>()->value == 0);
}

static void assigning_to_a_buffer_gives_back_what_it_had()
{
    const dmf::device device = made_device();
    dmf::buffer_pool source = made_source(device, 2);
    dmf::buffer first = taken(source), second = taken(source);
    first = std::move(second);
    CHECK(source.count() == 1 && first && !second);
    dmf::buffer& itself = first;
    first = std::move(itself);
    CHECK(source.count() == 1 && first);
    VOID* const released = first.release();
    CHECK(!first && source.count() == 1);
    DMF_BufferPool_Put(source.handle(), released);
    CHECK(source.count() == 2);
}

static void a_sink_lists_what_is_moved_into_it()
{
    const dmf::device device = made_device();
    dmf::buffer_pool source = made_source(device, 3), sink = made_sink(device, source);
    for (ULONG number : {1u, 2u, 3u}) {
        dmf::buffer buffer = taken(source);
        buffer.as<reading>()->number = number;
        CHECK(!(number == 3 ? sink.put_at_head(std::move(buffer)) : sink.put(std::move(buffer))) && !buffer);
    }
    CHECK(source.count() == 0 && sink.count() == 3);
    std::string order;
    for (int i = 0; i < 3; i++)
        order += std::to_string(taken(sink).as<reading>()->number);
    CHECK(order == "312");
    // Out of the Sink, at the end of their scopes, they went to the Source.
    CHECK(source.count() == 3 && sink.count() == 0);
}

static void a_pool_refuses_what_is_not_its_own_and_the_buffer_stays()
{
    const dmf::device device = made_device();
    dmf::buffer_pool source = made_source(device, 1), other = made_source(device, 1), sink = made_sink(device, source), none;
    dmf::buffer foreign = taken(other), nothing;
    CHECK(sink.put(std::move(foreign)) == status(STATUS_INVALID_PARAMETER) && foreign);
    CHECK(source.put(std::move(foreign)) == status(STATUS_INVALID_PARAMETER) && foreign);
    CHECK(sink.put(std::move(nothing)) == status(STATUS_INVALID_PARAMETER));
    CHECK(!other.put(std::move(foreign)) && !foreign && other.count() == 1);
    CHECK(dmf::buffer_pool::create_sink(device, sink, none) == std::errc::invalid_argument && !none);
    CHECK(dmf::buffer_pool::create_source(device, {0, 8}, none) == std::errc::invalid_argument && !none);
}

static void a_refused_buffer_stays_the_callers()
{
    const dmf::device device = made_device();
    dmf::buffer_pool source = made_source(device, 2), sink = made_sink(device, source);
    CHECK(!sink.put(taken(source)));
    dmf::buffer buffer = taken(source);
    sink.enumerate([&](dmf::span<UCHAR>, VOID*) {
        CHECK(sink.put(std::move(buffer)) == status(STATUS_INVALID_DEVICE_STATE) && buffer); // the Sink is locked
        return BufferPool_EnumerationDisposition_ContinueEnumeration;
    });
    CHECK(misuses_taken() == 1);
    buffer.reset();
    CHECK(source.count() == 1);
}

static void an_enumeration_takes_a_buffer_out()
{
    const dmf::device device = made_device();
    dmf::buffer_pool source = made_source(device, 3), sink = made_sink(device, source);
    for (ULONG number : {1u, 2u, 3u}) {
        dmf::buffer buffer = taken(source);
        *buffer.context_as<ULONG>() = number;
        CHECK(!sink.put(std::move(buffer)));
    }
    dmf::buffer removed;
    int shown = 0;
    sink.enumerate(
        [&](dmf::span<UCHAR> bytes, VOID* context) {
            shown++;
            return bytes.size() == sizeof(reading) && *static_cast<ULONG*>(context) == 2
                       ? BufferPool_EnumerationDisposition_RemoveAndStopEnumeration
                       : BufferPool_EnumerationDisposition_ContinueEnumeration;
        },
        &removed);
    CHECK(shown == 2 && removed && *removed.context_as<ULONG>() == 2 && sink.count() == 2);
    removed.reset();
    CHECK(source.count() == 1);
    bool thrown = false;
    try {
        sink.enumerate([](dmf::span<UCHAR>, VOID*) -> BufferPool_EnumerationDispositionType { throw 5; });
    } catch (int five) {
        thrown = five == 5;
    }
    CHECK(thrown && sink.count() == 2);
}

static void an_expired_buffer_is_the_callbacks()
{
    const dmf::device device = made_device();
    dmf::buffer_pool source = made_source(device, 2, true), sink, without = made_sink(device, source);
    std::atomic<int> expired{0};
    CHECK(!dmf::buffer_pool::create_sink(
        device, source,
        [&](dmf::buffer buffer) {
            CHECK(buffer.as<reading>()->number == 9);
            if (++expired == 2)
                throw std::runtime_error("ends here");
        },
        sink));
    for (int round = 1; round <= 2; round++) {
        dmf::buffer buffer = taken(source);
        buffer.as<reading>()->number = 9;
        CHECK(without.put_in_sink_with_timer(std::move(buffer), std::chrono::milliseconds(1)) ==
                  status(STATUS_INVALID_PARAMETER) && buffer);
        CHECK(!sink.put_in_sink_with_timer(std::move(buffer), std::chrono::milliseconds(1)) && !buffer);
        CHECK(eventually([&] { return source.count() == 2; }) && expired == round && sink.count() == 0);
    }
    CHECK(eventually([&] { return sink.callback_threw(); }));
    // Taken in time, it is nobody else's.
    CHECK(!sink.put_in_sink_with_timer(taken(source), std::chrono::hours(1)));
    CHECK(taken(sink) && expired == 2);
}

static void a_pool_may_be_reset_in_its_own_timer_callback()
{
    const dmf::device device = made_device();
    dmf::buffer_pool source = made_source(device, 1, true), sink;
    std::atomic<bool> done{false};
    const auto captured = std::make_shared<std::atomic<int>>(0);
    CHECK(!dmf::buffer_pool::create_sink(
        device, source,
        [&, captured](dmf::buffer) {
            sink.reset();
            ++*captured; // what was captured is still there
            done = true;
        },
        sink));
    CHECK(!sink.put_in_sink_with_timer(taken(source), std::chrono::milliseconds(0)));
    CHECK(eventually([&] { return done && captured.use_count() == 1; }));
    CHECK(!sink && *captured == 1);
}

static void buffers_outlive_their_pool()
{
    dmf::buffer kept, moved;
    {
        dmf::device device = made_device();
        dmf::buffer_pool source = made_source(device, 2), sink = made_sink(device, source);
        CHECK(!sink.put(taken(source)));
        kept = taken(source);
        moved = taken(sink);
        kept.as<reading>()->number = 3;
    }
    CHECK(kept.as<reading>()->number == 3);
    kept.reset();
    // The other one at the end of its scope.
}

int main()
{
    return run({TEST(a_buffer_goes_back_at_the_end_of_its_scope), TEST(assigning_to_a_buffer_gives_back_what_it_had),
                TEST(a_sink_lists_what_is_moved_into_it), TEST(a_pool_refuses_what_is_not_its_own_and_the_buffer_stays),
                TEST(a_refused_buffer_stays_the_callers), TEST(an_enumeration_takes_a_buffer_out),
                TEST(an_expired_buffer_is_the_callbacks), TEST(a_pool_may_be_reset_in_its_own_timer_callback),
                TEST(buffers_outlive_their_pool)});
}
