//! Four tasks write and read one simulated disk over four vectors.
use hba_core::{host::Data, logical_unit::Fua, runtime};
use scsi_proto::Lba;
use sim_backend::direct::{DirectConfig, DirectControl, DirectController, Facts};
use sim_backend::disk::{DiskConfig, SimDisk};
use sim_backend::{machine::SimMachine, memory::SimMemory, pulse::AsyncSimPlatform};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn core::error::Error>> {
    let memory = SimMemory::new(64 << 20);
    let machine = DirectController::new(Facts::default(), memory.device());
    let machine = SimMachine::new(machine, memory);
    machine.attach(0, SimDisk::new(&DiskConfig::nth(0, 4096))?)?;

    let platform = AsyncSimPlatform::new(machine.into());
    let (port, buffers) = (DirectControl::new(DirectConfig::default()), platform.buffers());
    let attached = runtime::attach::<_, _, Data>(port, platform, Default::default()).await?;
    let (hba, mut events, drivers) = attached.into_parts();
    tokio::spawn(drivers);
    let unit = hba.discover(&buffers).await?.units.remove(0);
    let tasks = [0, 1, 2, 3].map(|n| {
        let (hba, unit, buffer) = (hba.clone(), unit.clone(), buffers(4096));
        tokio::spawn(async move {
            let (written, data) = hba.write(&unit, Lba(8 * n), 8, Fua::Off, buffer.ok()).await;
            let (read, _data) = hba.read(&unit, Lba(8 * n), 8, data).await;
            let (written, read) = (written?.outcome, read?.outcome);
            Ok::<_, runtime::ExecuteError>(format!("task {n}: write {written}, read {read}"))
        })
    });
    for task in tasks {
        println!("{}", task.await??);
    }
    println!("flush: {}", hba.flush(&unit, None).await.0?);
    hba.shutdown([(&unit, None)]).await?;
    drop(hba);
    while let Some(event) = events.next().await {
        println!("event: {event}");
    }
    Ok(())
}
