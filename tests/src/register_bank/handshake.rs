//! The controller's side of the doorbell handshake, and its answers to the messages of bring-up.

use mpt_backend::wire::event::EventNotifyReply;
use mpt_backend::wire::ioc::{IocCapabilities, IocFactsReply, IocInitReply, MsgVersion};
use mpt_backend::wire::message::{Function, IocStatus};
use mpt_backend::wire::port::{PortEnableReply, PortFactsReply, PortType};
use mpt_backend::wire::registers::{Doorbell, DoorbellFunction, IntStatus, IocState};
use mpt_backend::wire::scsi_io::{ScsiIoReply, ScsiState};
use scsi_proto::Status;
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// Requests that the controller takes, and places in its reply post FIFO.
pub(super) const CREDITS: u16 = 264;

/// The doorbell register and its interrupt.
#[derive(Debug)]
pub(super) struct DoorbellUnit {
    state: IocState,
    /// Words of the message that are still to come.
    expected: u32,
    message: Vec<u32>,
    reply: Vec<u16>,
    /// Half words of the reply that the host has taken.
    taken: usize,
    in_use: bool,
    interrupt: bool,
    /// Whether a message unit reset leads to READY; if not, nothing does.
    takes_resets: bool,
    /// What is answered to a function instead of the truth.
    forged: Option<(Function, Vec<u32>)>,
}

impl DoorbellUnit {
    pub(super) fn new() -> Self {
        Self {
            state: IocState::READY,
            expected: 0,
            message: Vec::new(),
            reply: Vec::new(),
            taken: 0,
            in_use: false,
            interrupt: false,
            takes_resets: false,
            forged: None,
        }
    }

    pub(super) fn forge(&mut self, function: Function, reply: Vec<u32>) {
        self.forged = Some((function, reply));
    }

    pub(super) fn take_resets(&mut self) {
        self.takes_resets = true;
    }

    /// The last message that came whole.
    pub(super) fn message(&self) -> &[u32] {
        &self.message
    }

    pub(super) fn read(&self) -> u32 {
        let data = self.reply.get(self.taken).copied().unwrap_or(0);
        Doorbell(u32::from(self.state.0) << 28 | u32::from(self.in_use) << 27 | u32::from(data)).0
    }

    pub(super) fn write(&mut self, word: u32) {
        if self.expected > 0 {
            self.message.push(word);
            self.expected -= 1;
            if self.expected == 0 {
                self.answer();
            }
        } else if DoorbellFunction((word >> 24) as u8) == DoorbellFunction::HANDSHAKE {
            self.expected = word >> 16 & 0xff;
            self.message.clear();
            (self.in_use, self.interrupt) = (true, true);
        } else if self.takes_resets
            && DoorbellFunction((word >> 24) as u8) == DoorbellFunction::MESSAGE_UNIT_RESET
        {
            self.state = IocState::READY;
        }
    }

    pub(super) fn status(&self) -> u32 {
        if self.interrupt { IntStatus::DOORBELL_INTERRUPT.0 } else { 0 }
    }

    /// A write to the interrupt status register: the host has taken what the doorbell showed.
    pub(super) fn clear_interrupt(&mut self) {
        self.interrupt = false;
        if self.expected > 0 || !self.in_use || self.reply.is_empty() {
            return;
        }
        self.taken += 1;
        // The interrupt rises for each half word and once more at the end.
        self.interrupt = self.taken <= self.reply.len();
        self.in_use = self.interrupt;
        if !self.in_use {
            self.reply.clear();
        }
    }

    fn answer(&mut self) {
        let function = Function((self.message[0] >> 24) as u8);
        if function == Function::IOC_INIT {
            self.state = IocState::OPERATIONAL;
        }
        let context = self.message.get(2).copied().unwrap_or(0);
        self.reply = match &self.forged {
            Some((forged, reply)) if *forged == function => halves(reply),
            _ => halves(&answer(function, context)),
        };
        self.taken = 0;
        self.interrupt = true;
    }
}

/// The reply to a message of bring-up.
///
/// # Panics
///
/// For a function that bring-up does not send.
pub fn answer(function: Function, context: u32) -> Vec<u32> {
    let msg_context = context.into();
    match function {
        Function::IOC_FACTS => message_words(|msg_length| IocFactsReply {
            msg_version: MsgVersion::MPI_1_5.0.into(),
            msg_length,
            function,
            msg_context,
            max_chain_depth: 16,
            reply_queue_depth: CREDITS.into(),
            request_frame_size: 32.into(),
            global_credits: CREDITS.into(),
            number_of_ports: 1,
            max_devices: 8,
            max_buses: 1,
            ioc_capabilities: IocCapabilities::HIGH_PRI_Q.0.into(),
            ..IocFactsReply::new_zeroed()
        }),
        // A parallel SCSI port, because its targets are known without configuration pages.
        Function::PORT_FACTS => message_words(|msg_length| PortFactsReply {
            msg_length,
            function,
            msg_context,
            port_type: PortType::SCSI,
            max_devices: 8.into(),
            port_scsi_id: 7.into(),
            ..PortFactsReply::new_zeroed()
        }),
        Function::IOC_INIT => message_words(|msg_length| IocInitReply {
            msg_length,
            function,
            msg_context,
            ..IocInitReply::new_zeroed()
        }),
        Function::PORT_ENABLE => message_words(|msg_length| PortEnableReply {
            msg_length,
            function,
            msg_context,
            ..PortEnableReply::new_zeroed()
        }),
        Function::EVENT_NOTIFICATION => message_words(|msg_length| EventNotifyReply {
            msg_length,
            function,
            msg_context,
            ..EventNotifyReply::new_zeroed()
        }),
        other => panic!("bring-up sent {other:?}"),
    }
}

/// The words of the reply that `reply` makes for its own length in 32-bit words, which MPI wants in its third byte.
pub fn message_words<T: IntoBytes + Immutable>(reply: impl FnOnce(u8) -> T) -> Vec<u32> {
    let reply = reply((size_of::<T>() / 4) as u8);
    let word = |chunk: &[u8]| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    reply.as_bytes().chunks_exact(4).map(word).collect()
}

/// SCSI IO reply: status, state, IOC status, bytes moved, sense bytes. MPI 2.x begins it as MPI 1.x does.
#[must_use]
pub fn scsi_io_reply(
    status: Status,
    scsi_state: ScsiState,
    ioc: IocStatus,
    moved: u32,
    sense: u32,
) -> Vec<u32> {
    message_words(|msg_length| ScsiIoReply {
        msg_length,
        function: Function::SCSI_IO_REQUEST,
        scsi_status: status.0,
        scsi_state,
        ioc_status: ioc.0.into(),
        transfer_count: moved.into(),
        sense_count: sense.into(),
        ..ScsiIoReply::new_zeroed()
    })
}

fn halves(words: &[u32]) -> Vec<u16> {
    words.iter().flat_map(|word| [*word as u16, (word >> 16) as u16]).collect()
}
