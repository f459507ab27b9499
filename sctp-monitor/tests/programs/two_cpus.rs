//! Both directions of an address pair on two CPUs, as fast as the programs take them: live frames (BPF_F_TEST_XDP_LIVE_FRAMES) run the
//! XDP program as a NIC's driver does, hundreds in one go.
//!
//! What an interface's processing would make random is left out: each CPU has its frames, and waits for the other one only where an
//! endpoint would. So all counts are known.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use sctp_monitor::kernel::Kernel;
use sctp_monitor_common::{
    abi::{Counter, FlowLinks, FlowRecord, SlotRef},
    wire::ChunkKind,
};
use sctp_monitor_lab::Namespace;
use sctp_monitor_testkit::frames::{self, Packet};

use crate::{BACK, TAG, both::generous};

/// HEARTBEATs, each with its answer.
const ROUNDS: u32 = 400;
/// DATA packets of a round, all with one TSN, and as many SACKs of it.
const BURST: u32 = 256;
const FIRST_TSN: u32 = 1_000;

#[test]
fn live_frames_of_both_directions_on_two_cpus_are_counted_exactly() {
    let namespace = Namespace::new("two-cpus").unwrap();
    let mut kernel = Kernel::load(&generous()).unwrap();
    let program = program(&mut kernel);
    let [out, back] = linked(&mut kernel, &namespace, program);
    let (asked, answered) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            on_cpu(0, &namespace, || {
                for round in 1..=ROUNDS {
                    run(program, &frame(true, frames::heartbeat(&info(round))), 1);
                    asked.store(round, Ordering::Release);
                    run(program, &frame(true, frames::data(FIRST_TSN + round, 64)), BURST);
                    // The record has room for two HEARTBEATs.
                    reached(&answered, round - 1);
                }
            });
        });
        scope.spawn(|| {
            on_cpu(1, &namespace, || {
                for round in 1..=ROUNDS {
                    run(
                        program,
                        &frame(false, frames::sack(FIRST_TSN + round - 1, &[])),
                        BURST,
                    );
                    reached(&asked, round);
                    run(program, &frame(false, frames::heartbeat_ack(&info(round))), 1);
                    answered.store(round, Ordering::Release);
                }
            });
        });
    });
    let forward = kernel.record(out).unwrap();
    let reverse = kernel.record(back).unwrap();
    let bursts = u64::from(ROUNDS * BURST);
    let count = |record: &FlowRecord, kind: ChunkKind| record.chunk_count(kind);
    // One packet opened each flow.
    assert_eq!(forward.packets, bursts + u64::from(ROUNDS) + 1, "{forward:#?}");
    assert_eq!(reverse.packets, bursts + u64::from(ROUNDS) + 1, "{reverse:#?}");
    assert_eq!(forward.data_chunks, bursts + 1);
    assert_eq!(forward.retransmissions, ROUNDS * (BURST - 1));
    assert_eq!(count(&forward, ChunkKind::Heartbeat), u64::from(ROUNDS));
    assert_eq!(count(&reverse, ChunkKind::HeartbeatAck), u64::from(ROUNDS));
    assert_eq!(count(&reverse, ChunkKind::Sack), bursts + 1);
    assert_eq!(forward.heartbeats_answered, ROUNDS, "{forward:#?}");
    assert!(forward.outstanding.iter().all(|waiting| waiting.sent_at_ns == 0));
    assert_eq!(forward.sender.highest_tsn, FIRST_TSN + ROUNDS);
    assert_eq!(forward.sender.highest_acked, FIRST_TSN + ROUNDS - 1);
    assert_eq!((forward.tag_mismatches, reverse.tag_mismatches), (0, 0));
    let counters = kernel.counters().unwrap();
    for counter in [Counter::HeartbeatAckUnmatched, Counter::TagMismatch] {
        assert_eq!(counters.value(counter), 0, "{}", counter.name());
    }
    // Whatever the race left waiting is over with the next SACK, and the next DATA is timed.
    namespace
        .run(|| {
            run(program, &frame(false, frames::sack(FIRST_TSN + ROUNDS, &[])), 1);
        })
        .unwrap();
    assert!(!kernel.record(out).unwrap().timed.is_armed());
    namespace
        .run(|| {
            run(program, &frame(true, frames::data(FIRST_TSN + ROUNDS + 1, 64)), 1);
        })
        .unwrap();
    let timed = kernel.record(out).unwrap().timed;
    assert!(timed.is_armed() && timed.is_alone());
    assert_eq!(timed.tsn, FIRST_TSN + ROUNDS + 1);
}

fn info(round: u32) -> Vec<u8> {
    round.to_be_bytes().repeat(10)
}

fn frame(leaves: bool, chunk: Vec<u8>) -> Vec<u8> {
    if leaves {
        Packet::v4(TAG, vec![chunk]).ethernet()
    } else {
        Packet::v4(BACK, vec![chunk]).reversed().ethernet()
    }
}

/// The slots of both directions, which the agent has told of each other.
fn linked(kernel: &mut Kernel, namespace: &Namespace, program: i32) -> [u32; 2] {
    namespace
        .run(|| {
            run(program, &frame(true, frames::data(FIRST_TSN, 64)), 1);
            run(program, &frame(false, frames::sack(FIRST_TSN - 1, &[])), 1);
        })
        .unwrap();
    let [out, back] = [TAG, BACK].map(|tag| {
        let mut slots = 0..kernel.max_flows();
        let has_tag = |slot: &u32| kernel.record(*slot).is_some_and(|record| record.tag == tag);
        slots.find(has_tag).unwrap()
    });
    for (slot, reverse, tag) in [(out, back, TAG), (back, out, BACK)] {
        let links = FlowLinks {
            tag,
            reverse: SlotRef::to(reverse),
            next: SlotRef::to(slot),
            tsn_state: SlotRef::to(slot),
            ..FlowLinks::default()
        };
        kernel.link(slot, &links);
    }
    [out, back]
}

fn program(kernel: &mut Kernel) -> i32 {
    kernel
        .xdp("xdp_ingress")
        .unwrap()
        .fd()
        .unwrap()
        .as_fd()
        .as_raw_fd()
}

/// Does something on one CPU, if the machine has as many, in a namespace: its loopback interface is where the frames arrive.
fn on_cpu(cpu: usize, namespace: &Namespace, work: impl FnOnce() + Send) {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
    namespace.run(work).unwrap();
}

/// Waits until the other side is so far.
fn reached(progress: &AtomicU32, round: u32) {
    while progress.load(Ordering::Acquire) < round {
        std::hint::spin_loop();
        std::thread::yield_now();
    }
}

/// Runs a program on so many live copies of a frame, on this CPU. They pass on to the stack, for which they are nobody's.
fn run(program: i32, frame: &[u8], repeat: u32) {
    let test = TestRun {
        prog_fd: program as u32,
        data_size_in: frame.len() as u32,
        data_in: frame.as_ptr() as u64,
        repeat,
        flags: LIVE_FRAMES,
        batch_size: repeat.min(MOST_IN_A_BATCH),
        ..TestRun::default()
    };
    // SAFETY: the kernel reads as many bytes as it is told of the attributes and of the frame, and both outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROG_TEST_RUN,
            &raw const test,
            size_of::<TestRun>(),
        )
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// The attributes of BPF_PROG_TEST_RUN (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

const PROG_TEST_RUN: libc::c_int = 10;
const LIVE_FRAMES: u32 = 1 << 1;
const MOST_IN_A_BATCH: u32 = 256;
