//! The programs in the running kernel: the verifier takes them within budget, and they do packet by packet what the
//! same functions do over a slice.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use aya::programs::{ProgramError, TestRun, TestRunOptions, TestRunResult, XdpMode};
use sctp_monitor::kernel::{Kernel, LoadOptions};
use sctp_monitor_common::{
    abi::{Counter, FlowRecord, Interface, RingRecord, Rtt},
    memory::MemoryTable,
    track::{MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions},
};
use sctp_monitor_lab::{
    Namespace,
    frames::{self, Packet},
};

const PROGRAMS: [&str; 4] = ["xdp_ingress", "xdp_ingress_frags", "tc_ingress", "tc_egress"];
const TAG: u32 = 0x1234_5678;
const BACK: u32 = 0x8765_4321;

/// Two thirds of the verifier's limit of a million: other kernels take other paths through the same program, and some of them
/// longer ones. Linux 6.1 needs most of those that are tested ([the table](../../docs/compatibility.md)).
const INSTRUCTION_BUDGET: u32 = 700_000;

#[test]
fn the_verifier_takes_every_program_within_budget() {
    let mut kernel = kernel();
    for name in PROGRAMS {
        let info = if name.starts_with("xdp") {
            kernel.xdp(name).unwrap().info().unwrap()
        } else {
            kernel.classifier(name).unwrap().info().unwrap()
        };
        let verified = info.verified_instruction_count().expect("Linux 5.16 tells");
        println!(
            "{name}: {verified} instructions verified, {} bytes of machine code",
            info.size_jitted()
        );
        assert!(verified <= INSTRUCTION_BUDGET, "{name} needs {verified}");
    }
}

#[test]
fn programs_and_slices_agree_on_every_kind_of_packet() {
    for name in PROGRAMS {
        let mut both = Both::new(name);
        for (what, frame) in packets() {
            both.frame(&frame)
                .unwrap_or_else(|difference| panic!("{name}, {what}: {difference}"));
        }
        let counters = both.kernel.counters().unwrap();
        for counter in [
            Counter::TagMismatch,
            Counter::IcmpQuoteTruncated,
            Counter::IcmpFlowUnknown,
            Counter::IcmpTagMismatch,
        ] {
            assert!(counters.value(counter) > 0, "{}", counter.name());
        }
    }
}

#[test]
fn programs_and_slices_agree_on_cut_packets() {
    for name in PROGRAMS {
        let mut both = Both::new(name);
        // BPF_PROG_TEST_RUN wants an Ethernet header and one byte, for TC an IP header too (net/bpf/test_run.c).
        let shortest = if name.starts_with("xdp") { 15 } else { 54 };
        for (what, frame) in packets() {
            for length in (shortest..frame.len().min(300)).step_by(3) {
                both.frame(&frame[..length])
                    .unwrap_or_else(|difference| panic!("{name}, {what} cut to {length}: {difference}"));
            }
        }
    }
}

#[test]
fn programs_and_slices_agree_on_damaged_packets() {
    for name in PROGRAMS {
        let mut both = Both::new(name);
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for (what, frame) in packets() {
            for _ in 0..40 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let mut damaged = frame.clone();
                // Behind the addresses, so that the packets stay within a few flows.
                let from = 14.min(damaged.len() - 1);
                let at = from + (random >> 33) as usize % (damaged.len() - from).min(160);
                damaged[at] = (random >> 24) as u8;
                both.frame(&damaged).unwrap_or_else(|difference| {
                    panic!("{name}, {what} with byte {at} damaged: {difference}")
                });
            }
        }
    }
}

#[test]
fn a_packet_that_spans_buffers_is_read_whole() {
    let mut both = Both::new("xdp_ingress_frags");
    let chunks = (0..6)
        .map(|tsn| frames::data(tsn, 1_400))
        .chain([frames::heartbeat(&[7; 40])])
        .collect();
    let frame = Packet::v4(TAG, chunks).ethernet();
    assert!(frame.len() > 8_000);
    both.frame(&frame).unwrap();
    let record = both.kernel.record(0).unwrap();
    assert_eq!(record.data_chunks, 6);
    assert_ne!(record.outstanding[0].sent_at_ns, 0);
}

