//! The shapes of the kernel boundary in what an agent saves of its state: as their bytes, for the same machine and the same version.

use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use crate::{
    abi::{
        ControlHeader, FlowKey, FlowLinks, FlowOpened, FlowRecord, HeartbeatAcked, HeartbeatSent,
        IcmpErrorSeen, Interface, Rtt,
    },
    wire::{Address, ChunkKind},
};

macro_rules! as_bytes {
    ($($type:ty),* $(,)?) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(bytemuck::bytes_of(self))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes: [u8; size_of::<$type>()] = deserializer.deserialize_bytes(Bytes::<{ size_of::<$type>() }>)?;
                Ok(bytemuck::pod_read_unaligned(&bytes))
            }
        }
    )*};
}

as_bytes!(
    Address,
    ControlHeader,
    FlowKey,
    FlowLinks,
    FlowOpened,
    FlowRecord,
    HeartbeatAcked,
    HeartbeatSent,
    IcmpErrorSeen,
    Interface,
    Rtt,
);

/// So many bytes.
struct Bytes<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for Bytes<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        bytes
            .try_into()
            .map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut bytes = [0; N];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = sequence
                .next_element()?
                .ok_or_else(|| A::Error::invalid_length(index, &self))?;
        }
        Ok(bytes)
    }
}

impl Serialize for ChunkKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl<'de> Deserialize<'de> for ChunkKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        let kind = Self::ALL.iter().find(|kind| **kind as u8 == number);
        kind.copied()
            .ok_or_else(|| D::Error::custom("no such kind of chunk"))
    }
}
