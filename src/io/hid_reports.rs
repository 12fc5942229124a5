//! The input reports of a HID device, in the library's own form: the ID first, always.

use super::hid::memory_of_the_system;
use super::hid_error;
use super::hidraw::Descriptor;
use super::reader::{Drain, Next, Source};
use super::report_descriptor::Layout;
use super::target::{Core, Kept};
use crate::framework::memory::{Block, Shared, try_box};
use crate::framework::status::{Error, Status};
use crate::framework::sync::{Mutex, Ordering};
use hidapi::HidDevice;
use std::time::Duration;

/// How reports are read.
#[derive(Clone)]
pub enum Way {
    /// Without waiting: somebody else waits for the descriptor.
    Descriptor(Shared<Descriptor>),
    /// Through hidapi, which waits as long at a time.
    Slices(Shared<Mutex<HidDevice>>, Duration),
}

impl Kept for Way {
    fn forget(&self) {
        // As many as the system can have kept, and no more, so that a fast device cannot hold us.
        let most = memory_of_the_system();
        match self {
            Way::Descriptor(descriptor) => descriptor.discard(most),
            Way::Slices(device, _) => {
                let device = device.lock();
                let mut report = [0; 1];
                for _ in 0..most {
                    if !matches!(read_through_hidapi(&device, &mut report, Duration::ZERO), Ok(1..))
                    {
                        return;
                    }
                }
            }
        }
    }
}

/// See the file's head.
pub struct Reports {
    way: Way,
    scratch: Block,
    layout: Layout,
    drain: Drain,
    core: Shared<Core>,
}

impl Reports {
    pub fn new(core: &Shared<Core>, way: Way) -> Result<Self, Error> {
        let layout = core.layout;
        core.set_kept(try_box(way.clone())?);
        Ok(Self {
            way,
            scratch: Block::new(layout.longest_input.max(64) + 1)?,
            layout,
            drain: Drain::new(ROOM_IN_THE_SYSTEM),
            core: core.clone(),
        })
    }

    /// Reads into the scratch buffer; the report's length there, with its ID byte. 0: there is none.
    fn read(&mut self, may_wait: bool) -> Result<usize, Status> {
        let start = usize::from(!self.layout.has_ids);
        let room = &mut self.scratch[start..];
        let length = match &self.way {
            Way::Descriptor(descriptor) => descriptor.read(room)?,
            Way::Slices(device, slice) => {
                let wait = if may_wait { *slice } else { Duration::ZERO };
                read_through_hidapi(&device.lock(), room, wait)?
            }
        };
        Ok(if length == 0 { 0 } else { length + start })
    }

    /// The next report; what the system holds already is looked at first, so as to notice when it
    /// holds nothing.
    fn read_or_wait(&mut self) -> Result<usize, Status> {
        match self.read(false)? {
            0 => self.drain.ran_dry(),
            length => return Ok(length),
        }
        match self.way {
            Way::Descriptor(_) => Ok(0),
            Way::Slices(..) => self.read(true),
        }
    }

    fn suspect_overrun(&self) {
        self.core.statistics.overruns.fetch_add(1, Ordering::Relaxed);
    }
}

fn read_through_hidapi(
    device: &HidDevice,
    room: &mut [u8],
    wait: Duration,
) -> Result<usize, Status> {
    match device.read_timeout(room, wait.as_millis() as i32) {
        Ok(length) => Ok(length),
        Err(error) if hid_error::is_interruption(&error) => Ok(0),
        Err(error) => Err(hid_error::status(&error)),
    }
}

impl Source for Reports {
    fn next(&mut self) -> Next<'_> {
        match self.read_or_wait() {
            Ok(0) => Next::Nothing,
            Ok(length) => {
                if self.drain.shows_overrun() {
                    self.suspect_overrun();
                }
                Next::Report(&self.scratch[..length])
            }
            Err(_) => {
                // hidapi does not say what it threw away.
                if matches!(self.way, Way::Slices(..)) {
                    self.suspect_overrun();
                }
                Next::Gone
            }
        }
    }

    fn pause(&mut self) {
        self.drain.ran_dry();
    }

    fn resume(&mut self, _after: Duration) {
        self.drain.ran_dry();
        self.way.forget();
    }
}

/// Reports that the system has room for where hidapi opened the device: hidraw's ring of 64 slots
/// keeps one free, hidapi asks Windows for 64 and keeps 30 itself on macOS.
const ROOM_IN_THE_SYSTEM: u32 = if cfg!(windows) {
    64
} else if cfg!(target_os = "macos") {
    30
} else {
    63
};
