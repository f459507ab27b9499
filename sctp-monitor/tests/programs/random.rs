//! The programs against slices, over a million random frames: see [`sctp_monitor_testkit::traffic`].
//!
//! Both sides are compared once in so many frames. Where they differ, the batch is gone through again, and what is not
//! needed for the difference is left out, until a short list remains. It goes to a file; one in `regressions` is
//! replayed by every run.
//!
//! SCTP_MONITOR_SEED repeats a run, SCTP_MONITOR_FRAMES makes it longer or shorter.

use std::{fmt, fs, path::Path};

use sctp_monitor_common::abi::{FlowLinks, SlotRef};
use sctp_monitor_fuzz::slices::next_frame;
use sctp_monitor_testkit::{
    choices::{Choices as _, Random},
    traffic::Traffic,
};

use crate::{PROGRAMS, both::Both};

#[test]
fn xdp_and_slices_agree_on_a_million_random_frames() {
    agree("xdp_ingress", 1_000_000);
}

#[test]
fn xdp_with_fragments_and_slices_agree_on_random_frames() {
    agree("xdp_ingress_frags", 200_000);
}

#[test]
fn tc_ingress_and_slices_agree_on_random_frames() {
    agree("tc_ingress", 200_000);
}

#[test]
fn tc_egress_and_slices_agree_on_random_frames() {
    agree("tc_egress", 200_000);
}

#[test]
fn differences_of_the_past_are_gone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/regressions");
    let mut both = PROGRAMS.map(|program| (program, Both::new(program)));
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let steps: Vec<_> = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .filter_map(Step::parse)
            .collect();
        assert!(!steps.is_empty(), "{} holds no step", path.display());
        for (program, both) in &mut both {
            for step in &steps {
                step.take(both);
                both.compare()
                    .unwrap_or_else(|difference| panic!("{program}, {}: {difference}", path.display()));
            }
            both.forget_all();
        }
    }
}

#[test]
fn steps_survive_their_text() {
    for step in [
        Step::Frame(vec![0, 0x7f, 0xff]),
        Step::Link(
            7,
            FlowLinks {
                tag: 0xffff_ffff,
                tsn_state: SlotRef::to(2),
                reverse: SlotRef::to(0),
                next: SlotRef::NONE,
                ..FlowLinks::default()
            },
        ),
    ] {
        assert_eq!(Step::parse(&step.to_string()), Some(step));
    }
    assert_eq!(
        ["frame 0", "link 1 2 3 4", "else 1"].map(Step::parse),
        [const { None }; 3]
    );
}

/// What happens to both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Frame(Vec<u8>),
    Link(u32, FlowLinks),
}

/// A world of a few thousand frames, then another one: whoever acknowledged too much, by a flipped bit, has nothing to
/// say any more.
const WORLD: u64 = 5_000;
/// Frames between two comparisons. Their ring records must fit into the ring buffer.
const BATCH: u64 = 1_000;

fn agree(program: &'static str, frames: u64) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().unwrap())
    };
    let frames = number("SCTP_MONITOR_FRAMES").unwrap_or(frames);
    let seed = number("SCTP_MONITOR_SEED").unwrap_or_else(rand_seed);
    println!("{program}: {frames} frames, SCTP_MONITOR_SEED={seed}");
    let mut both = Both::new(program);
    let mut shown = 0;
    for world in 0.. {
        let mut script = Script::new(program, seed.wrapping_add(world));
        while script.frames < WORLD {
            let step = script.next();
            step.take(&mut both);
            if script.frames.is_multiple_of(BATCH)
                && let Err(difference) = both.compare()
            {
                let script = Script::new(program, seed.wrapping_add(world));
                report(program, script, &difference);
            }
        }
        shown += script.frames;
        if shown >= frames {
            return;
        }
        both.forget_all();
    }
}

