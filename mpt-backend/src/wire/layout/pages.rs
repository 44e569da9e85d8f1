//! Rows of config messages and configuration pages.

use super::{Layout, layout};
use crate::wire::config::{ConfigExtendedPageHeader, ConfigPageHeader, ConfigReply, ConfigRequest};
use crate::wire::config_pages::{
    IoUnitPage0, IoUnitPage1, IocPage0, IocPage1, IocPage2, IocPage2RaidVol, ManufacturingPage0,
    RaidVol0PhysDisk, RaidVolPage0,
};
use crate::wire::sas_pages::{SasDevicePage0, SasIoUnit0PhyData, SasIoUnitPage0, SasPhyPage0};
use alloc::vec::Vec;

pub(super) fn layouts() -> Vec<Layout> {
    [config(), unit(), sas()].into_iter().flatten().collect()
}

fn config() -> Vec<Layout> {
    alloc::vec![
        layout!("MSG_CONFIG" => ConfigRequest {
            "Action" => action;
            "Reserved" => reserved;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "ExtPageLength" => ext_page_length;
            "ExtPageType" => ext_page_type;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "Reserved2" => reserved2;
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.PageLength" => header.page_length;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "PageAddress" => page_address;
            "PageBufferSGE" => page_buffer_sge;
            "PageBufferSGE.u.Simple.FlagsLength" => page_buffer_sge.flags_length;
            "PageBufferSGE.u.Simple.u.Address64" => page_buffer_sge.address;
            alias "PageBufferSGE.u" in "PageBufferSGE": "the arm of the union that the layout has";
            alias "PageBufferSGE.u.Simple" in "PageBufferSGE": "the arm of the union that the layout has";
            alias "PageBufferSGE.u.Simple.u" in "PageBufferSGE.u.Simple.u.Address64": "the union around the address";
            alias "PageBufferSGE.u.Simple.u.Address32" in "PageBufferSGE.u.Simple.u.Address64": "the low half of the address";
            alias "PageBufferSGE.u.Chain" in "PageBufferSGE": "the buffer is one simple element, never a chain";
            alias "PageBufferSGE.u.Chain.Length" in "PageBufferSGE": "the buffer is one simple element, never a chain";
            alias "PageBufferSGE.u.Chain.NextChainOffset" in "PageBufferSGE": "the buffer is one simple element, never a chain";
            alias "PageBufferSGE.u.Chain.Flags" in "PageBufferSGE": "the buffer is one simple element, never a chain";
            alias "PageBufferSGE.u.Chain.u" in "PageBufferSGE": "the buffer is one simple element, never a chain";
            alias "PageBufferSGE.u.Chain.u.Address32" in "PageBufferSGE": "the buffer is one simple element, never a chain";
            alias "PageBufferSGE.u.Chain.u.Address64" in "PageBufferSGE": "the buffer is one simple element, never a chain";
        }),
        layout!("MSG_CONFIG_REPLY" => ConfigReply {
            "Action" => action;
            "Reserved" => reserved;
            "MsgLength" => msg_length;
            "Function" => function;
            "ExtPageLength" => ext_page_length;
            "ExtPageType" => ext_page_type;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "Reserved2" => reserved2;
            "IOCStatus" => ioc_status;
            "IOCLogInfo" => ioc_log_info;
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.PageLength" => header.page_length;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
        }),
        layout!("CONFIG_PAGE_HEADER" => ConfigPageHeader {
            "PageVersion" => page_version;
            "PageLength" => page_length;
            "PageNumber" => page_number;
            "PageType" => page_type;
        }),
        layout!("CONFIG_EXTENDED_PAGE_HEADER" => ConfigExtendedPageHeader {
            "PageVersion" => page_version;
            "Reserved1" => reserved1;
            "PageNumber" => page_number;
            "PageType" => page_type;
            "ExtPageLength" => ext_page_length;
            "ExtPageType" => ext_page_type;
            "Reserved2" => reserved2;
        }),
    ]
}

