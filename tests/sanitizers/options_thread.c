const char* __tsan_default_options(void);
const char* __tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}
