//! What the kernel counts for a network namespace: `/proc/net/sctp/snmp`.

use std::io;

use sctp_monitor_lab::endpoint::StackCounters;

/// The counters of the namespace when they were read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters(StackCounters);

impl Counters {
    pub(super) fn read() -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string("/proc/self/net/sctp/snmp")?))
    }

    /// How many more there are now.
    pub(super) fn since(&self, start: &Self) -> StackCounters {
        let (now, start) = (self.0, start.0);
        StackCounters {
            packets_sent: now.packets_sent.wrapping_sub(start.packets_sent),
            packets_received: now.packets_received.wrapping_sub(start.packets_received),
            data_sent: now.data_sent.wrapping_sub(start.data_sent),
            data_received: now.data_received.wrapping_sub(start.data_received),
            ..StackCounters::default()
        }
    }

    /// Lines of a name and a number. The kernel counts DATA ordered and unordered, no other chunk by its type.
    fn parse(text: &str) -> Self {
        let count = |wanted: &str| {
            let mut lines = text
                .lines()
                .filter_map(|line| line.split_once(char::is_whitespace));
            let value = lines
                .find(|(name, _)| *name == wanted)
                .and_then(|(_, value)| value.trim().parse::<u64>().ok());
            // Like usrsctp's counters, these wrap around.
            value.unwrap_or(0) as u32
        };
        Self(StackCounters {
            packets_sent: count("SctpOutSCTPPacks"),
            packets_received: count("SctpInSCTPPacks"),
            data_sent: count("SctpOutOrderChunks").wrapping_add(count("SctpOutUnorderChunks")),
            data_received: count("SctpInOrderChunks").wrapping_add(count("SctpInUnorderChunks")),
            ..StackCounters::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.1 prints them.
    fn snmp(sent: u32, data: u32) -> String {
        format!(
            "SctpCurrEstab                   \t1\n\
             SctpOutOrderChunks              \t{data}\n\
             SctpOutUnorderChunks            \t1\n\
             SctpInOrderChunks               \t5\n\
             SctpOutSCTPPacks                \t{sent}\n\
             SctpInSCTPPacks                 \t9\n"
        )
    }

    #[test]
    fn what_was_counted_before_the_start_does_not_count() {
        let start = Counters::parse(&snmp(10, 3));
        let since = Counters::parse(&snmp(25, 7)).since(&start);
        let expected = StackCounters {
            packets_sent: 15,
            data_sent: 4,
            ..StackCounters::default()
        };
        assert_eq!(since, expected);
    }
}
