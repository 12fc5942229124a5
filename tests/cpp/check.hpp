// What the C++ tests share: a check that ends the program, reports of misuse that are counted, and waiting.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <dmf.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <stdexcept>
#include <thread>

#define CHECK(Condition)                                                                                               \
    do {                                                                                                               \
        if (!(Condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #Condition);                                       \
            std::_Exit(1);                                                                                             \
        }                                                                                                              \
    } while (0)

inline const char* const recording = "examples-c/data/usb-mouse.hid";

inline std::atomic<int> misuses{0};

// The misuse that a test has caused on purpose, taken off the count.
inline int misuses_taken()
{
    return misuses.exchange(0);
}

inline std::error_code status(NTSTATUS value)
{
    return dmf::make_error_code(value);
}

inline dmf::device made_device()
{
    dmf::device device;
    CHECK(!dmf::device::create(device));
    return device;
}

// Generous: valgrind runs one thread at a time.
template <class F>
bool eventually(F&& condition)
{
    for (int round = 0; round < 60000; round++) {
        if (condition())
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
}

inline std::ptrdiff_t threads()
{
    std::error_code error;
    const std::filesystem::directory_iterator tasks("/proc/self/task", error);
    return std::distance(begin(tasks), end(tasks));
}

// Runs the tests, or with DMF_TEST_ONLY those whose names contain it; none of them may leave a misuse behind, and all
// together no thread.
struct test {
    const char* name;
    void (*function)();
};
inline int run(std::initializer_list<test> tests)
{
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    dmf::set_misuse_handler([](const char* method, VOID*, const char* message) {
        misuses++;
        // Shown in the log of a test that fails.
        std::printf("(misuse: %s: %s)\n", method, message);
    });
    // With the program's first thread a sanitizer starts one of its own.
    std::thread([] {}).join();
    const std::ptrdiff_t threads_before = threads();
    const char* const only = std::getenv("DMF_TEST_ONLY");
    for (const test& one : tests) {
        if (only && !std::strstr(one.name, only))
            continue;
        one.function();
        if (misuses != 0) {
            std::fprintf(stderr, "%s: %d reports of misuse\n", one.name, misuses.load());
            return 1;
        }
        std::printf("ok %s\n", one.name);
    }
    // A thread that ended its own object ends soon, with nobody to join it; valgrind calls it lost meanwhile.
    CHECK(eventually([&] { return threads() <= threads_before; }));
    return 0;
}
#define TEST(Function) test{#Function, Function}

#endif