fn unit() -> Vec<Layout> {
    alloc::vec![
        layout!("CONFIG_PAGE_IO_UNIT_0" => IoUnitPage0 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.PageLength" => header.page_length;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "UniqueValue" => unique_value;
        }),
        layout!("CONFIG_PAGE_IO_UNIT_1" => IoUnitPage1 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.PageLength" => header.page_length;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "Flags" => flags;
        }),
        layout!("CONFIG_PAGE_MANUFACTURING_0" => ManufacturingPage0 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.PageLength" => header.page_length;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "ChipName" => chip_name;
            "ChipRevision" => chip_revision;
            "BoardName" => board_name;
            "BoardAssembly" => board_assembly;
            "BoardTracerNumber" => board_tracer_number;
        }),
        layout!("CONFIG_PAGE_IOC_0" => IocPage0 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.PageLength" => header.page_length;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "TotalNVStore" => total_nv_store;
            "FreeNVStore" => free_nv_store;
            "VendorID" => vendor_id;
            "DeviceID" => device_id;
            "RevisionID" => revision_id;
            "Reserved" => reserved;
            "ClassCode" => class_code;
            "SubsystemVendorID" => subsystem_vendor_id;
            "SubsystemID" => subsystem_id;
        }),
        layout!("CONFIG_PAGE_IOC_1" => IocPage1 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.PageLength" => header.page_length;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "Flags" => flags;
            "CoalescingTimeout" => coalescing_timeout;
            "CoalescingDepth" => coalescing_depth;
            "PCISlotNum" => pci_slot_num;
            "Reserved" => reserved;
        }),
        layout!("CONFIG_PAGE_IOC_2" => IocPage2 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.PageLength" => header.page_length;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "CapabilitiesFlags" => capabilities_flags;
            "NumActiveVolumes" => num_active_volumes;
            "MaxVolumes" => max_volumes;
            "NumActivePhysDisks" => num_active_phys_disks;
            "MaxPhysDisks" => max_phys_disks;
            tail "RaidVolume" => IocPage2RaidVol {
                "RaidVolume[0].VolumeID" => volume_id;
                "RaidVolume[0].VolumeBus" => volume_bus;
                "RaidVolume[0].VolumeIOC" => volume_ioc;
                "RaidVolume[0].VolumePageNumber" => volume_page_number;
                "RaidVolume[0].VolumeType" => volume_type;
                "RaidVolume[0].Flags" => flags;
                "RaidVolume[0].Reserved3" => reserved3;
            }
        }),
        layout!("CONFIG_PAGE_IOC_2_RAID_VOL" => IocPage2RaidVol {
            "VolumeID" => volume_id;
            "VolumeBus" => volume_bus;
            "VolumeIOC" => volume_ioc;
            "VolumePageNumber" => volume_page_number;
            "VolumeType" => volume_type;
            "Flags" => flags;
            "Reserved3" => reserved3;
        }),
        layout!("CONFIG_PAGE_RAID_VOL_0" => RaidVolPage0 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.PageLength" => header.page_length;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "VolumeID" => volume_id;
            "VolumeBus" => volume_bus;
            "VolumeIOC" => volume_ioc;
            "VolumeType" => volume_type;
            "VolumeStatus" => volume_status;
            "VolumeStatus.Flags" => volume_status.flags;
            "VolumeStatus.State" => volume_status.state;
            "VolumeStatus.Reserved" => volume_status.reserved;
            "VolumeSettings" => volume_settings;
            "VolumeSettings.Settings" => volume_settings.settings;
            "VolumeSettings.HotSparePool" => volume_settings.hot_spare_pool;
            "VolumeSettings.Reserved" => volume_settings.reserved;
            "MaxLBA" => max_lba;
            "MaxLBAHigh" => max_lba_high;
            "StripeSize" => stripe_size;
            "Reserved2" => reserved2;
            "Reserved3" => reserved3;
            "NumPhysDisks" => num_phys_disks;
            "DataScrubRate" => data_scrub_rate;
            "ResyncRate" => resync_rate;
            "InactiveStatus" => inactive_status;
            tail "PhysDisk" => RaidVol0PhysDisk {
                "PhysDisk[0].Reserved" => reserved;
                "PhysDisk[0].PhysDiskMap" => phys_disk_map;
                "PhysDisk[0].PhysDiskNum" => phys_disk_num;
            }
        }),
    ]
}

fn sas() -> Vec<Layout> {
    alloc::vec![
        layout!("CONFIG_PAGE_SAS_IO_UNIT_0" => SasIoUnitPage0 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.Reserved1" => header.reserved1;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "Header.ExtPageLength" => header.ext_page_length;
            "Header.ExtPageType" => header.ext_page_type;
            "Header.Reserved2" => header.reserved2;
            "NvdataVersionDefault" => nvdata_version_default;
            "NvdataVersionPersistent" => nvdata_version_persistent;
            "NumPhys" => num_phys;
            "Reserved2" => reserved2;
            "Reserved3" => reserved3;
            tail "PhyData" => SasIoUnit0PhyData {
                "PhyData[0].Port" => port;
                "PhyData[0].PortFlags" => port_flags;
                "PhyData[0].PhyFlags" => phy_flags;
                "PhyData[0].NegotiatedLinkRate" => negotiated_link_rate;
                "PhyData[0].ControllerPhyDeviceInfo" => controller_phy_device_info;
                "PhyData[0].AttachedDeviceHandle" => attached_device_handle;
                "PhyData[0].ControllerDevHandle" => controller_dev_handle;
                "PhyData[0].DiscoveryStatus" => discovery_status;
            }
        }),
        layout!("CONFIG_PAGE_SAS_PHY_0" => SasPhyPage0 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.Reserved1" => header.reserved1;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "Header.ExtPageLength" => header.ext_page_length;
            "Header.ExtPageType" => header.ext_page_type;
            "Header.Reserved2" => header.reserved2;
            "OwnerDevHandle" => owner_dev_handle;
            "Reserved1" => reserved1;
            "SASAddress" => sas_address;
            "AttachedDevHandle" => attached_dev_handle;
            "AttachedPhyIdentifier" => attached_phy_identifier;
            "Reserved2" => reserved2;
            "AttachedDeviceInfo" => attached_device_info;
            "ProgrammedLinkRate" => programmed_link_rate;
            "HwLinkRate" => hw_link_rate;
            "ChangeCount" => change_count;
            "Flags" => flags;
            "PhyInfo" => phy_info;
        }),
        layout!("CONFIG_PAGE_SAS_DEVICE_0" => SasDevicePage0 {
            "Header" => header;
            "Header.PageVersion" => header.page_version;
            "Header.Reserved1" => header.reserved1;
            "Header.PageNumber" => header.page_number;
            "Header.PageType" => header.page_type;
            "Header.ExtPageLength" => header.ext_page_length;
            "Header.ExtPageType" => header.ext_page_type;
            "Header.Reserved2" => header.reserved2;
            "Slot" => slot;
            "EnclosureHandle" => enclosure_handle;
            "SASAddress" => sas_address;
            "ParentDevHandle" => parent_dev_handle;
            "PhyNum" => phy_num;
            "AccessStatus" => access_status;
            "DevHandle" => dev_handle;
            "TargetID" => target_id;
            "Bus" => bus;
            "DeviceInfo" => device_info;
            "Flags" => flags;
            "PhysicalPort" => physical_port;
            "Reserved2" => reserved2;
        }),
    ]
}