#[test]
fn nothing_is_dropped_or_changed() {
    let mut both = Both::new("xdp_ingress");
    for (what, frame) in packets() {
        let mut out = vec![0; frame.len() + 64];
        let mut options = TestRunOptions::new();
        options.data_in = Some(&frame);
        options.data_out = Some(&mut out);
        let result = both.kernel.xdp("xdp_ingress").unwrap().test_run(options).unwrap();
        assert_eq!(result.return_value, XDP_PASS, "{what}");
        assert_eq!(&out[..result.data_size_out as usize], frame, "{what}");
    }
}

#[test]
fn the_flow_table_has_an_end_and_says_so() {
    let options = LoadOptions {
        max_flows: 64,
        ..generous()
    };
    let mut both = Both::with("xdp_ingress", &options);
    for port in 0..100 {
        let frame = Packet::v4(TAG, vec![frames::data(1, 1)])
            .ports(1_000 + port, 7)
            .ethernet();
        both.run(&frame);
    }
    let counters = both.kernel.counters().unwrap();
    assert_eq!(counters.value(Counter::FlowTableFull), 36);
    let first = Packet::v4(TAG, vec![frames::data(2, 1)])
        .ports(1_000, 7)
        .ethernet();
    both.run(&first);
    assert_eq!(
        both.kernel.record(0).unwrap().packets,
        2,
        "a known flow is still tracked"
    );
}

#[test]
fn new_flows_are_opened_at_a_bounded_rate() {
    let options = LoadOptions {
        new_flows_per_second: 10,
        ..generous()
    };
    let mut both = Both::with("tc_ingress", &options);
    for port in 0..200 {
        both.run(
            &Packet::v4(TAG, vec![frames::data(1, 1)])
                .ports(1_000 + port, 7)
                .ethernet(),
        );
    }
    let limited = both.kernel.counters().unwrap().value(Counter::NewFlowsLimited);
    // The two hundred take milliseconds; a second boundary and a second CPU may let some more in.
    assert!((100..=190).contains(&limited), "{limited}");
}

#[test]
fn icmp_errors_are_handed_over_at_a_bounded_rate() {
    let options = LoadOptions {
        control_per_second: 10,
        ..generous()
    };
    let mut both = Both::with("xdp_ingress", &options);
    let sent = Packet::v4(TAG, vec![frames::data(1, 1)]);
    both.run(&sent.ethernet());
    let error = sent.icmp_error("10.1.0.254", [3, 1], 0);
    for _ in 0..200 {
        both.run(&error);
    }
    let limited = both.kernel.counters().unwrap().value(Counter::IcmpLimited);
    // As above: a second boundary and a second CPU may let some more in.
    assert!((100..=190).contains(&limited), "{limited}");
}

#[test]
fn an_overrun_ring_buffer_is_counted() {
    let options = LoadOptions {
        ring_bytes: 4096,
        ..generous()
    };
    let mut both = Both::with("xdp_ingress", &options);
    for info in 0..200_u8 {
        both.run(&Packet::v4(TAG, vec![frames::heartbeat(&[info; 40])]).ethernet());
    }
    assert!(both.kernel.counters().unwrap().value(Counter::RingFull) > 50);
    assert_eq!(
        both.kernel.record(0).unwrap().packets,
        200,
        "the flow table misses nothing"
    );
}

/// One program in the kernel beside a table in memory.
struct Both {
    kernel: Kernel,
    /// Where the program is attached while it is tested: every call of BPF_PROG_TEST_RUN would otherwise wait for two
    /// RCU grace periods.
    _namespace: Namespace,
    program: &'static str,
    memory: MemoryTable,
    /// Frames so far, which is as good a clock as any.
    frames: u64,
}

