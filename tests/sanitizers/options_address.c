/* The virtual machine has 512 MiB: what is freed is kept from reuse, but not 256 MiB of it. */
const char* __asan_default_options(void);
const char* __asan_default_options(void)
{
    return "allocator_may_return_null=1:detect_leaks=1:quarantine_size_mb=32";
}
