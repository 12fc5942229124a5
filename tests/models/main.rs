//! Each Module beside a model of a few lines: both get the same random operations, through the C
//! surface, and must answer alike. Wrong sizes, offsets out of range and foreign buffers are operations
//! like any other.
//!
//! A failure prints the shortest sequence that shows it, and the seed; `PROPTEST_RNG_SEED=seed` runs the
//! same sequences again. `DMF_TEST_SCALE` multiplies the number of steps. The fuzz targets run the same
//! models on the fuzzer's bytes.

pub mod buffer_pool;
pub mod buffer_queue;
mod buffers;
pub mod ping_pong_buffer;
pub mod ring_buffer;

use dmf::capi::misuse;
use dmf::capi::types::{
    DMF_MODULE_ATTRIBUTES, DMFMODULE, NTSTATUS, VOID, WDF_OBJECT_ATTRIBUTES, WDFDEVICE,
};
use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
#[cfg(fuzzing)]
use proptest::{
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng},
};
use std::cell::Cell;
use std::ffi::c_char;
use std::hash::{BuildHasher, RandomState};
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::Once;

const SUCCESS: NTSTATUS = 0;
const UNSUCCESSFUL: NTSTATUS = 0xC000_0001_u32 as i32;
const INVALID_PARAMETER: NTSTATUS = 0xC000_000D_u32 as i32;
const BUFFER_TOO_SMALL: NTSTATUS = 0xC000_0023_u32 as i32;
const INSUFFICIENT_RESOURCES: NTSTATUS = 0xC000_009A_u32 as i32;
const INVALID_DEVICE_STATE: NTSTATUS = 0xC000_0184_u32 as i32;
const INVALID_BUFFER_SIZE: NTSTATUS = 0xC000_0206_u32 as i32;

/// What a step found wrong.
type Outcome = Result<(), TestCaseError>;

/// Steps of each Module's test; there are four.
const STEPS: f64 = 28_000.0;
/// Steps of one sequence, at most.
const SEQUENCE: usize = 200;

fn steps() -> usize {
    let scale =
        std::env::var("DMF_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    (STEPS * scale).max(1.0) as usize
}

/// Runs random sequences of operations until enough steps are done. `run` does one sequence from the start.
fn check<S, O>(setting: S, operation: O, run: impl Fn(&S::Value, &[O::Value]) -> Outcome)
where
    S: Strategy,
    O: Strategy,
    O::Value: Clone,
{
    reports_are_counted();
    let chosen = Config {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        cases: 16,
        ..Config::default()
    };
    let mut seed = match chosen.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(0),
    };
    let sequences = (setting, vec(operation, 0..=SEQUENCE));
    let done = Cell::new(0);
    while done.get() < steps() {
        let config = Config { rng_seed: RngSeed::Fixed(seed), ..chosen.clone() };
        let result = TestRunner::new(config).run(&sequences, |(setting, operations)| {
            done.set(done.get() + operations.len());
            run(&setting, &operations)
        });
        if let Err(failure) = result {
            panic!("{failure}\nPROPTEST_RNG_SEED={seed} runs the same sequences again");
        }
        seed = seed.wrapping_add(1);
    }
    println!("{} steps", done.get());
}

/// Runs the one sequence of operations that `bytes` stand for: each takes two, which choose among 2^16 that
/// the strategies make. So a fuzzer that moves, drops and copies bytes does that with operations.
#[cfg(fuzzing)]
fn replay<S, O>(
    bytes: &[u8],
    setting: S,
    operation: O,
    run: impl Fn(&S::Value, &[O::Value]) -> Outcome,
) where
    S: Strategy,
    O: Strategy,
{
    reports_are_counted();
    let mut choices = bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
    let setting = chosen(&setting, choices.next().unwrap_or(0));
    let operations: Vec<_> =
        choices.take(SEQUENCE).map(|choice| chosen(&operation, choice)).collect();
    if let Err(failure) = run(&setting, &operations) {
        panic!("{failure}\n{setting:?}\n{operations:#?}");
    }
}

/// What a strategy makes of one of 2^16 seeds.
#[cfg(fuzzing)]
fn chosen<S: Strategy>(strategy: &S, choice: u16) -> S::Value {
    let bits = (u128::from(choice) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let seed = (bits ^ bits >> 59).wrapping_mul(0xDA94_2042_E4DD_58B5_DA94_2042_E4DD_58B5);
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &(seed ^ seed >> 64).to_le_bytes());
    strategy.new_tree(&mut TestRunner::new_with_rng(Config::default(), rng)).unwrap().current()
}

thread_local! {
    static REPORTS: Cell<u32> = const { Cell::new(0) };
}

unsafe extern "C" fn count_report(_: *const c_char, _: *mut VOID, _: *const c_char, _: *mut VOID) {
    REPORTS.set(REPORTS.get() + 1);
}

/// Reports come on the thread that broke the contract, so each test sees its own.
fn reports_are_counted() {
    static ONCE: Once = Once::new();
    // SAFETY: the handler takes what it is given and looks at none of it.
    ONCE.call_once(|| unsafe { misuse::handler_set(Some(count_report), null_mut()) });
}

/// The reports since the last call.
fn reports() -> u32 {
    REPORTS.replace(0)
}

/// Fails a step with what was expected and what came.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{what}: got {got:?}, expected {expected:?}")))
}

/// A `+` row that is called misuse is reported exactly once; what succeeds is never reported.
fn same_status(what: &str, got: NTSTATUS, expected: NTSTATUS) -> Outcome {
    same(what, format!("{got:#010x}"), format!("{expected:#010x}"))?;
    if expected == SUCCESS { same("misuse reports", reports(), 0) } else { reports_are_possible() }
}

/// Some refusals may be reported or not: the reference leaves it open.
fn reports_are_possible() -> Outcome {
    if reports() <= 1 { Ok(()) } else { Err(TestCaseError::fail("reported twice")) }
}

/// A Module, deleted when the sequence is over.
struct Module(pub DMFMODULE);

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: any handle value is allowed.
        unsafe { dmf::capi::object::delete(self.0.cast()) };
    }
}

type Create = unsafe extern "C" fn(
    WDFDEVICE,
    *mut DMF_MODULE_ATTRIBUTES,
    *mut WDF_OBJECT_ATTRIBUTES,
    *mut DMFMODULE,
) -> NTSTATUS;

/// Makes a Module as C does: Config and attributes initialized by the library, then filled in.
fn create<C>(
    init: unsafe extern "C" fn(*mut C, *mut DMF_MODULE_ATTRIBUTES),
    fill: impl FnOnce(&mut C),
    create: Create,
) -> Module {
    let mut config = MaybeUninit::<C>::uninit();
    let mut attributes = MaybeUninit::<DMF_MODULE_ATTRIBUTES>::uninit();
    let mut module = null_mut();
    // SAFETY: all pointers are of this function; `init` fills Config and attributes before they are
    // read.
    let status = unsafe {
        init(config.as_mut_ptr(), attributes.as_mut_ptr());
        fill(config.assume_init_mut());
        create(null_mut(), attributes.as_mut_ptr(), null_mut(), &raw mut module)
    };
    assert_eq!(status, SUCCESS);
    Module(module)
}

/// An address as C gives it.
fn pointer_of(address: usize) -> *mut VOID {
    std::ptr::with_exposed_provenance_mut(address)
}
