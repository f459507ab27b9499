//! One program in the kernel beside a table in memory.

use aya::programs::{ProgramError, TestRun, TestRunOptions, TestRunResult, XdpMode};
use sctp_monitor::{
    kernel::{Kernel, LoadOptions},
    slots::Offer,
};
use sctp_monitor_common::abi::{FlowLinks, Interface, ProbePath, RingRecord, Rtt, limits::unproved_share};
use sctp_monitor_fuzz::slices::{Slices, ring_facts, same_facts};
use sctp_monitor_lab::Namespace;

/// One program in the kernel beside a table in memory.
pub(crate) struct Both {
    pub(crate) kernel: Kernel,
    /// Where the program is attached while it is tested: every call of BPF_PROG_TEST_RUN would otherwise wait for two
    /// RCU grace periods.
    _namespace: Namespace,
    program: &'static str,
    slices: Slices,
}

impl Both {
    pub(crate) fn new(program: &'static str) -> Self {
        Self::with(program, &generous())
    }

    pub(crate) fn with(program: &'static str, options: &LoadOptions) -> Self {
        let mut kernel = Kernel::load(options).unwrap();
        let namespace = Namespace::new("programs").unwrap();
        if program.starts_with("xdp") {
            let program = kernel.xdp(program).unwrap();
            namespace
                .run(|| program.attach("lo", XdpMode::Skb).map(|_| ()).unwrap())
                .unwrap();
        }
        let key = kernel.probe_key();
        // BPF_PROG_TEST_RUN lets packets arrive at, and leave by, the loopback interface.
        let interface = if program == "tc_egress" {
            Interface::egress(LOOPBACK)
        } else {
            Interface::ingress(LOOPBACK)
        };
        Self {
            kernel,
            _namespace: namespace,
            program,
            slices: Slices::with_probes(options.max_flows, interface, key, options.probed_paths),
        }
    }

    /// Runs the program on a frame, which must pass.
    pub(crate) fn run(&mut self, frame: &[u8]) {
        // TC_ACT_UNSPEC: the next program decides.
        let pass = if self.program.starts_with("xdp") {
            XDP_PASS
        } else {
            u32::MAX
        };
        assert_eq!(self.test_run(frame), pass, "the packet must pass");
    }

    /// Shows a frame to both; gives what the program does with it.
    pub(crate) fn action(&mut self, frame: &[u8]) -> u32 {
        self.slices.frame(frame);
        self.test_run(frame)
    }

    fn test_run(&mut self, frame: &[u8]) -> u32 {
        let result = if self.program.starts_with("xdp") {
            test_run(self.kernel.xdp(self.program).unwrap(), frame)
        } else {
            test_run(self.kernel.classifier(self.program).unwrap(), frame)
        };
        result.unwrap().return_value
    }

    /// Gives a place in the map of probes to a path, on both sides.
    pub(crate) fn assign_probe(&mut self, index: u32, path: &ProbePath) {
        self.kernel.assign_probe(index, path);
        self.slices.table_mut().assign_probe(index, path);
    }

    /// Compares what both know of a path's probes, times aside.
    pub(crate) fn compare_probe(&self, index: u32) -> Result<(), String> {
        let [kernel, slice] = [
            self.kernel.probe_record(index),
            self.slices.table().probe_record(index),
        ]
        .map(|record| {
            record.map(|mut record| {
                record.answered_at_ns = 0;
                record.rtt = Rtt::default();
                record
            })
        });
        if kernel == slice {
            return Ok(());
        }
        Err(format!("kernel {kernel:#?}\nslice {slice:#?}"))
    }

    /// Shows a frame to both.
    pub(crate) fn show(&mut self, frame: &[u8]) {
        self.run(frame);
        self.slices.frame(frame);
    }

    /// Shows a frame to both, and compares everything that they know then.
    pub(crate) fn frame(&mut self, frame: &[u8]) -> Result<(), String> {
        self.show(frame);
        self.compare()
    }

    /// Says what a flow's association is, as the agent does.
    pub(crate) fn link(&mut self, slot: u32, links: &FlowLinks) {
        self.kernel.link(slot, links);
        self.slices.link(slot, links);
    }

    /// Forgets all flows on both sides, in the same order.
    pub(crate) fn forget_all(&mut self) {
        let used: Vec<_> = self.slices.used().collect();
        let share = unproved_share(self.kernel.max_flows());
        for (slot, key) in used {
            self.kernel.forget(&key).unwrap();
            self.kernel.offer_slot(slot, Offer::of(slot, share)).unwrap();
            self.slices.table_mut().forget(&key);
            self.slices.table_mut().release(slot);
        }
    }

    /// Compares everything that both know: records, counters, and what waits in the ring.
    pub(crate) fn compare(&mut self) -> Result<(), String> {
        let records = self.kernel.records();
        let difference = self
            .slices
            .difference(|slot| records.packets(slot), |slot| records.read(slot));
        if let Some((slot, actual, expected)) = difference {
            return Err(format!("slot {slot}\nkernel {actual:#?}\nslice {expected:#?}"));
        }
        let counters = self.kernel.counters().map_err(|error| error.to_string())?;
        for (counter, value) in self.slices.table().counters().iter() {
            if counters.value(counter) != value {
                return Err(format!(
                    "{}: kernel {}, slice {value}",
                    counter.name(),
                    counters.value(counter)
                ));
            }
        }
        self.compare_rings()
    }

    fn compare_rings(&mut self) -> Result<(), String> {
        let mut difference = None;
        loop {
            let expected = self.slices.table_mut().pop_record();
            let there = self.kernel.with_ring_record(|actual| {
                if !expected
                    .as_deref()
                    .is_some_and(|expected| same_facts(actual, expected))
                {
                    difference = Some((Some(actual.to_vec()), expected.clone()));
                }
            });
            if !there && difference.is_none() {
                match expected {
                    None => return Ok(()),
                    expected => difference = Some((None, expected)),
                }
            }
            if let Some((actual, expected)) = difference {
                let show = |bytes: Option<Vec<u8>>| match bytes.as_deref().map(RingRecord::parse) {
                    Some(Ok(record)) => format!("{:?}", ring_facts(record)),
                    Some(Err(error)) => error.to_string(),
                    None => "nothing".to_owned(),
                };
                return Err(format!(
                    "ring\nkernel {}\nslice  {}",
                    show(actual),
                    show(expected)
                ));
            }
        }
    }
}

pub(crate) fn kernel() -> Kernel {
    Kernel::load(&generous()).unwrap()
}

/// Limits that these tests do not meet.
pub(crate) fn generous() -> LoadOptions {
    LoadOptions {
        max_flows: 4_096,
        ring_bytes: 8 << 20,
        new_flows_per_second: 1_000_000,
        control_per_second: 1_000_000,
        ..LoadOptions::default()
    }
}

fn test_run<P>(program: &P, frame: &[u8]) -> Result<TestRunResult, ProgramError>
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = TestRunResult>,
{
    program.test_run(options(frame))
}

/// One run on a frame.
pub(crate) fn options(frame: &[u8]) -> TestRunOptions<'_> {
    let mut options = TestRunOptions::new();
    options.data_in = Some(frame);
    options
}

/// include/uapi/linux/bpf.h
pub(crate) const XDP_PASS: u32 = 2;

/// The index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;
