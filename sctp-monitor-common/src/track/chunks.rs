//! The walk over a packet's chunks: what is counted, and what is read of each before anything is made of it.

use super::scratch::{DATA_CUT, HAS_PPID, Scratch, TSNS};
use crate::{
    abi::FlowRecord,
    wire::{
        Chunk, ChunkKind, ReadPacket, Reading,
        chunk::{Visit, walk},
        data::Data,
    },
};

/// Counts the chunks into the flow's record, and notes in the scratch what they are.
pub(super) struct ReadChunks<'a> {
    pub(super) record: &'a mut FlowRecord,
    pub(super) scratch: &'a mut Scratch,
    pub(super) max_chunks: usize,
}

impl Reading for ReadChunks<'_> {
    type Output = ();

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) {
        let Self {
            record,
            scratch,
            max_chunks,
        } = self;
        scratch.segments = reader.segments();
        let (at, end) = (scratch.chunks_at(), scratch.end());
        let mut count = CountChunks {
            reader,
            record,
            scratch,
        };
        let end = walk(reader, at, end, max_chunks, &mut count);
        count.scratch.walk_end = end as u32;
    }
}

struct CountChunks<'a, R> {
    reader: &'a R,
    record: &'a mut FlowRecord,
    scratch: &'a mut Scratch,
}

impl<R: ReadPacket> Visit for CountChunks<'_, R> {
    #[inline(always)]
    fn visit(&mut self, chunk: &Chunk) {
        let scratch = &mut *self.scratch;
        scratch.last[chunk.slot()] = *chunk;
        let mut found = 1 << chunk.slot();
        if chunk.is_data() {
            found |= scratch.read_data(self.reader, chunk);
        }
        scratch.kinds |= found;
        if !chunk.is(ChunkKind::Data) {
            let count = &mut self.record.chunks[chunk.slot()];
            *count = count.wrapping_add(1);
        }
    }
}

impl Scratch {
    /// Reads a DATA or I-DATA chunk; gives what is to be noted of it beside its kind.
    #[inline(always)]
    fn read_data<R: ReadPacket>(&mut self, reader: &R, chunk: &Chunk) -> u32 {
        let number = self.data_count as usize;
        self.data_count += 1;
        self.data_bytes += Data::payload_length(chunk);
        let Some(data) = Data::read(reader, chunk) else {
            return DATA_CUT;
        };
        self.tsns[number % TSNS] = data.tsn;
        match data.ppid {
            Some(ppid) => {
                self.ppid = ppid;
                HAS_PPID
            }
            None => 0,
        }
    }
}
