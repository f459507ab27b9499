//! What a packet costs in each program, beside a program that does nothing, in the same run.
//!
//! `cargo xtask bench` runs it; `--json` prints one object a line. BPF_PROG_TEST_RUN repeats a program in the kernel
//! and reports the mean time of a repetition. A round is the fastest of several short runs, because whatever else a
//! machine does (a neighbour on the other half of the core above all) only adds. Program and empty program take turns
//! in it, so that a drift meets both, and a round goes over all rows before the next begins, so that a slow minute
//! meets a few rounds of each row and not all rounds of some. The median over the rounds is printed.

use anyhow::Context as _;
use aya::{
    Ebpf, EbpfLoader,
    programs::{ProgramError, SchedClassifier, TestRunOptions, Xdp, XdpMode, xdp::XdpLink},
};
use sctp_monitor::{
    clock::Clock,
    kernel::{Kernel, LoadOptions},
};
use sctp_monitor_common::{
    abi::{FlowKey, SteerMode, SteerOrder},
    wire::{Frame, LinkType, ParseOptions, parse},
};
use sctp_monitor_lab::Namespace;
use sctp_monitor_testkit::frames::{self, Packet};

/// Rounds over which the median is taken.
const ROUNDS: usize = 15;
/// Runs in a round, of which the fastest counts.
const RUNS: usize = 9;
/// Repetitions in the kernel per run: a millisecond or two.
const REPEAT: u32 = 20_000;

fn main() -> anyhow::Result<()> {
    let json = std::env::args().any(|argument| argument == "--json");
    let namespace = Namespace::new("bench")?;
    let mut floor = EbpfLoader::new().load(FLOOR)?;
    let mut kernel = Kernel::load(&LoadOptions {
        steered_flows: 16,
        ..LoadOptions::default()
    })?;
    order(&mut kernel)?;
    let _attached = attach(&namespace, &mut kernel, &mut floor)?;
    let cases = cases();
    let mut rows: Vec<Row> = PROGRAMS
        .iter()
        .flat_map(|program| cases.iter().map(|case| Row::new(*program, case)))
        .collect();
    for _ in 0..ROUNDS {
        for row in &mut rows {
            row.round(&mut kernel, &mut floor)?;
        }
    }
    print(&rows, json);
    Ok(())
}

static FLOOR: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sctp-monitor-floor"));

/// One program with one packet.
struct Row<'a> {
    program: Program,
    case: &'a Case,
    rounds: Vec<u64>,
    empty_rounds: Vec<u64>,
}

impl<'a> Row<'a> {
    fn new(program: Program, case: &'a Case) -> Self {
        Self {
            program,
            case,
            rounds: Vec::new(),
            empty_rounds: Vec::new(),
        }
    }

    fn round(&mut self, kernel: &mut Kernel, floor: &mut Ebpf) -> anyhow::Result<()> {
        // Whatever took its time meanwhile.
        kernel.renew_orders(Clock::now()?);
        for frame in &self.case.before {
            self.program.run(kernel, frame, 1)?;
        }
        let (mut fastest, mut empty_fastest) = (u64::MAX, u64::MAX);
        for _ in 0..RUNS {
            empty_fastest = empty_fastest.min(self.program.run_floor(floor, &self.case.frame)?);
            fastest = fastest.min(self.program.run(kernel, &self.case.frame, REPEAT)?);
        }
        self.rounds.push(fastest);
        self.empty_rounds.push(empty_fastest);
        Ok(())
    }
}

fn print(rows: &[Row], json: bool) {
    if !json {
        println!(
            "{:<20} {:<14} {:>8} {:>8} {:>8}",
            "program", "packet", "ns", "empty", "above"
        );
    }
    for row in rows {
        let (program, packet) = (row.program.name(), row.case.name);
        let (ns, empty_ns) = (median(&row.rounds), median(&row.empty_rounds));
        if json {
            println!(
                r#"{{"program":"{program}","packet":"{packet}","ns_median":{ns},"empty_ns_median":{empty_ns}}}"#
            );
        } else {
            let above = ns.saturating_sub(empty_ns);
            println!("{program:<20} {packet:<14} {ns:>8} {empty_ns:>8} {above:>8}");
        }
    }
}

/// A packet to measure.
struct Case {
    name: &'static str,
    /// Frames that make its flow known.
    before: Vec<Vec<u8>>,
    frame: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let info: Vec<u8> = (0..40).collect();
    let v4 = |chunks| Packet::v4(TAG, chunks);
    let back = |chunks| v4(chunks).reversed();
    let known = vec![
        v4(vec![frames::data(1, 64)]).ethernet(),
        back(vec![frames::data(1, 64)]).ethernet(),
    ];
    let case = |name, frame| Case {
        name,
        before: known.clone(),
        frame,
    };
    let four = (3..7).map(|tsn| frames::data(tsn, 64)).collect();
    let init = frames::init(TAG, &["10.1.0.1", "10.2.0.1"]);
    vec![
        case("HEARTBEAT", v4(vec![frames::heartbeat(&info)]).ethernet()),
        case(
            "HEARTBEAT_ACK",
            back(vec![frames::heartbeat_ack(&info)]).ethernet(),
        ),
        case("DATA", v4(vec![frames::data(2, 64)]).ethernet()),
        case("DATA x4", v4(four).ethernet()),
        case("SACK", back(vec![frames::sack(2, &[])]).ethernet()),
        case("INIT", Packet::v4(0, vec![init]).ethernet()),
        case("IPv6 DATA", Packet::v6(TAG, vec![frames::data(1, 64)]).ethernet()),
        case("VLAN DATA", v4(vec![frames::data(2, 64)]).vlan(&[100])),
        case("TCP", v4(vec![frames::data(1, 64)]).tcp()),
    ]
}

