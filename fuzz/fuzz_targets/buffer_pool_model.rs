#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dmf_fuzz::models::buffer_pool::agree_on(bytes));
