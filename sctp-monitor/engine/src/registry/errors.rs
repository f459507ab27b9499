//! Error causes in words, and how often they are worth a report.

use std::time::Duration;

use sctp_monitor_common::wire::{
    Chunk, Frame,
    control::{cause_name, causes},
    param::Param,
};

use crate::model::{Side, Timestamp};

/// The causes of an ABORT or ERROR chunk in words, with what the application said if that can be shown.
pub(crate) fn cause_words(frame: &Frame<'_>, chunk: &Chunk) -> Vec<String> {
    causes(frame, chunk)
        .take(MAX_CAUSES)
        .map(|cause| {
            let name = cause_name(cause.kind);
            match (cause.kind, spoken(frame, &cause)) {
                (USER_INITIATED_ABORT, Some(text)) => format!("{name} \"{text}\""),
                _ => name.to_owned(),
            }
        })
        .collect()
}

/// The upper layer's reason (RFC 9260 section 3.3.10.12), if it is text. It comes from the network and goes to
/// terminals, so nothing in it may control one.
fn spoken(frame: &Frame<'_>, cause: &Param) -> Option<String> {
    let bytes = frame.0.get(cause.value_at()..cause.end().min(frame.0.len()))?;
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0').trim();
    let printable = !text.is_empty() && !text.chars().any(steers);
    printable.then(|| text.chars().take(MAX_TEXT).collect())
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

/// Errors of one association that were reported lately.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorLog {
    reported: Vec<(Side, Vec<String>, Timestamp)>,
}

impl ErrorLog {
    /// Whether these causes are worth a report: the same ones are once in [`QUIET`], and of many different ones the
    /// first.
    pub(crate) fn admits(&mut self, by: Side, causes: &[String], now: Timestamp) -> bool {
        self.reported.retain(|(_, _, at)| now.since(*at) < QUIET);
        let known = self
            .reported
            .iter()
            .any(|(side, known, _)| *side == by && known == causes);
        if known || self.reported.len() == MAX_REPORTED {
            return false;
        }
        self.reported.push((by, causes.to_vec(), now));
        true
    }
}

const USER_INITIATED_ABORT: u16 = 12;
/// How long the same causes are not reported again: a peer that does not know a chunk complains of every one.
const QUIET: Duration = Duration::from_secs(60);
/// Different causes in [`QUIET`] that are reported.
const MAX_REPORTED: usize = 8;
/// Causes of one chunk that are named; stacks send one or two.
const MAX_CAUSES: usize = 8;
/// Characters of an application's reason that are shown.
const MAX_TEXT: usize = 120;

#[cfg(test)]
mod tests {
    use sctp_monitor_common::wire::ChunkKind;

    use super::*;

    fn abort(text: &[u8]) -> Vec<String> {
        let length = u8::try_from(4 + text.len()).unwrap();
        let mut bytes = vec![6, 0, 0, 4 + length, 0, 12, 0, length];
        bytes.extend(text);
        let chunk = Chunk::new(0, ChunkKind::Abort.to_type().unwrap(), 0, u16::from(4 + length));
        cause_words(&Frame(&bytes), &chunk)
    }

    #[test]
    fn the_reason_of_an_abort_is_shown_if_it_is_text() {
        assert_eq!(abort(b"bye"), ["user-initiated abort \"bye\""]);
        assert_eq!(abort(b"bye\0\0"), ["user-initiated abort \"bye\""]);
        let turned = "\u{202e}eybdoog".as_bytes();
        for silent in [&b""[..], b"\x1b[2Jgone", turned, b"\xff\xfe", b"\0"] {
            assert_eq!(abort(silent), ["user-initiated abort"], "{silent:?}");
        }
    }

    #[test]
    fn the_same_causes_are_reported_once_a_minute() {
        let mut log = ErrorLog::default();
        let at = |seconds| Timestamp::default() + Duration::from_secs(seconds);
        let stale = ["stale cookie".to_owned()];
        assert!(log.admits(Side::Remote, &stale, at(0)));
        assert!(!log.admits(Side::Remote, &stale, at(59)));
        assert!(log.admits(Side::Local, &stale, at(59)), "another side");
        assert!(log.admits(Side::Remote, &stale, at(60)));
    }
}
