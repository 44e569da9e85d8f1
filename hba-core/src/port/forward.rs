//! For a backend around a backend: the methods that only pass on what they are told.

/// Writes methods of [`ControlPort`](crate::port::ControlPort) that pass their call on to a field of `self`.
///
/// ```
/// use hba_core::port::{ControlPort, MemoryFault, PortEvent};
///
/// struct Counted<P> {
///     inner: P,
///     events: u64,
/// }
///
/// impl<P: ControlPort> ControlPort for Counted<P> {
///     type Queue = P::Queue;
///
///     hba_core::forward_control!(inner: begin, bring_up, limits, memory_plan, poll, handle_message);
///     hba_core::forward_control!(inner: send_task_management, set_interrupts, claims_interrupt);
///
///     fn provide_memory(
///         &mut self,
///         regions: Vec<hba_core::dma::DmaRegion>,
///     ) -> Result<Vec<P::Queue>, MemoryFault> {
///         self.inner.provide_memory(regions)
///     }
///
///     fn poll_event(&mut self) -> Option<PortEvent> {
///         let event = self.inner.poll_event()?;
///         self.events += 1;
///         Some(event)
///     }
/// }
/// ```
#[macro_export]
macro_rules! forward_control {
    ($to:ident: $($method:ident),+ $(,)?) => { $($crate::forward_control!(@$method $to);)+ };
    (@begin $to:ident) => {
        fn begin(&mut self, start: $crate::port::Start, now: $crate::time::Instant) {
            self.$to.begin(start, now);
        }
    };
    (@bring_up $to:ident) => {
        fn bring_up(
            &mut self,
            now: $crate::time::Instant,
            registers: &mut dyn $crate::register::Registers,
        ) -> $crate::port::BringUp {
            self.$to.bring_up(now, registers)
        }
    };
    (@limits $to:ident) => {
        fn limits(&self) -> Option<&$crate::limits::Limits> {
            self.$to.limits()
        }
    };
    (@memory_plan $to:ident) => {
        fn memory_plan(&self) -> $crate::port::MemoryPlan {
            self.$to.memory_plan()
        }
    };
    (@poll $to:ident) => {
        fn poll(
            &mut self,
            now: $crate::time::Instant,
            registers: &mut dyn $crate::register::Registers,
        ) -> $crate::port::Polled {
            self.$to.poll(now, registers)
        }
    };
    (@handle_message $to:ident) => {
        fn handle_message(
            &mut self,
            message: &$crate::port::Message,
            now: $crate::time::Instant,
            registers: &mut dyn $crate::register::Registers,
        ) {
            self.$to.handle_message(message, now, registers);
        }
    };
    (@send_task_management $to:ident) => {
        fn send_task_management(
            &mut self,
            task: $crate::port::TaskManagement,
            id: $crate::port::TaskManagementId,
            now: $crate::time::Instant,
            registers: &mut dyn $crate::register::Registers,
        ) -> Result<(), $crate::port::NoResources> {
            self.$to.send_task_management(task, id, now, registers)
        }
    };
    (@poll_event $to:ident) => {
        fn poll_event(&mut self) -> Option<$crate::port::PortEvent> {
            self.$to.poll_event()
        }
    };
    (@set_interrupts $to:ident) => {
        fn set_interrupts(
            &mut self,
            enabled: bool,
            registers: &mut dyn $crate::register::Registers,
        ) {
            self.$to.set_interrupts(enabled, registers);
        }
    };
    (@claims_interrupt $to:ident) => {
        fn claims_interrupt(&mut self, registers: &mut dyn $crate::register::Registers) -> bool {
            self.$to.claims_interrupt(registers)
        }
    };
}

/// The same for [`QueuePort`](crate::port::QueuePort). `prepare` and `next_reply` are what a wrapper is for, and the short cuts
/// (`prepare_single`, `glance`) would lead past them.
#[macro_export]
macro_rules! forward_queue {
    ($to:ident: $($method:ident),+ $(,)?) => { $($crate::forward_queue!(@$method $to);)+ };
    (@disown $to:ident) => {
        fn disown(
            &mut self,
            name: $crate::port::WireTag,
            why: $crate::port::Unclaimed,
        ) -> $crate::port::Disowned {
            self.$to.disown(name, why)
        }
    };
    (@deliver $to:ident) => {
        fn deliver(&mut self, tag: $crate::port::Tag, detail: &$crate::port::Detail) {
            self.$to.deliver(tag, detail);
        }
    };
    (@detail $to:ident) => {
        fn detail(&self) -> &$crate::port::Detail {
            self.$to.detail()
        }
    };
    (@read_sense $to:ident) => {
        fn read_sense(&mut self, tag: $crate::port::Tag, into: &mut [u8]) {
            self.$to.read_sense(tag, into);
        }
    };
    (@message $to:ident) => {
        fn message(&self) -> &$crate::port::Message {
            self.$to.message()
        }
    };
    (@acknowledge $to:ident) => {
        fn acknowledge(&mut self) -> Self::Ack {
            self.$to.acknowledge()
        }
    };
    (@restart $to:ident) => {
        fn restart(&mut self) {
            self.$to.restart();
        }
    };
}
