const char* __tsan_default_options(void);
const char* __tsan_default_options(void)
{
    return "allocator_may_return_null=1:atexit_sleep_ms=0";
}

/*
 * The standard library is not instrumented, and what orders the last two owners of an Arc is a fence, which is not seen.
 * These are what a thread shares with its handle: its result and its name. Both drop them where nobody joins the thread.
 */
const char* __tsan_default_suppressions(void);
const char* __tsan_default_suppressions(void)
{
    return "race:Arc<std::thread::lifecycle::Packet\n"
           "race:Arc<std::thread::thread::Inner\n";
}
