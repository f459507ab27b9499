//! Socket options (RFC 6458, 8): the protocol's parameters before an association begins, the state of its paths later.

use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, SocketAddr};

use sctp_monitor_lab::endpoint::{AddressState, EndpointConfig, PathStatus, Timers};

use super::super::milliseconds;
use super::{Socket as _, UsrsctpSocket, check, ffi, sockaddr_storage};

impl UsrsctpSocket {
    /// Sets everything that associations of this socket inherit. Zero leaves a parameter at its default in each of these
    /// structures.
    pub(super) fn set_up(&self, config: &EndpointConfig) -> io::Result<()> {
        let on: c_int = 1;
        self.set_option(ffi::SCTP_NODELAY, &on)?;
        for se_type in [ffi::SCTP_ASSOC_CHANGE, ffi::SCTP_PEER_ADDR_CHANGE] {
            let event = ffi::sctp_event {
                se_assoc_id: ffi::SCTP_FUTURE_ASSOC,
                se_type,
                se_on: 1,
            };
            self.set_option(ffi::SCTP_EVENT, &event)?;
        }
        let streams = ffi::sctp_initmsg {
            sinit_num_ostreams: config.traffic.streams,
            ..Default::default()
        };
        self.set_option(ffi::SCTP_INITMSG, &streams)?;
        self.set_timers(&config.timers)?;
        if let Some(port) = config.udp_encap {
            let encapsulation = ffi::sctp_udpencaps {
                sue_address: sockaddr_storage::UNSPECIFIED,
                sue_assoc_id: ffi::SCTP_FUTURE_ASSOC,
                sue_port: port.to_be(),
            };
            self.set_option(ffi::SCTP_REMOTE_UDP_ENCAPS_PORT, &encapsulation)?;
        }
        Ok(())
    }

    fn set_timers(&self, timers: &Timers) -> io::Result<()> {
        let rto = ffi::sctp_rtoinfo {
            srto_assoc_id: ffi::SCTP_FUTURE_ASSOC,
            srto_initial: milliseconds(timers.rto_initial),
            srto_max: milliseconds(timers.rto_max),
            srto_min: milliseconds(timers.rto_min),
        };
        self.set_option(ffi::SCTP_RTOINFO, &rto)?;
        let association = ffi::sctp_assocparams {
            sasoc_asocmaxrxt: timers.association_max_retrans.unwrap_or(0),
            ..Default::default()
        };
        self.set_option(ffi::SCTP_ASSOCINFO, &association)?;
        let paths = ffi::sctp_paddrparams {
            spp_address: sockaddr_storage::UNSPECIFIED,
            spp_assoc_id: ffi::SCTP_FUTURE_ASSOC,
            spp_hbinterval: milliseconds(timers.heartbeat_interval),
            spp_pathmtu: 0,
            spp_flags: if timers.heartbeat_interval.is_some() {
                ffi::SPP_HB_ENABLE
            } else {
                0
            },
            spp_ipv6_flowlabel: 0,
            spp_pathmaxrxt: timers.path_max_retrans.unwrap_or(0),
            spp_dscp: 0,
        };
        self.set_option(ffi::SCTP_PEER_ADDR_PARAMS, &paths)?;
        let sack = ffi::sctp_sack_info {
            sack_assoc_id: ffi::SCTP_FUTURE_ASSOC,
            sack_delay: milliseconds(timers.sack_delay),
            sack_freq: u32::from(timers.no_delayed_ack),
        };
        self.set_option(ffi::SCTP_DELAYED_SACK, &sack)
    }

    pub(super) fn set_primary_address(&self, association: u32, address: IpAddr) -> io::Result<()> {
        let primary = ffi::sctp_setprim {
            ssp_addr: SocketAddr::new(address, 0).into(),
            ssp_assoc_id: association,
            ssp_padding: [0; 4],
        };
        self.set_option(ffi::SCTP_PRIMARY_ADDR, &primary)
    }

    pub(super) fn path_statuses(&self, association: u32) -> io::Result<Vec<PathStatus>> {
        let no_address = ffi::sctp_paddrinfo {
            spinfo_address: sockaddr_storage::UNSPECIFIED,
            spinfo_assoc_id: association,
            spinfo_state: 0,
            spinfo_cwnd: 0,
            spinfo_srtt: 0,
            spinfo_rto: 0,
            spinfo_mtu: 0,
        };
        let mut status = ffi::sctp_status {
            sstat_assoc_id: association,
            sstat_state: 0,
            sstat_rwnd: 0,
            sstat_unackdata: 0,
            sstat_penddata: 0,
            sstat_instrms: 0,
            sstat_outstrms: 0,
            sstat_fragmentation_point: 0,
            sstat_primary: no_address,
        };
        self.read_option(ffi::SCTP_STATUS, &mut status)?;
        let primary = status.sstat_primary.spinfo_address.decode();
        let path = |address: SocketAddr| {
            let mut info = ffi::sctp_paddrinfo {
                spinfo_address: address.into(),
                ..no_address
            };
            self.read_option(ffi::SCTP_GET_PEER_ADDR_INFO, &mut info)?;
            Ok(PathStatus {
                address: address.ip(),
                state: match info.spinfo_state {
                    state if state & ffi::SCTP_UNCONFIRMED != 0 => AddressState::Unconfirmed,
                    state if state & ffi::SCTP_ACTIVE != 0 => AddressState::Active,
                    _ => AddressState::Inactive,
                },
                primary: primary.is_some_and(|primary| primary.ip() == address.ip()),
                srtt_ms: info.spinfo_srtt,
                rto_ms: info.spinfo_rto,
            })
        };
        self.peer_addresses(association)?.into_iter().map(path).collect()
    }

    fn set_option<T>(&self, option: c_int, value: &T) -> io::Result<()> {
        // SAFETY: the socket is open; the value outlives the call and its size is given.
        check(unsafe {
            ffi::usrsctp_setsockopt(
                self.socket.as_ptr(),
                ffi::IPPROTO_SCTP,
                option,
                std::ptr::from_ref(value).cast(),
                size_of::<T>() as libc::socklen_t,
            )
        })
    }

    fn read_option<T>(&self, option: c_int, value: &mut T) -> io::Result<()> {
        let mut length = size_of::<T>() as libc::socklen_t;
        // SAFETY: the socket is open; the library writes at most the given length, plain integers all of them.
        check(unsafe {
            ffi::usrsctp_getsockopt(
                self.socket.as_ptr(),
                ffi::IPPROTO_SCTP,
                option,
                std::ptr::from_mut(value).cast(),
                &raw mut length,
            )
        })
    }
}
