//! Which machine a figure is of: another one, or another build of squall, holds
//! another rate.

use std::fmt;
use std::num::NonZero;
use std::path::Path;

use serde::{Deserialize, Serialize};
use squall_record::store::files;

/// Most of a file of the kernel's that is read.
const BYTES_MAX: u64 = 1 << 20;

/// A machine, as far as it matters for a rate, and a build of squall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The system's own name for itself (`/etc/machine-id`); empty where there is
    /// none.
    id: String,
    /// Processors that squall may use.
    processors: usize,
    /// What they are.
    model: String,
    /// Version of squall.
    squall: String,
    /// Whether it was built without optimisation.
    unoptimised: bool,
}

impl Identity {
    /// The machine that this runs on.
    pub fn of_this() -> Self {
        let read = |path: &str| {
            let bytes = files::read(Path::new(path), BYTES_MAX).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let processors = read("/proc/cpuinfo");
        let model = processors
            .lines()
            .find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(':'));
        Self {
            id: read("/etc/machine-id").trim().to_owned(),
            processors: std::thread::available_parallelism().map_or(1, NonZero::get),
            model: model.map_or_else(String::new, |(_, name)| name.trim().to_owned()),
            squall: env!("CARGO_PKG_VERSION").to_owned(),
            unoptimised: cfg!(debug_assertions),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.processors {
            1 => f.write_str("processor")?,
            many => write!(f, "{many} processors")?,
        }
        if self.unoptimised {
            f.write_str(", by a build without optimisation")?;
        }
        Ok(())
    }
}
