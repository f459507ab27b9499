//! Handshakes that did not lead to an association, in words: what was sent, what came back, what to check.

use std::fmt;

use crate::model::{
    ErrorCause, HandshakeAnswer, HandshakeTimes, Reply, SeenAt, Short, UnfinishedHandshake,
    words::{causes::causes, ends::abort, plural},
};

impl HandshakeTimes {
    /// `INIT to INIT ACK 1.20 ms, COOKIE ECHO to COOKIE ACK 1.10 ms`; `None` if neither is known.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let named = [
            ("INIT to INIT ACK", self.init),
            ("COOKIE ECHO to COOKIE ACK", self.cookie),
        ];
        let known = named
            .into_iter()
            .filter_map(|(leg, time)| Some(format!("{leg} {}", Short(time?))));
        let known: Vec<_> = known.collect();
        (!known.is_empty()).then(|| known.join(", "))
    }
}

impl UnfinishedHandshake {
    /// What was sent and what came back.
    #[must_use]
    pub fn seen(&self) -> String {
        let mut sent = vec![counted(self.inits, "INIT", self.init_bytes)];
        if self.attempts > 1 {
            sent[0] = format!("{} in {}", sent[0], plural(self.attempts, "attempt"));
        }
        if self.cookie_echoes > 0 {
            sent.push(counted(self.cookie_echoes, "COOKIE ECHO", self.cookie_echo_bytes));
        }
        let came = match self.answers.is_empty() {
            true => "no answer".to_owned(),
            false => {
                let answers: Vec<_> = self.answers.iter().map(|answer| self.answer(answer)).collect();
                format!("answered by {}", answers.join(", "))
            }
        };
        let acknowledged = |answer: &HandshakeAnswer| matches!(answer.what, Reply::CookieAck { .. });
        let lacks = match (self.init_acks, self.cookie_echoes) {
            (1.., 0) if !self.is_aborted() => "; no COOKIE ECHO was seen",
            (_, 1..) if self.answers.iter().any(acknowledged) => {
                "; no COOKIE ACK from an address in its list was seen"
            }
            (_, 1..) => "; no COOKIE ACK was seen",
            _ => "",
        };
        format!("{}: {came}{lacks}", sent.join(", "))
    }

    /// What to check next: by what came last.
    #[must_use]
    pub fn check(&self) -> String {
        let Self {
            initiator,
            responder,
            port,
            ..
        } = self;
        // What anyone can send tells where to look only if nothing else does.
        let mut answers = self.answers.iter().map(|answer| &answer.what);
        let last = answers.rfind(|answer| !answer.may_be_forged());
        match last.or(self.answers.last().map(|answer| &answer.what)) {
            None => format!("ping {responder} from {initiator}; filters on IP protocol 132"),
            Some(Reply::Abort {
                source,
                by_initiator: true,
                ..
            }) => format!(
                "the log of the SCTP stack and the application on {source}: it gave up its own handshake"
            ),
            Some(Reply::Abort { causes, .. } | Reply::Error { causes, .. }) => match causes.first() {
                None => {
                    format!("whether a process on {responder} listens on SCTP port {port} (`ss --sctp -l`)")
                }
                Some(ErrorCause::RestartWithNewAddresses { .. }) => format!(
                    "{responder} still has an association with {initiator} on these ports, and its list lacks the new \
                     addresses: it has to end first"
                ),
                Some(ErrorCause::StaleCookie { .. }) => format!(
                    "the round trip between {initiator} and {responder}; the cookie lifetime at {responder}"
                ),
                Some(ErrorCause::OutOfResource) => {
                    format!("limits and memory of the SCTP server on {responder}")
                }
                Some(_) => format!("the log of the SCTP stack and the application on {responder}"),
            },
            Some(Reply::Icmp {
                reporter,
                quotes_tag: false,
                ..
            }) => format!(
                "ping {responder} from {initiator}; filters on IP protocol 132; SCTP on {responder}; whether {reporter} is a router \
                 between the two: its ICMP error may be forged"
            ),
            Some(Reply::Icmp { reporter, .. }) => format!(
                "SCTP on {responder} (kernel module sctp); filters and routes at {reporter}, which sent the ICMP error"
            ),
            Some(Reply::InitAck { .. }) if self.cookie_echoes > 0 && self.seen_at == SeenAt::Responder => {
                format!(
                    "the log of the SCTP stack on {responder}, where the COOKIE ECHO arrived; its filters on SCTP chunks; the \
                 CRC32c of what {initiator} sends (`run --checksums sample`)"
                )
            }
            Some(Reply::InitAck { .. }) if self.cookie_echoes > 0 => format!(
                "whether packets of {} bytes pass from {initiator} to {responder}, and COOKIE ACK passes back: path MTU, \
                 filters on SCTP chunks",
                self.cookie_echo_bytes
            ),
            Some(Reply::InitAck { source, .. } | Reply::CookieAck { source }) if source != responder => {
                format!(
                    "source address selection on the responder: it was asked at {responder} and answers from {source}; \
                 stateful filters and {initiator} itself may drop that"
                )
            }
            Some(Reply::InitAck { .. } | Reply::CookieAck { .. }) if self.seen_at == SeenAt::Initiator => {
                format!(
                    "what {initiator} does with the INIT ACK, which arrived there: its filters, the log of its SCTP stack; the CRC32c \
                 of the INIT ACK (`run --checksums sample`)"
                )
            }
            Some(Reply::InitAck { .. } | Reply::CookieAck { .. }) => {
                format!("whether the INIT ACK reached {initiator}")
            }
        }
    }

