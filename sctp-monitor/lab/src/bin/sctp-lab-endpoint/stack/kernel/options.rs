//! Socket options (RFC 6458, 8): the protocol's parameters before an association begins, the state of its paths later.

use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use nix::time::{ClockId, clock_getres};
use sctp_monitor_lab::endpoint::{AddressState, EndpointConfig, PathStatus, Timers};

use super::super::{address, milliseconds};
use super::{KernelSocket, check, sockaddr_storage, uapi};

impl KernelSocket {
    /// Sets everything that associations of this socket inherit. Zero leaves a parameter at its default in each of these
    /// structures, and no address means all.
    pub(super) fn set_up(&self, config: &EndpointConfig) -> io::Result<()> {
        let on: c_int = 1;
        self.set_option(uapi::SCTP_NODELAY, &on)?;
        self.set_option(uapi::SCTP_RECVRCVINFO, &on)?;
        for se_type in [uapi::SCTP_ASSOC_CHANGE, uapi::SCTP_PEER_ADDR_CHANGE] {
            let event = uapi::sctp_event {
                se_assoc_id: uapi::SCTP_FUTURE_ASSOC,
                se_type,
                se_on: 1,
            };
            self.set_option(uapi::SCTP_EVENT, &event)?;
        }
        // Else a path that is potentially failed cannot even be asked for (net.sctp.pf_expose).
        let expose = uapi::sctp_assoc_value {
            assoc_id: uapi::SCTP_FUTURE_ASSOC,
            assoc_value: uapi::SCTP_PF_EXPOSE_ENABLE,
        };
        self.set_option(uapi::SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, &expose)?;
        let streams = uapi::sctp_initmsg {
            sinit_num_ostreams: config.traffic.streams,
            ..Default::default()
        };
        self.set_option(uapi::SCTP_INITMSG, &streams)?;
        self.set_timers(&config.timers)?;
        if let Some(port) = config.udp_encap {
            let encapsulation = uapi::sctp_udpencaps {
                sue_assoc_id: uapi::SCTP_FUTURE_ASSOC,
                padding: [0; 4],
                sue_address: sockaddr_storage::UNSPECIFIED,
                sue_port: port.to_be(),
                tail: [0; 6],
            };
            self.set_option(uapi::SCTP_REMOTE_UDP_ENCAPS_PORT, &encapsulation)?;
        }
        Ok(())
    }

    fn set_timers(&self, timers: &Timers) -> io::Result<()> {
        let rto = uapi::sctp_rtoinfo {
            srto_assoc_id: uapi::SCTP_FUTURE_ASSOC,
            srto_initial: milliseconds(timers.rto_initial),
            srto_max: milliseconds(timers.rto_max),
            srto_min: milliseconds(timers.rto_min),
        };
        self.set_option(uapi::SCTP_RTOINFO, &rto)?;
        let association = uapi::sctp_assocparams {
            sasoc_asocmaxrxt: timers.association_max_retrans.unwrap_or(0),
            ..Default::default()
        };
        self.set_option(uapi::SCTP_ASSOCINFO, &association)?;
        let paths = uapi::sctp_paddrparams {
            spp_assoc_id: uapi::SCTP_FUTURE_ASSOC,
            spp_address: [0; 128],
            spp_hbinterval: milliseconds(timers.heartbeat_interval),
            spp_pathmaxrxt: timers.path_max_retrans.unwrap_or(0),
            spp_pathmtu: 0,
            spp_sackdelay: 0,
            spp_flags: if timers.heartbeat_interval.is_some() {
                uapi::SPP_HB_ENABLE
            } else {
                0
            },
            spp_ipv6_flowlabel: 0,
            spp_dscp: 0,
            padding: 0,
        };
        self.set_option(uapi::SCTP_PEER_ADDR_PARAMS, &paths)?;
        if let Some(pf_max_retrans) = timers.pf_max_retrans {
            self.set_pf_max_retrans(pf_max_retrans)?;
        }
        let sack = uapi::sctp_sack_info {
            sack_assoc_id: uapi::SCTP_FUTURE_ASSOC,
            sack_delay: milliseconds(timers.sack_delay),
            sack_freq: u32::from(timers.no_delayed_ack),
        };
        self.set_option(uapi::SCTP_DELAYED_SACK, &sack)
    }

    /// This option sets both thresholds at once, so the other one is read first.
    fn set_pf_max_retrans(&self, pf_max_retrans: u16) -> io::Result<()> {
        let mut thresholds = uapi::sctp_paddrthlds {
            spt_assoc_id: uapi::SCTP_FUTURE_ASSOC,
            padding: [0; 4],
            spt_address: sockaddr_storage::UNSPECIFIED,
            spt_pathmaxrxt: 0,
            spt_pathpfthld: 0,
            tail: [0; 4],
        };
        self.read_option(uapi::SCTP_PEER_ADDR_THLDS, &mut thresholds)?;
        thresholds.spt_pathpfthld = pf_max_retrans;
        self.set_option(uapi::SCTP_PEER_ADDR_THLDS, &thresholds)
    }

