//! What the agent does with the engine's outputs, on a table in memory. Shared by the tests in virtual time.

use sctp_monitor_common::memory::MemoryTable;
use sctp_monitor_engine::{Output, model::Event};

/// Does what the engine wants done; gives the event if it is one, and names the slot that is `released`.
pub(crate) fn carry_out(
    output: Output,
    table: &mut MemoryTable,
    released: impl FnOnce(u32),
) -> Option<Event> {
    match output {
        Output::Event(event) => return Some(*event),
        Output::Link { slot, links } => table.link(slot, &links),
        Output::Release { slot, key } => {
            let referring = table.all_links().iter().position(|links| links.refer_to(slot));
            assert_eq!(referring, None, "refers to slot {slot}, which is released");
            table.forget(&key);
            released(slot);
        }
    }
    None
}
