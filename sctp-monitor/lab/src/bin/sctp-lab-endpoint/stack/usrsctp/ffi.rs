//! The part of usrsctp.h (Debian's libusrsctp-dev 0.9.5) that the endpoint uses, with the header's names and layouts.

use std::ffi::{c_char, c_int, c_uint, c_void};

use super::sockaddr_storage;

/// `struct socket`, known to the library only.
#[repr(C)]
pub(crate) struct socket {
    _private: [u8; 0],
}

/// `union sctp_sockstore`: passed by value, not looked at.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct sctp_sockstore {
    _bytes: [u8; 32],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct sctp_rcvinfo {
    pub(crate) rcv_sid: u16,
    pub(crate) rcv_ssn: u16,
    pub(crate) rcv_flags: u16,
    pub(crate) rcv_ppid: u32,
    pub(crate) rcv_tsn: u32,
    pub(crate) rcv_cumtsn: u32,
    pub(crate) rcv_context: u32,
    pub(crate) rcv_assoc_id: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct sctp_sndinfo {
    pub(crate) snd_sid: u16,
    pub(crate) snd_flags: u16,
    pub(crate) snd_ppid: u32,
    pub(crate) snd_context: u32,
    pub(crate) snd_assoc_id: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct sctp_event {
    pub(crate) se_assoc_id: u32,
    pub(crate) se_type: u16,
    pub(crate) se_on: u8,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct sctp_initmsg {
    pub(crate) sinit_num_ostreams: u16,
    pub(crate) sinit_max_instreams: u16,
    pub(crate) sinit_max_attempts: u16,
    pub(crate) sinit_max_init_timeo: u16,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct sctp_rtoinfo {
    pub(crate) srto_assoc_id: u32,
    pub(crate) srto_initial: u32,
    pub(crate) srto_max: u32,
    pub(crate) srto_min: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct sctp_assocparams {
    pub(crate) sasoc_assoc_id: u32,
    pub(crate) sasoc_peer_rwnd: u32,
    pub(crate) sasoc_local_rwnd: u32,
    pub(crate) sasoc_cookie_life: u32,
    pub(crate) sasoc_asocmaxrxt: u16,
    pub(crate) sasoc_number_peer_destinations: u16,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct sctp_sack_info {
    pub(crate) sack_assoc_id: u32,
    pub(crate) sack_delay: u32,
    pub(crate) sack_freq: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct sctp_paddrparams {
    pub(crate) spp_address: sockaddr_storage,
    pub(crate) spp_assoc_id: u32,
    pub(crate) spp_hbinterval: u32,
    pub(crate) spp_pathmtu: u32,
    pub(crate) spp_flags: u32,
    pub(crate) spp_ipv6_flowlabel: u32,
    pub(crate) spp_pathmaxrxt: u16,
    pub(crate) spp_dscp: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct sctp_udpencaps {
    pub(crate) sue_address: sockaddr_storage,
    pub(crate) sue_assoc_id: u32,
    pub(crate) sue_port: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct sctp_setprim {
    pub(crate) ssp_addr: sockaddr_storage,
    pub(crate) ssp_assoc_id: u32,
    pub(crate) ssp_padding: [u8; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct sctp_paddrinfo {
    pub(crate) spinfo_address: sockaddr_storage,
    pub(crate) spinfo_assoc_id: u32,
    pub(crate) spinfo_state: i32,
    pub(crate) spinfo_cwnd: u32,
    pub(crate) spinfo_srtt: u32,
    pub(crate) spinfo_rto: u32,
    pub(crate) spinfo_mtu: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct sctp_status {
    pub(crate) sstat_assoc_id: u32,
    pub(crate) sstat_state: i32,
    pub(crate) sstat_rwnd: u32,
    pub(crate) sstat_unackdata: u16,
    pub(crate) sstat_penddata: u16,
    pub(crate) sstat_instrms: u16,
    pub(crate) sstat_outstrms: u16,
    pub(crate) sstat_fragmentation_point: u32,
    pub(crate) sstat_primary: sctp_paddrinfo,
}

/// `struct sctpstat` is an array of 32-bit counters; those of interest are named by their place in it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct sctpstat {
    counters: [u32; 166],
}

impl Default for sctpstat {
    fn default() -> Self {
        Self { counters: [0; 166] }
    }
}

impl sctpstat {
    pub(crate) fn sctps_recvpackets(&self) -> u32 {
        self.counters[21]
    }

    pub(crate) fn sctps_recvsacks(&self) -> u32 {
        self.counters[24]
    }

    pub(crate) fn sctps_recvdata(&self) -> u32 {
        self.counters[25]
    }

    pub(crate) fn sctps_recvheartbeat(&self) -> u32 {
        self.counters[27]
    }

    pub(crate) fn sctps_recvheartbeatack(&self) -> u32 {
        self.counters[28]
    }

    pub(crate) fn sctps_sendpackets(&self) -> u32 {
        self.counters[40]
    }

    pub(crate) fn sctps_sendsacks(&self) -> u32 {
        self.counters[41]
    }

    pub(crate) fn sctps_senddata(&self) -> u32 {
        self.counters[42]
    }

    pub(crate) fn sctps_sendretransdata(&self) -> u32 {
        self.counters[43]
    }

    pub(crate) fn sctps_sendheartbeat(&self) -> u32 {
        self.counters[46]
    }
}

/// The library is linked blindly: what the C compiler says of 0.9.5 must hold here.
const _: () = {
    assert!(size_of::<sctp_sockstore>() == 32);
    assert!(size_of::<sctp_rcvinfo>() == 28);
    assert!(size_of::<sctp_sndinfo>() == 16);
    assert!(size_of::<sctp_event>() == 8);
    assert!(size_of::<sctp_assocparams>() == 20);
    assert!(size_of::<sctp_paddrparams>() == 152);
    assert!(size_of::<sctp_udpencaps>() == 136);
    assert!(size_of::<sctp_setprim>() == 136);
    assert!(size_of::<sctp_paddrinfo>() == 152);
    assert!(size_of::<sctp_status>() == 176);
    assert!(size_of::<sctpstat>() == 664);
};

pub(crate) type ReceiveCallback = unsafe extern "C" fn(
    sock: *mut socket,
    addr: sctp_sockstore,
    data: *mut c_void,
    datalen: usize,
    info: sctp_rcvinfo,
    flags: c_int,
    ulp_info: *mut c_void,
) -> c_int;

#[link(name = "usrsctp", kind = "static")]
unsafe extern "C" {
    pub(crate) fn usrsctp_init(
        udp_port: u16,
        connection_output: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize, u8, u8) -> c_int>,
        debug_printf: Option<unsafe extern "C" fn(*const c_char, ...)>,
    );
    pub(crate) fn usrsctp_sysctl_set_sctp_blackhole(value: u32) -> c_int;
    pub(crate) fn usrsctp_get_stat(stat: *mut sctpstat);
    pub(crate) fn usrsctp_socket(
        domain: c_int,
        kind: c_int,
        protocol: c_int,
        receive_cb: Option<ReceiveCallback>,
        send_cb: Option<unsafe extern "C" fn(*mut socket, u32, *mut c_void) -> c_int>,
        sb_threshold: u32,
        ulp_info: *mut c_void,
    ) -> *mut socket;
    pub(crate) fn usrsctp_setsockopt(
        so: *mut socket,
        level: c_int,
        option_name: c_int,
        option_value: *const c_void,
        option_len: libc::socklen_t,
    ) -> c_int;
    pub(crate) fn usrsctp_getsockopt(
        so: *mut socket,
        level: c_int,
        option_name: c_int,
        option_value: *mut c_void,
        option_len: *mut libc::socklen_t,
    ) -> c_int;
    pub(crate) fn usrsctp_bindx(
        so: *mut socket,
        addrs: *mut libc::sockaddr,
        addrcnt: c_int,
        flags: c_int,
    ) -> c_int;
    pub(crate) fn usrsctp_listen(so: *mut socket, backlog: c_int) -> c_int;
    pub(crate) fn usrsctp_connectx(
        so: *mut socket,
        addrs: *const libc::sockaddr,
        addrcnt: c_int,
        id: *mut u32,
    ) -> c_int;
    pub(crate) fn usrsctp_sendv(
        so: *mut socket,
        data: *const c_void,
        len: usize,
        to: *mut libc::sockaddr,
        addrcnt: c_int,
        info: *mut c_void,
        infolen: libc::socklen_t,
        infotype: c_uint,
        flags: c_int,
    ) -> isize;
    pub(crate) fn usrsctp_getpaddrs(so: *mut socket, id: u32, raddrs: *mut *mut libc::sockaddr) -> c_int;
    pub(crate) fn usrsctp_freepaddrs(addrs: *mut libc::sockaddr);
    pub(crate) fn usrsctp_getladdrs(so: *mut socket, id: u32, raddrs: *mut *mut libc::sockaddr) -> c_int;
    pub(crate) fn usrsctp_freeladdrs(addrs: *mut libc::sockaddr);
}

pub(crate) const IPPROTO_SCTP: c_int = 132;
pub(crate) const MSG_NOTIFICATION: c_int = 0x2000;
pub(crate) const SCTP_FUTURE_ASSOC: u32 = 0;

pub(crate) const SCTP_ASSOC_CHANGE: u16 = 0x0001;
pub(crate) const SCTP_PEER_ADDR_CHANGE: u16 = 0x0002;

pub(crate) const SCTP_BINDX_ADD_ADDR: c_int = 0x8001;
pub(crate) const SCTP_BINDX_REM_ADDR: c_int = 0x8002;
pub(crate) const SCTP_SENDV_SNDINFO: c_uint = 1;
pub(crate) const SCTP_EOF: u16 = 0x0100;
pub(crate) const SCTP_ABORT: u16 = 0x0200;

pub(crate) const SCTP_RTOINFO: c_int = 0x01;
pub(crate) const SCTP_ASSOCINFO: c_int = 0x02;
pub(crate) const SCTP_INITMSG: c_int = 0x03;
pub(crate) const SCTP_NODELAY: c_int = 0x04;
pub(crate) const SCTP_PRIMARY_ADDR: c_int = 0x07;
pub(crate) const SCTP_PEER_ADDR_PARAMS: c_int = 0x0a;
pub(crate) const SCTP_DELAYED_SACK: c_int = 0x0f;
pub(crate) const SCTP_EVENT: c_int = 0x1e;
pub(crate) const SCTP_REMOTE_UDP_ENCAPS_PORT: c_int = 0x24;
pub(crate) const SCTP_STATUS: c_int = 0x100;
pub(crate) const SCTP_GET_PEER_ADDR_INFO: c_int = 0x101;

pub(crate) const SPP_HB_ENABLE: u32 = 0x01;
pub(crate) const SCTP_ACTIVE: i32 = 0x0001;
pub(crate) const SCTP_UNCONFIRMED: i32 = 0x0200;
