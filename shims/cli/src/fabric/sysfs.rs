//! The PCI functions of a Linux machine: `bus/pci/devices` of sysfs.
//!
//! Each function has a directory with its configuration space. Where it lies in the tree of devices names the root bus, and a
//! link names its IOMMU group. Linux maps a group as a whole, under every ID that the requests of its members may have.

use std::fs;
use std::path::{Path, PathBuf};

use hba_core::dma::AddressWidth;
use hba_core::fabric::{
    Domain, Function, FunctionKind, MappedIds, Quirks, RequesterId, RootBus, Topology, dma_aliases,
};

use super::{Fabric, FabricError, Header};

pub(super) fn read(root: &Path, device: Option<RequesterId>) -> Result<Fabric, FabricError> {
    let entries = entries(&root.join("bus/pci/devices"))?;
    let topology = Topology::new(roots(&entries), entries.iter().map(Entry::function))
        .map_err(FabricError::Topology)?;
    let controller = match device {
        Some(device) => device,
        None => only_controller(&entries)?,
    };
    let Some(entry) = entries.iter().find(|entry| entry.address == controller) else {
        let missing = hba_core::fabric::NoSuchFunction { address: controller };
        return Err(FabricError::Controller(missing));
    };
    let group = group(&entry.directory);
    let mapped = match &group {
        // Without a group there is no IOMMU before the function.
        None => MappedIds::All,
        Some(members) => {
            let aliases = members.iter().filter_map(|member| dma_aliases(&topology, *member).ok());
            MappedIds::Only(aliases.flat_map(|aliases| ids(&aliases)).collect())
        }
    };
    let device_width = number(&entry.directory.join("dma_mask_bits")).and_then(AddressWidth::new);
    let fabric =
        Fabric { topology, controller: Some(controller), device_width, group, ..Fabric::default() };
    fabric.with_mapped(mapped)
}

fn ids(aliases: &hba_core::fabric::Aliases) -> Vec<RequesterId> {
    aliases.iter().map(|alias| alias.id).collect()
}

/// One function's directory.
struct Entry {
    address: RequesterId,
    directory: PathBuf,
    header: Header,
    physical: Option<RequesterId>,
    /// The root bus and, where the whole domain is behind a device, that device: both from its place in the tree.
    place: Place,
}

#[derive(Clone, Copy, Default)]
struct Place {
    root: Option<RootBus>,
    behind: Option<RequesterId>,
}

fn entries(devices: &Path) -> Result<Vec<Entry>, FabricError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FabricError::Read { path, source }
    };
    let mut entries = Vec::new();
    for found in fs::read_dir(devices).map_err(failed(devices))? {
        let directory = found.map_err(failed(devices))?.path();
        let Some(address) = name_as_address(&directory) else { continue };
        let config = directory.join("config");
        let bytes = fs::read(&config).map_err(failed(&config))?;
        let physical =
            fs::read_link(directory.join("physfn")).ok().and_then(|link| name_as_address(&link));
        let header = match physical {
            // A virtual function's header has no IDs of its own.
            Some(_) => Header { id: Default::default(), class: 0, kind: FunctionKind::Endpoint },
            None => {
                Header::parse(&bytes).map_err(|error| FabricError::Config { address, error })?
            }
        };
        let place = place(&directory);
        entries.push(Entry { address, directory, header, physical, place });
    }
    entries.sort_by_key(|entry| entry.address);
    Ok(entries)
}

impl Entry {
    fn function(&self) -> Function {
        let kind = match self.physical {
            Some(physical) => FunctionKind::Virtual { physical },
            None => self.header.kind,
        };
        let mut quirks = Quirks::known(self.header.id, self.address.devfn());
        quirks.requests_as = self.place.behind;
        Function::new(self.address, kind).with_quirks(quirks)
    }

    /// SCSI, RAID and SAS controllers.
    fn is_controller(&self) -> bool {
        matches!(self.header.class, 0x0100 | 0x0104 | 0x0107)
    }
}

/// The parts of a path such as `devices/pci0000:00/0000:00:1c.0/0000:02:00.0`, behind a device where its domain is: then the
/// root of that domain is further down.
fn place(directory: &Path) -> Place {
    let Ok(path) = fs::canonicalize(directory) else { return Place::default() };
    let names: Vec<_> = path.iter().filter_map(|name| name.to_str()).collect();
    let mut place = Place::default();
    for (at, name) in names.iter().enumerate() {
        if let Some(root) = name.strip_prefix("pci").and_then(root_bus) {
            let above = at.checked_sub(1).and_then(|above| names.get(above));
            place = Place { root: Some(root), behind: above.and_then(|name| name.parse().ok()) };
        }
    }
    place
}

fn root_bus(text: &str) -> Option<RootBus> {
    let (domain, bus) = text.split_once(':')?;
    let domain = Domain(u32::from_str_radix(domain, 16).ok()?);
    Some(RootBus { domain, bus: u8::from_str_radix(bus, 16).ok()? })
}

/// The root buses that paths name; where they name none, every bus that no bridge leads to.
fn roots(entries: &[Entry]) -> Vec<RootBus> {
    let leads = |domain, bus| {
        entries.iter().any(|entry| {
            let kind = entry.header.kind;
            entry.address.domain() == domain
                && matches!(kind, FunctionKind::Bridge { secondary, .. } if secondary == bus)
        })
    };
    let mut roots = Vec::new();
    for entry in entries.iter().filter(|entry| entry.physical.is_none()) {
        let (domain, bus) = (entry.address.domain(), entry.address.bus());
        let guess = (!leads(domain, bus)).then_some(RootBus { domain, bus });
        roots.extend(entry.place.root.or(guess));
    }
    roots.sort_unstable();
    roots.dedup();
    roots
}

fn only_controller(entries: &[Entry]) -> Result<RequesterId, FabricError> {
    let found = entries.iter().filter(|entry| entry.is_controller());
    let found: Vec<_> = found.map(|entry| entry.address).collect();
    match found[..] {
        [only] => Ok(only),
        _ => Err(FabricError::WhichController { found }),
    }
}

/// The members of the function's IOMMU group.
fn group(directory: &Path) -> Option<Vec<RequesterId>> {
    let members = fs::read_dir(directory.join("iommu_group/devices")).ok()?;
    let mut members: Vec<_> =
        members.flatten().filter_map(|member| name_as_address(&member.path())).collect();
    members.sort_unstable();
    Some(members)
}

fn name_as_address(path: &Path) -> Option<RequesterId> {
    path.file_name()?.to_str()?.parse().ok()
}

fn number(path: &Path) -> Option<u8> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
