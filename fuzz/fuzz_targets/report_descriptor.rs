#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dmf_fuzz::report_descriptor::read(bytes));
