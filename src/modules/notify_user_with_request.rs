//! NotifyUserWithRequest: Requests wait for data, data waits for Requests; the oldest of one goes to
//! the oldest of the other.
//!
//! ```text
//!   EventRequestAdd, RequestProcess ──> Requests ──┐
//!                                                  ├──> callback, which completes the Request
//!   DataProcess ──────────────────────> data ──────┘
//! ```
//!
//! An entry of data is a buffer of a pool: the copy of the data, and in its context who is to be told and
//! how ([`Note`]). One lock guards the Requests and the entries that wait; no callback runs under it.
//!
//! Source: Dmf_NotifyUserWithRequest.md.

use super::buffer_pool::{BufferPool, End, Settings};
use crate::framework::buffer::{self, Buffer};
use crate::framework::frames::{self, Activity};
use crate::framework::guarded::{Guarded, Inside, Level};
use crate::framework::handle::{Handle, Kind};
use crate::framework::list::List;
use crate::framework::slab::Shape;
use crate::framework::span::Span;
use crate::framework::status::{Error, Status};
use crate::framework::sync::{AtomicU64, Ordering};
use crate::framework::table::{Object, Ref, Visit};
use crate::framework::timer;
use crate::framework::tree::Draft;
use crate::io::queue::{Pushed, RequestQueue};
use crate::io::request::{Canceler, Claim, Left, Request};
use crate::io::request_state::Holder;

/// What the Module is configured to do.
#[derive(Clone, Copy)]
pub struct Config {
    pub most_requests: u32,
    pub most_data: u32,
    pub data_size: u32,
    pub look_aside: bool,
    pub time_stamping: bool,
}

/// The Client's callbacks. A `callback` is C's, as the surface gave it; 0 is none.
pub trait Client: Send + Sync {
    /// Has the Client complete a Request.
    fn call(
        &self,
        module: Handle,
        callback: usize,
        request: Handle,
        context: usize,
        status: Status,
    );

    /// The Client's cancel callback, if there is one.
    fn canceled(&self, module: Handle, request: Handle);

    /// The Client's data cleanup callback, if there is one.
    fn clean_up(&self, module: Handle, data: *mut u8);
}

/// See the file's head.
pub struct NotifyUserWithRequest {
    handle: Handle,
    config: Config,
    /// The entries that are not used. None if the Module keeps no data.
    free: Option<Ref<BufferPool>>,
    client: Box<dyn Client>,
    waiting: Guarded<Waiting>,
    discarded: AtomicU64,
}

/// What waits: Requests, or entries, or for a moment both.
#[derive(Default)]
struct Waiting {
    requests: RequestQueue,
    /// Requests in the queue that still wait.
    pending: u32,
    entries: List,
    /// The Module takes no more.
    closing: bool,
}

/// What stands in the context of an entry of data.
#[derive(Clone, Copy)]
struct Note {
    callback: usize,
    status: Status,
    timestamp: u64,
}

impl Note {
    const SIZE: u32 = 24;

    fn write(self, buffer: &Buffer) {
        let mut bytes = [0; Self::SIZE as usize];
        bytes[..8].copy_from_slice(&(self.callback as u64).to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.timestamp.to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.status.0.to_ne_bytes());
        Span::of_context(buffer.view()).fill(&bytes);
    }

    fn read(context: Span) -> Self {
        let mut bytes = [0; Self::SIZE as usize];
        context.copy_to(&mut bytes);
        Self::of(bytes)
    }

    fn of(bytes: [u8; Self::SIZE as usize]) -> Self {
        let long = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_ne_bytes(eight)
        };
        Self {
            callback: long(0) as usize,
            timestamp: long(8),
            status: Status(long(16) as u32 as i32),
        }
    }
}

