//! IP, UDP and ICMP headers, with options, extensions and fragments, and lengths that are wrong now and then.

use crate::choices::Choices;

/// Appends an IP packet that carries SCTP, by itself or in UDP.
pub(super) fn ip(src: &[u8], dst: &[u8], sctp: &[u8], choices: &mut impl Choices, out: &mut Vec<u8>) {
    let at = out.len();
    let (protocol, udp) = match choices.below(20) {
        0..=1 => (UDP, Some(udp(sctp.len(), choices))),
        2 if choices.one_in(4) => (choices.byte(), None),
        _ => (SCTP, None),
    };
    if src.len() == 4 {
        v4(src, dst, protocol, choices, out);
    } else {
        v6(src, dst, protocol, choices, out);
    }
    out.extend(udp.into_iter().flatten());
    out.extend_from_slice(sctp);
    set_length(at, choices, out);
}

/// Appends an ICMP error that quotes an IP packet.
pub(super) fn icmp_error(quoted: &[u8], choices: &mut impl Choices, out: &mut Vec<u8>) {
    let at = out.len();
    let is_v6 = quoted[0] >> 4 == 6;
    let (kind, reporter) = if is_v6 {
        let to = quoted.get(8..24).unwrap_or(&[0; 16]);
        v6(&ROUTER_V6, to, ICMP_V6, choices, out);
        (choices.pick(&[1_u8, 1, 2, 3, 4, 128]), 6)
    } else {
        let to = quoted.get(12..16).unwrap_or(&[0; 4]);
        v4(&[10, 1, 0, 254], to, ICMP, choices, out);
        (choices.pick(&[3_u8, 3, 11, 12, 8]), 4)
    };
    out.extend([kind, choices.below(6) as u8, 0, reporter]);
    out.extend(choices.pick(&[0_u32, 1_400, 576, u32::MAX]).to_be_bytes());
    // What RFC 792 asks for, or as much as fits, or too little.
    let length = match choices.below(4) {
        0 => 28,
        1 => choices.below(64) as usize,
        _ => quoted.len(),
    };
    out.extend_from_slice(&quoted[..length.min(quoted.len())]);
    set_length(at, choices, out);
}

fn udp(sctp: usize, choices: &mut impl Choices) -> [u8; 8] {
    let ports = choices.pick(&[[9_899_u16, 9_899], [9_899, 1_024], [5_000, 9_899], [53, 1_024]]);
    let length = match choices.below(8) {
        0 => 0,
        1 => choices.u16(),
        _ => (8 + sctp) as u16,
    };
    let [a, b] = ports[0].to_be_bytes();
    let [c, d] = ports[1].to_be_bytes();
    let [e, f] = length.to_be_bytes();
    [a, b, c, d, e, f, 0, 0]
}

fn v4(src: &[u8], dst: &[u8], protocol: u8, choices: &mut impl Choices, out: &mut Vec<u8>) {
    let options = if choices.one_in(12) {
        choices.below(11) as u8
    } else {
        0
    };
    let version_length = match choices.below(60) {
        0 => choices.byte(),
        1 => 0x40 | choices.below(16) as u8,
        _ => 0x45 + options,
    };
    let fragment: u16 = match choices.below(40) {
        0 => 0x2000,
        1 => choices.pick(&[1, 0x2001, 0x1fff]),
        2 => 0x4000,
        _ => 0,
    };
    out.extend([version_length, 0, 0, 0, 0, 1]);
    out.extend(fragment.to_be_bytes());
    out.extend([64, protocol, 0, 0]);
    out.extend_from_slice(src);
    out.extend_from_slice(dst);
    out.resize(out.len() + usize::from(options) * 4, 1);
}

fn v6(src: &[u8], dst: &[u8], protocol: u8, choices: &mut impl Choices, out: &mut Vec<u8>) {
    let version = if choices.one_in(60) { choices.byte() } else { 0x60 };
    out.extend([version, 0, 0, 0, 0, 0]);
    let mut next_header_at = out.len();
    out.extend([protocol, 64]);
    out.extend_from_slice(src);
    out.extend_from_slice(dst);
    let extensions = if choices.one_in(8) { choices.below(11) } else { 0 };
    for _ in 0..extensions {
        let kind = choices.pick(&[0_u8, 43, 44, 51, 60, 60, 135, 139, 140]);
        out[next_header_at] = kind;
        next_header_at = out.len();
        let longer = if choices.one_in(8) {
            choices.below(4) as u8
        } else {
            0
        };
        match kind {
            FRAGMENT => {
                let offset_flags: u16 = choices.pick(&[0, 1, 0, 8, 0xfff9]);
                out.extend([protocol, choices.byte()]);
                out.extend(offset_flags.to_be_bytes());
                out.extend([0, 0, 0, 9]);
            }
            AUTHENTICATION => {
                out.extend([protocol, 1 + longer]);
                out.resize(out.len() + 10 + usize::from(longer) * 4, 0);
            }
            _ => {
                out.extend([protocol, longer]);
                out.resize(out.len() + 6 + usize::from(longer) * 8, 1);
            }
        }
    }
}

/// Fills in the length of the IP packet from `at` to the end, which is not always the right one.
fn set_length(at: usize, choices: &mut impl Choices, out: &mut [u8]) {
    let truly = (out.len() - at) as u16;
    let is_v6 = out[at] >> 4 == 6;
    let (length_at, truly) = if is_v6 {
        (at + 4, truly.saturating_sub(40))
    } else {
        (at + 2, truly)
    };
    let said = match choices.below(40) {
        0 => 0,
        1 => truly.wrapping_sub(1 + choices.below(20) as u16),
        2 => truly.wrapping_add(1 + choices.below(20) as u16),
        3 => choices.u16(),
        _ => truly,
    };
    out[length_at..length_at + 2].copy_from_slice(&said.to_be_bytes());
}

const ICMP: u8 = 1;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const ICMP_V6: u8 = 58;
const SCTP: u8 = 132;
const ROUTER_V6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe];
