//! Interrupts: eventfds of the client, and the level line that masks itself.

use std::fs::File;
use std::io::{self, Write as _};

use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_AUTOMASKED, VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_INFO_MASKABLE,
    VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_UNMASK,
    VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE, VFIO_PCI_INTX_IRQ_INDEX,
    VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_NUM_IRQS,
};
use vfio_user::IrqInfo;

use crate::memory::invalid;

const INTX: usize = VFIO_PCI_INTX_IRQ_INDEX as usize;
const MSI: usize = VFIO_PCI_MSI_IRQ_INDEX as usize;
const MSIX: usize = VFIO_PCI_MSIX_IRQ_INDEX as usize;

/// The three kinds of interrupt of one function, of which the client uses one at a time.
#[derive(Debug, Default)]
pub(crate) struct Interrupts {
    kinds: [Vec<Line>; 3],
}

#[derive(Debug, Default)]
struct Line {
    eventfd: Option<File>,
    masked: bool,
    pending: bool,
}

impl Line {
    /// Tells the client, now or when it unmasks.
    fn raise(&mut self) {
        match &mut self.eventfd {
            Some(_) if self.masked => self.pending = true,
            // Nothing can be done for a client that has let its counter run full.
            Some(eventfd) => drop(eventfd.write_all(&1_u64.to_ne_bytes())),
            None => {}
        }
    }

    fn unmask(&mut self) {
        self.masked = false;
        if core::mem::take(&mut self.pending) {
            self.raise();
        }
    }
}

impl Interrupts {
    /// One line, one MSI, and `vectors` of MSI-X.
    pub(crate) fn new(vectors: u16) -> Self {
        let lines = |count| (0..count).map(|_| Line::default()).collect();
        Self { kinds: [lines(1), lines(1), lines(vectors)] }
    }

    /// What the client is told of each kind.
    pub(crate) fn infos(&self) -> Vec<IrqInfo> {
        let info = |index: u32| {
            let kind = self.kinds.get(index as usize);
            let flags = match index {
                VFIO_PCI_INTX_IRQ_INDEX => {
                    VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED
                }
                _ => VFIO_IRQ_INFO_EVENTFD,
            };
            IrqInfo { index, flags, count: kind.map_or(0, |kind| kind.len() as u32) }
        };
        (0..VFIO_PCI_NUM_IRQS).map(info).collect()
    }

    /// The client's SET_IRQS.
    pub(crate) fn set(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        eventfds: Vec<File>,
    ) -> io::Result<()> {
        let kind = self.kinds.get_mut(index as usize);
        let lines = kind.and_then(|kind| {
            kind.get_mut(start as usize..(start as usize).checked_add(count as usize)?)
        });
        let Some(lines) = lines else {
            return Err(invalid(format!("no interrupts {start} + {count} of kind {index}")));
        };
        match flags
            & (VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER)
        {
            VFIO_IRQ_SET_ACTION_MASK if flags & VFIO_IRQ_SET_DATA_NONE != 0 => {
                lines.iter_mut().for_each(|line| line.masked = true);
            }
            VFIO_IRQ_SET_ACTION_UNMASK if flags & VFIO_IRQ_SET_DATA_NONE != 0 => {
                lines.iter_mut().for_each(Line::unmask);
            }
            VFIO_IRQ_SET_ACTION_TRIGGER if flags & VFIO_IRQ_SET_DATA_EVENTFD != 0 => {
                // Without descriptors these interrupts are switched off.
                let mut eventfds = eventfds.into_iter();
                lines.iter_mut().for_each(|line| {
                    *line = Line { eventfd: eventfds.next(), ..Line::default() };
                });
            }
            VFIO_IRQ_SET_ACTION_TRIGGER if flags & VFIO_IRQ_SET_DATA_NONE != 0 && count == 0 => {
                self.switch_off(index as usize);
            }
            VFIO_IRQ_SET_ACTION_TRIGGER if flags & VFIO_IRQ_SET_DATA_NONE != 0 => {
                lines.iter_mut().for_each(Line::raise);
            }
            _ => return Err(invalid(format!("interrupt flags {flags:#x} are not known"))),
        }
        Ok(())
    }

    fn switch_off(&mut self, index: usize) {
        if let Some(kind) = self.kinds.get_mut(index) {
            kind.iter_mut().for_each(|line| *line = Line::default());
        }
    }

    /// Whether messages go out: some MSI or MSI-X has an eventfd.
    fn uses_messages(&self, kind: usize) -> bool {
        self.kinds[kind].iter().any(|line| line.eventfd.is_some())
    }

    /// Passes on what the controller has to say: the vectors that sent messages, bit n for vector n, and the level of its line.
    pub(crate) fn deliver(&mut self, vectors: u128, level: bool) {
        if self.uses_messages(MSIX) {
            let lines = self.kinds[MSIX].iter_mut().enumerate();
            lines.filter(|(n, _)| vectors >> n & 1 != 0).for_each(|(_, line)| line.raise());
        } else if self.uses_messages(MSI) {
            if vectors != 0 {
                self.kinds[MSI].iter_mut().for_each(Line::raise);
            }
        } else if let [line] = self.kinds[INTX].as_mut_slice()
            && level
            && !line.masked
        {
            line.raise();
            // Until the client says that the guest has served it.
            line.masked = line.eventfd.is_some();
        }
    }

    /// The function was reset: nothing is pending, the client's descriptors stay.
    pub(crate) fn reset(&mut self) {
        self.kinds.iter_mut().flatten().for_each(|line| line.pending = false);
    }
}
