//! What the agent does with the engine's outputs, on a table in memory. Shared by the tests in virtual time.

use bytemuck::Zeroable as _;
use sctp_monitor_common::{abi::FlowRecord, memory::MemoryTable, track::FlowTable as _};
use sctp_monitor_engine::{Output, event::Event};

/// Does what the engine wants done; gives the event if it is one, and names the slot that is `released`.
pub(crate) fn carry_out(
    output: Output,
    table: &mut MemoryTable,
    released: impl FnOnce(u32),
) -> Option<Event> {
    match output {
        Output::Event(event) => return Some(*event),
        Output::Link {
            slot,
            data_slot,
            reverse_slot,
            sibling_slot,
        } => {
            let record = table.record(slot).expect("a slot that the table gave");
            record.data_slot = data_slot;
            record.reverse_slot = reverse_slot;
            record.sibling_slot = sibling_slot;
        }
        Output::SetTag { slot, tag } => {
            let record = table.record(slot).expect("a slot that the table gave");
            record.tag = tag;
            // As the agent does.
            let fresh = FlowRecord::zeroed();
            record.sender = fresh.sender;
            record.timed = fresh.timed;
            record.outstanding = fresh.outstanding;
        }
        Output::Release { slot, key } => {
            table.forget(&key);
            released(slot);
        }
    }
    None
}