/// Repeats a world up to its first difference, leaves out what it does not need, and panics with the rest.
fn report(program: &'static str, mut script: Script, difference: &str) -> ! {
    let mut both = Both::new(program);
    let mut steps = Vec::new();
    let mut found = None;
    while found.is_none() && script.frames < WORLD {
        let step = script.next();
        step.take(&mut both);
        steps.push(step);
        found = both.compare().err();
    }
    let Some(found) = found else {
        panic!("{program}: a difference that does not come again\n{difference}");
    };
    let still_differ = |steps: &[Step]| {
        let mut both = Both::new(program);
        steps.iter().for_each(|step| step.take(&mut both));
        both.compare().is_err()
    };
    let mut length = steps.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < steps.len() {
            let end = (at + length).min(steps.len());
            let shorter = [&steps[..at], &steps[end..]].concat();
            if still_differ(&shorter) {
                steps = shorter;
            } else {
                at = end;
            }
        }
        length /= 2;
    }
    let text: String = steps.iter().map(|step| format!("{step}\n")).collect();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{program}-difference.txt"));
    fs::write(&path, &text).unwrap();
    panic!(
        "{program}: {found}\nafter these steps, which {} holds; to have them replayed by every run, move it to \
         sctp-monitor/tests/programs/regressions/\n{text}",
        path.display()
    );
}

/// The steps of one world.
struct Script {
    random: Random,
    traffic: Traffic,
    frame: Vec<u8>,
    shortest: usize,
    longest: usize,
    frames: u64,
}

impl Script {
    fn new(program: &str, seed: u64) -> Self {
        Self {
            random: Random::from_seed(seed),
            traffic: Traffic::new(12),
            frame: Vec::new(),
            // BPF_PROG_TEST_RUN wants an Ethernet header and one byte, for TC an IP header too (net/bpf/test_run.c), and
            // what has no fragments to fit into a page.
            shortest: if program.starts_with("xdp") { 15 } else { 54 },
            longest: if program == "xdp_ingress_frags" {
                9_000
            } else {
                3_400
            },
            frames: 0,
        }
    }

    fn next(&mut self) -> Step {
        // Flows that were there first are those of the associations, as a rule.
        let slot = |random: &mut Random| match random.below(64) {
            0 => u32::MAX,
            1 => random.below(4_096),
            _ => random.below(100),
        };
        match self.random.below(200) {
            0 => {
                let [tsn_state, reverse, next] = [(); 3].map(|()| SlotRef::to(slot(&mut self.random)));
                let tag = if self.random.one_in(8) {
                    self.random.u32()
                } else {
                    0
                };
                let links = FlowLinks {
                    tag,
                    tsn_state,
                    reverse,
                    next,
                    ..FlowLinks::default()
                };
                Step::Link(slot(&mut self.random), links)
            }
            _ => {
                self.frames += 1;
                next_frame(&mut self.traffic, &mut self.random, &mut self.frame);
                let length = self.frame.len().clamp(self.shortest, self.longest);
                self.frame.resize(length, 0);
                Step::Frame(self.frame.clone())
            }
        }
    }
}

impl Step {
    fn take(&self, both: &mut Both) {
        match self {
            Self::Frame(frame) => both.show(frame),
            Self::Link(slot, links) => both.link(*slot, links),
        }
    }

    /// As [`fmt::Display`] writes it.
    fn parse(line: &str) -> Option<Self> {
        let (what, rest) = line.split_once(' ')?;
        let numbers: Option<Vec<u32>> = rest.split(' ').map(|number| number.parse().ok()).collect();
        match what {
            "frame" => {
                let byte = |at| u8::from_str_radix(rest.get(at..at + 2)?, 16).ok();
                (0..rest.len())
                    .step_by(2)
                    .map(byte)
                    .collect::<Option<_>>()
                    .map(Self::Frame)
            }
            "link" => match numbers?[..] {
                [slot, tag, tsn_state, reverse, next] => Some(Self::Link(
                    slot,
                    FlowLinks {
                        tag,
                        tsn_state: SlotRef::to(tsn_state),
                        reverse: SlotRef::to(reverse),
                        next: SlotRef::to(next),
                        ..FlowLinks::default()
                    },
                )),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(bytes) => {
                f.write_str("frame ")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Link(slot, links) => {
                let [tsn_state, reverse, next] =
                    [links.tsn_state, links.reverse, links.next].map(SlotRef::slot);
                write!(f, "link {slot} {} {tsn_state} {reverse} {next}", links.tag)
            }
        }
    }
}

/// Another seed in every run.
fn rand_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}