    fn answer(&self, answer: &HandshakeAnswer) -> String {
        let times = match answer.times {
            1 => String::new(),
            times => format!("{times} "),
        };
        match &answer.what {
            Reply::InitAck { source, lists_asked } => {
                let from = if *source == self.responder {
                    String::new()
                } else {
                    let listed = match lists_asked {
                        true => "which it lists",
                        false => "which it does not list",
                    };
                    format!(" instead of {}, {listed},", self.responder)
                };
                format!(
                    "{times}INIT ACK ({} bytes) from {source}{from}",
                    self.init_ack_bytes
                )
                .trim_end_matches(',')
                .to_owned()
            }
            Reply::CookieAck { source } => {
                format!("{times}COOKIE ACK from {source}, which is in no list of the responder")
            }
            Reply::Abort {
                source,
                by_initiator,
                t_bit,
                causes,
            } => {
                let to = if *by_initiator {
                    self.responder
                } else {
                    self.initiator
                };
                format!("{times}{}", abort(*source, to, *t_bit, causes))
            }
            Reply::Error {
                source,
                causes: named,
            } => {
                format!("{times}ERROR from {source}: {}", causes(named))
            }
            Reply::Icmp {
                what,
                reporter,
                quotes_tag,
            } => {
                let doubt = if *quotes_tag { "" } else { ", which quotes no tag" };
                format!(
                    "{times}ICMP {} from {reporter} (type {}, code {}){doubt}",
                    what.words(),
                    what.kind,
                    what.code
                )
            }
        }
    }

    fn is_aborted(&self) -> bool {
        let mut answers = self.answers.iter();
        answers.any(|answer| matches!(answer.what, Reply::Abort { .. }))
    }
}

impl Reply {
    /// Whether somebody may have sent it who saw nothing of the handshake.
    fn may_be_forged(&self) -> bool {
        matches!(
            self,
            Self::Icmp {
                quotes_tag: false,
                ..
            }
        )
    }
}

impl fmt::Display for UnfinishedHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no association from {} to {} port {}: {}. Check: {}",
            self.initiator,
            self.responder,
            self.port,
            self.seen(),
            self.check()
        )
    }
}

fn counted(count: u64, chunk: &str, bytes: u32) -> String {
    format!("{} ({bytes} bytes)", plural(count, chunk))
}
