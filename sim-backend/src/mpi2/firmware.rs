//! The header of the firmware image, which is all that this model has of it: drivers read it for its version.
//!
//! Source: `MPI25_FW_UPLOAD_REQUEST` of the measured layouts; the image header as drivers declare it. Whole images, other
//! regions of the flash and downloads are refused, and so is the form of MPI 2.0 with a transaction element.

use hba_core::dma::BusAddr;

use super::codes::IocStatus;
use super::layout::{FwUpload, FwUploadReply, view};
use super::personality::MpiVersion;
use super::violation::Violation;
use super::{Mpi2Controller, Via};
use crate::mpt::page::Body;

/// ImageType: the firmware that runs, and the firmware in the flash.
const CURRENT_OR_FLASH: core::ops::RangeInclusive<u8> = 0..=1;
/// Bytes of the header.
const HEADER_LEN: usize = 256;
/// The words that every image begins with.
const SIGNATURES: [u32; 4] = [0xea00_0000, 0x5afa_a55a, 0xa55a_faa5, 0x5aa5_5afa];

impl Mpi2Controller {
    pub(super) fn handle_fw_upload(&mut self, message: &[u8], via: Via) {
        let request: FwUpload = view(message);
        let known = CURRENT_OR_FLASH.contains(&request.image_type);
        if !known || self.personality.facts.version < MpiVersion::V2_5 {
            return self.refuse(message, IocStatus::INVALID_FUNCTION, via);
        }
        let (status, moved) = match self.upload(&request) {
            Ok(moved) => (IocStatus::SUCCESS, moved),
            Err(status) => (status, 0),
        };
        let reply = FwUploadReply {
            image_type: request.image_type,
            msg_length: (size_of::<FwUploadReply>() / 4) as u8,
            function: request.function,
            msg_flags: request.msg_flags,
            ioc_status: status.0.into(),
            actual_image_size: moved.into(),
            ..FwUploadReply::default()
        };
        self.reply(via, &reply);
    }

    /// Writes what was asked for of the header; returns how many bytes.
    fn upload(&mut self, request: &FwUpload) -> Result<u32, IocStatus> {
        let image = self.image_header();
        let offset = usize::try_from(request.image_offset.get()).unwrap_or(usize::MAX);
        let rest = image.get(offset..).ok_or(IocStatus::INVALID_FIELD)?;
        let room = request.image_size.get().min(request.sge_length.get());
        let bytes = rest.get(..room as usize).unwrap_or(rest);
        let written = self.memory.write(BusAddr::new(request.sge_address.get()), bytes);
        written.map_err(|fault| {
            self.note(Violation::Memory { what: "a firmware buffer", fault });
            IocStatus::INVALID_SGL
        })?;
        Ok(bytes.len() as u32)
    }

    fn image_header(&self) -> Vec<u8> {
        let facts = &self.personality.facts;
        let [major, minor, unit, dev] = facts.firmware;
        let version = [dev, unit, minor, major];
        let [mpi_minor, mpi_major] = facts.version.number().to_le_bytes();
        let mut body = Body::default();
        for word in SIGNATURES {
            body.u32(word);
        }
        body.bytes(&[0, 0, mpi_minor, mpi_major]).bytes(&version).bytes(&version).bytes(&version);
        body.u16(self.personality.pci.vendor)
            .u16(facts.product_id)
            .u16(facts.protocol_flags)
            .u16(0);
        let mut bytes = body.u32(facts.capabilities).u32(HEADER_LEN as u32).page(0).body;
        bytes.resize(HEADER_LEN, 0);
        bytes
    }
}
