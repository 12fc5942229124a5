//! What the threads of a race do to one Request, two and three at a time.
//!
//! In some races the one who has the Request never answers: there a cancellation must end it, so at
//! least one of the others cancels.

use crate::checker::{Actor, Checker};
use crate::request::{CANCELED, Request, Sender, Slip, TIMED_OUT, Terms};
use crate::request_state::Holder;
use crate::seeded::Seed;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

type Act<C> = fn(&Request<C>);

/// One race: the threads begin when `prepare` has returned.
pub struct Race<C: Checker> {
    pub name: String,
    terms: Terms,
    prepare: Act<C>,
    acts: Vec<Act<C>>,
}

impl<C: Checker> Clone for Race<C> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            terms: self.terms,
            prepare: self.prepare,
            acts: self.acts.clone(),
        }
    }
}

impl<C: Checker> Race<C> {
    /// Checks the race under all of the checker's schedules; how many there were. Panics with what is
    /// wrong.
    pub fn check(&self, seed: Seed, slip: Option<Slip>) -> usize {
        let schedules = Arc::new(AtomicUsize::new(0));
        let (race, counted) = (self.clone(), schedules.clone());
        C::check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            race.run(seed.clone(), slip);
        });
        schedules.load(Ordering::Relaxed)
    }

    /// As [`Race::check`]: what is wrong, if something is.
    pub fn failure(&self, seed: Seed, slip: Option<Slip>) -> Option<String> {
        let result = catch_unwind(AssertUnwindSafe(|| self.check(seed, slip)));
        result.err().map(|panic| match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(_) => "a panic without a text".to_string(),
        })
    }

    /// One schedule.
    fn run(&self, seed: Seed, slip: Option<Slip>) {
        let request = Arc::new(Request::<C>::new(self.terms, seed, slip));
        (self.prepare)(&request);
        let actors = self.acts.iter().map(|act| {
            let (act, request) = (*act, request.clone());
            Box::new(move || act(&request)) as Actor
        });
        C::run(actors.collect());
        request.audit();
    }
}

fn nothing<C: Checker>(_: &Request<C>) {}

fn submit<C: Checker>(request: &Request<C>) {
    request.submit();
}

fn cancel<C: Checker>(request: &Request<C>) {
    request.cancel(CANCELED);
}

fn time_out<C: Checker>(request: &Request<C>) {
    request.cancel(TIMED_OUT);
}

fn remove<C: Checker>(request: &Request<C>) {
    request.remove();
}

fn delete<C: Checker>(request: &Request<C>) {
    request.delete();
}

/// The target goes away.
fn reclaim<C: Checker>(request: &Request<C>) {
    request.reclaim();
}

/// Takes the Request and answers it.
fn answer<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.complete();
    }
}

/// An answer from elsewhere, if the Request is somebody's by now.
fn answer_elsewhere<C: Checker>(request: &Request<C>) {
    request.complete();
}

/// Answers both of a Request that is sent twice, with an entry of the first that may be stale.
fn answer_twice<C: Checker>(request: &Request<C>) {
    for _ in 0..2 {
        if request.claim_of(1) {
            request.complete();
        }
    }
    answer(request);
}

/// The creator gives up a Request that it may have submitted meanwhile.
fn give_up<C: Checker>(request: &Request<C>) {
    request.give_up();
}

fn arm_and_submit<C: Checker>(request: &Request<C>) {
    if request.arm() {
        request.submit();
    }
}

/// A target keeps the Request and never answers.
fn keep<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.keep();
    }
}

/// A target has kept the Request before the race begins.
fn kept<C: Checker>(request: &Request<C>) {
    request.submit();
    keep(request);
}

/// Keeps the Request for an operation that blocks, and answers if the sender still waits.
fn operate<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.keep();
        request.take_up();
        request.complete();
    }
}

fn keep_and_answer<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.keep();
        request.complete();
    }
}

/// Completes when asked to cancel, and not before.
fn mark<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
    }
}

fn mark_ex<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark_ex();
    }
}

fn mark_ex_and_answer<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark_ex();
        if request.unmark() {
            request.complete();
        }
    }
}

fn keep_mark_ex_and_answer<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.keep();
        request.mark_ex();
        if request.unmark() {
            request.complete();
        }
    }
}

fn mark_twice<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
        request.mark();
    }
}

fn mark_and_answer<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
        if request.unmark() {
            request.complete();
        }
    }
}

/// The routine only notes; the holder completes whatever the answer to the unmark is.
fn mark_and_answer_always<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
        request.unmark();
        request.complete();
    }
}

/// The routine may complete before the holder does, who did not take it back.
fn mark_and_answer_without_unmark<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
        request.complete();
    }
}

fn mark_and_keep<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
        request.keep();
    }
}

fn mark_keep_and_answer<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
        request.keep();
        if request.unmark() {
            request.complete();
        }
    }
}

