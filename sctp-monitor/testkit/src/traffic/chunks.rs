//! Chunks of every kind, with lengths and counts that are wrong now and then.

use super::Association;
use crate::choices::Choices;

/// A chunk of what one side of an association sends.
pub(super) fn chunk(
    association: &mut Association,
    leaves: bool,
    choices: &mut impl Choices,
    out: &mut Vec<u8>,
) {
    match choices.below(40) {
        0..=9 => data(association, leaves, choices, out),
        10..=12 => i_data(association, leaves, choices, out),
        13..=20 => sack(association, leaves, choices, out),
        21..=24 => heartbeat(HEARTBEAT, choices, out),
        25..=28 => heartbeat(HEARTBEAT_ACK, choices, out),
        29 => init(INIT, association, leaves, choices, out),
        30 => init(INIT_ACK, association, leaves, choices, out),
        31 => asconf(association, choices, out),
        32 => asconf_ack(choices, out),
        33 => errors(choices, out),
        34 => {
            let kind = choices.pick(&[COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_ACK, SHUTDOWN_COMPLETE]);
            empty(kind, choices, out);
        }
        35 => {
            let at = open(SHUTDOWN, 0, out);
            out.extend(association.acked(leaves).to_be_bytes());
            close(at, choices, out);
        }
        36 => {
            let at = open(PAD, 0, out);
            out.resize(out.len() + choices.below(300) as usize, 0);
            close(at, choices, out);
        }
        37..=38 => empty(choices.byte(), choices, out),
        _ => {
            let at = open(choices.byte(), choices.byte(), out);
            for _ in 0..choices.below(40) {
                out.push(choices.byte());
            }
            close(at, choices, out);
        }
    }
}

/// A chunk of four bytes, of which a packet can hold thousands.
pub(super) fn empty(kind: u8, choices: &mut impl Choices, out: &mut Vec<u8>) {
    let flags = u8::from(choices.one_in(4));
    out.extend([kind, flags, 0, 4]);
}

fn data(association: &mut Association, leaves: bool, choices: &mut impl Choices, out: &mut Vec<u8>) {
    let tsn = tsn(association, leaves, choices);
    let at = open(0, 3, out);
    out.extend(tsn.to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 0, 0, choices.pick(&[46, 3, 60, 0])]);
    payload(choices, out);
    close(at, choices, out);
}

fn i_data(association: &mut Association, leaves: bool, choices: &mut impl Choices, out: &mut Vec<u8>) {
    let tsn = tsn(association, leaves, choices);
    let at = open(64, choices.pick(&[3, 0, 1, 2]), out);
    out.extend(tsn.to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 60]);
    payload(choices, out);
    close(at, choices, out);
}

/// The next TSN, one that was sent before, one that comes late, or anything.
fn tsn(association: &mut Association, leaves: bool, choices: &mut impl Choices) -> u32 {
    let last = &mut association.tsns[usize::from(leaves)];
    // Everything is old after it.
    if choices.one_in(RARE) {
        return choices.u32();
    }
    match choices.below(16) {
        0..=8 => *last = last.wrapping_add(1),
        9 => *last = last.wrapping_add(1 + choices.below(6)),
        10 => *last = last.wrapping_add(choices.below(400)),
        11..=13 => return last.wrapping_sub(choices.below(12)),
        _ => return last.wrapping_sub(choices.below(300)),
    }
    *last
}

fn payload(choices: &mut impl Choices, out: &mut Vec<u8>) {
    let length = match choices.below(12) {
        0 => 0,
        1 => choices.below(1_300),
        _ => 1 + choices.below(24),
    };
    out.resize(out.len() + length as usize, 0x5a);
}

fn sack(association: &Association, leaves: bool, choices: &mut impl Choices, out: &mut Vec<u8>) {
    let at = open(choices.pick(&[SACK, SACK, SACK, NR_SACK]), 0, out);
    let acked = match choices.below(12) {
        0 if choices.one_in(RARE) => choices.u32(),
        1 => association.acked(leaves).wrapping_add(choices.below(9)),
        2..=6 => association.acked(leaves),
        _ => association.acked(leaves).wrapping_sub(choices.below(6)),
    };
    out.extend(acked.to_be_bytes());
    out.extend(choices.pick(&[65_536_u32, 1_500, 0]).to_be_bytes());
    let gaps = if choices.one_in(30) {
        choices.below(300)
    } else {
        choices.below(4)
    } as u16;
    let duplicates = if choices.one_in(4) { choices.below(4) } else { 0 } as u16;
    out.extend(count(gaps, choices).to_be_bytes());
    out.extend(count(duplicates, choices).to_be_bytes());
    let mut end = 1;
    for _ in 0..gaps {
        let start = if choices.one_in(RARE) {
            choices.u16()
        } else {
            end + 1
        };
        end = start.wrapping_add(choices.below(4) as u16);
        out.extend(start.to_be_bytes());
        out.extend(end.to_be_bytes());
        end %= 0x8000;
    }
    for _ in 0..duplicates {
        out.extend(acked.wrapping_sub(choices.below(4)).to_be_bytes());
    }
    close(at, choices, out);
}

/// What a count field says of so many.
fn count(truly: u16, choices: &mut impl Choices) -> u16 {
    match choices.below(24) {
        0 => truly.wrapping_add(1),
        1 => choices.pick(&[0xffff, 0x4000, 0x8000]),
        2 => choices.u16(),
        _ => truly,
    }
}