impl Both {
    fn new(program: &'static str) -> Self {
        Self::with(program, &generous())
    }

    fn with(program: &'static str, options: &LoadOptions) -> Self {
        let mut kernel = Kernel::load(options).unwrap();
        let namespace = Namespace::new("programs").unwrap();
        if program.starts_with("xdp") {
            let program = kernel.xdp(program).unwrap();
            namespace
                .run(|| program.attach("lo", XdpMode::Skb).map(|_| ()).unwrap())
                .unwrap();
        }
        Self {
            kernel,
            _namespace: namespace,
            program,
            memory: MemoryTable::new(),
            frames: 0,
        }
    }

    /// Runs the program on a frame.
    fn run(&mut self, frame: &[u8]) {
        let pass = if self.program.starts_with("xdp") {
            test_run(self.kernel.xdp(self.program).unwrap(), frame)
                .unwrap()
                .return_value
                == XDP_PASS
        } else {
            // TC_ACT_UNSPEC: the next program decides.
            test_run(self.kernel.classifier(self.program).unwrap(), frame)
                .unwrap()
                .return_value
                == u32::MAX
        };
        assert!(pass, "the packet must pass");
    }

    /// Shows a frame to both, and compares everything that they know then.
    fn frame(&mut self, frame: &[u8]) -> Result<(), String> {
        self.run(frame);
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        // BPF_PROG_TEST_RUN lets packets arrive at, and leave by, the loopback interface.
        let interface = if self.program == "tc_egress" {
            Interface::egress(LOOPBACK)
        } else {
            Interface::ingress(LOOPBACK)
        };
        self.frames += 1;
        self.memory.set_now(self.frames);
        observe(&Frame(frame), interface, &options, &mut self.memory);
        self.compare()
    }

    fn compare(&mut self) -> Result<(), String> {
        for (slot, expected) in (0_u32..).zip(self.memory.records()) {
            let actual = self.kernel.record(slot).ok_or("no such slot")?;
            let (actual, expected) = (timeless(&actual), timeless(expected));
            if actual != expected {
                return Err(format!("slot {slot}\nkernel {actual:#?}\nslice {expected:#?}"));
            }
        }
        let counters = self.kernel.counters().map_err(|error| error.to_string())?;
        for (counter, value) in self.memory.counters().iter() {
            if counters.value(counter) != value {
                return Err(format!(
                    "{}: kernel {}, slice {value}",
                    counter.name(),
                    counters.value(counter)
                ));
            }
        }
        loop {
            let mut actual = None;
            self.kernel
                .with_ring_record(|bytes| actual = Some(bytes.to_vec()));
            let expected = self.memory.pop_record();
            match (actual, expected) {
                (None, None) => return Ok(()),
                (Some(actual), Some(expected)) if ring_facts(&actual) == ring_facts(&expected) => {}
                (actual, expected) => {
                    let show = |bytes: Option<Vec<u8>>| bytes.map(|bytes| ring_facts(&bytes));
                    return Err(format!(
                        "ring\nkernel {:?}\nslice  {:?}",
                        show(actual),
                        show(expected)
                    ));
                }
            }
        }
    }
}

/// A record without its times, which differ, but with what is known from them.
fn timeless(record: &FlowRecord) -> FlowRecord {
    let mut r = *record;
    let known = |time: &mut u64| *time = u64::from(*time != 0);
    known(&mut r.last_seen_ticks);
    known(&mut r.first_seen_ns);
    known(&mut r.first_seen_ticks);
    known(&mut r.acked_ticks);
    known(&mut r.answered_at_ns);
    known(&mut r.timed.sent_at_ns);
    known(&mut r.second_at_ns);
    for entry in &mut r.outstanding {
        known(&mut entry.sent_at_ns);
    }
    for rtt in [&mut r.heartbeat_rtt, &mut r.data_rtt] {
        *rtt = Rtt {
            srtt_ns: u64::from(rtt.is_known()),
            ..Rtt::default()
        };
    }
    r
}

