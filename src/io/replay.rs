//! A target that plays a recording: at the pace at which it was recorded, faster, slower, or as fast
//! as it is asked; once, several times, or for ever. At the end the device is gone.
//!
//! While nobody wants reports the recording stands still.

use super::reader::{self, Next, Source};
use super::recording::{self, Recording};
use super::request::Claim;
use super::target::{Core, Device, Target, answer_control};
use crate::framework::memory::{self, Shared, try_box};
use crate::framework::status::{Error, Status, fail};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

/// How to play.
#[derive(Clone, Copy)]
pub struct Pace {
    /// 1 as recorded, 2 twice as fast; 0 as fast as asked.
    pub speed: f64,
    /// 0 for ever.
    pub repeat: u32,
}

/// The largest recording that is read.
const LARGEST_FILE: u64 = 1 << 30;

/// Opens a recording as a target.
pub fn open(path: &Path, pace: Pace) -> Result<Target, Error> {
    if !pace.speed.is_finite() || pace.speed < 0.0 {
        return Err(Error::new(Status::INVALID_PARAMETER, "Speed is negative or not a number"));
    }
    let text = read_file(path)?;
    let recording = Shared::new(recording::parse(&text).map_err(|error| in_file(path, error))?)?;
    drop(text);
    let device = try_box(Recorded(recording.clone()))?;
    let core = Core::new(recording.layout, device)?;
    let player = Player { recording, pace, next: 0, round: 0, clock: None };
    let thread = reader::start("dmf-replay", core.clone(), player)?;
    Ok(Target::new(core, thread))
}

fn in_file(path: &Path, error: Error) -> Error {
    let text = error.with_text(str::to_owned);
    Error::formatted(error.status, false, format_args!("{}: {text}", path.display()))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            fail!(OBJECT_NAME_NOT_FOUND, "{}: no such file", path.display())
        }
        ErrorKind::PermissionDenied => {
            fail!(ACCESS_DENIED, "{}: no permission to read the file", path.display())
        }
        _ => fail!(INVALID_PARAMETER, "{}: cannot be read: {error}", path.display()),
    };
    let file = open_file(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(fail!(INVALID_PARAMETER, "{}: not a recording (not a file)", path.display()));
    }
    if facts.len() > LARGEST_FILE {
        return Err(fail!(INVALID_PARAMETER, "{}: larger than 1 GiB", path.display()));
    }
    let mut text = Vec::new();
    memory::permit()?;
    text.try_reserve_exact(facts.len() as usize + 1).map_err(|_| memory::no_memory())?;
    file.take(LARGEST_FILE).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

/// Waits for nothing, whatever the path names: a pipe that nobody writes to, or a terminal.
#[cfg(unix)]
fn open_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

#[cfg(not(unix))]
fn open_file(path: &Path) -> std::io::Result<File> {
    File::open(path)
}

/// What a recorded device answers to control requests.
struct Recorded(Shared<Recording>);

impl Device for Recorded {
    fn perform(&self, _core: &Core, _source: Option<&mut dyn Source>, claim: Claim) {
        answer_control(claim, |code, claim| match code {
            super::hid_device::GET_REPORT_DESCRIPTOR => {
                super::hid::answer(claim, &self.0.descriptor)
            }
            _ => Err(Error::new(
                Status::INVALID_DEVICE_REQUEST,
                "a recording does not answer this control code",
            )),
        });
    }
}

struct Player {
    recording: Shared<Recording>,
    pace: Pace,
    next: usize,
    round: u32,
    /// When the first event of this round was due; unknown until somebody asks.
    clock: Option<Instant>,
}

impl Player {
    fn is_over(&self) -> bool {
        self.recording.len() == 0 || self.pace.repeat != 0 && self.round >= self.pace.repeat
    }

    fn due(&self) -> Duration {
        let (at, _) = self.recording.event(self.next);
        Duration::try_from_secs_f64(at.as_secs_f64() / self.pace.speed).unwrap_or(Duration::MAX)
    }
}

impl Source for Player {
    fn next(&mut self) -> Next<'_> {
        if self.is_over() {
            return Next::Gone;
        }
        if !self.is_on_demand() {
            let due = self.due();
            let clock = *self.clock.get_or_insert_with(Instant::now);
            // A moment beyond the clock's end never comes.
            let moment = clock
                .checked_add(due)
                .unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            if Instant::now() < moment {
                return Next::NotBefore(moment);
            }
        }
        let index = self.next;
        self.next += 1;
        if self.next == self.recording.len() {
            self.next = 0;
            self.round = self.round.saturating_add(u32::from(self.pace.repeat != 0));
            self.clock = None;
        }
        Next::Report(self.recording.event(index).1, 0)
    }

    fn resume(&mut self, after: Duration) {
        self.clock = self.clock.and_then(|clock| clock.checked_add(after));
    }

    fn is_on_demand(&self) -> bool {
        self.pace.speed == 0.0
    }
}
