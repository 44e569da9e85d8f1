//! The memory that the port needs: asked for, and asked for once more where it lies in the wrong 4 GiB.

use alloc::vec::Vec;

use super::{ACTIONS_PER_QUEUE, Action, Control, State};
use crate::dma::{AddressFault, DmaRegion, FaultKind};
use crate::port::{ControlPort, MemoryFault, MemoryPlan, Start, check_memory};

/// What became of memory that was provided.
#[derive(Debug)]
#[must_use = "the data paths are here, or memory is asked for once more"]
pub enum Provided<Q> {
    /// It does: the data path of each vector.
    Queues(Vec<Q>),
    /// A region is in the wrong 4 GiB, so all of it was dropped. The next action is an [`Action::ProvideMemory`] whose plan
    /// keeps below 4 GiB, where there is one upper half for all.
    Again,
}

/// Memory that the owner was asked for, and did not bring yet.
#[derive(Debug)]
pub(super) struct Asked {
    plan: MemoryPlan,
    /// The region that was in the wrong 4 GiB, where this is the second time.
    first: Option<&'static str>,
}

impl<P: ControlPort> Control<P> {
    /// Takes the memory that [`Action::ProvideMemory`] asked for and makes the data path of each vector.
    ///
    /// A controller holds bits 63:32 of the addresses of a pool once. Where a region crosses a 4 GiB line, or lies in another
    /// 4 GiB than its group, the memory is dropped and asked for once more, from below 4 GiB.
    ///
    /// # Errors
    ///
    /// [`MemoryFault`]; the device knows of nothing, the memory is dropped, and other memory may be provided.
    pub fn provide_memory(
        &mut self,
        regions: Vec<DmaRegion>,
    ) -> Result<Provided<P::Queue>, MemoryFault> {
        let asked = self.asked.take().unwrap_or_else(|| Asked::first(self.port.memory_plan()));
        let limits = self.port.limits();
        let checked = limits.map_or(Ok(()), |limits| check_memory(&asked.plan, &regions, limits));
        match checked.and_then(|()| self.port.provide_memory(regions)) {
            Ok(queues) => {
                self.handle_memory(queues.len());
                Ok(Provided::Queues(queues))
            }
            Err(fault) => self.ask_again(asked, fault).map(|()| Provided::Again),
        }
    }

    /// What it means that the owner has no memory for a region of the plan, `len` bytes: `None` where it was asked for the
    /// first time, and that is all there is to say.
    pub fn none_below(&self, len: usize) -> Option<MemoryFault> {
        let first = self.asked.as_ref()?.first?;
        Some(MemoryFault::NoneBelow { first, len })
    }

    /// Asks the owner for the memory that the port needs.
    pub(super) fn ask_for_memory(&mut self) {
        self.state = State::AwaitingMemory;
        self.ask(Asked::first(self.port.memory_plan()));
    }

    fn ask(&mut self, asked: Asked) {
        self.actions.push_back(Action::ProvideMemory(asked.plan.clone()));
        self.asked = Some(asked);
    }

    fn ask_again(&mut self, asked: Asked, fault: MemoryFault) -> Result<(), MemoryFault> {
        // The controller may have left, or the adapter been shut down: then there is nothing to ask for.
        let waits = self.state == State::AwaitingMemory;
        match fault {
            MemoryFault::UpperHalf { name } if waits && let Some(low) = asked.below_4_gib(name) => {
                self.ask(low);
                Ok(())
            }
            fault => {
                let fault = asked.explain(fault);
                self.asked = Some(asked);
                Err(fault)
            }
        }
    }

    fn handle_memory(&mut self, vectors: usize) {
        self.vectors = vectors as u16;
        self.recovery.reserve(vectors);
        self.actions.reserve(ACTIONS_PER_QUEUE * vectors);
        // The controller may have left, or the adapter been shut down, while memory was allocated.
        if self.state == State::AwaitingMemory {
            self.state = State::BringingUp { start: Start::Attach, serving: false };
            self.preflight_due = true;
        }
    }
}

impl Asked {
    const fn first(plan: MemoryPlan) -> Self {
        Self { plan, first: None }
    }

    /// The second time, after the region `name` was in the wrong 4 GiB; `None` if this is the second time, or a second cannot
    /// help.
    fn below_4_gib(&self, name: &'static str) -> Option<Self> {
        let plan = self.first.is_none().then(|| self.plan.clone().below_4_gib()).flatten()?;
        Some(Self { plan, first: Some(name) })
    }

    /// The fault of the second time says what the first was.
    fn explain(&self, fault: MemoryFault) -> MemoryFault {
        match (self.first, fault) {
            (Some(first), MemoryFault::Address(AddressFault { region: name, addr, len, kind }))
                if !matches!(kind, FaultKind::Misaligned { .. }) =>
            {
                MemoryFault::NotBelow { first, name, addr, len }
            }
            (_, fault) => fault,
        }
    }
}