/// Takes the routine back before the callback returns, then keeps the Request for ever.
fn mark_unmark_and_keep<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
        if request.unmark() {
            request.keep();
        }
    }
}

/// As above after the callback has returned.
fn mark_keep_and_unmark<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
        request.keep();
        request.unmark();
    }
}

fn keep_and_mark<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.keep();
        request.mark();
    }
}

fn keep_mark_and_answer<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.keep();
        request.mark();
        if request.unmark() {
            request.complete();
        }
    }
}

/// The Client takes its routine back, and says later how to cancel.
fn mark_again<C: Checker>(request: &Request<C>) {
    if request.claim() {
        request.mark();
        if request.unmark() {
            request.mark();
        }
    }
}

/// All races.
pub fn all<C: Checker>() -> Vec<Race<C>> {
    let mut races = Vec::new();
    let terms = |sender, holder| Terms {
        sender,
        holder,
        tells: false,
        sends_again: false,
        routine_completes: true,
    };
    let transport = terms(Sender::Stream, Holder::Transport);
    let client = terms(Sender::Program, Holder::Client);
    let told = Terms { tells: true, ..client };
    let single = terms(Sender::Single, Holder::Callback(false));
    let stream = terms(Sender::Stream, Holder::Callback(true));
    let everybody = [
        ("a transport", transport),
        ("a Client", client),
        ("a Client whose queue is told", told),
        ("a target with a send", single),
        ("a target with a stream", stream),
    ];

    let mut add = |name: &str, who: &str, terms: Terms, prepare: Act<C>, acts: &[Act<C>]| {
        let name = format!("{name}: {who}");
        races.push(Race { name, terms, prepare, acts: acts.to_vec() });
    };

    for (who, terms) in everybody {
        add("answer, cancel", who, terms, submit, &[answer, cancel]);
        add("answer, cancel, time-out", who, terms, submit, &[answer, cancel, time_out]);
        add("answer, removal", who, terms, submit, &[answer, remove]);
        add("answer, cancel, removal", who, terms, submit, &[answer, cancel, remove]);
        add("answer, answer, cancel", who, terms, submit, &[answer, answer, cancel]);
        add("submit, cancel, answer", who, terms, nothing, &[submit, cancel, answer]);
        add("submit, removal, answer", who, terms, nothing, &[submit, remove, answer]);
        add("submit, removal, cancel", who, terms, nothing, &[submit, remove, cancel]);
        let again = Terms { sends_again: true, ..terms };
        add("answer both of two, cancel", who, again, submit, &[answer_twice, cancel]);
        add(
            "answer both of two, cancel, time-out",
            who,
            again,
            submit,
            &[answer_twice, cancel, time_out],
        );
        add(
            "answer, answer, removal of one sent again",
            who,
            again,
            submit,
            &[answer, answer, remove],
        );
        add("arm and submit, cancel", who, terms, nothing, &[arm_and_submit, cancel]);
        add(
            "arm and submit, cancel, answer",
            who,
            terms,
            nothing,
            &[arm_and_submit, cancel, answer],
        );
    }

    for (who, terms) in [("a Client", client), ("a Client whose queue is told", told)] {
        add("answer, delete", who, terms, submit, &[answer, delete]);
        add("answer, cancel, delete", who, terms, submit, &[answer, cancel, delete]);
        add("answer, removal, delete", who, terms, submit, &[answer, remove, delete]);
        add("submit, delete", who, terms, nothing, &[submit, delete]);
        add("submit, cancel, delete", who, terms, nothing, &[submit, cancel, delete]);
        add("submit, submit, cancel", who, terms, nothing, &[submit, submit, cancel]);
        add("submit, give up", who, terms, nothing, &[submit, give_up]);
        add("give up, delete", who, terms, nothing, &[give_up, delete]);
        add("give up, cancel, delete", who, terms, nothing, &[give_up, cancel, delete]);
        add("canceled before, submit, delete", who, terms, cancel, &[submit, delete]);
        add("canceled before, submit, submit", who, terms, cancel, &[submit, submit]);
        add("canceled before, give up", who, terms, cancel, &[give_up, delete]);
    }

    for (who, terms) in everybody.into_iter().skip(1) {
        add("marked, cancel", who, terms, submit, &[mark, cancel]);
        add("marked, cancel, time-out", who, terms, submit, &[mark, cancel, time_out]);
        add("marked, cancel, removal", who, terms, submit, &[mark, cancel, remove]);
        add("marked, removal", who, terms, submit, &[mark, remove]);
        add("marked ex, cancel, time-out", who, terms, submit, &[mark_ex, cancel, time_out]);
        add("marked ex and answered, cancel", who, terms, submit, &[mark_ex_and_answer, cancel]);
        add("marked twice, cancel", who, terms, submit, &[mark_twice, cancel]);
        add("marked and answered, cancel", who, terms, submit, &[mark_and_answer, cancel]);
        add(
            "marked and answered, cancel, time-out",
            who,
            terms,
            submit,
            &[mark_and_answer, cancel, time_out],
        );
        add(
            "marked and answered, cancel, removal",
            who,
            terms,
            submit,
            &[mark_and_answer, cancel, remove],
        );
        add(
            "answered without unmark, cancel",
            who,
            terms,
            submit,
            &[mark_and_answer_without_unmark, cancel],
        );
        add("marked again, cancel", who, terms, submit, &[mark_again, cancel]);
        let noted = Terms { routine_completes: false, ..terms };
        add(
            "marked, the routine notes, cancel, time-out",
            who,
            noted,
            submit,
            &[mark_and_answer_always, cancel, time_out],
        );
        add(
            "marked, the routine notes, cancel, removal",
            who,
            noted,
            submit,
            &[mark_and_answer_always, cancel, remove],
        );
    }

    for (who, terms) in [("a send", single), ("a stream", stream)] {
        add("kept, cancel", who, terms, submit, &[keep, cancel]);
        add("kept, cancel, time-out", who, terms, submit, &[keep, cancel, time_out]);
        add("kept before, cancel, the target goes", who, terms, kept, &[cancel, reclaim]);
        add(
            "kept before, answered, the target goes",
            who,
            terms,
            kept,
            &[answer_elsewhere, reclaim],
        );
        add(
            "kept before, answered, cancel, the target goes",
            who,
            terms,
            kept,
            &[answer_elsewhere, cancel, reclaim],
        );
        add("kept, removal", who, terms, submit, &[keep, remove]);
        add("operated on, cancel", who, terms, submit, &[operate, cancel]);
        add("operated on, cancel, time-out", who, terms, submit, &[operate, cancel, time_out]);
        add("operated on, removal", who, terms, submit, &[operate, remove]);
        add("kept and answered, cancel", who, terms, submit, &[keep_and_answer, cancel]);
        add(
            "kept and answered, cancel, time-out",
            who,
            terms,
            submit,
            &[keep_and_answer, cancel, time_out],
        );
        add(
            "kept, answered elsewhere, cancel",
            who,
            terms,
            submit,
            &[keep, answer_elsewhere, cancel],
        );
        add(
            "kept and answered, cancel, removal",
            who,
            terms,
            submit,
            &[keep_and_answer, cancel, remove],
        );
        let again = Terms { sends_again: true, ..terms };
        add(
            "kept and answered, cancel, of one sent again",
            who,
            again,
            submit,
            &[keep_and_answer, cancel, time_out],
        );
        add(
            "kept, answered elsewhere, cancel, of one sent again",
            who,
            again,
            submit,
            &[keep_and_answer, answer_elsewhere, cancel],
        );
        add("marked and kept, cancel", who, terms, submit, &[mark_and_keep, cancel]);
        add(
            "marked and kept, cancel, time-out",
            who,
            terms,
            submit,
            &[mark_and_keep, cancel, time_out],
        );
        add(
            "marked, kept and answered, cancel",
            who,
            terms,
            submit,
            &[mark_keep_and_answer, cancel],
        );
        add(
            "marked, unmarked and kept, cancel",
            who,
            terms,
            submit,
            &[mark_unmark_and_keep, cancel],
        );
        add(
            "marked, kept and unmarked, cancel",
            who,
            terms,
            submit,
            &[mark_keep_and_unmark, cancel],
        );
        add("kept and marked, cancel", who, terms, submit, &[keep_and_mark, cancel]);
        add(
            "kept and marked, cancel, time-out",
            who,
            terms,
            submit,
            &[keep_and_mark, cancel, time_out],
        );
        add(
            "kept, marked ex and answered, cancel",
            who,
            terms,
            submit,
            &[keep_mark_ex_and_answer, cancel],
        );
        add(
            "kept, marked and answered, cancel",
            who,
            terms,
            submit,
            &[keep_mark_and_answer, cancel],
        );
    }
    races
}

/// Checks every race with the sound machine. Panics with the names of those that fail.
pub fn check_all<C: Checker>() {
    let start = Instant::now();
    let races = all::<C>();
    let mut sum = 0;
    let mut failures = Vec::new();
    for race in &races {
        let begun = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| race.check(Seed::Sound, None))) {
            Ok(schedules) => {
                sum += schedules;
                let (threads, time) = (race.acts.len(), begun.elapsed());
                println!("{threads} threads, {schedules} schedules, {time:?}: {}", race.name);
            }
            Err(_) => failures.push(&race.name),
        }
    }
    println!("{} races, {sum} schedules, {:?}", races.len(), start.elapsed());
    assert!(failures.is_empty(), "these races fail: {failures:#?}");
}
