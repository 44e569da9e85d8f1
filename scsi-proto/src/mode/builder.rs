//! Putting mode parameter data together.

use super::{BlockDescriptor, ModeForm, ModeHeader};
use crate::wire::{BufferTooSmall, Writer};

/// Writes mode parameter data: a header, then block descriptors, then pages.
///
/// ```
/// use scsi_proto::mode::{BlockDescriptor, CachingPage, ModeBuilder, ModeForm, ModeHeader};
///
/// let mut page = [0; CachingPage::LEN];
/// CachingPage::new(true).emit(&mut page)?;
/// let mut out = [0; 64];
/// let mut data = ModeBuilder::new(ModeForm::Six, ModeHeader::disk(false, true), &mut out);
/// data.block_descriptor(BlockDescriptor { blocks: 2048, block_length: 512 });
/// data.page(&page);
/// assert_eq!(data.finish_sense()?, 4 + 8 + 20);
/// # Ok::<(), scsi_proto::BufferTooSmall>(())
/// ```
/// Source: SPC-5 7.5.
pub struct ModeBuilder<'a> {
    writer: Writer<'a>,
    form: ModeForm,
    long_lba: bool,
    block_descriptors_len: u16,
}

impl<'a> ModeBuilder<'a> {
    /// Writes the header into `out`. LONGLBA is dropped in the 6-byte form, which has no place
    /// for it.
    #[must_use = "the data is not valid before it is finished"]
    pub fn new(form: ModeForm, header: ModeHeader, out: &'a mut [u8]) -> Self {
        let mut writer = Writer::new(out);
        let ModeHeader { medium_type, device_specific, .. } = header;
        let long_lba = header.long_lba && form == ModeForm::Ten;
        match form {
            ModeForm::Six => writer.put(&[0, medium_type, device_specific, 0]),
            ModeForm::Ten => {
                writer.put(&[0, 0, medium_type, device_specific, long_lba.into(), 0, 0, 0]);
            }
        }
        Self { writer, form, long_lba, block_descriptors_len: 0 }
    }

    /// Appends a block descriptor, long or short as the header says. Call before any `page`.
    pub fn block_descriptor(&mut self, descriptor: BlockDescriptor) {
        let before = self.writer.len();
        if self.long_lba {
            self.writer.put(&descriptor.to_long());
        } else {
            self.writer.put(&descriptor.to_short());
        }
        let len = (self.writer.len() - before) as u16;
        self.block_descriptors_len = self.block_descriptors_len.saturating_add(len);
    }

    /// Appends a page, header included.
    pub fn page(&mut self, bytes: &[u8]) {
        self.writer.put(bytes);
    }

    /// Fills in the lengths as MODE SENSE returns them, and tells the length of the data.
    ///
    /// The length fields saturate: 256 bytes are the most in the 6-byte form.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when the buffer was too short; its contents mean nothing then.
    pub fn finish_sense(mut self) -> Result<usize, BufferTooSmall> {
        let len = self.writer.len();
        match self.form {
            ModeForm::Six => self.writer.patch(0, &[u8::try_from(len - 1).unwrap_or(u8::MAX)]),
            ModeForm::Ten => {
                let length = u16::try_from(len - 2).unwrap_or(u16::MAX);
                self.writer.patch(0, &length.to_be_bytes());
            }
        }
        self.finish_select()
    }

    /// As [`finish_sense`](Self::finish_sense), with MODE DATA LENGTH zero as MODE SELECT wants
    /// it.
    ///
    /// # Errors
    ///
    /// [`BufferTooSmall`] when the buffer was too short; its contents mean nothing then.
    pub fn finish_select(mut self) -> Result<usize, BufferTooSmall> {
        let length = self.block_descriptors_len;
        match self.form {
            ModeForm::Six => self.writer.patch(3, &[u8::try_from(length).unwrap_or(u8::MAX)]),
            ModeForm::Ten => self.writer.patch(6, &length.to_be_bytes()),
        }
        self.writer.finish()
    }
}
