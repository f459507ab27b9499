//! Bounded reads of a packet in the kernel.
//!
//! One reader is chosen per piece of reading, never per read: each choice within the parser would double the states that
//! the verifier has to follow. Nor one per packet: then it would follow twice what no longer reads.

use core::{arch::asm, mem::MaybeUninit};

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    macros::map,
    maps::PerCpuArray,
    programs::{TcContext, XdpContext},
};
use bytemuck::AnyBitPattern;
use sctp_monitor_common::wire::{ReadPacket, Readable, Reading};

/// A program's context with a linear packet between two pointers.
pub(crate) trait Linear {
    /// Address of the first byte.
    fn start(&self) -> usize;
    /// Address after the last byte.
    fn end(&self) -> usize;
    /// See [`ReadPacket::segments`].
    fn segments(&self) -> u32;
}

impl Linear for XdpContext {
    #[inline(always)]
    fn start(&self) -> usize {
        self.data()
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.data_end()
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        1
    }
}

impl Linear for TcContext {
    #[inline(always)]
    fn start(&self) -> usize {
        self.data()
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.data_end()
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        // SAFETY: the context is the program's own.
        unsafe { (*self.skb.skb).gso_segs }
    }
}

/// Reads a packet that lies in one piece.
///
/// It asks the context for the pointers each time. A pointer that is kept carries what the verifier learned about it,
/// and so makes one state into many.
pub(crate) struct Direct<'a, C>(pub(crate) &'a C);

impl<C: Linear> ReadPacket for Direct<'_, C> {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > MAX_OFFSET {
            return None;
        }
        let start = bounded_sum(self.0.start(), offset);
        if start + N > self.0.end() {
            return None;
        }
        // SAFETY: `start..start + N` was just compared with the packet's end.
        Some(unsafe { load(start as *const u8) })
    }

    #[inline(always)]
    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        if offset > MAX_OFFSET {
            return None;
        }
        let start = bounded_sum(self.0.start(), offset);
        if start + N * 4 > self.0.end() {
            return None;
        }
        // SAFETY: the words were just compared with the packet's end; BPF has no alignment trap.
        Some(unsafe { *(start as *const [u32; N]) })
    }

    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget(offset)
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.0.end() - self.0.start()
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        self.0.segments()
    }
}

/// Reads an XDP buffer with fragments through the helper (Linux 5.18).
pub(crate) struct XdpFragments<'a>(pub(crate) &'a XdpContext);

impl ReadPacket for XdpFragments<'_> {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        xdp_load(self.0, offset)
    }

    #[inline(always)]
    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        xdp_load(self.0, offset)
    }

    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget(offset)
    }

    #[inline(always)]
    fn len(&self) -> usize {
        // SAFETY: the context is the program's own.
        unsafe { bpf_xdp_get_buff_len(self.0.ctx) as usize }
    }
}

/// Reads a socket buffer that is not linear through the helper.
pub(crate) struct SkbFragments<'a>(pub(crate) &'a TcContext);

impl ReadPacket for SkbFragments<'_> {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        skb_load(self.0, offset)
    }

    #[inline(always)]
    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        skb_load(self.0, offset)
    }

    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget(offset)
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.0.len() as usize
    }

    #[inline(always)]
    fn segments(&self) -> u32 {
        self.0.segments()
    }
}

/// A packet at XDP, in one buffer or in several.
pub(crate) struct XdpBuffers<'a> {
    ctx: &'a XdpContext,
    /// Bytes in all buffers, which a helper tells.
    length: usize,
}

impl<'a> XdpBuffers<'a> {
    #[inline(always)]
    pub(crate) fn of(ctx: &'a XdpContext) -> Self {
        Self {
            ctx,
            length: XdpFragments(ctx).len(),
        }
    }
}

impl Readable for XdpBuffers<'_> {
    #[inline(always)]
    fn read_by<R: Reading>(&self, reading: R) -> R::Output {
        let linear = Direct(self.ctx);
        if linear.len() == unknown(self.length) {
            reading.read(&linear)
        } else {
            reading.read(&XdpFragments(self.ctx))
        }
    }
}

/// A socket buffer, linear or not.
pub(crate) struct Skb<'a>(pub(crate) &'a TcContext);

impl Readable for Skb<'_> {
    #[inline(always)]
    fn read_by<R: Reading>(&self, reading: R) -> R::Output {
        let linear = Direct(self.0);
        if linear.len() == unknown(self.0.len() as usize) {
            reading.read(&linear)
        } else {
            reading.read(&SkbFragments(self.0))
        }
    }
}

