//! How times, tags and names stand in JSON: milliseconds under names that end in `_ms`, tags in hexadecimal as Wireshark
//! shows them, chunks by the name that the RFC gives them.

/// A duration in milliseconds.
pub mod ms {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the value.
    ///
    /// # Errors
    /// Errors of the serializer.
    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_nanos() as f64 / NANOS)
    }

    /// Reads the value.
    ///
    /// # Errors
    /// The deserializer's, and what is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(millis / 1e3).map_err(D::Error::custom)?;
        Ok(Duration::from_nanos((millis * NANOS).round() as u64))
    }

    const NANOS: f64 = 1e6;
}

/// A duration in milliseconds, or null.
pub mod optional_ms {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Ms(#[serde(with = "super::ms")] Duration);

    /// Writes the value.
    ///
    /// # Errors
    /// Errors of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(Ms).serialize(serializer)
    }

    /// Reads the value.
    ///
    /// # Errors
    /// The deserializer's, and what is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Ms>::deserialize(deserializer)?.map(|Ms(time)| time))
    }
}

/// A verification tag in hexadecimal.
pub mod tag {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the value.
    ///
    /// # Errors
    /// Errors of the serializer.
    pub fn serialize<S: Serializer>(tag: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{tag:#010x}"))
    }

    /// Reads the value.
    ///
    /// # Errors
    /// The deserializer's, and what is no tag.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_prefix("0x")
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| D::Error::custom(format_args!("{text:?} is no verification tag")))
    }
}

/// A verification tag in hexadecimal, or null.
pub(crate) mod optional_tag {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Tag(#[serde(with = "super::tag")] u32);

    pub(crate) fn serialize<S: Serializer>(tag: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
        tag.map(Tag).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
        Ok(Option::<Tag>::deserialize(deserializer)?.map(|Tag(tag)| tag))
    }
}

/// Chunk kinds by their names.
pub(crate) mod chunk_names {
    use sctp_monitor_common::wire::ChunkKind;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(kinds: &[ChunkKind], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(kinds.iter().map(|kind| kind.name()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<ChunkKind>, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        names.iter().map(|name| super::chunk_named(name)).collect()
    }
}

/// A chunk kind by its name in the RFCs.
pub(crate) mod chunk_name {
    use sctp_monitor_common::wire::ChunkKind;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    pub(crate) fn serialize<S: Serializer>(kind: &ChunkKind, serializer: S) -> Result<S::Ok, S::Error> {
        kind.name().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChunkKind, D::Error> {
        super::chunk_named(&String::deserialize(deserializer)?)
    }
}

fn chunk_named<E: serde::de::Error>(name: &str) -> Result<sctp_monitor_common::wire::ChunkKind, E> {
    let mut kinds = sctp_monitor_common::wire::ChunkKind::ALL.iter().copied();
    kinds
        .find(|kind| kind.name() == name)
        .ok_or_else(|| E::custom(format_args!("{name:?} is no chunk")))
}

/// An Ethernet address, as `ip link` shows it.
pub(crate) mod ethernet {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::model::words::Ethernet;

    pub(crate) fn serialize<S: Serializer>(address: &[u8; 6], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Ethernet(*address))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 6], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Option<Vec<_>> = text
            .split(':')
            .map(|byte| u8::from_str_radix(byte, 16).ok())
            .collect();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| D::Error::custom(format_args!("{text:?} is no Ethernet address")))
    }
}

/// What is said in words beside the figures that say the same: the words are made when it is written, and not read back.
pub mod told {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::Reason;

    /// The words and the figures.
    #[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
    pub struct Told<T> {
        /// In words, for people.
        reason: String,
        /// The figures, for programs.
        evidence: T,
    }

    /// Writes both.
    ///
    /// # Errors
    /// Errors of the serializer.
    pub fn serialize<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
        let told = Told {
            reason: reason.to_string(),
            evidence: reason,
        };
        told.serialize(serializer)
    }

    /// Reads the figures.
    ///
    /// # Errors
    /// Errors of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reason, D::Error> {
        Ok(Told::deserialize(deserializer)?.evidence)
    }
}

/// The same of what may be unknown: both are null then.
pub mod optionally_told {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::Reason;

    /// How it stands there.
    #[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
    pub struct Told<T> {
        /// In words, for people.
        reason: Option<String>,
        /// The figures, for programs.
        evidence: Option<T>,
    }

    /// Writes it.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(reason: &Option<Reason>, serializer: S) -> Result<S::Ok, S::Error> {
        let told = Told {
            reason: reason.as_ref().map(ToString::to_string),
            evidence: reason.as_ref(),
        };
        told.serialize(serializer)
    }

    /// Reads it.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Reason>, D::Error> {
        Ok(Told::deserialize(deserializer)?.evidence)
    }
}

/// The end of an association under names that leave room for other reasons beside it.
pub(crate) mod how_it_ended {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::{End, EndReason};

    #[derive(Serialize, Deserialize, schemars::JsonSchema)]
    pub(crate) struct Ended {
        /// In words, for people.
        end_reason: String,
        /// The end with its figures, for programs.
        end: EndReason,
    }

    pub(crate) fn serialize<S: Serializer>(end: &End, serializer: S) -> Result<S::Ok, S::Error> {
        let ended = Ended {
            end_reason: end.text.clone(),
            end: end.reason.clone(),
        };
        ended.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<End, D::Error> {
        let Ended { end_reason, end } = Ended::deserialize(deserializer)?;
        Ok(End {
            text: end_reason,
            reason: end,
        })
    }
}

/// The type and code of an ICMP error.
pub(crate) mod icmp {
    use sctp_monitor_common::wire::icmp::IcmpMessage;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize, schemars::JsonSchema)]
    pub(crate) struct Icmp {
        /// 4 for ICMP, 6 for ICMPv6.
        icmp_version: u8,
        /// The ICMP type.
        icmp_type: u8,
        /// The ICMP code.
        icmp_code: u8,
    }

    pub(crate) fn serialize<S: Serializer>(message: &IcmpMessage, serializer: S) -> Result<S::Ok, S::Error> {
        let icmp = Icmp {
            icmp_version: message.version,
            icmp_type: message.kind,
            icmp_code: message.code,
        };
        icmp.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IcmpMessage, D::Error> {
        let icmp = Icmp::deserialize(deserializer)?;
        Ok(IcmpMessage {
            version: icmp.icmp_version,
            kind: icmp.icmp_type,
            code: icmp.icmp_code,
        })
    }
}

/// A scope with its words beside it.
pub(crate) mod in_words {
    use serde::{Serialize, Serializer};

    use crate::model::Scope;

    #[derive(Serialize, schemars::JsonSchema)]
    pub(crate) struct InWords<T> {
        #[serde(flatten)]
        typed: T,
        /// In words, for people.
        words: String,
    }

    pub(crate) fn serialize<S: Serializer>(scope: &Scope, serializer: S) -> Result<S::Ok, S::Error> {
        let in_words = InWords {
            typed: scope,
            words: scope.to_string(),
        };
        in_words.serialize(serializer)
    }
}

/// Extensions by the names of their chunks.
pub(crate) mod extensions {
    use sctp_monitor_common::wire::{ChunkKind, init::Extensions};
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        extensions: &Extensions,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(extensions.kinds().map(ChunkKind::name))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Extensions, D::Error> {
        let kinds = super::chunk_names::deserialize(deserializer)?;
        Ok(kinds.into_iter().collect())
    }
}
