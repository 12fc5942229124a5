//! PingPongBuffer beside two arrays.

use super::*;
use dmf::capi::ping_pong_buffer as ping_pong;
use proptest::prelude::*;
use std::ptr::null_mut;

#[derive(Clone, Debug)]
enum Operation {
    Write {
        first: u8,
        length: u32,
        null: bool,
    },
    /// Takes no ResultSize.
    WriteWithoutResult {
        length: u32,
    },
    Get {
        null: bool,
    },
    Consume {
        start: u32,
        length: u32,
    },
    Shift {
        start: u32,
    },
    Reset,
}

fn sizes() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 1..=40_u32, 1 => 1..=3_u32]
}

/// Mostly small enough to fit, sometimes as large as it gets.
fn lengths() -> impl Strategy<Value = u32> {
    prop_oneof![20 => 0..=12_u32, 4 => 0..=50_u32, 1 => (u32::MAX - 50)..=u32::MAX]
}

fn operations() -> impl Strategy<Value = Operation> {
    prop_oneof![
        10 => (any::<u8>(), lengths(), prop::bool::weighted(0.03))
            .prop_map(|(first, length, null)| Operation::Write { first, length, null }),
        1 => lengths().prop_map(|length| Operation::WriteWithoutResult { length }),
        3 => prop::bool::weighted(0.05).prop_map(|null| Operation::Get { null }),
        4 => (lengths(), lengths())
            .prop_map(|(start, length)| Operation::Consume { start, length }),
        3 => lengths().prop_map(|start| Operation::Shift { start }),
        1 => Just(Operation::Reset),
    ]
}

struct Pair {
    module: Module,
    buffers: [Vec<u8>; 2],
    /// Where the two are; the second shows when it becomes Ping.
    places: [*const u8; 2],
    ping: usize,
    written: usize,
}

impl Pair {
    fn new(size: u32) -> Self {
        let fill = |config: &mut ping_pong::DMF_CONFIG_PingPongBuffer| config.buffer_size = size;
        let module = create(ping_pong::config_and_attributes_init, fill, ping_pong::create);
        let zeros = vec![0; size as usize];
        let mut pair = Self {
            module,
            buffers: [zeros.clone(), zeros],
            places: [null_mut(); 2],
            ping: 0,
            written: 0,
        };
        pair.places[0] = pair.get().0;
        pair
    }

    fn get(&self) -> (*const u8, u32) {
        let mut size = 4711;
        // SAFETY: the pointer is this function's.
        let address = unsafe { ping_pong::get(self.module.0, &mut size) };
        (address, size)
    }

    fn size(&self) -> usize {
        self.buffers[0].len()
    }

    /// What lies behind `from` becomes the start of the other buffer, the new Ping.
    fn switch(&mut self, from: usize) {
        let left_over = self.buffers[self.ping].get(from..self.written).unwrap_or(&[]).to_vec();
        self.ping ^= 1;
        self.buffers[self.ping][..left_over.len()].copy_from_slice(&left_over);
        self.written = left_over.len();
    }

    /// Both do `operation`.
    fn step(&mut self, operation: &Operation) -> Outcome {
        match *operation {
            Operation::Write { first, length, null } => self.write(first, length, null),
            Operation::WriteWithoutResult { length } => self.write_without_result(length),
            Operation::Get { null } => self.get_with(null),
            Operation::Consume { start, length } => self.consume(start, length),
            Operation::Shift { start } => self.shift(start),
            Operation::Reset => self.reset(),
        }?;
        self.all_is_the_same()
    }

    fn all_is_the_same(&mut self) -> Outcome {
        let (address, written) = self.get();
        if self.places[self.ping].is_null() {
            self.places[self.ping] = address;
        }
        same("Ping's place", address, self.places[self.ping])?;
        same("bytes in Ping", written as usize, self.written)?;
        same("reports", reports(), 0)?;
        for (place, expected) in self.places.iter().zip(&self.buffers) {
            if !place.is_null() {
                // SAFETY: both buffers have that size and live as long as the Module.
                let bytes = unsafe { std::slice::from_raw_parts(*place, expected.len()) };
                same("bytes", bytes, expected)?;
            }
        }
        same("two buffers", self.places[0] == self.places[1], false)
    }