impl NotifyUserWithRequest {
    /// The body of a Module that is being made.
    pub fn new(draft: &Draft, config: Config, client: Box<dyn Client>) -> Result<Self, Error> {
        let free = if config.most_data > 0 {
            // Entries without data have a byte all the same, so that their address is one.
            let shape = Shape {
                buffer_size: config.data_size.max(1),
                context_size: Note::SIZE,
                with_timer: false,
            };
            let settings =
                Settings { count: config.most_data, shape, look_aside: config.look_aside };
            Some(Ref::<BufferPool>::hidden_source_below(draft, settings)?)
        } else {
            None
        };
        Ok(Self {
            handle: draft.handle(),
            config,
            free,
            client,
            waiting: Guarded::new(Level::Inner, Waiting::default()),
            discarded: AtomicU64::new(0),
        })
    }

    pub fn discarded(&self) -> u64 {
        self.discarded.load(Ordering::Relaxed)
    }

    /// Queues a Request; never looks at data.
    pub fn request_add(&self, request: Ref<Request>) -> Result<(), Error> {
        self.add(request).map(drop)
    }

    /// Queues a Request and tries to complete one with data.
    pub fn request_process(&self, request: Ref<Request>) -> Result<(), Error> {
        let free = self.free()?;
        let waiting = self.add(request)?;
        self.pair(waiting, free);
        Ok(())
    }

