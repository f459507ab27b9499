//! Offloads and queues: generic netlink family "ethtool" (Linux 5.10).

use ethtool::{
    EthtoolAttr, EthtoolChannelAttr, EthtoolError, EthtoolFeatureAttr, EthtoolFeatureBit, EthtoolHandle,
    EthtoolMessage, new_connection,
};
use futures_util::{Stream, TryStreamExt as _};
use netlink_packet_generic::GenlMessage;
use tracing::debug;

use super::super::facts::{Channels, Merging, Offload};

/// The socket to ask by, if there is one.
pub(super) struct Source(Option<EthtoolHandle>);

impl Source {
    /// Needs a tokio runtime.
    pub(super) fn open() -> Self {
        match new_connection() {
            Ok((connection, handle, _)) => {
                tokio::spawn(connection);
                Self(Some(handle))
            }
            Err(error) => {
                debug!("no generic netlink socket: {error}");
                Self(None)
            }
        }
    }

    /// The offloads that merge what arrives; `None` if the kernel does not tell.
    pub(super) async fn merging(&mut self, interface: &str) -> Option<Merging> {
        let answer = self.0.as_mut()?.feature().get(Some(interface)).execute().await;
        let attributes = attributes(interface, answer).await?;
        let mut changeable: &[EthtoolFeatureBit] = &[];
        let mut active: &[EthtoolFeatureBit] = &[];
        for attribute in &attributes {
            match attribute {
                EthtoolAttr::Feature(EthtoolFeatureAttr::Hw(bits)) => changeable = bits,
                EthtoolAttr::Feature(EthtoolFeatureAttr::Active(bits)) => active = bits,
                _ => {}
            }
        }
        Some(Merging {
            lro: state("rx-lro", active, changeable),
            gro_hw: state("rx-gro-hw", active, changeable),
        })
    }

    /// The numbers of queues; `None` if the NIC has no such setting.
    pub(super) async fn channels(&mut self, interface: &str) -> Option<Channels> {
        let answer = self.0.as_mut()?.channel().get(Some(interface)).execute().await;
        let attributes = attributes(interface, answer).await?;
        let mut channels = Channels::default();
        for attribute in attributes {
            match attribute {
                EthtoolAttr::Channel(EthtoolChannelAttr::RxCount(count)) => channels.rx = count,
                EthtoolAttr::Channel(EthtoolChannelAttr::TxCount(count)) => channels.tx = count,
                EthtoolAttr::Channel(EthtoolChannelAttr::CombinedCount(count)) => channels.combined = count,
                EthtoolAttr::Channel(EthtoolChannelAttr::CombinedMax(count)) => channels.combined_max = count,
                _ => {}
            }
        }
        Some(channels)
    }
}

/// The attributes of an answer, which is one message; `None` if there is no such answer.
async fn attributes(
    interface: &str,
    answer: Result<impl Stream<Item = Result<GenlMessage<EthtoolMessage>, EthtoolError>>, EthtoolError>,
) -> Option<Vec<EthtoolAttr>> {
    let messages: Result<Vec<_>, _> = match answer {
        Ok(messages) => messages.try_collect().await,
        Err(error) => Err(error),
    };
    match messages {
        Ok(messages) if !messages.is_empty() => {
            let attributes = messages.into_iter().flat_map(|message| message.payload.nlas);
            Some(attributes.collect())
        }
        Ok(_) => None,
        Err(error) => {
            debug!(interface, "ethtool: {error:?}");
            None
        }
    }
}

fn state(name: &str, active: &[EthtoolFeatureBit], changeable: &[EthtoolFeatureBit]) -> Offload {
    let among = |bits: &[EthtoolFeatureBit]| bits.iter().any(|bit| bit.name == name && bit.value);
    match (among(active), among(changeable)) {
        (false, _) => Offload::Off,
        (true, true) => Offload::On,
        (true, false) => Offload::Fixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_active_offload_that_nobody_can_change_is_fixed() {
        let bit = |name: &str, value| EthtoolFeatureBit {
            index: 1,
            name: name.to_owned(),
            value,
        };
        let lro = [bit("rx-lro", true)];
        assert_eq!(state("rx-lro", &lro, &lro), Offload::On);
        assert_eq!(state("rx-lro", &lro, &[bit("rx-lro", false)]), Offload::Fixed);
        assert_eq!(state("rx-lro", &lro, &[]), Offload::Fixed);
        assert_eq!(state("rx-lro", &[bit("rx-gro-hw", true)], &lro), Offload::Off);
    }
}