/// The same number, of which LLVM knows nothing. It would else decide once which reader fits and keep the answer, and the
/// verifier would follow both answers to the end.
#[inline(always)]
fn unknown(mut number: usize) -> usize {
    // SAFETY: an addition of nothing. (Without an instruction there would be two line infos for the next one, which the
    // kernel refuses.) Not pure, or LLVM would take two of the same for one.
    unsafe { asm!("{0} += 0", inout(reg) number, options(nomem, nostack, preserves_flags)) };
    number
}

#[inline(always)]
fn xdp_load<T: AnyBitPattern>(ctx: &XdpContext, offset: usize) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the value has room for the bytes asked for, and the context is the program's own.
    let failed = unsafe {
        bpf_xdp_load_bytes(
            ctx.ctx,
            offset as u32,
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
        )
    };
    // SAFETY: the helper fills the value whenever it returns 0, and any bits are a value.
    (failed == 0).then(|| unsafe { value.assume_init() })
}

#[inline(always)]
pub(crate) fn skb_load<T: AnyBitPattern>(ctx: &TcContext, offset: usize) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the value has room for the bytes asked for, and the context is the program's own.
    let failed = unsafe {
        bpf_skb_load_bytes(
            ctx.as_ptr(),
            offset as u32,
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
        )
    };
    // SAFETY: the helper fills the value whenever it returns 0, and any bits are a value.
    (failed == 0).then(|| unsafe { value.assume_init() })
}

#[map]
static FORGET: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The same number from a map, which is nothing that the verifier knows.
#[inline(always)]
pub(crate) fn forget(offset: usize) -> usize {
    let Some(slot) = FORGET.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the pointer is this CPU's own value of the map. Volatile, or LLVM would keep the number in its register.
    unsafe { slot.write_volatile(offset as u64) };
    // SAFETY: as above.
    unsafe { slot.read_volatile() as usize }
}

/// Adds an offset of at most [`MAX_OFFSET`], out of LLVM's sight, with a mask that changes nothing.
///
/// LLVM may check one copy of the offset and add another, which a verifier before Linux 6.4 takes for unbounded.
#[inline(always)]
fn bounded_sum(mut pointer: usize, offset: usize) -> usize {
    // SAFETY: a mask and an addition.
    unsafe {
        asm!(
            "{1} &= 16383",
            "{0} += {1}",
            inout(reg) pointer,
            inout(reg) offset => _,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    pointer
}

/// Adds, out of LLVM's sight: it would otherwise compute the sum once for the check and once for the load, and the
/// verifier would not know that they are the same.
#[inline(always)]
pub(crate) fn sum(mut pointer: usize, offset: usize) -> usize {
    // SAFETY: one addition.
    unsafe {
        asm!("{0} += {1}", inout(reg) pointer, in(reg) offset, options(pure, nomem, nostack, preserves_flags));
    }
    pointer
}

/// Loads `N` bytes at once where the machine can: LLVM would go byte by byte, because it does not know that every
/// architecture with XDP loads words from any address.
///
/// # Safety
/// `N` bytes from `start` are readable.
#[inline(always)]
unsafe fn load<const N: usize>(start: *const u8) -> [u8; N] {
    let mut bytes = [0; N];
    match N {
        // SAFETY: the caller vouches for the bytes; BPF has no alignment trap, and the verifier checks the load.
        2 => copy(&mut bytes, unsafe { *start.cast::<u16>() }.to_ne_bytes()),
        // SAFETY: as above.
        4 => copy(&mut bytes, unsafe { *start.cast::<u32>() }.to_ne_bytes()),
        // SAFETY: as above.
        8 => copy(&mut bytes, unsafe { *start.cast::<u64>() }.to_ne_bytes()),
        // SAFETY: as above.
        16 => copy(
            &mut bytes,
            unsafe { *start.cast::<[u64; 2]>() }
                .map(u64::to_ne_bytes)
                .as_flattened(),
        ),
        // SAFETY: as above.
        _ => bytes = unsafe { *start.cast::<[u8; N]>() },
    }
    bytes
}

#[inline(always)]
fn copy<const N: usize>(to: &mut [u8; N], from: impl AsRef<[u8]>) {
    to.copy_from_slice(from.as_ref());
}

/// The verifier refuses a packet pointer plus an unknown offset beyond 16 bits; no linear packet is this long. A mask
/// of ones, for [`bounded_sum`].
const MAX_OFFSET: usize = 0x3fff;

const _: () = assert!(MAX_OFFSET == 16383);
