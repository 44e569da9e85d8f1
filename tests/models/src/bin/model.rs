//! Runs one model: `model NAME [TWIN]`. A twin is meant to fail, which some do by abort: hence a process of its own.

#[cfg(loom)]
fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Some(scenario) = arguments.first().and_then(|name| hba_models::find(name)) else {
        for scenario in hba_models::scenario::all() {
            let twins: Vec<_> = scenario.twins.iter().map(|twin| twin.name).collect();
            eprintln!("{:<16} twins: {}", scenario.name, twins.join(", "));
        }
        return std::process::ExitCode::from(2);
    };
    let mut twin = "";
    if let Some(name) = arguments.get(1) {
        let Some(planted) = scenario.plant(name) else {
            eprintln!("{} has no twin {name:?}", scenario.name);
            return std::process::ExitCode::from(2);
        };
        twin = planted.name;
    }
    for (size, bound) in scenario.sizes {
        let count = scenario.explore(*size, *bound, twin);
        println!("{} of {size}, bound {bound:?}: {count} interleavings", scenario.name);
    }
    std::process::ExitCode::SUCCESS
}

#[cfg(not(loom))]
fn main() {}
