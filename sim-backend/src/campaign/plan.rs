//! A run as plain data: options, operations, and the schedule of faults.

use crate::disk::PowerCut;

/// Everything that a run depends on. Equal plans give equal runs on every platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed that it was drawn from, which also seeds the disks.
    pub seed: u64,
    /// The machine and the driver's settings.
    pub options: Options,
    /// What the caller does, in order.
    pub operations: Vec<Operation>,
    /// What goes wrong, and when.
    pub schedule: Vec<Entry>,
}

impl Plan {
    /// Whether its disks keep their promises: no violation is theirs, and the audit names none.
    #[must_use]
    pub fn is_honest(&self) -> bool {
        let lies = self.schedule.iter().any(|entry| entry.fault.is_lie());
        let tears = matches!(self.options.power_cut(), PowerCut::TornBlock);
        !lies && !tears && self.options.lying_flush == 0 && self.options.lying_fua == 0
    }
}

macro_rules! options {
    ($($(#[$meta:meta])* $name:ident = $default:literal, $text:literal;)+) => {
        /// The numbers of a run; each has a name in the text form.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Options {
            $($(#[$meta])* pub $name: u32,)+
        }

        impl Default for Options {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Options {
            /// Names and values, in a fixed order.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u32)> {
                [$(($text, self.$name),)+].into_iter()
            }

            /// Sets one by its name; `false` where there is none of that name.
            pub fn set(&mut self, name: &str, value: u32) -> bool {
                match name {
                    $($text => self.$name = value,)+
                    _ => return false,
                }
                true
            }
        }
    };
}

options! {
    /// Interrupt vectors.
    vectors = 1, "vectors";
    /// Commands outstanding on one vector.
    depth = 16, "depth";
    /// Disks.
    disks = 1, "disks";
    /// Logical units of each disk.
    units = 1, "units";
    /// Blocks of each unit that are used.
    blocks = 16, "blocks";
    /// WCE.
    write_cache = 1, "write-cache";
    /// The cache survives power loss.
    non_volatile = 0, "non-volatile-cache";
    /// It does so because of a battery, which can fail.
    battery = 0, "battery";
    /// SYNC_PROG: what a flush with IMMED does to the commands after it.
    sync_progress = 0, "sync-progress";
    /// Blocks of the write cache.
    cache_blocks = 64, "cache-blocks";
    /// Flushes answer GOOD and do nothing: the audit has to name the disk.
    lying_flush = 0, "lying-flush";
    /// FUA is ignored: the audit has to name the disk.
    lying_fua = 0, "lying-fua";
    /// What a power cut leaves: the index of a [`PowerCut`].
    cut = 1, "power-cut";
    /// Shortest time of a command in microseconds.
    latency_min = 10, "latency-min";
    /// Longest time of a command in microseconds.
    latency_max = 100, "latency-max";
    /// Commands end in an order drawn from the seed.
    reorder = 1, "reorder";
    /// Completions that one poll may take.
    batch = 16, "batch";
    /// Time-out of every command in milliseconds.
    timeout = 2000, "timeout";
    /// Units of work of the controller between two polls.
    budget = 64, "budget";
    /// Resets of the controller within ten minutes; one more, and it is given up.
    resets = 255, "resets";
    /// No faults at all: core and model have to agree on every completion.
    calm = 0, "calm";
    /// The end: 0 shutdown, 1 removal, 2 and 3 the same with commands outstanding.
    end = 0, "end";
    /// The units tell of their power-on before the first operation.
    greet = 1, "greet";
}

impl Options {
    /// What `cut` adds to the mask of [`PowerCut::Chosen`].
    pub const CHOSEN: u32 = 100;

    /// Whether its disks may lose what they said to be in a non-volatile cache: by a battery that fails, which they tell.
    #[must_use]
    pub const fn may_degrade(&self) -> bool {
        self.non_volatile != 0 && self.battery != 0
    }

    /// Logical units of the machine.
    #[must_use]
    pub const fn all_units(&self) -> u32 {
        self.disks * self.units
    }

    /// What a power cut leaves of the caches.
    #[must_use]
    pub const fn power_cut(&self) -> PowerCut {
        match self.cut {
            0 => PowerCut::LoseAll,
            1 => PowerCut::RandomSubset,
            2 => PowerCut::NewestFirst,
            3 => PowerCut::TornWrites,
            4 => PowerCut::TornBlock,
            chosen => PowerCut::Chosen(chosen.saturating_sub(Self::CHOSEN) as u64),
        }
    }
}

macro_rules! named {
    ($(#[$meta:meta])* $ty:ident { $($(#[$doc:meta])* $name:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $ty {
            $($(#[$doc])* $name,)+
        }

        impl $ty {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name in the text form.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The one of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }

        impl core::fmt::Display for $ty {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(super) use named;

named! {
    /// What an operation does.
    Kind {
        /// WRITE(10).
        Write = "write",
        /// WRITE(10) that is ORDERED.
        WriteOrdered = "write-ordered",
        /// WRITE(10) with FUA.
        WriteFua = "write-fua",
        /// READ(10).
        Read = "read",
        /// READ(10) with FUA: what is on the medium.
        ReadFua = "read-fua",
        /// SYNCHRONIZE CACHE(10) of everything.
        Flush = "flush",
        /// SYNCHRONIZE CACHE(10) of a range.
        FlushRange = "flush-range",
        /// SYNCHRONIZE CACHE(10) with IMMED, which proves nothing.
        FlushImmed = "flush-immed",
        /// A flush by the core's books, which has to tell the truth.
        FlushTyped = "flush-typed",
        /// No command: the caller has taken note of what was lost.
        Acknowledge = "acknowledge",
        /// TEST UNIT READY.
        Ready = "ready",
        /// INQUIRY.
        Inquiry = "inquiry",
    }
}

impl Kind {
    /// Whether it changes blocks.
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Write | Self::WriteOrdered | Self::WriteFua)
    }

    /// Whether it gives blocks.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::ReadFua)
    }

    /// Whether its success says that blocks are durable.
    #[must_use]
    pub const fn is_flush(self) -> bool {
        matches!(self, Self::Flush | Self::FlushRange | Self::FlushTyped)
    }
}

/// One command of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub kind: Kind,
    /// To which unit, counted over all disks.
    pub unit: u32,
    /// From which block.
    pub lba: u32,
    /// How many blocks.
    pub blocks: u32,
    /// On which vector.
    pub vector: u32,
}

named! {
    /// Where a fault can strike.
    Site {
        /// Before a command is submitted.
        Submit = "submit",
        /// After a command was submitted, while the device has it.
        Submitted = "submitted",
        /// After a write was submitted, while the device has it.
        Write = "write",
        /// After a flush was submitted, while the device has it.
        Flush = "flush",
        /// After the device executed a command and before the host looks.
        Executed = "executed",
        /// After the device executed a flush and before the host looks.
        Flushed = "flushed",
        /// After a completion was judged.
        Completed = "completed",
        /// When recovery goes to the next rung.
        Recovering = "recovering",
        /// At a time, in milliseconds from the first operation on.
        Time = "time",
    }
}

named! {
    /// What can go wrong.
    Fault {
        /// All disks lose power for the given milliseconds.
        PowerCut = "power-cut",
        /// One disk loses power for the given milliseconds.
        DiskPowerCut = "disk-power-cut",
        /// Replies are lost.
        LoseReply = "lose-reply",
        /// Replies are posted twice.
        DuplicateReply = "duplicate-reply",
        /// Replies appear on another vector.
        ForeignReply = "foreign-reply",
        /// Replies are preceded by one of the slot's last use.
        StaleReply = "stale-reply",
        /// Replies are preceded by one that names no slot.
        BadSlot = "bad-slot",
        /// Task management functions get no answer.
        SwallowTask = "swallow-task-management",
        /// Task management functions fail.
        FailTask = "fail-task-management",
        /// The controller does nothing for the given milliseconds.
        Freeze = "freeze",
        /// The controller stops with a fault code.
        ControllerFault = "controller-fault",
        /// A disk answers nothing for the given milliseconds.
        HoldDisk = "hold-disk",
        /// BUSY.
        Busy = "busy",
        /// TASK SET FULL.
        TaskSetFull = "task-set-full",
        /// Data phases end after one block.
        ShortData = "short-data",
        /// Reads of the medium fail.
        ReadError = "read-error",
        /// Writes to the medium fail, at once or when the cache is written back.
        WriteError = "write-error",
        /// Flushes fail and write nothing.
        FlushError = "flush-error",
        /// An earlier write failed, says the next command.
        Deferred = "deferred-error",
        /// A unit attention that means no loss: 29/02, 29/03, 29/07, 2A/01, 3F/0E.
        Attention = "attention",
        /// Another initiator switches the write cache off, and on the next time.
        CacheChange = "cache-change",
        /// The battery of the cache fails: the disk goes on caching, or writes through from then on.
        BatteryFailure = "battery-failure",
        /// Writes to the medium land elsewhere: the audit has to name the disk.
        MisdirectedWrite = "misdirected-write",
        /// Writes to the medium are done by half: the audit has to name the disk.
        ShornWrite = "shorn-write",
        /// The caller aborts its oldest command.
        Abort = "abort",
        /// The caller resets a logical unit.
        UnitReset = "unit-reset",
        /// The caller asks for a controller reset.
        Reset = "reset",
        /// The clock jumps by the given milliseconds.
        ClockJump = "clock-jump",
        /// The data path says that nothing is there although something is.
        Blind = "blind",
        /// A reply is lost between the device and the data path.
        Swallow = "swallow-reply",
        /// The control path has no frame for task management.
        NoFrames = "no-frames",
        /// A disk is pulled out for the given milliseconds, with whatever it has to do, and loses its power.
        PullDisk = "pull-disk",
    }
}

impl Fault {
    /// Whether its count is a time in milliseconds.
    #[must_use]
    pub const fn lasts(self) -> bool {
        use Fault::{ClockJump, DiskPowerCut, Freeze, HoldDisk, PowerCut, PullDisk};
        matches!(self, PowerCut | DiskPowerCut | Freeze | HoldDisk | ClockJump | PullDisk)
    }

    /// Whether power is lost.
    #[must_use]
    pub const fn is_power_cut(self) -> bool {
        matches!(self, Self::PowerCut | Self::DiskPowerCut | Self::PullDisk)
    }

    /// Whether a disk that has it breaks its promise.
    #[must_use]
    pub const fn is_lie(self) -> bool {
        matches!(self, Self::MisdirectedWrite | Self::ShornWrite)
    }

    /// Whether it is one disk's, and every other disk has to go on as if nothing were.
    #[must_use]
    pub const fn is_of_one_disk(self) -> bool {
        use Fault::{
            Attention, BatteryFailure, Busy, CacheChange, Deferred, FlushError, MisdirectedWrite,
            ReadError, ShornWrite, ShortData, TaskSetFull, WriteError,
        };
        matches!(
            self,
            Attention
                | BatteryFailure
                | MisdirectedWrite
                | ShornWrite
                | Busy
                | CacheChange
                | Deferred
                | FlushError
                | ReadError
                | ShortData
                | TaskSetFull
                | WriteError
                | Self::HoldDisk
        )
    }
}

/// One fault of the schedule: at the `nth` event of a site (from 1 on), once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub site: Site,
    /// At the how many-th event there; milliseconds for [`Site::Time`].
    pub nth: u32,
    /// What.
    pub fault: Fault,
    /// On which unit, or disk of it, where that matters.
    pub unit: u32,
    /// How often, or how long in milliseconds.
    pub count: u32,
}
