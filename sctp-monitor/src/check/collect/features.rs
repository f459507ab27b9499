//! What drivers say of their XDP support: generic netlink family "netdev", Linux 6.3
//! (Documentation/netlink/specs/netdev.yaml).

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use genetlink::{GenetlinkError, new_connection};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use rtnetlink::packet_core::{
    DecodeError, Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
    NlasIterator, ParseableParametrized, parse_u32, parse_u64,
};

use super::super::facts::XdpFeatures;

/// What the driver of each NIC of this namespace says, by the NIC's index.
///
/// # Errors
/// If the kernel has no such family, as before Linux 6.3.
pub(super) async fn all() -> Result<BTreeMap<u32, XdpFeatures>, GenetlinkError> {
    let (connection, mut handle, _) = new_connection().map_err(GenetlinkError::NetlinkError)?;
    tokio::spawn(connection);
    let mut request = NetlinkMessage::from(GenlMessage::from_payload(Device::default()));
    // With ACK the library reads to the end of a dump, also where the kernel forgets to mark its parts.
    request.header.flags = NLM_F_REQUEST | NLM_F_DUMP | NLM_F_ACK;
    let mut answers = handle.request(request).await?;
    let mut features = BTreeMap::new();
    while let Some(answer) = answers.next().await {
        match answer?.payload {
            NetlinkPayload::InnerMessage(message) => {
                if let Device {
                    if_index: Some(if_index),
                    xdp_features: Some(bits),
                } = message.payload
                {
                    features.insert(if_index, XdpFeatures(bits));
                }
            }
            NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(features)
}

/// NETDEV_CMD_DEV_GET, its request without attributes and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Device {
    if_index: Option<u32>,
    xdp_features: Option<u64>,
}

impl GenlFamily for Device {
    fn family_name() -> &'static str {
        "netdev"
    }

    fn command(&self) -> u8 {
        NETDEV_CMD_DEV_GET
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for Device {
    fn buffer_len(&self) -> usize {
        0
    }

    fn emit(&self, _buffer: &mut [u8]) {}
}

impl ParseableParametrized<[u8], GenlHeader> for Device {
    fn parse_with_param(attributes: &[u8], _header: GenlHeader) -> Result<Self, DecodeError> {
        let mut device = Self::default();
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            match attribute.kind() {
                NETDEV_A_DEV_IFINDEX => device.if_index = Some(parse_u32(attribute.value())?),
                NETDEV_A_DEV_XDP_FEATURES => device.xdp_features = Some(parse_u64(attribute.value())?),
                _ => {}
            }
        }
        Ok(device)
    }
}

// linux/netdev.h
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: GenlHeader = GenlHeader {
        cmd: NETDEV_CMD_DEV_GET,
        version: 1,
    };

    #[test]
    fn an_answer_is_read_attribute_by_attribute() {
        let mut bytes = Vec::new();
        bytes.extend([8, 0, 1, 0]); // length, NETDEV_A_DEV_IFINDEX
        bytes.extend(4_u32.to_ne_bytes());
        bytes.extend([12, 0, 3, 0]); // length, NETDEV_A_DEV_XDP_FEATURES
        bytes.extend(0x23_u64.to_ne_bytes());
        bytes.extend([8, 0, 99, 0, 1, 2, 3, 4]); // of a later kernel
        let device = Device::parse_with_param(&bytes, HEADER).unwrap();
        assert_eq!(device.if_index, Some(4));
        let features = XdpFeatures(device.xdp_features.unwrap());
        assert!(features.native() && features.fragments());
    }

    #[test]
    fn a_short_answer_is_an_error() {
        let bytes = [6, 0, 1, 0, 4, 0, 0, 0];
        assert!(Device::parse_with_param(&bytes, HEADER).is_err());
    }
}
