//! The fuzzer's bytes, from both ends: the sequence of calls is read from the front, what callbacks do from the back.

use std::sync::Mutex;

struct Tape {
    bytes: Vec<u8>,
    front: usize,
    back: usize,
}

static TAPE: Mutex<Tape> = Mutex::new(Tape { bytes: Vec::new(), front: 0, back: 0 });

/// Which end is read. What has no more bytes reads zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Front,
    Back,
}

pub fn load(bytes: &[u8]) {
    *TAPE.lock().unwrap() = Tape { bytes: bytes.to_vec(), front: 0, back: bytes.len() };
}

/// Nothing is left for anybody.
pub fn end() {
    let mut tape = TAPE.lock().unwrap();
    tape.front = tape.back;
}

pub fn is_over() -> bool {
    let tape = TAPE.lock().unwrap();
    tape.front == tape.back
}

impl Input {
    pub fn byte(self) -> u8 {
        let mut tape = TAPE.lock().unwrap();
        if tape.front == tape.back {
            return 0;
        }
        let at = match self {
            Self::Front => tape.front,
            Self::Back => tape.back - 1,
        };
        match self {
            Self::Front => tape.front += 1,
            Self::Back => tape.back -= 1,
        }
        tape.bytes[at]
    }

    pub fn u16(self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub fn u32(self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    pub fn u64(self) -> u64 {
        u64::from(self.u32()) | u64::from(self.u32()) << 32
    }

    /// One of so many.
    pub fn choose(self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// True once in so many.
    pub fn one_in(self, count: u8) -> bool {
        self.byte() % count == count - 1
    }

    pub fn flag(self) -> bool {
        self.byte() & 1 == 1
    }

    /// A length or a number: mostly small, sometimes at an edge.
    pub fn number(self) -> u32 {
        const EDGES: [u32; 12] = [
            0xFFFF_FFFF,
            0xFFFF_FFFE,
            0x8000_0000,
            0x7FFF_FFFF,
            0x8000_0001,
            0x1_0000,
            0xFFFF,
            0x1_0001,
            0x1000,
            0x4001,
            0x00FF_FFFF,
            0,
        ];
        match self.byte() {
            byte @ 0..=127 => u32::from(byte) % 33,
            byte @ 128..=199 => u32::from(byte),
            200..=229 => u32::from(self.u16() % 4096),
            230..=247 => EDGES[self.choose(EDGES.len())],
            _ => self.u32(),
        }
    }

    /// How many of something that is made: few, or far too many.
    pub fn count(self) -> u32 {
        match self.byte() {
            byte @ 0..=213 => u32::from(1 + byte % 6),
            214..=229 => 0,
            byte @ 230..=245 => u32::from(byte - 200),
            _ => self.number(),
        }
    }

    /// An enumerator: a valid one mostly.
    pub fn enumerator(self, most: i32) -> i32 {
        match self.byte() {
            byte @ 0..=239 => i32::from(byte) % (most + 1),
            240..=247 => self.u32() as i32,
            byte => [-1, most + 1, i32::MAX, i32::MIN][usize::from(byte) % 4],
        }
    }

    /// An enumerator of a Config, of which 0 is none: a valid one nearly always.
    pub fn mode(self, most: i32) -> i32 {
        match self.byte() {
            byte @ 0..=231 => 1 + i32::from(byte) % most,
            _ => self.enumerator(most + 1),
        }
    }

    /// Milliseconds: at once, soon, or beyond the sequence's end.
    pub fn soon(self) -> u64 {
        match self.byte() {
            byte @ 0..=99 => u64::from(byte % 4),
            100..=179 => 100_000,
            180..=219 => u64::MAX - self.choose(4) as u64,
            _ => 1,
        }
    }

    /// A status that a Client makes up: none that the library gives for a refusal.
    pub fn status(self) -> i32 {
        const OWN: [i32; 6] =
            [0, 0, 0x0000_1234, 0x4000_0001, 0xE000_0001_u32 as i32, 0xE123_4567_u32 as i32];
        OWN[self.choose(OWN.len())]
    }
}