    pub(super) fn set_primary_address(&self, association: u32, address: IpAddr) -> io::Result<()> {
        let port = self
            .list(uapi::SCTP_GET_PEER_ADDRS, association)?
            .first()
            .map_or(0, SocketAddr::port);
        let primary = uapi::sctp_prim {
            ssp_assoc_id: id(association),
            ssp_addr: sockaddr_storage::from(SocketAddr::new(address, port)).bytes,
        };
        self.set_option(uapi::SCTP_PRIMARY_ADDR, &primary)
    }

    pub(super) fn path_statuses(&self, association: u32) -> io::Result<Vec<PathStatus>> {
        let no_address = uapi::sctp_paddrinfo {
            spinfo_assoc_id: id(association),
            spinfo_address: [0; 128],
            spinfo_state: 0,
            spinfo_cwnd: 0,
            spinfo_srtt: 0,
            spinfo_rto: 0,
            spinfo_mtu: 0,
        };
        let mut status = uapi::sctp_status {
            sstat_assoc_id: id(association),
            sstat_state: 0,
            sstat_rwnd: 0,
            sstat_unackdata: 0,
            sstat_penddata: 0,
            sstat_instrms: 0,
            sstat_outstrms: 0,
            sstat_fragmentation_point: 0,
            sstat_primary: no_address,
        };
        self.read_option(uapi::SCTP_STATUS, &mut status)?;
        let primary = address::decode(&status.sstat_primary.spinfo_address).map(|(address, _)| address.ip());
        let path = |address: SocketAddr| {
            let mut info = uapi::sctp_paddrinfo {
                spinfo_address: sockaddr_storage::from(address).bytes,
                ..no_address
            };
            self.read_option(uapi::SCTP_GET_PEER_ADDR_INFO, &mut info)?;
            Ok(PathStatus {
                address: address.ip(),
                state: match info.spinfo_state {
                    uapi::SCTP_UNCONFIRMED => AddressState::Unconfirmed,
                    uapi::SCTP_ACTIVE => AddressState::Active,
                    uapi::SCTP_PF => AddressState::PotentiallyFailed,
                    _ => AddressState::Inactive,
                },
                primary: primary == Some(address.ip()),
                // The field holds jiffies, whatever RFC 6458 says.
                srtt_ms: info.spinfo_srtt.saturating_mul(jiffy_ms()),
                rto_ms: info.spinfo_rto,
            })
        };
        let addresses = self.list(uapi::SCTP_GET_PEER_ADDRS, association)?;
        addresses.into_iter().map(path).collect()
    }

    /// The peer's or the own addresses.
    pub(super) fn list(&self, option: c_int, association: u32) -> io::Result<Vec<SocketAddr>> {
        let mut list = Box::new(uapi::sctp_getaddrs {
            assoc_id: id(association),
            addr_num: 0,
            addrs: [0; 4096],
        });
        self.read_option(option, &mut *list)?;
        let mut rest = &list.addrs[..];
        let mut addresses = Vec::new();
        for _ in 0..list.addr_num {
            let Some((address, length)) = address::decode(rest) else {
                return Err(io::Error::other(
                    "the kernel lists an address of an unknown family",
                ));
            };
            addresses.push(address);
            rest = &rest[length..];
        }
        Ok(addresses)
    }

    pub(super) fn set_option<T: Copy>(&self, option: c_int, value: &T) -> io::Result<()> {
        self.set_bytes(option, std::ptr::from_ref(value).cast(), size_of::<T>())
    }

    /// For options whose value is a list of addresses.
    pub(super) fn set_addresses(&self, option: c_int, packed: &[u8]) -> io::Result<()> {
        self.set_bytes(option, packed.as_ptr().cast(), packed.len())
    }

    fn set_bytes(&self, option: c_int, value: *const libc::c_void, length: usize) -> io::Result<()> {
        let length = libc::socklen_t::try_from(length).map_err(io::Error::other)?;
        // SAFETY: both callers pass a pointer to so many bytes, which outlive the call.
        check(unsafe { libc::setsockopt(self.fd.as_raw_fd(), libc::IPPROTO_SCTP, option, value, length) })
    }

    fn read_option<T: Copy>(&self, option: c_int, value: &mut T) -> io::Result<()> {
        let mut length = size_of::<T>() as libc::socklen_t;
        // SAFETY: the kernel writes at most the given length, plain integers all of them.
        check(unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::IPPROTO_SCTP,
                option,
                std::ptr::from_mut(value).cast(),
                &raw mut length,
            )
        })
    }
}

/// A jiffy is what the coarse clocks count in.
fn jiffy_ms() -> u32 {
    let resolution = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).expect("every Linux has this clock");
    u32::try_from(resolution.tv_nsec() / 1_000_000).expect("less than a second")
}

/// The kernel's ids are positive.
pub(super) fn id(association: u32) -> uapi::sctp_assoc_t {
    association.cast_signed()
}
