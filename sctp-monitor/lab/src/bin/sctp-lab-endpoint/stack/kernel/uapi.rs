//! The part of the kernel's `linux/sctp.h` that the endpoint uses, with the header's names and layouts.
//!
//! Names and fields resemble usrsctp's, the orders and the numbers do not.

#![expect(non_camel_case_types, reason = "the names of the C header")]

use std::ffi::c_int;

use super::sockaddr_storage;

pub(super) type sctp_assoc_t = i32;

/// A socket address inside a packed structure, where it is not aligned.
pub(super) type sockaddr_storage_bytes = [u8; 128];

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct sctp_initmsg {
    pub(super) sinit_num_ostreams: u16,
    pub(super) sinit_max_instreams: u16,
    pub(super) sinit_max_attempts: u16,
    pub(super) sinit_max_init_timeo: u16,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct sctp_sndinfo {
    pub(super) snd_sid: u16,
    pub(super) snd_flags: u16,
    pub(super) snd_ppid: u32,
    pub(super) snd_context: u32,
    pub(super) snd_assoc_id: sctp_assoc_t,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct sctp_rcvinfo {
    pub(super) rcv_sid: u16,
    pub(super) rcv_ssn: u16,
    pub(super) rcv_flags: u16,
    pub(super) rcv_ppid: u32,
    pub(super) rcv_tsn: u32,
    pub(super) rcv_cumtsn: u32,
    pub(super) rcv_context: u32,
    pub(super) rcv_assoc_id: sctp_assoc_t,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct sctp_event {
    pub(super) se_assoc_id: sctp_assoc_t,
    pub(super) se_type: u16,
    pub(super) se_on: u8,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct sctp_rtoinfo {
    pub(super) srto_assoc_id: sctp_assoc_t,
    pub(super) srto_initial: u32,
    pub(super) srto_max: u32,
    pub(super) srto_min: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct sctp_assocparams {
    pub(super) sasoc_assoc_id: sctp_assoc_t,
    pub(super) sasoc_asocmaxrxt: u16,
    pub(super) sasoc_number_peer_destinations: u16,
    pub(super) sasoc_peer_rwnd: u32,
    pub(super) sasoc_local_rwnd: u32,
    pub(super) sasoc_cookie_life: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct sctp_sack_info {
    pub(super) sack_assoc_id: sctp_assoc_t,
    pub(super) sack_delay: u32,
    pub(super) sack_freq: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct sctp_assoc_value {
    pub(super) assoc_id: sctp_assoc_t,
    pub(super) assoc_value: u32,
}

/// `packed, aligned(4)` in the header, which puts odd offsets into it and padding after it.
#[repr(C, packed)]
#[derive(Clone, Copy)]
pub(super) struct sctp_paddrparams {
    pub(super) spp_assoc_id: sctp_assoc_t,
    pub(super) spp_address: sockaddr_storage_bytes,
    pub(super) spp_hbinterval: u32,
    pub(super) spp_pathmaxrxt: u16,
    pub(super) spp_pathmtu: u32,
    pub(super) spp_sackdelay: u32,
    pub(super) spp_flags: u32,
    pub(super) spp_ipv6_flowlabel: u32,
    pub(super) spp_dscp: u8,
    pub(super) padding: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct sctp_paddrthlds {
    pub(super) spt_assoc_id: sctp_assoc_t,
    pub(super) padding: [u8; 4],
    pub(super) spt_address: sockaddr_storage,
    pub(super) spt_pathmaxrxt: u16,
    pub(super) spt_pathpfthld: u16,
    pub(super) tail: [u8; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct sctp_udpencaps {
    pub(super) sue_assoc_id: sctp_assoc_t,
    pub(super) padding: [u8; 4],
    pub(super) sue_address: sockaddr_storage,
    pub(super) sue_port: u16,
    pub(super) tail: [u8; 6],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct sctp_prim {
    pub(super) ssp_assoc_id: sctp_assoc_t,
    pub(super) ssp_addr: sockaddr_storage_bytes,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct sctp_paddrinfo {
    pub(super) spinfo_assoc_id: sctp_assoc_t,
    pub(super) spinfo_address: sockaddr_storage_bytes,
    pub(super) spinfo_state: i32,
    pub(super) spinfo_cwnd: u32,
    pub(super) spinfo_srtt: u32,
    pub(super) spinfo_rto: u32,
    pub(super) spinfo_mtu: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct sctp_status {
    pub(super) sstat_assoc_id: sctp_assoc_t,
    pub(super) sstat_state: i32,
    pub(super) sstat_rwnd: u32,
    pub(super) sstat_unackdata: u16,
    pub(super) sstat_penddata: u16,
    pub(super) sstat_instrms: u16,
    pub(super) sstat_outstrms: u16,
    pub(super) sstat_fragmentation_point: u32,
    pub(super) sstat_primary: sctp_paddrinfo,
}

/// `struct sctp_getaddrs` with room for more addresses than an INIT chunk lists here.
#[repr(C, align(4))]
#[derive(Clone, Copy)]
pub(super) struct sctp_getaddrs {
    pub(super) assoc_id: sctp_assoc_t,
    pub(super) addr_num: u32,
    pub(super) addrs: [u8; 4096],
}

/// What the C compiler says of the header must hold here.
const _: () = {
    assert!(size_of::<sctp_initmsg>() == 8);
    assert!(size_of::<sctp_sndinfo>() == 16);
    assert!(size_of::<sctp_rcvinfo>() == 28);
    assert!(size_of::<sctp_event>() == 8);
    assert!(size_of::<sctp_rtoinfo>() == 16);
    assert!(size_of::<sctp_assocparams>() == 20);
    assert!(size_of::<sctp_sack_info>() == 12);
    assert!(size_of::<sctp_assoc_value>() == 8);
    assert!(size_of::<sctp_paddrparams>() == 156);
    assert!(size_of::<sctp_paddrthlds>() == 144);
    assert!(size_of::<sctp_udpencaps>() == 144);
    assert!(size_of::<sctp_prim>() == 132);
    assert!(size_of::<sctp_paddrinfo>() == 152);
    assert!(size_of::<sctp_status>() == 176);
    assert!(std::mem::offset_of!(sctp_getaddrs, addrs) == 8);
};

pub(super) const MSG_NOTIFICATION: c_int = 0x8000;

pub(super) const SCTP_FUTURE_ASSOC: sctp_assoc_t = 0;

pub(super) const SCTP_ASSOC_CHANGE: u16 = 0x8001;
pub(super) const SCTP_PEER_ADDR_CHANGE: u16 = 0x8002;

/// Control messages.
pub(super) const SCTP_SNDINFO: c_int = 2;
pub(super) const SCTP_RCVINFO: c_int = 3;

pub(super) const SCTP_ABORT: u16 = 1 << 2;
/// `MSG_FIN`
pub(super) const SCTP_EOF: u16 = 0x200;

pub(super) const SCTP_RTOINFO: c_int = 0;
pub(super) const SCTP_ASSOCINFO: c_int = 1;
pub(super) const SCTP_INITMSG: c_int = 2;
pub(super) const SCTP_NODELAY: c_int = 3;
pub(super) const SCTP_PRIMARY_ADDR: c_int = 6;
pub(super) const SCTP_PEER_ADDR_PARAMS: c_int = 9;
pub(super) const SCTP_STATUS: c_int = 14;
pub(super) const SCTP_GET_PEER_ADDR_INFO: c_int = 15;
pub(super) const SCTP_DELAYED_SACK: c_int = 16;
pub(super) const SCTP_PEER_ADDR_THLDS: c_int = 31;
pub(super) const SCTP_RECVRCVINFO: c_int = 32;
pub(super) const SCTP_SOCKOPT_BINDX_ADD: c_int = 100;
pub(super) const SCTP_SOCKOPT_BINDX_REM: c_int = 101;
pub(super) const SCTP_GET_PEER_ADDRS: c_int = 108;
pub(super) const SCTP_GET_LOCAL_ADDRS: c_int = 109;
pub(super) const SCTP_SOCKOPT_CONNECTX: c_int = 110;
pub(super) const SCTP_EVENT: c_int = 127;
pub(super) const SCTP_EXPOSE_POTENTIALLY_FAILED_STATE: c_int = 131;
pub(super) const SCTP_REMOTE_UDP_ENCAPS_PORT: c_int = 132;

pub(super) const SPP_HB_ENABLE: u32 = 1;

/// `SCTP_PF_EXPOSE_ENABLE` of the kernel's `net/sctp/constants.h`
pub(super) const SCTP_PF_EXPOSE_ENABLE: u32 = 2;

/// `enum sctp_spinfo_state`
pub(super) const SCTP_PF: i32 = 1;
pub(super) const SCTP_ACTIVE: i32 = 2;
pub(super) const SCTP_UNCONFIRMED: i32 = 3;
