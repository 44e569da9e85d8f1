//! MODE SELECT.

use scsi_proto::command::{ModeSelect6, ModeSelect10, PageControl};

use super::condition::Condition;
use super::exchange::{Exchange, Outcome, invalid_field, invalid_parameter};
use super::failure::Failure;
use super::modes::{
    CACHING, CONTROL, D_SENSE, ModeValues, NV_DIS, SWP, SYNC_PROG, SYNC_PROG_SHIFT, WCE,
};
use super::unit::LogicalUnit;

/// What the header of a parameter list says.
struct Header {
    len: usize,
    descriptor_len: usize,
    long: bool,
}

impl LogicalUnit {
    /// Source: SPC-5 6.12.
    pub(super) fn mode_select_6(&mut self, x: &mut Exchange<'_>) -> Outcome {
        let command: ModeSelect6 = x.parse()?;
        let len = command.parameter_list_length.into();
        let save = self.save_mode(command.sp, command.rtd)?;
        self.mode_select(x, command.pf, save, len, |list| match *list {
            [_, _, _, descriptor, ..] => {
                Some(Header { len: 4, descriptor_len: descriptor.into(), long: false })
            }
            _ => None,
        })
    }

    /// Source: SPC-5 6.13.
    pub(super) fn mode_select_10(&mut self, x: &mut Exchange<'_>) -> Outcome {
        let command: ModeSelect10 = x.parse()?;
        let len = command.parameter_list_length.into();
        let save = self.save_mode(command.sp, command.rtd)?;
        self.mode_select(x, command.pf, save, len, |list| match *list {
            [_, _, _, _, long, _, high, low, ..] => {
                let descriptor_len = u16::from_be_bytes([high, low]).into();
                Some(Header { len: 8, descriptor_len, long: long & 1 != 0 })
            }
            _ => None,
        })
    }

    /// Whether SP asks for the pages to be saved, on a disk that can. RTD is refused.
    fn save_mode(&self, save: bool, revert: bool) -> Result<bool, Failure> {
        if revert || save && !self.saves_modes { Err(invalid_field(1)) } else { Ok(save) }
    }

    /// Nothing changes, and nothing is saved, unless the whole list is right.
    fn mode_select(
        &mut self,
        x: &mut Exchange<'_>,
        page_format: bool,
        save: bool,
        len: u32,
        header: impl Fn(&[u8]) -> Option<Header>,
    ) -> Outcome {
        if !page_format && len != 0 {
            return Err(invalid_field(1));
        }
        if len == 0 {
            return Ok(0);
        }
        let mut scratch = core::mem::take(&mut self.scratch);
        let list = x.parameters(len, &mut scratch);
        let changes = list.and_then(|list| {
            let header = header(list).ok_or_else(truncated)?;
            self.mode_changes(list, &header)
        });
        self.scratch = scratch;
        let before = self.current_modes();
        let after = changes?;
        self.apply(after)?;
        if save {
            self.saved_modes = after;
        }
        if after != before || save {
            let changed = Condition::MODE_PARAMETERS_CHANGED;
            self.attentions.raise_for_others(self.port, changed);
        }
        Ok(len)
    }

    fn mode_changes(&self, list: &[u8], header: &Header) -> Result<ModeValues, Failure> {
        let mut at = header.len + header.descriptor_len;
        let descriptor = list.get(header.len..at).ok_or_else(truncated)?;
        if !self.is_own_descriptor(descriptor, header.long) {
            return Err(invalid_parameter(header.len));
        }
        let mut changes = self.current_modes();
        while let Some(rest) = list.get(at..).filter(|rest| !rest.is_empty()) {
            let len = 2 + usize::from(*rest.get(1).ok_or_else(truncated)?);
            let page = rest.get(..len).ok_or_else(truncated)?;
            self.check_page(page).map_err(|offset| invalid_parameter(at + offset))?;
            match page[0] & 0x7f {
                CACHING => {
                    changes.write_cache = page[2] & WCE != 0;
                    changes.sync_progress = (page[12] & SYNC_PROG) >> SYNC_PROG_SHIFT;
                    changes.cache_volatile = page[12] & NV_DIS != 0;
                }
                CONTROL => {
                    changes.descriptor_sense = page[2] & D_SENSE != 0;
                    changes.write_protected = page[4] & SWP != 0;
                }
                _ => {}
            }
            at += len;
        }
        Ok(changes)
    }

    /// Fails with the offset of the first byte that is not what this disk can have there.
    fn check_page(&self, page: &[u8]) -> Result<(), usize> {
        // PS is reserved here, and drives differ in whether they look at it.
        if !self.has_mode_page(page[0] & 0x7f) {
            return Err(0);
        }
        let current = self.mode_page(page[0] & 0x7f, PageControl::Current);
        let changeable = self.mode_page(page[0] & 0x7f, PageControl::Changeable);
        if page.len() != current.len() {
            return Err(1);
        }
        let wrong = |at: &usize| (page[*at] ^ current[*at]) & !changeable[*at] != 0;
        // 11b is reserved.
        let progress = page[0] & 0x7f == CACHING && page[12] & SYNC_PROG == SYNC_PROG;
        (2..page.len()).find(wrong).or_else(|| progress.then_some(12)).map_or(Ok(()), Err)
    }

    /// Whether a block descriptor leaves block size and capacity as they are.
    fn is_own_descriptor(&self, descriptor: &[u8], long: bool) -> bool {
        let (blocks, size) = match *descriptor {
            [] => return true,
            [a, b, c, d, _, e, f, g] if !long => {
                (u32::from_be_bytes([a, b, c, d]).into(), u32::from_be_bytes([0, e, f, g]))
            }
            [a, b, c, d, e, f, g, h, _, _, _, _, i, j, k, l] if long => {
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes([i, j, k, l]))
            }
            _ => return false,
        };
        let own = self.store.blocks();
        let same =
            blocks == 0 || blocks == own || !long && blocks == u64::from(u32::MAX) && own > blocks;
        same && size == self.store.block_size().bytes()
    }

    /// Switching the write cache off writes it back; if that fails the cache stays on. So does making it volatile.
    pub(super) fn apply(&mut self, values: ModeValues) -> Result<(), Failure> {
        if values.cache_volatile && !self.cache_disabled {
            self.store.write_back(self.store.everything())?;
        }
        self.store.set_write_back(values.write_cache)?;
        self.sync_progress = values.sync_progress;
        self.cache_disabled = values.cache_volatile;
        self.store.set_non_volatile(self.is_cache_safe());
        self.descriptor_sense = values.descriptor_sense;
        self.write_protected = values.write_protected;
        Ok(())
    }
}

#[cold]
fn truncated() -> Failure {
    Condition::PARAMETER_LIST_LENGTH_ERROR.into()
}