    /// Queues a Request. One that was canceled before has been told so.
    fn add(&self, request: Ref<Request>) -> Result<Inside<'_, Waiting>, Error> {
        let mut waiting = self.waiting.lock();
        if waiting.closing {
            return Err(Error::new(Status::INVALID_DEVICE_STATE, "the object is being deleted"));
        }
        if waiting.pending >= self.config.most_requests {
            return Err(Error::new(
                Status::INVALID_DEVICE_STATE,
                "MaximumNumberOfPendingRequests are pending already",
            ));
        }
        if self.config.time_stamping {
            request.lock()?.timestamp = timer::now();
        }
        let canceler = Canceler { module: self.handle, left };
        let pushed = waiting.requests.push(request, Some(canceler), None)?;
        waiting.pending += 1;
        if pushed == Pushed::Waits {
            return Ok(waiting);
        }
        drop(waiting);
        self.left(Left::Canceled(request));
        Ok(self.waiting.lock())
    }

    /// Queues a copy of the data, zeros if there is none, and tries to complete a Request with the
    /// oldest.
    pub fn data_process(
        &self,
        callback: usize,
        data: Option<Span>,
        status: Status,
    ) -> Result<(), Error> {
        let free = self.free()?;
        let entry = self.free_entry(free)?;
        if let Some(data) = data {
            Span::of_buffer(entry.view(), self.config.data_size as usize).copy_from(data);
        }
        let timestamp = if self.config.time_stamping { timer::now() } else { 0 };
        Note { callback, status, timestamp }.write(&entry);
        let mut waiting = self.waiting.lock();
        waiting.entries.push_back(entry);
        self.pair(waiting, free);
        Ok(())
    }

    fn free(&self) -> Result<Ref<BufferPool>, Error> {
        self.free.ok_or(Error::misuse(
            Status::INVALID_DEVICE_STATE,
            "MaximumNumberOfPendingDataBuffers is 0: the Module keeps no data",
        ))
    }

    /// Bytes of an entry of data.
    pub fn data_size(&self) -> u32 {
        self.config.data_size
    }

    /// Gives the oldest Request to the callback. False: none is pending.
    pub fn request_return(&self, callback: usize, context: usize, status: Status) -> bool {
        let Some(request) = self.next_request(u64::MAX) else { return false };
        self.hand_over(callback, request, context, status);
        true
    }

    /// Gives the Requests that are pending now to the callback, the oldest first.
    pub fn request_return_all(&self, callback: usize, context: usize, status: Status) {
        let end = self.waiting.lock().requests.end();
        while let Some(request) = self.next_request(end) {
            self.hand_over(callback, request, context, status);
        }
    }

    /// When the data came whose copy stands at `address`.
    pub fn data_timestamp(&self, address: usize) -> Result<u64, Error> {
        let mut note = [0; Note::SIZE as usize];
        let source = self.free()?.handle;
        buffer::read_context(address, source, &mut note)?;
        Ok(Note::of(note).timestamp)
    }

    pub fn request_timestamp(&self, request: Ref<Request>) -> Result<u64, Error> {
        let timestamp = request.lock()?.timestamp;
        Ok(if self.config.time_stamping { timestamp } else { 0 })
    }

    /// The oldest of the Requests that were queued before the queue's end was `end`.
    fn next_request(&self, end: u64) -> Option<Ref<Request>> {
        let mut waiting = self.waiting.lock();
        let claim = waiting.requests.claim_before(end, Holder::Client)?;
        waiting.pending -= 1;
        Some(claim.request)
    }

    /// A buffer for a new entry: a free one, else the oldest entry's, else one more.
    fn free_entry(&self, free: Ref<BufferPool>) -> Result<Buffer, Error> {
        let error = match free.get() {
            Ok(buffer) => return Ok(buffer),
            Err(error) => error,
        };
        if self.config.look_aside || error.status != Status::UNSUCCESSFUL {
            return Err(error.with_status(Status::INSUFFICIENT_RESOURCES));
        }
        let oldest = self.waiting.lock().entries.pop_front();
        // Or every entry is in a callback.
        let Some(oldest) = oldest else { return free.get_extra() };
        self.client.clean_up(self.handle, oldest.view().buffer.as_ptr());
        self.discarded.fetch_add(1, Ordering::Relaxed);
        oldest.zero();
        Ok(oldest)
    }

    /// Completes the oldest Request with the oldest data, if there is one of each.
    fn pair(&self, mut waiting: Inside<'_, Waiting>, free: Ref<BufferPool>) {
        if waiting.entries.len() == 0 {
            return;
        }
        let Some(Claim { request, .. }) = waiting.requests.claim(Holder::Client) else { return };
        waiting.pending -= 1;
        let Some(entry) = waiting.entries.pop_front() else { unreachable!("there is one") };
        drop(waiting);
        let view = entry.view();
        let Note { callback, status, .. } = Note::read(Span::of_context(view));
        let data = view.buffer.as_ptr();
        self.hand_over(callback, request, data.expose_provenance(), status);
        self.client.clean_up(self.handle, data);
        free.put(entry, End::Tail);
    }

    /// Has the callback complete a Request, which is held for it.
    fn hand_over(&self, callback: usize, request: Ref<Request>, context: usize, status: Status) {
        if callback == 0 {
            let _ = request.complete(status, None);
            return;
        }
        frames::within(self.handle, Activity::Callback, || {
            self.client.call(self.handle, callback, request.handle, context, status);
        });
    }

    /// A Request has left the queue early.
    fn left(&self, left: Left) {
        let mut waiting = self.waiting.lock();
        waiting.pending -= 1;
        let closing = waiting.closing;
        drop(waiting);
        let Left::Canceled(request) = left else { return };
        frames::within(self.handle, Activity::Callback, || {
            if !closing {
                self.client.canceled(self.handle, request.handle);
            }
            request.complete_if_with_client(Status::CANCELLED);
        });
    }
}

/// As the Module's own, on whatever thread it happens. In a frame that is left after the visit: a delete of the
/// Module that is put off inside would wait for the visitor.
fn left(visit: Visit, left: Left) {
    frames::within(visit.handle, Activity::Method, move || {
        if let Some(module) = visit.body::<NotifyUserWithRequest>() {
            module.left(left);
        }
    });
}

impl Object for NotifyUserWithRequest {
    const KIND: Kind = Kind::NotifyUserWithRequest;
    const ENTERED: bool = true;

    fn shut(&self) {
        self.waiting.lock().closing = true;
    }

    /// Whoever cancels one of the Requests meanwhile is a visitor.
    fn end_waiting(&self) {
        while let Some(request) = self.next_request(u64::MAX) {
            let _ = request.complete(Status::CANCELLED, None);
        }
    }

    fn close(&mut self, _handle: Handle) {
        let mut entries = std::mem::take(&mut self.waiting.lock().entries);
        while let Some(entry) = entries.pop_front() {
            self.client.clean_up(self.handle, entry.view().buffer.as_ptr());
        }
    }
}
