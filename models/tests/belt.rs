//! Every schedule of a belt's two ends, and every slip found. One test: the slip is the process's.

use models::belts::{Slip, check, finds};

#[test]
fn what_is_laid_on_a_belt_comes_off_in_order_and_whole() {
    for (count, items, preemptions) in [(1, 3, None), (2, 3, None), (2, 4, Some(3))] {
        check(count, items, preemptions);
        for slip in [Slip::PublishesTooEarly, Slip::LooksWithoutAcquiring] {
            assert!(
                finds(count, items, preemptions, slip),
                "{slip:?} is not noticed with {count} slots"
            );
        }
    }
}