/// A ring record without its times.
fn ring_facts(bytes: &[u8]) -> String {
    match RingRecord::parse(bytes).unwrap() {
        RingRecord::FlowOpened(mut opened) => {
            opened.header.time_ns = 0;
            format!("{opened:?}")
        }
        RingRecord::HeartbeatSent(mut sent) => {
            sent.header.time_ns = 0;
            format!("{sent:?}")
        }
        RingRecord::HeartbeatAcked(mut acked) => {
            acked.header.time_ns = 0;
            acked.rtt_ns = 0;
            format!("{acked:?}")
        }
        RingRecord::IcmpError(mut error) => {
            error.header.time_ns = 0;
            format!("{error:?}")
        }
        RingRecord::Control(mut header, packet) => {
            header.header.time_ns = 0;
            // The programs copy whole words of a packet that is shorter than its headers say.
            let cut = header.captured_length < header.packet_length;
            let whole = if cut {
                header.captured_length & !7
            } else {
                header.captured_length
            };
            header.captured_length = whole;
            format!("{header:?} {:?}", &packet[..whole as usize])
        }
    }
}

/// Packets of every kind, in an order that makes them mean something.
fn packets() -> Vec<(&'static str, Vec<u8>)> {
    let info: Vec<u8> = (0..44).collect();
    let there = |chunks| Packet::v4(TAG, chunks);
    let back = |chunks| Packet::v4(BACK, chunks).reversed();
    let addresses = ["10.1.0.1", "10.2.0.1", "2001:db8::1"];
    let mut cases = vec![
        (
            "INIT",
            Packet::v4(0, vec![frames::init(BACK, &addresses)]).ethernet(),
        ),
        (
            "INIT ACK",
            back(vec![frames::init_ack(TAG, &addresses)]).ethernet(),
        ),
        (
            "COOKIE ECHO with DATA",
            there(vec![frames::cookie_echo(), frames::data(1, 30)]).ethernet(),
        ),
        (
            "COOKIE ACK with SACK",
            back(vec![frames::cookie_ack(), frames::sack(1, &[])]).ethernet(),
        ),
        ("HEARTBEAT", there(vec![frames::heartbeat(&info)]).ethernet()),
        (
            "HEARTBEAT ACK",
            back(vec![frames::heartbeat_ack(&info)]).ethernet(),
        ),
        (
            "HEARTBEAT ACK again",
            back(vec![frames::heartbeat_ack(&info)]).ethernet(),
        ),
        (
            "HEARTBEAT of odd length",
            there(vec![frames::heartbeat(&info[..37])]).ethernet(),
        ),
        (
            "HEARTBEAT that is long",
            there(vec![frames::heartbeat(&[9; 500])]).ethernet(),
        ),
        (
            "HEARTBEAT with PAD",
            there(vec![frames::heartbeat(&info), frames::chunk(132, 0, &[0; 100])]).ethernet(),
        ),
        ("DATA", there(vec![frames::data(2, 100)]).ethernet()),
        (
            "DATA x4",
            there((3..7).map(|tsn| frames::data(tsn, 10)).collect()).ethernet(),
        ),
        (
            "DATA again",
            there(vec![frames::data(3, 10), frames::data(7, 10)]).ethernet(),
        ),
        ("DATA far ahead", there(vec![frames::data(300, 10)]).ethernet()),
        (
            "DATA late",
            there(vec![frames::data(250, 10), frames::data(100, 10)]).ethernet(),
        ),
        (
            "DATA of no length",
            there(vec![frames::chunk(0, 3, &[0, 0])]).ethernet(),
        ),
        (
            "SACK with gaps",
            back(vec![frames::sack(5, &[(2, 2), (245, 295)])]).ethernet(),
        ),
        ("SACK", back(vec![frames::sack(300, &[])]).ethernet()),
        (
            "SACK that lies about its gaps",
            back(vec![frames::chunk(3, 0, &[0, 0, 2, 0, 0, 0, 0, 0, 9, 9, 0, 0])]).ethernet(),
        ),
        ("NR-SACK", back(vec![frames::chunk(16, 0, &[0; 16])]).ethernet()),
        ("I-DATA", there(vec![frames::i_data(301, 10)]).ethernet()),
        (
            "I-DATA, a later fragment",
            there(vec![frames::chunk(
                64,
                0,
                &[0, 0, 1, 46, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 5],
            )])
            .ethernet(),
        ),
        (
            "wrong tag",
            Packet::v4(7, vec![frames::data(302, 1), frames::heartbeat(&info)]).ethernet(),
        ),
        ("tag 0", Packet::v4(0, vec![frames::data(302, 1)]).ethernet()),
        ("ABORT", there(vec![frames::abort(false)]).ethernet()),
        (
            "ABORT with the T bit",
            Packet::v4(BACK, vec![frames::abort(true)]).ethernet(),
        ),
        (
            "SHUTDOWN",
            there(vec![frames::chunk(7, 0, &[0, 0, 0, 9])]).ethernet(),
        ),
        ("SHUTDOWN ACK", back(vec![frames::chunk(8, 0, &[])]).ethernet()),
        (
            "SHUTDOWN COMPLETE",
            there(vec![frames::shutdown_complete()]).ethernet(),
        ),
        (
            "ERROR",
            there(vec![frames::chunk(9, 0, &[0, 1, 0, 8, 0, 1, 0, 0])]).ethernet(),
        ),
        ("ASCONF", there(vec![frames::chunk(193, 0, &[0; 40])]).ethernet()),
        (
            "ASCONF ACK",
            back(vec![frames::chunk(128, 0, &[0; 4])]).ethernet(),
        ),
        (
            "a long control packet",
            there(vec![frames::chunk(193, 0, &[5; 1_300])]).ethernet(),
        ),
        (
            "every type once",
            there(
                (0..=255)
                    .take(28)
                    .map(|kind| frames::chunk(kind, 0, &[0; 4]))
                    .collect(),
            )
            .ethernet(),
        ),
        (
            "unknown types",
            there(vec![frames::chunk(77, 0, &[1]), frames::chunk(255, 0, &[])]).ethernet(),
        ),
        (
            "too many chunks",
            there((0..60).map(|_| frames::chunk(11, 0, &[])).collect()).ethernet(),
        ),
        ("no chunk", there(vec![]).ethernet()),
        (
            "chunk length 3",
            there(vec![vec![0, 3, 0, 3, 1, 2, 3, 4]]).ethernet(),
        ),
        (
            "chunk past the end",
            there(vec![vec![3, 0, 1, 0, 0, 0, 0, 9]]).ethernet(),
        ),
        (
            "half a chunk header",
            there(vec![frames::cookie_ack(), vec![3, 0]]).ethernet(),
        ),
        (
            "another path",
            there(vec![frames::data(303, 10)])
                .between("10.2.0.1", "10.2.0.2")
                .ethernet(),
        ),
        ("IPv6", Packet::v6(TAG, vec![frames::heartbeat(&info)]).ethernet()),
        (
            "IPv6 back",
            Packet::v6(BACK, vec![frames::heartbeat_ack(&info)])
                .reversed()
                .ethernet(),
        ),
        ("VLAN", there(vec![frames::data(304, 10)]).vlan(&[100])),
        ("QinQ", there(vec![frames::data(305, 10)]).vlan(&[100, 200])),
        (
            "VLAN and IPv6",
            Packet::v6(TAG, vec![frames::data(1, 10)]).vlan(&[100]),
        ),
        ("UDP", there(vec![frames::data(306, 10)]).udp(9899)),
        (
            "UDP of something else",
            there(vec![frames::data(306, 10)]).udp(53),
        ),
        ("TCP", there(vec![frames::data(306, 10)]).tcp()),
        ("ports 0", there(vec![frames::data(1, 1)]).ports(0, 0).ethernet()),
        (
            "from itself to itself",
            there(vec![frames::heartbeat(&info)])
                .between("10.1.0.1", "10.1.0.1")
                .ethernet(),
        ),
    ];
    cases.extend(altered());
    cases.extend(icmp_errors());
    cases
}