/// With one of a few contents, so that acks find heartbeats of whatever path.
fn heartbeat(kind: u8, choices: &mut impl Choices, out: &mut Vec<u8>) {
    let at = open(kind, 0, out);
    let (content, length) = (
        choices.below(4) as u8,
        choices.pick(&[40_u16, 40, 40, 40, 40, 37, 3, 500]),
    );
    out.extend([0, 1]);
    out.extend(count(4 + length, choices).to_be_bytes());
    out.resize(out.len() + usize::from(length), content);
    close(at, choices, out);
}

fn init(
    kind: u8,
    association: &mut Association,
    leaves: bool,
    choices: &mut impl Choices,
    out: &mut Vec<u8>,
) {
    if choices.one_in(RARE) {
        // Begun anew.
        association.tags[usize::from(!leaves)] = choices.u32();
    }
    let at = open(kind, 0, out);
    out.extend(association.tags[usize::from(!leaves)].to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 10, 0, 10]);
    out.extend(
        association.tsns[usize::from(leaves)]
            .wrapping_add(1)
            .to_be_bytes(),
    );
    for path in 0..choices.below(4) as u8 {
        address_param(association, path, leaves, choices, out);
    }
    if kind == INIT_ACK {
        param(7, &[0xc0; 4], choices, out);
    }
    if choices.one_in(2) {
        param(0x8008, &[0xc1, 0x80, 0x40], choices, out);
    }
    if choices.one_in(6) {
        param(choices.u16(), &[choices.byte(); 7], choices, out);
    }
    close(at, choices, out);
}

fn asconf(association: &Association, choices: &mut impl Choices, out: &mut Vec<u8>) {
    let at = open(ASCONF, 0, out);
    out.extend(choices.below(4).to_be_bytes());
    let leaves = choices.one_in(2);
    address_param(association, 0, leaves, choices, out);
    for number in 0..choices.below(5) {
        let request = out.len();
        out.extend(choices.pick(&[0xc001_u16, 0xc002, 0xc004]).to_be_bytes());
        out.extend([0, 0]);
        out.extend(number.to_be_bytes());
        let path = choices.below(5) as u8;
        address_param(association, path, leaves, choices, out);
        let length = count((out.len() - request) as u16, choices);
        out[request + 2..request + 4].copy_from_slice(&length.to_be_bytes());
    }
    close(at, choices, out);
}

fn asconf_ack(choices: &mut impl Choices, out: &mut Vec<u8>) {
    let at = open(ASCONF_ACK, 0, out);
    out.extend(choices.below(4).to_be_bytes());
    for number in 0..choices.below(4) as u8 {
        match choices.below(3) {
            0 => param(0xc003, &[0, 0, 0, number, 0, 0xa0, 0, 4], choices, out),
            1 => param(0xc005, &[0, 0, 0, number], choices, out),
            _ => {}
        }
    }
    close(at, choices, out);
}

fn errors(choices: &mut impl Choices, out: &mut Vec<u8>) {
    let at = open(choices.pick(&[ABORT, ABORT, ERROR]), choices.below(2) as u8, out);
    for _ in 0..choices.below(12) {
        let content = choices.pick(&[
            &b"bye"[..],
            b"",
            b"\x1b[2J",
            "\u{202e}olleh".as_bytes(),
            &[0xff; 5],
        ]);
        param(choices.below(14) as u16, content, choices, out);
    }
    close(at, choices, out);
}

/// An address of the association, of either family.
fn address_param(
    association: &Association,
    path: u8,
    leaves: bool,
    choices: &mut impl Choices,
    out: &mut Vec<u8>,
) {
    match choices.below(12) {
        0 => param(5, &[0; 4], choices, out),
        1 => param(6, &[choices.byte(); 16], choices, out),
        2 => param(5, &choices.u32().to_be_bytes(), choices, out),
        _ => {
            let address = association.address(path, leaves);
            let kind = if association.v6 { 6 } else { 5 };
            param(kind, &address, choices, out);
        }
    }
}

fn param(kind: u16, value: &[u8], choices: &mut impl Choices, out: &mut Vec<u8>) {
    out.extend(kind.to_be_bytes());
    out.extend(count(4 + value.len() as u16, choices).to_be_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Begins a chunk, whose length [`close`] fills in.
fn open(kind: u8, flags: u8, out: &mut Vec<u8>) -> usize {
    out.extend([kind, flags, 0, 0]);
    out.len() - 4
}

/// Fills in a length, which is not always the right one, and pads, not always.
fn close(at: usize, choices: &mut impl Choices, out: &mut Vec<u8>) {
    let truly = out.len() - at;
    let said = match choices.below(48) {
        0 => choices.below(4) as usize,
        1 => truly + 1 + choices.below(8) as usize,
        2 => truly.saturating_sub(1 + choices.below(8) as usize),
        3 => usize::from(choices.u16()),
        _ => truly,
    };
    out[at + 2..at + 4].copy_from_slice(&(said as u16).to_be_bytes());
    if !choices.one_in(64) {
        // From the chunk on: what stands before it may not be padded.
        out.resize(at + truly.next_multiple_of(4), 0);
    }
}

/// What makes most of what follows count for nothing.
const RARE: u32 = 256;

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const ERROR: u8 = 9;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;
const NR_SACK: u8 = 16;
const ASCONF_ACK: u8 = 128;
const PAD: u8 = 132;
const ASCONF: u8 = 193;
