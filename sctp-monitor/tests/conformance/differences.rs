//! Where tshark and we differ, and why.

use crate::oracle::{Exact, Facts, Path};

/// A capture of which the oracle does not tell the whole.
struct Difference {
    capture: &'static str,
    of: Of,
    why: &'static str,
}

/// What differs.
#[derive(PartialEq, Eq)]
enum Of {
    /// What is in packets.
    Chunks,
    /// Which packets were captured twice.
    Copies,
}

/// Every difference that is known.
const KNOWN: [Difference; 2] = [
    Difference {
        capture: "usrsctp-fuzz__connect.pcap",
        of: Of::Chunks,
        why: "25 of its packets hold parameters with impossible lengths; tshark gives such a packet up there (\"Malformed \
              Packet\") and counts no chunk behind, while a receiver goes by the lengths of the chunks, and so do we",
    },
    Difference {
        capture: "5GSEC+MobiWatch__uplink_dos_1.pcap",
        of: Of::Copies,
        why: "the oracle goes by the checksum, which was never filled in here: a HEARTBEAT and a HEARTBEAT ACK of the same \
              length, 8 us apart, are two packets",
    },
];

/// What the oracle says of a flow, with what is known to differ taken from `ours`.
pub(crate) fn allow_for(capture: &str, path: &Path, ours: &Facts) -> Facts {
    let theirs = path.facts();
    let known = |known: &&Difference| {
        // Of packets whose checksum is right, the checksum says enough.
        known.capture == capture && (known.of == Of::Chunks || !path.checksum.contains_key("good"))
    };
    let Some(known) = KNOWN.iter().find(known) else {
        return theirs;
    };
    match known.of {
        Of::Chunks => {
            assert!(path.malformed_frames > 0, "{capture}: not where {}", known.why);
            Facts {
                packets: theirs.packets,
                bytes: theirs.bytes,
                exact: theirs.exact.zip(ours.exact.clone()).map(|(theirs, ours)| Exact {
                    tags: theirs.tags,
                    capture_duplicates: theirs.capture_duplicates,
                    ..ours
                }),
                ..ours.clone()
            }
        }
        Of::Copies => Facts {
            exact: theirs.exact.map(|theirs| Exact {
                // None was captured twice, and none is a retransmission.
                capture_duplicates: 0,
                ..theirs
            }),
            ..theirs
        },
    }
}