/// ICMP errors, most of them about flows that the packets before opened.
fn icmp_errors() -> Vec<(&'static str, Vec<u8>)> {
    const IP: usize = 14;
    const ROUTER: &str = "10.1.0.254";
    let v4 = Packet::v4(TAG, vec![frames::data(500, 20)]);
    let v6 = Packet::v6(TAG, vec![frames::data(500, 20)]);
    let plain = v4.icmp_error(ROUTER, [3, 1], 0);
    let plain_v6 = v6.icmp_error("2001:db8::fe", [1, 3], 0);
    let with = |frame: &[u8], at: usize, bytes: &[u8]| {
        let mut frame = frame.to_vec();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let insert = |frame: &[u8], at: usize, bytes: &[u8]| {
        let mut frame = frame.to_vec();
        frame.splice(at..at, bytes.iter().copied());
        frame
    };
    let tag = |frame: &[u8]| insert(frame, 12, &[0x81, 0, 0, 100]);
    let options = insert(&with(&plain, IP, &[0x46]), IP + 20, &[1; 4]);
    let quoted = IP + 20 + 8;
    let quoted_options = insert(&with(&plain, quoted, &[0x46]), quoted + 20, &[1; 4]);
    let quoted_v6 = IP + 40 + 8;
    let fragment = |offset: u8| {
        insert(
            &with(&plain_v6, quoted_v6 + 6, &[44]),
            quoted_v6 + 40,
            &[132, 0, offset, 1, 0, 0, 0, 9],
        )
    };
    let in_udp = insert(
        &with(&plain, quoted + 9, &[17]),
        quoted + 20,
        &[0x26, 0xab, 0x26, 0xab, 0, 99, 0, 0],
    );
    let ends_early = |length: u8| with(&plain, IP + 2, &[0, length]);
    vec![
        ("ICMP fragmentation needed", v4.icmp_error(ROUTER, [3, 4], 1_400)),
        ("ICMP time exceeded", v4.icmp_error(ROUTER, [11, 0], 0)),
        ("ICMP echo", v4.icmp_error(ROUTER, [8, 0], 0)),
        (
            "ICMPv6 packet too big",
            v6.icmp_error("2001:db8::fe", [2, 0], 1_280),
        ),
        ("ICMPv6 echo", v6.icmp_error("2001:db8::fe", [128, 0], 0)),
        ("ICMP in a VLAN", tag(&plain)),
        ("ICMPv6 in QinQ", tag(&tag(&plain_v6))),
        ("ICMP with options", options),
        ("ICMP that quotes options", quoted_options),
        ("ICMP that quotes TCP", with(&plain, quoted + 9, &[6])),
        ("ICMPv6 that quotes TCP", with(&plain_v6, quoted_v6 + 6, &[6])),
        ("ICMP that quotes SCTP in UDP", in_udp.clone()),
        (
            "ICMP that quotes UDP",
            with(&in_udp, quoted + 20, &[0, 53, 0, 53]),
        ),
        (
            "ICMP that quotes a later fragment",
            with(&plain, quoted + 6, &[0, 9]),
        ),
        ("ICMPv6 that quotes a first fragment", fragment(0)),
        ("ICMPv6 that quotes a later fragment", fragment(5)),
        ("ICMP that quotes a version 5", with(&plain, quoted, &[0x55])),
        ("ICMP that quotes up to the tag", ends_early(56)),
        ("ICMP that quotes not up to the tag", ends_early(55)),
        ("ICMP of no length", ends_early(0)),
        ("ICMP, a later fragment", with(&plain, IP + 6, &[0, 9])),
        (
            "ICMP of an unknown flow",
            v4.clone().ports(9, 9).icmp_error(ROUTER, [3, 1], 0),
        ),
        (
            "ICMP with another tag",
            Packet::v4(7, vec![]).icmp_error(ROUTER, [3, 1], 0),
        ),
        ("ICMP", plain),
        ("ICMPv6", plain_v6),
    ]
}

/// Frames with something else in their headers.
fn altered() -> Vec<(&'static str, Vec<u8>)> {
    const IP: usize = 14;
    let plain = Packet::v4(TAG, vec![frames::data(400, 40)]).ethernet();
    let v6 = Packet::v6(TAG, vec![frames::data(400, 40)]).ethernet();
    let with = |frame: &[u8], at: usize, bytes: &[u8]| {
        let mut frame = frame.to_vec();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let insert = |frame: &[u8], at: usize, bytes: &[u8]| {
        let mut frame = frame.to_vec();
        frame.splice(at..at, bytes.iter().copied());
        frame
    };
    let options = insert(&with(&plain, IP, &[0x47]), IP + 20, &[0x94, 4, 0, 0, 1, 1, 1, 1]);
    let hop_by_hop = insert(&with(&v6, IP + 6, &[0]), IP + 40, &[132, 0, 1, 4, 0, 0, 0, 0]);
    let fragment = |offset_flags: [u8; 2]| {
        insert(
            &with(&v6, IP + 6, &[44]),
            IP + 40,
            &[132, 0, offset_flags[0], offset_flags[1], 0, 0, 0, 9],
        )
    };
    vec![
        ("IPv4 options", options),
        ("IPv4 first fragment", with(&plain, IP + 6, &[0x20, 0x00])),
        ("IPv4 later fragment", with(&plain, IP + 6, &[0x00, 0x10])),
        ("IPv4 of version 5", with(&plain, IP, &[0x55])),
        ("IPv4 with a short header", with(&plain, IP, &[0x43])),
        ("IPv4 of no length", with(&plain, IP + 2, &[0, 0])),
        ("IPv4 shorter than its header", with(&plain, IP + 2, &[0, 12])),
        ("IPv4 longer than its frame", with(&plain, IP + 2, &[0x0f, 0])),
        (
            "IPv4 that ends in the common header",
            with(&plain, IP + 2, &[0, 25]),
        ),
        ("IPv6 of version 4", with(&v6, IP, &[0x40])),
        ("IPv6 of no length", with(&v6, IP + 4, &[0, 0])),
        ("IPv6 hop-by-hop", hop_by_hop),
        ("IPv6 first fragment", fragment([0x00, 0x01])),
        ("IPv6 later fragment", fragment([0x01, 0x01])),
        (
            "IPv6 authentication header",
            insert(
                &with(&v6, IP + 6, &[51]),
                IP + 40,
                &[132, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ),
        ),
        (
            "IPv6 with endless extension headers",
            insert(
                &with(&v6, IP + 6, &[60]),
                IP + 40,
                &[60, 0, 0, 0, 0, 0, 0, 0].repeat(12),
            ),
        ),
        ("MPLS", with(&plain, 12, &[0x88, 0x47])),
        ("ARP", with(&plain, 12, &[0x08, 0x06])),
        ("padding behind the packet", [plain.as_slice(), &[0; 24]].concat()),
    ]
}

fn kernel() -> Kernel {
    Kernel::load(&generous()).unwrap()
}

/// Limits that these tests do not meet.
fn generous() -> LoadOptions {
    LoadOptions {
        max_flows: 4_096,
        new_flows_per_second: 1_000_000,
        control_per_second: 1_000_000,
        ..LoadOptions::default()
    }
}

fn test_run<P>(program: &P, frame: &[u8]) -> Result<TestRunResult, ProgramError>
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = TestRunResult>,
{
    let mut options = TestRunOptions::new();
    options.data_in = Some(frame);
    program.test_run(options)
}

/// include/uapi/linux/bpf.h
const XDP_PASS: u32 = 2;

/// The index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;
