#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dmf_fuzz::models::ring_buffer::agree_on(bytes));
