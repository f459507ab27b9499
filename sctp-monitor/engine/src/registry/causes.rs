//! The error causes of ABORT and ERROR chunks, read from the chunk.

use sctp_monitor_common::wire::{
    Address, Chunk, Frame, ReadPacket as _,
    control::causes,
    param::{Param, params},
};

use crate::model::ErrorCause;

/// The causes of an ABORT or ERROR chunk, each with its fields.
pub(super) fn read(frame: &Frame<'_>, chunk: &Chunk) -> Vec<ErrorCause> {
    let named = causes(frame, chunk).take(MAX_CAUSES);
    named.map(|cause| cause_of(frame, &cause)).collect()
}

/// The cause codes are those of RFC 9260 section 3.3.10.
fn cause_of(frame: &Frame<'_>, cause: &Param) -> ErrorCause {
    let at = cause.value_at();
    let holds = |bytes: usize| at + bytes <= cause.end();
    let number = || frame.read_u32(at).filter(|_| holds(4));
    match cause.kind {
        1 => ErrorCause::InvalidStream {
            stream: frame.read_u16(at).filter(|_| holds(2)),
            streams: None,
        },
        2 => ErrorCause::MissingParameters {
            parameters: types_from(frame, at + 4, cause.end()),
        },
        3 => ErrorCause::StaleCookie { late_by_us: number() },
        4 => ErrorCause::OutOfResource,
        5 => ErrorCause::UnresolvableAddress {
            address: params(frame, at, cause.end())
                .find_map(|param| param.address(frame))
                .map(Address::to_ip),
        },
        6 => ErrorCause::UnrecognizedChunk {
            chunk_type: frame.read_u8(at).filter(|_| holds(1)),
        },
        7 => ErrorCause::InvalidParameter,
        8 => ErrorCause::UnrecognizedParameters {
            parameters: params(frame, at, cause.end())
                .take(MAX_LISTED)
                .map(|param| param.kind)
                .collect(),
        },
        9 => ErrorCause::NoUserData { tsn: number() },
        10 => ErrorCause::CookieWhileShuttingDown,
        11 => ErrorCause::RestartWithNewAddresses {
            addresses: params(frame, at, cause.end())
                .filter_map(|param| param.address(frame))
                .take(MAX_LISTED)
                .map(Address::to_ip)
                .collect(),
        },
        12 => ErrorCause::UserInitiated {
            said: said(frame, cause),
        },
        13 => ErrorCause::ProtocolViolation {
            said: said(frame, cause),
        },
        code => ErrorCause::Other { code },
    }
}

/// Parameter types, one behind the other.
fn types_from(frame: &Frame<'_>, from: usize, end: usize) -> Vec<u16> {
    (from..end.saturating_sub(1))
        .step_by(2)
        .take(MAX_LISTED)
        .map_while(|at| frame.read_u16(at))
        .collect()
}

/// What the sender says, if it is text. It comes from the network and goes to terminals, so nothing in it may control one: what would is
/// shown by its number, and no quotation mark may end it.
fn said(frame: &Frame<'_>, cause: &Param) -> Option<String> {
    let bytes = frame.0.get(cause.value_at()..cause.end().min(frame.0.len()))?;
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0').trim();
    let shown = text.replace('"', "'");
    let shown = shown.chars().map(|character| match character {
        character if steers(character) => character.escape_unicode().to_string(),
        character => character.to_string(),
    });
    (!text.is_empty()).then(|| shown.take(MAX_TEXT).collect())
}

/// Whether a character does something to a terminal instead of standing there: a control character, or one that turns
/// or breaks the line (Unicode's bidirectional controls and separators).
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Causes of one chunk that are named; stacks send one or two.
const MAX_CAUSES: usize = 8;
/// Parameters or addresses of one cause that are named.
const MAX_LISTED: usize = 8;
/// Characters of what a sender says that are shown.
const MAX_TEXT: usize = 120;

#[cfg(test)]
mod tests {
    use sctp_monitor_common::wire::ChunkKind;

    use super::*;

    fn abort(code: u16, value: &[u8]) -> Vec<ErrorCause> {
        let length = u8::try_from(4 + value.len()).unwrap();
        let [high, low] = code.to_be_bytes();
        let mut bytes = vec![6, 0, 0, 4 + length, high, low, 0, length];
        bytes.extend(value);
        let chunk = Chunk::new(0, ChunkKind::Abort.to_type().unwrap(), 0, u16::from(4 + length));
        read(&Frame(&bytes), &chunk)
    }

    #[test]
    fn the_reason_of_an_abort_is_shown_if_it_is_text() {
        let said = |bytes: &[u8]| match abort(12, bytes).as_slice() {
            [ErrorCause::UserInitiated { said }] => said.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(said(b"bye").as_deref(), Some("bye"));
        assert_eq!(said(b"bye\0\0").as_deref(), Some("bye"));
        let turned = "\u{202e}eybdoog".as_bytes();
        assert_eq!(said(b"\x1b[2Jgone").as_deref(), Some("\\u{1b}[2Jgone"));
        assert_eq!(said(turned).as_deref(), Some("\\u{202e}eybdoog"));
        for silent in [&b""[..], b"\xff\xfe", b"\0"] {
            assert_eq!(said(silent), None, "{silent:?}");
        }
    }

    #[test]
    fn causes_have_their_fields() {
        let only = |code, value: &[u8]| {
            let mut causes = abort(code, value);
            assert_eq!(causes.len(), 1, "{causes:?}");
            causes.remove(0).to_string()
        };
        // Stream 17, reserved.
        assert_eq!(only(1, &[0, 17, 0, 0]), "invalid stream identifier 17");
        // One parameter: 7, the cookie.
        assert_eq!(only(2, &[0, 0, 0, 1, 0, 7]), "missing mandatory parameter 0x0007");
        assert_eq!(only(3, &[0, 0x0f, 0x42, 0x40]), "stale cookie (late by 1.00 s)");
        assert_eq!(
            only(5, &[0, 5, 0, 8, 10, 9, 0, 1]),
            "unresolvable address 10.9.0.1"
        );
        assert_eq!(only(6, &[193, 0, 0, 4]), "unrecognized chunk type 193");
        assert_eq!(only(8, &[0xc0, 6, 0, 4]), "unrecognized parameters 0xc006");
        assert_eq!(only(9, &[0, 0, 1, 0]), "no user data in the chunk with TSN 256");
        assert_eq!(
            only(11, &[0, 5, 0, 8, 203, 0, 113, 2, 0, 5, 0, 8, 203, 0, 113, 3]),
            "restart of an association with new addresses 203.0.113.2, 203.0.113.3"
        );
        assert_eq!(only(13, b"say \"no\""), "protocol violation \"say 'no'\"");
        assert_eq!(only(99, &[]), "unknown cause (code 0x0063)");
    }

    #[test]
    fn cut_fields_are_not_made_up() {
        for code in [1, 3, 5, 6, 9] {
            let [cause] = abort(code, &[]).try_into().unwrap();
            let text = cause.to_string();
            assert!(!text.contains(|c: char| c.is_ascii_digit()), "{text}");
        }
    }
}
