//! Error recovery and informational exceptions: pages 01h and 1Ch. Source: SBC-4 6.5, SPC-5 7.5.

use crate::command::Bits;
use crate::record::mode_page;

mode_page! {
    /// The Read-Write Error Recovery mode page (01h). Source: SBC-4 6.5.
    pub struct ErrorRecoveryPage: 12, READ_WRITE_ERROR_RECOVERY {
        /// AWRE: automatic write reassignment.
        awre: bool [2, 7],
        /// ARRE: automatic read reassignment.
        arre: bool [2, 6],
        /// TB: transfer the block that could not be recovered.
        tb: bool [2, 5],
        /// RC: read continuously, without delay for recovery.
        rc: bool [2, 4],
        /// EER: enable early recovery.
        eer: bool [2, 3],
        /// PER: post recovered errors.
        per: bool [2, 2],
        /// DTE: terminate data transfer on a recovered error.
        dte: bool [2, 1],
        /// DCR: disable correction.
        dcr: bool [2, 0],
        /// READ RETRY COUNT.
        read_retry_count: u8 [3],
        /// LBPERE: logical block provisioning error reporting.
        lbpere: bool [7, 7],
        /// WRITE RETRY COUNT.
        write_retry_count: u8 [8],
        /// RECOVERY TIME LIMIT in milliseconds; 0 means a vendor specific limit.
        recovery_time_limit_ms: u16 [10],
    }
}

mode_page! {
    /// The Informational Exceptions Control mode page (1Ch). Source: SPC-5 7.5.
    pub struct InformationalExceptionsPage: 12, INFORMATIONAL_EXCEPTIONS {
        /// PERF: no delays by informational exception operations.
        perf: bool [2, 7],
        /// EBF: enable background functions.
        ebf: bool [2, 5],
        /// EWASC: enable warnings.
        ewasc: bool [2, 4],
        /// DEXCPT: disable exception control.
        dexcpt: bool [2, 3],
        /// TEST: create a test failure.
        test: bool [2, 2],
        /// EBACKERR: report background errors.
        ebackerr: bool [2, 1],
        /// LOGERR: log informational exceptions.
        logerr: bool [2, 0],
        /// MRIE: method of reporting; 6h is only on request.
        mrie: Bits<4> [3],
        /// INTERVAL TIMER in units of 100 ms.
        interval_timer_100ms: u32 [4],
        /// REPORT COUNT; 0 means no limit.
        report_count: u32 [8],
    }
}