const PROGRAMS: [Program; 5] = [
    Program::Xdp("xdp_ingress"),
    Program::Xdp("xdp_ingress_frags"),
    Program::Tc("tc_ingress"),
    Program::Tc("tc_egress"),
    Program::Tc("tc_steer"),
];

/// An order for the IPv4 flow: for `tc_steer` its DATA is moved, its HEARTBEATs stay, and all others are not steered. It
/// moves them to the addresses that they have, because a repetition finds the packet as the one before has left it.
fn order(kernel: &mut Kernel) -> anyhow::Result<()> {
    let frame = Packet::v4(TAG, vec![frames::data(1, 64)]).ethernet();
    let packet = parse(&Frame(&frame), LinkType::Ethernet, ParseOptions::default());
    let packet = packet.map_err(|pass| anyhow::anyhow!("{pass:?}"))?;
    let order = SteerOrder {
        src: packet.src,
        dst: packet.dst,
        lease_until_ns: 0,
        tag: TAG,
        if_index: 1,
        mode: SteerMode::Move as u32,
        check_delta: 0,
        from_if_index: 1,
        moves_segmented: 0,
    };
    kernel.steer(&FlowKey::from(&packet), Some(&order), Clock::now()?)?;
    Ok(())
}

const TAG: u32 = 0x1234_5678;

/// Attaches the XDP programs and the empty one while they are measured: every call of BPF_PROG_TEST_RUN would
/// otherwise wait for two RCU grace periods.
fn attach(namespace: &Namespace, kernel: &mut Kernel, floor: &mut Ebpf) -> anyhow::Result<Vec<XdpLink>> {
    let mut links = Vec::new();
    for (name, nic) in [
        ("xdp_ingress", "linear"),
        ("xdp_ingress_frags", "frags"),
        (EMPTY_XDP, "empty"),
    ] {
        let peer = format!("{nic}-peer");
        let veth = ["link", "add", nic, "type", "veth", "peer", "name", &peer];
        namespace.command("ip").args(veth).status()?;
        let program = match name {
            EMPTY_XDP => floor_xdp(floor)?,
            _ => kernel.xdp(name)?,
        };
        let link = namespace.run(|| {
            let link = program.attach(nic, XdpMode::Skb)?;
            program.take_link(link)
        });
        links.push(link??);
    }
    Ok(links)
}

const EMPTY_XDP: &str = "xdp_floor";

#[derive(Clone, Copy)]
enum Program {
    Xdp(&'static str),
    Tc(&'static str),
}

impl Program {
    fn name(self) -> &'static str {
        let (Self::Xdp(name) | Self::Tc(name)) = self;
        name
    }

    fn run(self, kernel: &mut Kernel, frame: &[u8], repeat: u32) -> anyhow::Result<u64> {
        Ok(match self {
            Self::Xdp(name) => run(kernel.xdp(name)?, frame, repeat)?,
            Self::Tc(name) => run(kernel.classifier(name)?, frame, repeat)?,
        })
    }

    fn run_floor(self, floor: &mut Ebpf, frame: &[u8]) -> anyhow::Result<u64> {
        Ok(match self {
            Self::Xdp(_) => run(floor_xdp(floor)?, frame, REPEAT)?,
            Self::Tc(_) => run(floor_tc(floor)?, frame, REPEAT)?,
        })
    }
}

fn floor_xdp(floor: &mut Ebpf) -> anyhow::Result<&mut Xdp> {
    let program: &mut Xdp = floor
        .program_mut(EMPTY_XDP)
        .context("no empty XDP program")?
        .try_into()?;
    if program.fd().is_err() {
        program.load()?;
    }
    Ok(program)
}

fn floor_tc(floor: &mut Ebpf) -> anyhow::Result<&mut SchedClassifier> {
    let program: &mut SchedClassifier = floor.program_mut("tc_floor").context("no tc_floor")?.try_into()?;
    if program.fd().is_err() {
        program.load()?;
    }
    Ok(program)
}

fn run<P>(program: &P, frame: &[u8], repeat: u32) -> Result<u64, ProgramError>
where
    P: for<'a> aya::programs::TestRun<Opts<'a> = TestRunOptions<'a>, Result = aya::programs::TestRunResult>,
{
    let mut options = TestRunOptions::new();
    options.data_in = Some(frame);
    options.repeat = repeat;
    let result = program.test_run(options)?;
    Ok(u64::try_from(result.duration.as_nanos()).unwrap_or(u64::MAX))
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values[values.len() / 2]
}
