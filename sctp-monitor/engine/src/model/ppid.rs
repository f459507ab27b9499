//! Names of payload protocol identifiers
//! (<https://www.iana.org/assignments/sctp-parameters>, payload protocol identifiers).

use std::fmt;

/// The name of a payload protocol identifier; `None` if it is not assigned, or is 0, which leaves it open.
#[must_use]
pub const fn name(ppid: u32) -> Option<&'static str> {
    let name = match ppid {
        1 => "IUA",
        2 => "M2UA",
        3 => "M3UA",
        4 => "SUA",
        5 => "M2PA",
        6 => "V5UA",
        7 => "H.248",
        8 => "BICC",
        9 => "TALI",
        10 => "DUA",
        11 => "ASAP",
        12 => "ENRP",
        13 => "H.323",
        14 => "Q.IPC",
        15 => "SIMCO",
        16 => "DDP Segment",
        17 => "DDP Stream Session",
        18 => "S1AP",
        19 => "RUA",
        20 => "HNBAP",
        21 => "ForCES-HP",
        22 => "ForCES-MP",
        23 => "ForCES-LP",
        24 => "SBc-AP",
        25 => "NBAP",
        27 => "X2AP",
        28 => "IRCP",
        29 => "LCS-AP",
        30 => "MPICH2",
        31 => "SABP",
        32 => "FGP",
        33 => "PPP",
        34 => "CalcApp",
        35 => "SSP",
        36 => "NPMP Control",
        37 => "NPMP Data",
        38 => "Echo",
        39 => "Discard",
        40 => "Daytime",
        41 => "Chargen",
        42 => "RNA",
        43 => "M2AP",
        44 => "M3AP",
        45 => "SSH",
        46 => "Diameter",
        47 => "Diameter/DTLS",
        48 => "R14P",
        49 => "GDT",
        50 => "WebRTC DCEP",
        51 => "WebRTC String",
        52 => "WebRTC Binary Partial",
        53 => "WebRTC Binary",
        54 => "WebRTC String Partial",
        55 => "PUA",
        56 => "WebRTC String Empty",
        57 => "WebRTC Binary Empty",
        58 => "XwAP",
        59 => "Xw Control Plane",
        60 => "NGAP",
        61 => "XnAP",
        62 => "F1AP",
        63 => "HTTP",
        64 => "E1AP",
        65 => "ELE2",
        66 => "NGAP/DTLS",
        67 => "XnAP/DTLS",
        68 => "F1AP/DTLS",
        69 => "E1AP/DTLS",
        70 => "E2-CP",
        71 => "E2-UP",
        72 => "E2-DU",
        73 => "W1AP",
        _ => return None,
    };
    Some(name)
}

/// A payload protocol identifier as people read it: `S1AP (18)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ppid(pub u32);

impl fmt::Display for Ppid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name(self.0) {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ppids_are_named_with_their_number() {
        assert_eq!(Ppid(18).to_string(), "S1AP (18)");
        assert_eq!(Ppid(60).to_string(), "NGAP (60)");
        assert_eq!(Ppid(4_000_000).to_string(), "4000000");
        assert_eq!(name(0), None);
    }
}