    fn write(&mut self, first: u8, length: u32, null: bool) -> Outcome {
        let mut source: Vec<u8> =
            (0..64_u8).map(|i| first.wrapping_add(i.wrapping_mul(7))).collect();
        let address = if null { null_mut() } else { source.as_mut_ptr() };
        let mut result = 4711;
        // SAFETY: what does not fit, and nothing else is longer than the source, is not read.
        let got = unsafe { ping_pong::write(self.module.0, address, length, &mut result) };
        let fits = length as usize <= self.size() - self.written;
        if null {
            // NULL of no bytes, or of too many: which of several answers is open.
            let appended = got == SUCCESS && length == 0;
            let refused = got == INVALID_PARAMETER || !fits && got == INSUFFICIENT_RESOURCES;
            same("Write of NULL is refused", appended || refused, true)?;
            return reports_are_possible();
        }
        if !fits {
            same_status("Write", got, INSUFFICIENT_RESOURCES)?;
            return same("ResultSize", result as usize, self.written);
        }
        let end = self.written + length as usize;
        self.buffers[self.ping][self.written..end].copy_from_slice(&source[..length as usize]);
        self.written = end;
        same_status("Write", got, SUCCESS)?;
        same("ResultSize", result as usize, self.written)
    }

    fn write_without_result(&mut self, length: u32) -> Outcome {
        let mut source = [0x77; 64];
        // SAFETY: as for `write`.
        let got =
            unsafe { ping_pong::write(self.module.0, source.as_mut_ptr(), length, null_mut()) };
        same("Write", got, INVALID_PARAMETER)?;
        same("reports", reports(), 1)
    }

    fn get_with(&mut self, null: bool) -> Outcome {
        if !null {
            return Ok(());
        }
        // SAFETY: NULL is refused.
        let address = unsafe { ping_pong::get(self.module.0, null_mut()) };
        same("Get", address.is_null(), true)?;
        same("reports", reports(), 1)
    }

    fn consume(&mut self, start: u32, length: u32) -> Outcome {
        // SAFETY: no pointer is involved.
        let got = unsafe { ping_pong::consume(self.module.0, start, length) };
        let end = u64::from(start) + u64::from(length);
        if end > self.size() as u64 {
            same("Consume", got.is_null(), true)?;
            return same("reports", reports(), 1);
        }
        let packet = self.places[self.ping].wrapping_add(start as usize);
        self.switch(end as usize);
        same("packet", got.cast_const(), packet)?;
        same("reports", reports(), 0)
    }

    fn shift(&mut self, start: u32) -> Outcome {
        // SAFETY: no pointer is involved.
        unsafe { ping_pong::shift(self.module.0, start) };
        let refused = start as usize > self.written;
        if !refused {
            self.switch(start as usize);
        }
        same("Shift succeeds", misuse::last_status_get() == SUCCESS, !refused)?;
        same("reports", reports(), refused.into())
    }

    fn reset(&mut self) -> Outcome {
        // SAFETY: no pointer is involved.
        unsafe { ping_pong::reset(self.module.0) };
        self.written = 0;
        same_status("Reset", misuse::last_status_get(), SUCCESS)
    }
}

/// One sequence, from new Modules to deleted ones.
fn agree(size: &u32, operations: &[Operation]) -> Outcome {
    let mut pair = Pair::new(*size);
    reports();
    operations.iter().try_for_each(|operation| pair.step(operation))
}

#[test]
fn a_ping_pong_buffer_answers_as_two_arrays_do() {
    check(sizes(), operations(), agree);
}

/// The sequence that a fuzzer's bytes stand for.
#[cfg(fuzzing)]
pub fn agree_on(bytes: &[u8]) {
    replay(bytes, sizes(), operations(), agree);
}
