//! Extended INQUIRY Data (86h). Source: SPC-5 7.7.7.

use crate::command::Bits;
use crate::record::vpd_page;

vpd_page! {
    /// Extended INQUIRY Data. Source: SPC-5 7.7.7.
    ///
    /// `v_sup` clear does not mean that there is no volatile cache: devices exist that clear it with
    /// WCE set. WCE alone decides whether writes need a flush.
    pub struct ExtendedInquiry: 64, EXTENDED_INQUIRY {
        /// ACTIVATE MICROCODE: when downloaded microcode takes effect.
        activate_microcode: Bits<2> [4, 6],
        /// SPT: supported protection types.
        spt: Bits<3> [4, 3],
        /// GRD_CHK: the guard is checked.
        grd_chk: bool [4, 2],
        /// APP_CHK: the application tag is checked.
        app_chk: bool [4, 1],
        /// REF_CHK: the reference tag is checked.
        ref_chk: bool [4, 0],
        /// UASK_SUP: sense key specific data of unit attentions.
        uask_sup: bool [5, 5],
        /// GROUP_SUP: the grouping function.
        group_sup: bool [5, 4],
        /// PRIOR_SUP: task priority.
        prior_sup: bool [5, 3],
        /// HEADSUP: HEAD OF QUEUE task attribute supported.
        head_supported: bool [5, 2],
        /// ORDSUP: ORDERED task attribute supported.
        ordered_supported: bool [5, 1],
        /// SIMPSUP: SIMPLE task attribute supported.
        simple_supported: bool [5, 0],
        /// WU_SUP: WRITE UNCORRECTABLE supported.
        wu_sup: bool [6, 3],
        /// CRD_SUP: correction disable supported; obsolete.
        crd_sup: bool [6, 2],
        /// NV_SUP: a non-volatile cache.
        nv_sup: bool [6, 1],
        /// V_SUP: a volatile cache.
        v_sup: bool [6, 0],
        /// NO_PI_CHK: protection information may go unchecked.
        no_pi_chk: bool [7, 5],
        /// P_I_I_SUP: protection information intervals.
        p_i_i_sup: bool [7, 4],
        /// LUICLR: I_T nexus loss clears the unit attentions of all ports.
        luiclr: bool [7, 0],
        /// LU_COLL_TYPE: the kind of logical unit collection.
        lu_coll_type: Bits<3> [8, 5],
        /// R_SUP: referrals.
        r_sup: bool [8, 4],
        /// RTD_SUP: revert to defaults in MODE SELECT.
        rtd_sup: bool [8, 3],
        /// HSSRELEF: releases of a history snapshot have further effects.
        hssrelef: bool [8, 1],
        /// CBCS: capability based command security; obsolete.
        cbcs: bool [8, 0],
        /// MULTI I_T NEXUS MICROCODE DOWNLOAD.
        multi_nexus_download: Bits<4> [9],
        /// EXTENDED SELF-TEST COMPLETION MINUTES.
        self_test_minutes: u16 [10],
        /// POA_SUP: power on activation of microcode.
        poa_sup: bool [12, 7],
        /// HRA_SUP: hard reset activation of microcode.
        hra_sup: bool [12, 6],
        /// VSA_SUP: vendor specific activation of microcode.
        vsa_sup: bool [12, 5],
        /// DMS_VALID: the DM_MD bits of byte 19 and on mean something.
        dms_valid: bool [12, 4],
        /// MAXIMUM SUPPORTED SENSE DATA LENGTH in bytes; 0 is not told.
        sense_length_max: u8 [13],
        /// IBS: implicit bind.
        ibs: bool [14, 7],
        /// IAS: implicit affiliation.
        ias: bool [14, 6],
        /// SAC: SET AFFILIATION supported.
        sac: bool [14, 2],
        /// NRD1: no redirect, first form.
        nrd1: bool [14, 1],
        /// NRD0: no redirect, second form.
        nrd0: bool [14, 0],
        /// MAXIMUM INQUIRY CHANGE LOGS.
        inquiry_change_logs: u16 [15],
        /// MAXIMUM MODE PAGE CHANGE LOGS.
        mode_page_change_logs: u16 [17],
    }
}
