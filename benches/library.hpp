// The library in two builds: the one that this program is linked with, and the same with plain locks, which no thread comes
// to own. Both are called through a pointer that was looked up before.
#pragma once

#include "bench.hpp"

#include <dlfcn.h>
#include <dmf.h>

namespace bench {

#define BENCH_METHODS(METHOD)                                                                                          \
    METHOD(DMF_CONFIG_RingBuffer_AND_ATTRIBUTES_INIT)                                                                  \
    METHOD(DMF_RingBuffer_Create)                                                                                      \
    METHOD(DMF_RingBuffer_Write)                                                                                       \
    METHOD(DMF_RingBuffer_Read)                                                                                        \
    METHOD(DMF_RingBuffer_Enumerate)                                                                                   \
    METHOD(DMF_CONFIG_BufferQueue_AND_ATTRIBUTES_INIT)                                                                 \
    METHOD(DMF_BufferQueue_Create)                                                                                     \
    METHOD(DMF_BufferQueue_Fetch)                                                                                      \
    METHOD(DMF_BufferQueue_Enqueue)                                                                                    \
    METHOD(DMF_BufferQueue_Dequeue)                                                                                    \
    METHOD(DMF_BufferQueue_Reuse)                                                                                      \
    METHOD(DMF_CONFIG_PingPongBuffer_AND_ATTRIBUTES_INIT)                                                              \
    METHOD(DMF_PingPongBuffer_Create)                                                                                  \
    METHOD(DMF_PingPongBuffer_Write)                                                                                   \
    METHOD(DMF_PingPongBuffer_Consume)                                                                                 \
    METHOD(WdfObjectDelete)

struct Linked {
    static constexpr const char* suffix = "";
#define METHOD(name) static constexpr auto name = ::name;
    BENCH_METHODS(METHOD)
#undef METHOD
};

struct Plain {
    static constexpr const char* suffix = ", plain locks";
    template <class F> static F looked_up(const char* name)
    {
        // Its own functions come first, since the other build's have the same names.
        static void* library = dlopen(BENCH_PLAIN_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
        void* found = library ? dlsym(library, name) : nullptr;
        require(found != nullptr, "the library with plain locks is not there: " BENCH_PLAIN_LIBRARY);
        return reinterpret_cast<F>(found);
    }
#define METHOD(name) static inline const auto name = looked_up<decltype(&::name)>(#name);
    BENCH_METHODS(METHOD)
#undef METHOD
};

}  // namespace bench
